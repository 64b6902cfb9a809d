/** After how long without a sign of life a runtime's shards go to others: noticed after that time and a third of it, by default in time for a fail-over within 5 s. */
export const placementTtl = { usualMs: 3_000, minMs: 300, maxMs: 600_000 } as const;

/** True for a time that `placementTtl` allows. */
export function isPlacementTtl(ttlMs: number): boolean {
  return ttlMs >= placementTtl.minMs && ttlMs <= placementTtl.maxMs;
}
