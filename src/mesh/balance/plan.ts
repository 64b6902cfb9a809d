import type { Tell } from '../../contracts/decisions.ts';
import type { Breaker } from '../../filters/breaker/breaker.ts';

export type StickyKey = { readonly from: 'header' | 'cookie'; readonly name: string } | { readonly from: 'caller' | 'path' };

export interface OutlierSettings {
  /** Failures in a row that eject; 0: never. */
  readonly consecutive: number;
  /** Share of failures (0 to 1) within an interval that ejects; 0: not looked at. */
  readonly failureRatio: number;
  /** Calls within an interval below which the share says nothing. */
  readonly requestsMin: number;
  readonly intervalMs: number;
  /** How long the first ejection lasts; each further one lasts once longer, up to `ejectionMaxMs`. */
  readonly ejectionMs: number;
  readonly ejectionMaxMs: number;
  /** The largest share of endpoints that is ejected. */
  readonly ejectedShareMax: number;
}

export interface BalanceSettings {
  readonly policy: 'p2c-ewma' | 'round-robin' | 'least-request' | 'random' | 'weighted' | 'ring-hash' | 'maglev';
  /** For ring-hash and maglev. */
  readonly key?: StickyKey;
  /** Endpoints of the own zone are preferred while at least this share of them is usable; 0: zones do not matter. */
  readonly zoneShareMin: number;
  /** A new endpoint gets its full share only after this long. */
  readonly slowStartMs: number;
  readonly outlier: OutlierSettings;
  /** Below this share of usable endpoints all of them are used: it is then likelier that we are wrong. */
  readonly panicShare: number;
}

/** The breaker that each endpoint gets. */
export interface EndpointBreakers {
  /** Unique per policy: endpoints keep one breaker for each. */
  readonly key: string;
  make(instance: string): Breaker;
  /** Statuses from here count as failures. */
  readonly badFrom: number;
}

/** How the calls of one stack are balanced. Its identity is that of what is remembered for it. */
export interface BalancePlan {
  readonly settings: BalanceSettings;
  readonly breakers?: EndpointBreakers;
  /** Tell what balancing and the breakers of endpoints did to a call. Absent: without a policy. */
  tell?: Tell;
  tellBreaker?: Tell;
}

/** What holds without a policy. */
export const defaultBalance: BalanceSettings = {
  policy: 'p2c-ewma',
  zoneShareMin: 0.7,
  slowStartMs: 0,
  outlier: {
    consecutive: 5,
    failureRatio: 0,
    requestsMin: 20,
    intervalMs: 10_000,
    ejectionMs: 10_000,
    ejectionMaxMs: 300_000,
    ejectedShareMax: 0.5,
  },
  panicShare: 0.5,
};

/** The plan of calls without a policy. */
export const defaultPlan: BalancePlan = { settings: defaultBalance };
