import type { SubscriptionSpec } from '../../contracts/app-channel.ts';

/**
 * One subscription per pub/sub and topic (Dapr reference 10.2): of declarative ones the first wins, a programmatic one replaces it, of several
 * programmatic ones the last wins.
 */
export function mergeSubscriptions(declared: readonly SubscriptionSpec[], programmatic: readonly SubscriptionSpec[]): SubscriptionSpec[] {
  const merged = new Map<string, SubscriptionSpec>();
  const keyOf = ({ pubsub, topic }: SubscriptionSpec): string => `${pubsub}||${topic}`;
  for (const spec of declared) if (!merged.has(keyOf(spec))) merged.set(keyOf(spec), spec);
  for (const spec of programmatic) merged.set(keyOf(spec), spec);
  return [...merged.values()];
}
