/**
 * The shard of a key (FNV-1a with a final mix). Fixed for good: records are stored by it.
 */
export function shardOf(key: string, shards: number): number {
  return mixed(hashOf(key)) % shards;
}

/**
 * Which member each shard belongs to, by rendezvous hashing: everyone who knows the same members computes the same, and when a member comes or goes only
 * its own shards move. No members: nobody.
 */
export function shareOut(members: readonly string[], shards: number): (string | undefined)[] {
  const hashes = members.map(hashOf);
  return Array.from({ length: shards }, (_, index) => members[highest(hashes, members, index)]);
}

function highest(hashes: readonly number[], members: readonly string[], index: number): number {
  const salt = mixed(index + 0x9e3779b9);
  let best = -1;
  let bestScore = -1;
  for (let i = 0; i < hashes.length; i++) {
    const score = mixed((hashes[i] as number) ^ salt);
    // Of equal scores the name decides, so that the order of the list does not.
    if (score > bestScore || (score === bestScore && (members[i] as string) < (members[best] as string))) [best, bestScore] = [i, score];
  }
  return best;
}

function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

/** The finaliser of MurmurHash3: every bit of the input moves every bit of the answer. */
function mixed(hash: number): number {
  let h = hash >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
