import { ProaError } from '../../kernel/errors.ts';
import { durationMs, type Duration } from './duration.ts';

/** How often something is tried, and how long to wait between. */
export interface RetryOptions {
  /** The first one included; default 5. `Infinity`: until it works. */
  readonly attempts?: number;
  /** The first wait and the longest one, as `2s..1m`, or one wait for all; default `500ms..30s`. */
  readonly backoff?: Duration;
  /** By what the wait grows; default 2. */
  readonly factor?: number;
  /** No further attempt begins when so much time has passed since the first one. */
  readonly within?: Duration;
  /** False ends the attempts. Called again in replays: it must depend on nothing but the error. Absent: all errors but those that say that the question was wrong. */
  readonly retryIf?: (error: ProaError) => boolean;
}

/** `false`: one attempt. */
export type Retry = RetryOptions | false;

export interface RetryPolicy {
  readonly attempts: number;
  readonly firstMs: number;
  readonly longestMs: number;
  readonly factor: number;
  readonly withinMs: number;
  readonly retryIf?: (error: ProaError) => boolean;
}

/** One attempt. */
export const once: RetryPolicy = { attempts: 1, firstMs: 0, longestMs: 0, factor: 1, withinMs: Infinity };

/** Reads one. Fails with `bad-request` for what cannot be; `what` says whose it is. */
export function retryPolicy(retry: Retry | undefined, what: string): RetryPolicy {
  if (retry === false) return once;
  const { attempts = 5, backoff = '500ms..30s', factor = 2, within, retryIf } = retry ?? {};
  if (!(attempts === Infinity || (Number.isInteger(attempts) && attempts >= 1)))
    throw new ProaError('bad-request', `retry.attempts of ${what} is ${attempts}; it must be 1 or more`);
  if (!(factor >= 1)) throw new ProaError('bad-request', `retry.factor of ${what} is ${factor}; it must be 1 or more`);
  const [first, last, more] = typeof backoff === 'string' ? backoff.split('..') : [backoff];
  const name = `retry.backoff of ${what}`;
  if (more !== undefined) throw new ProaError('bad-request', `${name} is ${JSON.stringify(backoff)}; write it as "2s..1m"`);
  const firstMs = durationMs(first as Duration, name);
  return {
    attempts,
    firstMs,
    longestMs: Math.max(firstMs, last === undefined ? firstMs : durationMs(last, name)),
    factor,
    withinMs: within === undefined ? Infinity : durationMs(within, `retry.within of ${what}`),
    ...(retryIf !== undefined && { retryIf }),
  };
}

/** How long to wait after that many failed attempts. */
export function waitMs({ firstMs, longestMs, factor }: RetryPolicy, failed: number): number {
  return Math.min(longestMs, firstMs * factor ** (failed - 1));
}
