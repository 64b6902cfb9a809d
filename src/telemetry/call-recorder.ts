import type { InvokeRequest } from '../contracts/app-channel.ts';
import { stackName, type CallRecord, type CallRecorder, type CallRecords, type RecordedAttempt } from '../contracts/decisions.ts';
import type { Target } from '../contracts/governance.ts';
import { attemptKey } from '../kernel/attempt.ts';
import type { Call, Outcome } from '../kernel/call.ts';
import { valueOf } from '../kernel/context.ts';
import { ProaError } from '../kernel/errors.ts';
import { flatText } from '../kernel/flat-text.ts';
import type { Clock } from '../kernel/ports.ts';
import { isRecorded, isSampled, traceKey } from '../kernel/trace-context.ts';
import { slowMs, trailOf, type Decision, type Trail, type TrailAttempt } from '../kernel/trail.ts';
import { clipped, pathShape } from './harmless.ts';

export interface CallRecorderOptions {
  readonly clock: Clock;
  readonly records: CallRecords;
  /** Whose runtime this is. */
  readonly appId: string;
  readonly target: Target;
  /** Number of the policies' version from which the stack is compiled. */
  readonly epoch: number;
}

/** Records the calls of one stack: those that are sampled, those that have something to tell, and those that failed or took long. Others cost two comparisons. */
export function createCallRecorder(options: CallRecorderOptions): CallRecorder {
  const { appId, target, epoch } = options;
  const teller: Teller = { appId, target, epoch, stack: stackName(target), shownName: clipped(target.name) };
  return {
    begin(call) {
      if (isRecorded(valueOf(call.context, traceKey))) trailOf(call);
    },
    end(call, outcome, tookMs = 0) {
      const { trail } = call.end;
      if (trail === undefined && outcome.ok && tookMs < slowMs && (outcome.status === undefined || outcome.status < 500)) return;
      record(options, teller, { call, outcome, tookMs, trail: trail ?? trailOf(call) });
    },
  };
}

/** What all records of a stack say. */
interface Teller extends Pick<CallRecorderOptions, 'appId' | 'target' | 'epoch'> {
  readonly stack: string;
  readonly shownName: string;
}

interface Ending {
  readonly call: Call<unknown>;
  readonly outcome: Outcome;
  readonly tookMs: number;
  readonly trail: Trail;
}

/** What a record is made of: nothing of it changes any more, and it holds neither body nor headers of the call. */
interface Ended extends Omit<Ending, 'call'>, Pick<Call<unknown>, 'operation' | 'caller' | 'deadlineMs'> {
  readonly traceparent: string;
  /** Number of the attempt. */
  readonly number: number;
  readonly method: string | undefined;
  readonly path: string | undefined;
  readonly nowMs: number;
  readonly startedAtMs: number;
}

function record({ clock, records }: CallRecorderOptions, teller: Teller, { call, outcome, tookMs, trail }: Ending): void {
  const { traceparent } = valueOf(call.context, traceKey);
  // Without an id nobody could ask for it.
  if (traceparent === '') return;
  const { operation, caller, deadlineMs } = call;
  const { httpMethod: method, path } = teller.target.block === 'invoke' ? (call.input as InvokeRequest) : noRequest;
  const number = valueOf(call.context, attemptKey);
  const times = { nowMs: clock.mono(), startedAtMs: clock.now() - tookMs };
  const ended: Ended = { operation, caller, deadlineMs, outcome, tookMs, trail, traceparent, number, method, path, ...times };
  // What an attempt that nobody waits for still does to the trail is no longer part of the story.
  if (outcome.ok && trail.decisions.length === 0) records.add(() => recordOf(teller, ended));
  else {
    const told = recordOf(teller, ended);
    records.add(() => told);
  }
}

const noRequest: { readonly httpMethod?: undefined; readonly path?: undefined } = {};

