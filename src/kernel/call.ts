import { CancelScope, type Cancellation } from './cancel.ts';
import { emptyContext, type Context } from './context.ts';
import type { Clock } from './ports.ts';
import type { Place, Trail, TrailAttempt } from './trail.ts';

/** What is asked for. `idempotent` decides whether a layer may repeat or hedge the call by itself. */
export interface Operation {
  readonly block: string;
  readonly name: string;
  readonly idempotent: boolean;
}

/** Lower values are shed first under overload. */
export type Priority = 'critical' | 'default' | 'sheddable';

/**
 * Who calls. `appId` comes from a verified channel (the listener that belongs to the app, or the peer's identity), never
 * from a header that the caller wrote.
 */
export interface Caller {
  readonly appId: string;
  readonly namespace: string;
}

/** How a call ended. `status` is the HTTP status where one exists; `error` is set exactly when `ok` is false. */
export interface Outcome {
  readonly ok: boolean;
  readonly status?: number;
  readonly error?: unknown;
  /** The answer was known in the turn of the call: it took no time that is worth a look at the clock. */
  readonly atOnce?: true;
  /** How long the other side asked to be left alone. */
  readonly retryAfterMs?: number;
}

/** An immutable request. Layers that change something make a new one with `derive`; most only look. */
export interface Call<In> {
  readonly operation: Operation;
  readonly input: In;
  readonly context: Context;
  /** A `clock.mono()` instant in milliseconds; `Infinity` without a deadline. */
  readonly deadlineMs: number;
  readonly priority: Priority;
  readonly caller: Caller;
  readonly cancel: Cancellation;
  readonly end: CallEnd;
}

/** The end of a call: fired exactly once, at the last byte, at abort or at abandonment, whichever comes first. */
export class CallEnd {
  #outcome: Outcome | undefined;
  #first: ((outcome: Outcome) => void) | undefined;
  #rest: ((outcome: Outcome) => void)[] | undefined;
  #atMs: number | undefined = undefined;
  /** The end of the call to which an attempt belongs that has an end of its own; they share a trail. */
  readonly of: CallEnd | undefined;
  /** What happened on the way, when there is anything to tell (`trailOf`). */
  trail: Trail | undefined;
  /** Where the current attempt went: one field, so that a call that succeeds pays for no more. */
  place: Place | undefined = undefined;
  /** The current attempt, once there is a trail. */
  attempt: TrailAttempt | undefined = undefined;

  constructor(of?: CallEnd) {
    this.of = of;
    this.trail = of?.trail;
  }

  get outcome(): Outcome | undefined {
    return this.#outcome;
  }

  /** The `mono` instant of the end, for listeners: all of one call are told in the same turn, so the clock is read once. Before the end: now. */
  atMs(clock: Pick<Clock, 'mono'>): number {
    return this.#outcome === undefined ? clock.mono() : (this.#atMs ??= clock.mono());
  }

  /** Adds a listener; innermost layers are added last and run first, so that permits are returned inside out. */
  listen(listener: (outcome: Outcome) => void): void {
    if (this.#outcome !== undefined) listener(this.#outcome);
    else if (this.#first === undefined) this.#first = listener;
    else (this.#rest ??= []).push(listener);
  }

  /** How many listeners wait: where a later `rewind` has to stop. */
  get mark(): number {
    return this.#first === undefined ? 0 : 1 + (this.#rest?.length ?? 0);
  }

  /** Ends what was added since `mark`, inside out, and not the call: one attempt is over and another follows. */
  rewind(mark: number, outcome: Outcome): void {
    const rest = this.#rest;
    if (rest !== undefined) while (rest.length > 0 && rest.length >= mark) rest.pop()?.(outcome);
    if (mark > 0) return;
    const first = this.#first;
    this.#first = undefined;
    first?.(outcome);
  }

  /** Ends the call; a second call changes nothing and returns false. */
  fire(outcome: Outcome): boolean {
    if (this.#outcome !== undefined) return false;
    this.#outcome = outcome;
    const rest = this.#rest;
    if (rest !== undefined) for (let i = rest.length - 1; i >= 0; i--) rest[i]?.(outcome);
    this.#first?.(outcome);
    this.#first = undefined;
    this.#rest = undefined;
    return true;
  }
}

/** What may be given when a call is made; everything else has a neutral default. */
export interface CallOptions {
  readonly context?: Context;
  readonly deadlineMs?: number;
  readonly priority?: Priority;
  readonly caller?: Caller;
  readonly cancel?: Cancellation;
}

const nobody: Caller = { appId: '', namespace: '' };

/** Makes a call. Whoever makes it must end it with `call.end.fire`. */
export function createCall<In>(operation: Operation, input: In, options: CallOptions = {}): Call<In> {
  return {
    operation,
    input,
    context: options.context ?? emptyContext,
    deadlineMs: options.deadlineMs ?? Infinity,
    priority: options.priority ?? 'default',
    caller: options.caller ?? nobody,
    cancel: options.cancel ?? new CancelScope(),
    end: new CallEnd(),
  };
}

/** The same call with another input: `derive` for layers that change nothing else. */
export function withInput<In2>(call: Call<unknown>, input: In2): Call<In2> {
  const { operation, context, deadlineMs, priority, caller, cancel, end } = call;
  return { operation, input, context, deadlineMs, priority, caller, cancel, end };
}

/** The same call with some parts replaced; it shares cancellation and end with the original unless told otherwise. */
export function derive<In, In2 = In>(call: Call<In>, changes: Partial<Omit<Call<In2>, 'input'>> & { readonly input?: In2 }): Call<In2> {
  return {
    operation: changes.operation ?? call.operation,
    input: 'input' in changes ? (changes.input as In2) : (call.input as unknown as In2),
    context: changes.context ?? call.context,
    deadlineMs: changes.deadlineMs ?? call.deadlineMs,
    priority: changes.priority ?? call.priority,
    caller: changes.caller ?? call.caller,
    cancel: changes.cancel ?? call.cancel,
    end: changes.end ?? call.end,
  };
}
