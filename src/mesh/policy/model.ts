import type { DeclaredRollout } from '../rollout/declared.ts';
import type { BalanceSettings } from '../balance/plan.ts';
import type { Priority } from '../../kernel/call.ts';
import type { AdmissionSettings, AuthoriseSettings, FaultSettings, MirrorSettings, SplitSettings } from './access-model.ts';
import type { FallbackSettings, LimitSettings, SystemSettings } from './flow-model.ts';
import type { Trips } from './trip.ts';

/** Where a rule applies. `app: '*'` and `component: '*'` mean all; what is named wins over what is not. */
export type RuleTarget =
  | { readonly kind: 'app'; readonly app: string; readonly at: 'caller' | 'callee' }
  | { readonly kind: 'component'; readonly component: string; readonly direction: 'outbound' | 'inbound'; readonly block?: string }
  | { readonly kind: 'actor'; readonly type: string };

/** What a header must be like. */
export type HeaderMatch =
  | { readonly name: string; readonly exact: string }
  | { readonly name: string; readonly prefix: string }
  | { readonly name: string; readonly present: boolean };

/** Which calls of the target; every part that is there must hold. */
export interface Match {
  /** HTTP methods, in capitals. */
  readonly methods?: readonly string[];
  /** `/orders/{id}`, `/orders/*`, `/orders/**`; the last one also matches `/orders`. */
  readonly path?: string;
  /** App ids of the callers. */
  readonly callers?: readonly string[];
  readonly headers?: readonly HeaderMatch[];
  readonly cookies?: readonly HeaderMatch[];
  /** Operations of a component: `get`, `set`, `publish` ... */
  readonly operations?: readonly string[];
}

export interface RetrySettings {
  readonly backoff:
    | { readonly kind: 'constant'; readonly delayMs: number }
    | {
        readonly kind: 'exponential';
        readonly initialMs: number;
        readonly factor: number;
        readonly maxMs: number;
        readonly jitter: 'around' | 'full';
      };
  /** Repetitions; `Infinity`: as long as the caller waits. */
  readonly retriesMax: number;
  readonly elapsedMaxMs: number;
  /**
   * `dapr`: every failure, unless codes are given; `proa`: what the error or status says may be repeated, never an overload without the other side's leave;
   * `absent`: only a target that is not there.
   */
  readonly when: 'dapr' | 'proa' | 'absent';
  readonly httpCodes?: string;
  readonly grpcCodes?: string;
  /** Absent: not budgeted. */
  readonly budget?: BudgetSettings;
  /** The longest wait that the other side may ask for. Absent: not looked at. */
  readonly pushbackMaxMs?: number;
}

export interface CountingBreakerSettings {
  readonly kind: 'counting';
  readonly requestsMax: number;
  readonly intervalMs: number;
  readonly openMs: number;
  /** CEL; absent: more than five failures in a row. */
  readonly trip?: string;
  /** Calls to apps have a breaker per method; actors have one per type (`target`), per id, or both. */
  readonly per: 'method' | 'target' | 'id' | 'both';
  /** Breakers kept per target at most. */
  readonly cacheSize: number;
}

export interface WindowBreakerSettings {
  readonly kind: 'window';
  /** Whose failures count together; `endpoint`: each instance of the app has a breaker of its own, and balancing goes around the open ones. */
  readonly per: 'endpoint' | 'target' | 'method';
  readonly cacheSize: number;
  readonly consecutive: number;
  readonly errorRatio: number;
  readonly slowRatio: number;
  readonly slowMs: number;
  readonly requestsMin: number;
  readonly windowMs: number;
  readonly openMs: number;
  readonly openMaxMs: number;
  readonly rampMs: number;
}

export interface BulkheadSettings {
  readonly concurrencyMax: number;
  readonly queueMax: number;
  readonly waitMaxMs: number;
}

export interface BudgetSettings {
  readonly ratio: number;
  readonly perSecond: number;
}

export interface HedgeSettings {
  readonly afterMs: number;
  readonly attemptsMax: number;
  readonly budget: BudgetSettings;
}

/** Every class of policy and its parameters. A rule sets some of them. */
export interface Settings {
  readonly deadline?: { readonly withinMs: number };
  readonly hedge?: HedgeSettings;
  readonly timeout?: { readonly timeoutMs: number };
  readonly retry?: RetrySettings;
  readonly breaker?: CountingBreakerSettings | WindowBreakerSettings;
  readonly bulkhead?: BulkheadSettings;
  readonly balance?: BalanceSettings;
  readonly admission?: AdmissionSettings;
  readonly priority?: Priority;
  readonly fault?: FaultSettings;
  readonly authorise?: AuthoriseSettings;
  readonly split?: SplitSettings;
  readonly mirror?: MirrorSettings;
  readonly limits?: readonly LimitSettings[];
  readonly system?: SystemSettings;
  readonly fallback?: FallbackSettings;
}

export type PolicyClass = keyof Settings;

/** One rule of one resource. */
export interface PolicyRule {
  /** The kind and name of the resource: `Resiliency "shop"`. */
  readonly resource: string;
  readonly target: RuleTarget;
  readonly match?: Match;
  readonly settings: Settings;
  /** Where each class, and each value in it (`retry.maxRetries`), was written, `file:line`. */
  readonly origins: Readonly<Partial<Record<PolicyClass, string>>> & Readonly<Record<string, string>>;
  /** `default`: only where no rule names the target (Dapr's default policies). */
  readonly rank: 'named' | 'default';
}

/** Everything that applies to one app, ready to be compiled: rules, Dapr's overrides of what is built in, and trip conditions by their text. */
export interface PolicyDocument {
  readonly rules: readonly PolicyRule[];
  readonly builtIn: {
    readonly serviceRetries: RetrySettings;
    readonly actorRetries: RetrySettings;
    /** Of reminders without a failure policy of their own; absent: three times, a second apart. */
    readonly reminderRetries?: RetrySettings;
  };
  readonly trips: ReadonlyMap<string, Trips>;
  /** Rollouts that files ask for; where they stand is in the engine. */
  readonly rollouts: readonly DeclaredRollout[];
}

/** Dapr's built-in retries of service invocation and of calls of actors (reference 10.4). */
export const builtInServiceRetries: RetrySettings = {
  backoff: { kind: 'constant', delayMs: 1_000 },
  retriesMax: 3,
  elapsedMaxMs: Infinity,
  when: 'absent',
};

/** No policies: what is built in. */
export const noPolicies: PolicyDocument = {
  rules: [],
  builtIn: { serviceRetries: builtInServiceRetries, actorRetries: builtInServiceRetries },
  trips: new Map(),
  rollouts: [],
};
