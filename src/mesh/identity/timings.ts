/** How long certificates live and when they are renewed, in milliseconds. */
export interface IdentityTimings {
  readonly leafMs: number;
  /** Clocks of two machines may differ by this much. */
  readonly skewMs: number;
  readonly rootMs: number;
  /** A new root is trusted for this long before it signs: by then every workload has heard of it. */
  readonly overlapMs: number;
}

export const identityTimings: IdentityTimings = {
  leafMs: 3_600_000,
  skewMs: 15 * 60_000,
  rootMs: 365 * 86_400_000,
  overlapMs: 2 * 3_600_000,
};
