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
  /** Breakers kept per target: calls to apps have one per method. */
  readonly cacheSize: number;
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
  readonly breaker?: CountingBreakerSettings;
}

export type PolicyClass = keyof Settings;

/** One rule of one resource. */
export interface PolicyRule {
  /** The kind and name of the resource: `Resiliency "shop"`. */
  readonly resource: string;
  readonly target: RuleTarget;
  readonly match?: Match;
  readonly settings: Settings;
  /** Where each class was written, `file:line`. */
  readonly origins: Readonly<Partial<Record<PolicyClass, string>>>;
  /** `default`: only where no rule names the target (Dapr's default policies). */
  readonly rank: 'named' | 'default';
}

/** Everything that applies to one app, ready to be compiled: rules, Dapr's overrides of what is built in, and trip conditions by their text. */
export interface PolicyDocument {
  readonly rules: readonly PolicyRule[];
  readonly builtIn: { readonly serviceRetries: RetrySettings };
  readonly trips: ReadonlyMap<string, Trips>;
}

/** Dapr's built-in retries of service invocation (reference 10.4). */
export const builtInServiceRetries: RetrySettings = {
  backoff: { kind: 'constant', delayMs: 1_000 },
  retriesMax: 3,
  elapsedMaxMs: Infinity,
  when: 'absent',
};

/** No policies: what is built in. */
export const noPolicies: PolicyDocument = { rules: [], builtIn: { serviceRetries: builtInServiceRetries }, trips: new Map() };
