import type { Call, Outcome } from './call.ts';
import { attemptKey } from './attempt.ts';
import { valueOf } from './context.ts';
import { isProaError } from './errors.ts';
import type { Address } from './ports.ts';

/**
 * What a layer did to a call. `refused`: it ended it; `repeated`, `gave-up`: more attempts, or no more of them; `waited`: it was held back; `chose`: where it
 * went; `changed`: the state of something that outlives the call; `answered`: by somebody else than the target; `slow`: it took long.
 */
export type DecisionKind = 'refused' | 'repeated' | 'gave-up' | 'waited' | 'chose' | 'changed' | 'answered' | 'slow';

/** One decision about a call. */
export interface Decision {
  /** The layer that decided; its place in the stack. */
  readonly role: string;
  readonly kind: DecisionKind;
  /** In one sentence, without anything that the caller wrote. */
  readonly what: string;
  /** Of whose stack: `outbound app orders`. */
  readonly target: string;
  /** Kind and name of the resource that asked for the layer. */
  readonly policy?: string;
  /** `file:line` where that was written. */
  readonly origin?: string;
  /** Number of the attempt, from 0. */
  readonly attempt: number;
}

/** Where an attempt goes. */
export interface Place {
  readonly instance: string;
  /** The socket of its runtime on this machine, or where runtimes of other machines reach it. */
  readonly local?: Address;
  readonly mesh?: Address;
}

/** One attempt of a call, as far as it is known. */
export interface TrailAttempt {
  readonly number: number;
  /** The instance and where it was reached. */
  endpoint?: string;
  /** `clock.mono()` instants; absent: that of the call. */
  startedMs?: number;
  endedMs?: number;
  outcome?: Outcome;
  /** State of its breaker when it began and when it had ended. */
  breakerBefore?: string;
  breakerAfter?: string;
  /** Calls under way at the endpoint, this one included. */
  inFlight?: number;
  waitedMs?: number;
  /** It waits for a place that this runtime gives: the target was not asked yet. */
  held?: boolean;
}

/** Calls from this long on are always told about. */
export const slowMs = 1_000;

const attemptsMax = 32;
const decisionsMax = 64;

/**
 * What happened to a call on its way. It is made for calls that are sampled, and for others at the first thing worth telling, so that a call that simply
 * succeeds never has one. Both lists are bounded; `lost` counts what did not fit.
 */
export class Trail {
  readonly attempts: TrailAttempt[] = [];
  readonly decisions: Decision[] = [];
  lost = 0;
}

/** The trail of a call; made when there is none yet. */
export function trailOf(call: Call<unknown>): Trail {
  const { end } = call;
  if (end.trail !== undefined) return end.trail;
  let outermost = end;
  while (outermost.of !== undefined) outermost = outermost.of;
  const trail = (outermost.trail ??= new Trail());
  end.trail = trail;
  // The attempt that is under way when the first thing happens is part of the story.
  if (end.place !== undefined) attemptOf(call);
  return trail;
}

/** The attempt that runs now. */
export function attemptOf(call: Call<unknown>): TrailAttempt {
  const { end } = call;
  if (end.attempt !== undefined) return end.attempt;
  const trail = end.trail ?? trailOf(call);
  if (end.attempt !== undefined) return end.attempt;
  const attempt: TrailAttempt = { number: valueOf(call.context, attemptKey) };
  if (end.place !== undefined) attempt.endpoint = placeText(end.place);
  end.attempt = attempt;
  if (trail.attempts.length < attemptsMax) trail.attempts.push(attempt);
  else trail.lost++;
  return attempt;
}

/** The instance, and its address when it is on another machine. */
export function placeText({ instance, local, mesh }: Place): string {
  if (local !== undefined || mesh === undefined) return instance;
  return `${instance} at ${'path' in mesh ? mesh.path : `${mesh.host}:${mesh.port}`}`;
}

/** An attempt is sent: `place` is where. */
export function sendAttempt(call: Call<unknown>, place: Place, nowMs: number): void {
  const attempt = attemptOf(call);
  attempt.endpoint = placeText(place);
  attempt.startedMs ??= nowMs;
}

/** The next attempt begins; what is told from now on belongs to it. `call` has its number. */
export function beginAttempt(call: Call<unknown>, nowMs: number): void {
  call.end.place = undefined;
  call.end.attempt = undefined;
  attemptOf(call).startedMs = nowMs;
}

/** How the current attempt ended, unless that is known already. */
export function endAttempt(call: Call<unknown>, outcome: Outcome, nowMs: number): void {
  const attempt = attemptOf(call);
  if (attempt.endedMs !== undefined) return;
  attempt.endedMs = nowMs;
  attempt.outcome = outcome;
}

/**
 * True when an attempt that ended so never reached its target: a layer of the caller's runtime refused it, or it was given up while it waited for one. Breakers,
 * ejection, hedges and retry budgets take no such end for the target's.
 */
export function neverAsked({ end }: Call<unknown>, error: unknown): boolean {
  return end.attempt?.held === true || (isProaError(error) && error.refusedAt === 'caller');
}

/** Adds a decision to the call's trail. */
export function noteDecision(call: Call<unknown>, decision: Omit<Decision, 'attempt'>): void {
  const trail = trailOf(call);
  if (trail.decisions.length < decisionsMax) trail.decisions.push({ ...decision, attempt: valueOf(call.context, attemptKey) });
  else trail.lost++;
}
