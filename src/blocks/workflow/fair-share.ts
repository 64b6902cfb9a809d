/** What one runtime has of a limit that all runtimes of an app count together. */
export interface Share {
  readonly places: number;
  /** Its row counts until then, on the engine's clock: the places of a runtime that died come free by themselves. */
  readonly untilMs: number;
  /** Work waits there, and since when it has been its turn least: 0, nothing waits. */
  readonly waitsSinceMs: number;
}

/** Whom a share is reckoned for. */
export interface Claim {
  readonly name: string;
  /** Places under work that cannot be given back now. */
  readonly busy: number;
  /** Places that it could use, `busy` included. */
  readonly wanted: number;
  /** Places that it may keep although it does not use them now, as long as nobody else waits. */
  readonly spare: number;
  /** 0: nothing waits. */
  readonly waitsSinceMs: number;
}

/**
 * How many places of `max` a runtime takes or keeps, given what the others hold. Whoever waits longest comes first, up to an even share; what nobody claims is for whoever can use
 * it. All runtimes reckon the same, each when it writes its row, so that together they never hold more than `max`.
 */
export function fairShare(max: number, others: ReadonlyMap<string, Share>, claim: Claim): number {
  const rows = [...others].map(([name, share]) => ({ name, ...share }));
  const free = Math.max(0, max - rows.reduce((sum, { places }) => sum + places, 0));
  const waiters = rows.filter(({ waitsSinceMs }) => waitsSinceMs > 0);
  if (waiters.length === 0) return Math.max(claim.busy, Math.min(free, Math.max(claim.wanted, claim.spare)));
  const active = rows.filter(({ places, waitsSinceMs }) => places > 0 || waitsSinceMs > 0).length + (claim.wanted > 0 ? 1 : 0);
  const even = Math.max(1, Math.floor(max / active));
  const owed = waiters
    .filter((waiter) => waiter.places < even && comesBefore(waiter, claim))
    .reduce((sum, { places }) => sum + even - places, 0);
  return Math.max(claim.busy, Math.min(claim.wanted, Math.max(0, free - owed)));
}

function comesBefore(waiter: { readonly name: string; readonly waitsSinceMs: number }, claim: Claim): boolean {
  if (claim.waitsSinceMs === 0 || waiter.waitsSinceMs < claim.waitsSinceMs) return true;
  return waiter.waitsSinceMs === claim.waitsSinceMs && waiter.name < claim.name;
}
