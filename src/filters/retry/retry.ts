import { untold, type Tell } from '../../contracts/decisions.ts';
import { derive, type Call, type Outcome } from '../../kernel/call.ts';
import { attemptKey, type Repeatable } from '../../kernel/attempt.ts';
import { withValue } from '../../kernel/context.ts';
import { formatDuration } from '../../kernel/duration.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Clock } from '../../kernel/ports.ts';
import type { Filter, Service } from '../../kernel/service.ts';
import { beginAttempt, endAttempt, neverAsked } from '../../kernel/trail.ts';
import type { Backoff } from './backoff.ts';
import type { RetryBudget } from './budget.ts';
import { failureOfError, isPermanent, type Failure } from './failure.ts';

export interface RetryOptions<In, Out> {
  readonly clock: Clock;
  /** Repetitions after the first attempt; `Infinity`: as long as the caller waits. */
  readonly retriesMax: number;
  /** No repetition begins later than this after the first attempt. */
  readonly elapsedMaxMs: number;
  readonly delayMs: Backoff;
  /** Which failures are worth another attempt; permanent ones are not asked about. */
  readonly matches: (failure: Failure, call: Call<In>) => boolean;
  /** Whether an error's own code counts as a status of the target. */
  readonly coded: boolean;
  /** An answer that counts as a failure; undefined when it is good. */
  readonly failureOf?: (output: Out) => Failure | undefined;
  /** Lets go of an answer that nobody will see. */
  readonly drop?: (output: Out) => void;
  /** Called before the first attempt; answers how to make the input of the next one, or undefined when it cannot be repeated. */
  readonly repeatable: (call: Call<In>) => Repeatable<In> | undefined;
  /** Absent: repetitions are not budgeted. */
  readonly budget?: RetryBudget;
  /** The longest wait that the other side may ask for; a longer one, or a refusal, ends the repetitions. Absent: what it asks is not looked at. */
  readonly pushbackMaxMs?: number;
  /** Told of every repetition. */
  readonly repeated?: () => void;
  /** Told what was done to which call. */
  readonly tell?: Tell;
}

/**
 * Repeats failed calls within deadline, budget and number. What an attempt took (permits, places) is given back before the next one; an answer that
 * counts as a failure is dropped only when another attempt follows, so the caller always gets the last one, and no attempt follows forwarded bytes.
 */
export function retry<In, Out>(options: RetryOptions<In, Out>): Filter<In, Out> {
  return (next) => (call) => {
    const repeatable = options.repeatable(call);
    if (repeatable === undefined) return next(call);
    options.budget?.deposit(options.clock.mono());
    const first = repeatable.first === call.input ? call : derive(call, { input: repeatable.first });
    return new Attempts(options, next, { call, repeatable, mark: call.end.mark, startedMs: -1 }).follow(next(first), 1);
  };
}

interface Logical<In> {
  readonly call: Call<In>;
  readonly repeatable: Repeatable<In>;
  readonly mark: number;
  startedMs: number;
}

/** The attempts of one call. */
class Attempts<In, Out> {
  readonly #options: RetryOptions<In, Out>;
  readonly #next: Service<In, Out>;
  readonly #logical: Logical<In>;
  /** Some attempt has reached the target: what follows are repetitions for it. */
  #asked = false;

  constructor(options: RetryOptions<In, Out>, next: Service<In, Out>, logical: Logical<In>) {
    this.#options = options;
    this.#next = next;
    this.#logical = logical;
    if (options.elapsedMaxMs !== Infinity) logical.startedMs = options.clock.mono();
  }