function recordOf({ appId, target, epoch, stack, shownName }: Teller, ended: Ended): CallRecord {
  const { operation, caller, deadlineMs, outcome, tookMs, trail, traceparent, number, method, path, nowMs, startedAtMs } = ended;
  const startedMs = nowMs - tookMs;
  const outbound = target.direction === 'outbound';
  // Within one process both halves share a trail: each tells what its own layers did.
  const decisions = trail.decisions.filter((decision) => decision.target === stack && (outbound || decision.attempt === number));
  const attempts = outbound ? trail.attempts.map((attempt) => attemptIn({ startedMs, nowMs, outcome }, attempt)) : [];
  const ok = outcome.ok && (outcome.status ?? 0) < 500;
  return {
    // Cut from a head or from many traces at once, and kept for long.
    traceId: flatText(traceparent.slice(3, 35)),
    app: appId,
    side: target.direction,
    block: target.block,
    target: shownName,
    operation: target.operation,
    caller: caller.appId,
    ...(path !== undefined && method !== undefined && { method, path: pathShape(path) }),
    epoch,
    startedAtMs,
    tookMs,
    ok,
    ...(outcome.status !== undefined && { status: outcome.status }),
    ...(outcome.error !== undefined && { error: errorOf(outcome.error, operation.block === 'invoke' ? path : undefined) }),
    ...(deadlineMs !== Infinity && { deadlineLeftMs: deadlineMs - nowMs }),
    flags: flagsOf({ traceparent, tookMs, ok, attempts, decisions }),
    attempts,
    decisions,
    lost: trail.lost,
  };
}

function attemptIn(call: { startedMs: number; nowMs: number; outcome: Outcome }, attempt: TrailAttempt): RecordedAttempt {
  const startedMs = attempt.startedMs ?? call.startedMs;
  const outcome = attempt.outcome ?? call.outcome;
  const { number, endpoint, breakerBefore, breakerAfter, inFlight, waitedMs } = attempt;
  return {
    number,
    ...(endpoint !== undefined && { endpoint }),
    atMs: startedMs - call.startedMs,
    tookMs: (attempt.endedMs ?? call.nowMs) - startedMs,
    ok: outcome.ok && (outcome.status ?? 0) < 500,
    ...(outcome.status !== undefined && { status: outcome.status }),
    ...(outcome.error !== undefined && { error: ProaError.from(outcome.error).code }),
    ...(breakerBefore !== undefined && { breakerBefore }),
    ...(breakerAfter !== undefined && { breakerAfter }),
    ...(inFlight !== undefined && { inFlight }),
    ...(waitedMs !== undefined && { waitedMs }),
  };
}

function errorOf(thrown: unknown, path = ''): { code: string; message: string } {
  const { code, message } = ProaError.from(thrown);
  // Some messages name the path as it was called.
  return { code, message: clipped(path.length < 2 ? message : message.replaceAll(path, pathShape(path).slice(1))) };
}

interface Flagged {
  readonly traceparent: string;
  readonly tookMs: number;
  readonly ok: boolean;
  readonly attempts: readonly RecordedAttempt[];
  readonly decisions: readonly Decision[];
}

/** One word for each thing that was out of the ordinary, for filters and tables. */
function flagsOf({ traceparent, tookMs, ok, attempts, decisions }: Flagged): string[] {
  const flags = new Set<string>();
  if (isSampled(traceparent)) flags.add('sampled');
  if (!ok) flags.add('failed');
  if (tookMs >= slowMs || decisions.some(({ kind }) => kind === 'slow')) flags.add('slow');
  if (attempts.length > 1) flags.add(decisions.some(({ role }) => role === 'hedge') ? 'hedged' : 'retried');
  for (const { kind, role } of decisions) {
    if (kind === 'refused') flags.add(`refused:${role}`);
    else if (role === 'fault') flags.add(role);
    else if (kind === 'waited') flags.add('queued');
    else if (kind === 'answered' || role === 'split' || role === 'mirror') flags.add(role);
    else if (kind === 'changed') flags.add(role === 'balance' ? 'ejected' : 'breaker-opened');
  }
  return [...flags];
}
