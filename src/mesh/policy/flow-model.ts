import type { StickyKey } from '../balance/plan.ts';
import type { FallbackCause } from '../../filters/fallback/fallback.ts';

/** What a limit counts separately. */
export type LimitKey = StickyKey | { readonly from: 'query'; readonly name: string };

/** One limit: a rate, or a number of calls under way. */
export interface LimitSettings {
  readonly requests?: number;
  readonly perMs: number;
  readonly concurrent?: number;
  /** What happens to calls beyond a rate, and whether the rate grows from cold. */
  readonly mode: 'reject' | 'queue' | 'warm-up' | 'warm-up-queue';
  readonly waitMaxMs: number;
  readonly warmUpMs: number;
  readonly coldFactor: number;
  /** Absent: all calls count together. */
  readonly by?: LimitKey;
  /** The rate is that of all runtimes of one engine which use this name. */
  readonly quota?: string;
  /** The most keys that are remembered. */
  readonly keysMax: number;
  /** Values of the key with a limit of their own. */
  readonly items: readonly { readonly value: string; readonly limit: number }[];
  /** Only calls of these apps count. */
  readonly callers?: readonly string[];
  /** Calls of these apps do not count. */
  readonly exceptCallers?: readonly string[];
  /** Refuses while the calls of this path, not those of the own match, reach the rate. */
  readonly whileBusy?: string;
}

export interface SystemSettings {
  readonly utilisationMax: number;
  readonly requestsMax: number;
  readonly concurrentMax: number;
  readonly averageMaxMs: number;
}

export interface FallbackSettings {
  readonly on: readonly FallbackCause[];
  readonly answer:
    | { readonly kind: 'answer'; readonly status: number; readonly headers: readonly string[]; readonly body: string }
    | { readonly kind: 'cached'; readonly ageMaxMs: number; readonly entriesMax: number }
    | { readonly kind: 'app'; readonly app: string };
}