  follow(attempt: Promise<Out>, repetition: number): Promise<Out> {
    return attempt.then(
      (output) => {
        const failure = this.#options.failureOf?.(output);
        if (failure === undefined) return output;
        this.#asked = true;
        const delayMs = this.#waitOrTell(failure, repetition);
        if (delayMs < 0) return output;
        return this.#again({ failure, delayMs, repetition, output });
      },
      (thrown: unknown) => {
        const failure = failureOfError(thrown, this.#options.coded);
        this.#asked ||= !neverAsked(this.#logical.call, failure.error);
        if (!this.#asked) this.#options.budget?.takeBack(this.#options.clock.mono());
        const delayMs = this.#waitOrTell(failure, repetition);
        if (delayMs < 0) throw failure.error;
        return this.#again({ failure, delayMs, repetition, output: undefined });
      },
    );
  }

  /** As `#waitMs`, -1 when there will be none; the call's trail tells which, and why. */
  #waitOrTell(failure: Failure, repetition: number): number {
    const { clock, retriesMax, tell = untold } = this.#options;
    const { call } = this.#logical;
    const attempt = numbered(call, repetition - 1);
    endAttempt(attempt, outcomeOf(failure), clock.mono());
    const wait = this.#waitMs(failure, repetition);
    const failed = `attempt ${repetition} failed (${failureText(failure)})`;
    if (typeof wait === 'string') {
      tell(attempt, 'gave-up', `${failed}; not repeated: ${wait}`);
      return -1;
    }
    tell(
      attempt,
      'repeated',
      `${failed}; repetition ${repetition} of ${retriesMax} follows ${wait < 1 ? 'at once' : `in ${formatDuration(Math.round(wait))}`}`,
    );
    return wait;
  }

  /** How long to wait before the repetition, or why there will be none. */
  #waitMs(failure: Failure, repetition: number): number | string {
    const { clock, retriesMax, elapsedMaxMs, delayMs, matches, pushbackMaxMs, budget } = this.#options;
    const { call, startedMs } = this.#logical;
    if (call.cancel.cancelled) return 'the caller gave up';
    if (isPermanent(failure)) return 'repeating cannot help';
    if (!matches(failure, call)) return 'the policy does not repeat such failures';
    if (repetition > retriesMax) return `${retriesMax} is the most`;
    let wait = delayMs(repetition);
    if (pushbackMaxMs !== undefined && failure.retryAfterMs !== undefined) {
      if (failure.retryAfterMs < 0 || failure.retryAfterMs > pushbackMaxMs) return 'the other side does not want it soon';
      wait = Math.max(failure.retryAfterMs, wait);
    }
    const now = clock.mono();
    if (now + wait >= call.deadlineMs) return 'the deadline comes first';
    if (startedMs >= 0 && now + wait - startedMs > elapsedMaxMs) return 'the time for repetitions is over';
    // What never reached the target does not come to it a second time.
    if (budget !== undefined && this.#asked && !budget.withdraw(now)) return 'the retry budget is spent';
    return wait;
  }

  async #again(step: { failure: Failure; delayMs: number; repetition: number; output: Out | undefined }): Promise<Out> {
    const { failure, delayMs, repetition, output } = step;
    const { call, repeatable, mark } = this.#logical;
    const input = repeatable.again();
    if (input === undefined) {
      if (output !== undefined) return output;
      throw failure.error;
    }
    call.end.rewind(mark, outcomeOf(failure));
    if (output !== undefined) this.#options.drop?.(output);
    if (delayMs > 0) await pause(this.#options.clock, delayMs, call);
    if (call.cancel.cancelled) throw failure.error ?? new ProaError('cancelled', 'the caller gave up between two attempts');
    this.#options.repeated?.();
    if (!this.#asked) this.#options.budget?.deposit(this.#options.clock.mono());
    const next = derive(numbered(call, repetition), { input });
    beginAttempt(next, this.#options.clock.mono());
    return this.follow(this.#next(next), repetition + 1);
  }
}

function numbered<In>(call: Call<In>, attempt: number): Call<In> {
  return attempt === 0 ? call : derive(call, { context: withValue(call.context, attemptKey, attempt) });
}

function failureText({ error, code }: Failure): string {
  return error === undefined ? `status ${code ?? 'unknown'}` : error.code;
}

function outcomeOf({ error, code, retryAfterMs }: Failure): Outcome {
  const status = {
    ...(code !== undefined && code >= 100 && { status: code }),
    ...(retryAfterMs !== undefined && retryAfterMs >= 0 && { retryAfterMs }),
  };
  return error === undefined ? { ok: false, ...status, error: undefined } : { ok: false, ...status, error };
}

function pause(clock: Clock, delayMs: number, call: Call<unknown>): Promise<void> {
  return new Promise((resolve) => {
    const timer = clock.timer(delayMs, () => {
      unlink();
      resolve();
    });
    const unlink = call.cancel.onCancel(() => {
      timer.cancel();
      resolve();
    });
  });
}
