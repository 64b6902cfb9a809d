/** True when the pattern is the topic, or ends in `*` and the topic goes on from what stands before it (by at least one character), as in Dapr. */
export function topicMatches(pattern: string, topic: string): boolean {
  if (pattern === topic) return true;
  return pattern.endsWith('*') && topic.length >= pattern.length && topic.startsWith(pattern.slice(0, -1));
}
