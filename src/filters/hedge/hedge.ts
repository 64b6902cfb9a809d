import { untold, type Tell } from '../../contracts/decisions.ts';
import { CallEnd, derive, type Call, type Outcome } from '../../kernel/call.ts';
import { CancelScope, type Cancellable } from '../../kernel/cancel.ts';
import { attemptKey, type Repeatable } from '../../kernel/attempt.ts';
import { withValue } from '../../kernel/context.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Clock, Timer } from '../../kernel/ports.ts';
import type { Filter, Service } from '../../kernel/service.ts';
import { attemptOf, beginAttempt, endAttempt, neverAsked } from '../../kernel/trail.ts';

export interface HedgeOptions<In, Out> {
  readonly clock: Clock;
  /** How long an attempt may be silent before another one starts beside it. */
  readonly afterMs: number;
  /** All attempts of a call, the first one included. */
  readonly attemptsMax: number;
  /** Whether a call may run twice at all. */
  readonly mayHedge: (call: Call<In>) => boolean;
  readonly repeatable: (call: Call<In>) => Repeatable<In> | undefined;
  /** True for an answer that another attempt might better. */
  readonly isBad: (output: Out) => boolean;
  readonly drop: (output: Out) => void;
  readonly budget: { deposit(nowMs: number): void; takeBack(nowMs: number): void; withdraw(nowMs: number): boolean };
  readonly hedged?: () => void;
  /** Told what was done to which call. */
  readonly tell?: Tell;
}

/**
 * Sends a slow call a second time and takes the first good answer ("The tail at scale", 2013); the others are cancelled. Each attempt has an end of its own,
 * so that what it took is given back when it loses. Attempts beyond the first are paid from the retry budget.
 */
export function hedge<In, Out>(options: HedgeOptions<In, Out>): Filter<In, Out> {
  return (next) => (call) => {
    if (!options.mayHedge(call)) return next(call);
    const repeatable = options.repeatable(call);
    if (repeatable === undefined) return next(call);
    options.budget.deposit(options.clock.mono());
    return new Promise<Out>((resolve, reject) => {
      new Race(options, { next, call, repeatable, resolve, reject }).start(repeatable.first);
    });
  };
}

interface Parts<In, Out> {
  readonly next: Service<In, Out>;
  readonly call: Call<In>;
  readonly repeatable: Repeatable<In>;
  readonly resolve: (output: Out) => void;
  readonly reject: (error: Error) => void;
}

interface Attempt {
  /** The call as this attempt carries it on. */
  readonly call: Call<unknown>;
  readonly scope: CancelScope;
  readonly end: CallEnd;
}

/** The attempts of one call. */
class Race<In, Out> implements Cancellable {
  readonly #options: HedgeOptions<In, Out>;
  readonly #parts: Parts<In, Out>;
  readonly #running = new Set<Attempt>();
  #timer: Timer | undefined;
  #started = 0;
  #over = false;
  #exhausted = false;

  constructor(options: HedgeOptions<In, Out>, parts: Parts<In, Out>) {
    this.#options = options;
    this.#parts = parts;
    parts.call.cancel.guard(this);
  }

  start(input: In): void {
    const { call, next } = this.#parts;
    const [scope, end] = [new CancelScope(), new CallEnd(call.end)];
    const context = this.#started === 0 ? call.context : withValue(call.context, attemptKey, this.#started);
    const sent = derive(call, { input, context, cancel: scope, end });
    const attempt: Attempt = { call: sent, scope, end };
    this.#running.add(attempt);
    if (this.#started > 0) beginAttempt(sent, this.#options.clock.mono());
    this.#started++;
    this.#arm();
    next(sent).then(
      (output) => this.#answered(attempt, output),
      (thrown: unknown) => this.#failed(attempt, ProaError.from(thrown)),
    );
  }

  #arm(): void {
    const { clock, afterMs, attemptsMax } = this.#options;
    this.#timer?.cancel();
    this.#timer = this.#started < attemptsMax && !this.#exhausted ? clock.timer(afterMs, () => this.#silent()) : undefined;
  }

  /** An attempt that waits for a place of this runtime is not slow: another one would wait behind it. */
  #silent(): void {
    for (const { call } of this.#running) if (neverAsked(call, undefined)) return this.#arm();
    this.#another();
  }

  /** Starts one more attempt when number, body and budget allow it. */
  #another(): boolean {
    const { clock, attemptsMax, budget, hedged, tell = untold } = this.#options;
    if (this.#over || this.#started >= attemptsMax || this.#exhausted || this.#parts.call.cancel.cancelled) return false;
    const input = this.#parts.repeatable.again();
    if (input === undefined || !budget.withdraw(clock.mono())) {
      this.#exhausted = true;
      return false;
    }
    hedged?.();
    // What runs already is the beginning of the story.
    for (const running of this.#running) attemptOf(running.call);
    tell(this.#parts.call, 'repeated', `attempt ${this.#started} is slow or failed; another one starts beside it`);
    this.start(input);
    return true;
  }

  #answered(attempt: Attempt, output: Out): void {
    if (this.#over) return this.#options.drop(output);
    if (!this.#options.isBad(output)) return this.#win(attempt, () => this.#parts.resolve(output));
    this.#running.delete(attempt);
    if (this.#running.size > 0 || this.#another()) {
      this.#lose(attempt, { ok: false });
      this.#options.drop(output);
      return undefined;
    }
    return this.#win(attempt, () => this.#parts.resolve(output));
  }

  #failed(attempt: Attempt, error: ProaError): void {
    this.#lose(attempt, { ok: false, error });
    if (this.#over || this.#running.size > 0) return;
    // What this runtime refused once it would refuse again.
    const refused = neverAsked(attempt.call, error);
    if (refused && this.#started === 1) this.#options.budget.takeBack(this.#options.clock.mono());
    if (!refused && error.spec.retry !== 'never' && this.#another()) return;
    this.#finish();
    this.#parts.reject(error);
  }

  #lose(attempt: Attempt, outcome: Outcome): void {
    this.#running.delete(attempt);
    // Only a call with several attempts has a story of single ones.
    if (this.#started > 1) endAttempt(attempt.call, outcome, this.#options.clock.mono());
    attempt.end.fire(outcome);
  }

  #win(attempt: Attempt, answer: () => void): void {
    this.#running.delete(attempt);
    this.#finish();
    // An error costs more than all the rest, and mostly nobody lost.
    if (this.#running.size > 0) this.cancel(new ProaError('cancelled', 'another attempt of the same call answered first'));
    const { call } = this.#parts;
    call.end.listen((outcome) => attempt.end.fire(outcome));
    call.cancel.guard(attempt.scope);
    answer();
  }

  /** The caller went away, or an attempt won: what still runs is given up. */
  cancel(reason: unknown): void {
    for (const attempt of this.#running) {
      attempt.scope.cancel(reason);
      this.#lose(attempt, { ok: false, error: reason });
    }
  }

  #finish(): void {
    this.#over = true;
    this.#timer?.cancel();
    this.#parts.call.cancel.release(this);
  }
}
