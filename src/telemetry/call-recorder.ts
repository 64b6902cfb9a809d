import type { InvokeRequest } from '../contracts/app-channel.ts';
import { stackName, type CallRecord, type CallRecorder, type CallRecords, type RecordedAttempt } from '../contracts/decisions.ts';
import type { Target } from '../contracts/governance.ts';
import { attemptKey } from '../kernel/attempt.ts';
import type { Call, Outcome } from '../kernel/call.ts';
import { valueOf } from '../kernel/context.ts';
import { ProaError } from '../kernel/errors.ts';
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
  return {
    begin(call) {
      if (isRecorded(valueOf(call.context, traceKey))) trailOf(call);
    },
    end(call, outcome, tookMs = 0) {
      const { trail } = call.end;
      if (trail === undefined && outcome.ok && tookMs < slowMs && (outcome.status === undefined || outcome.status < 500)) return;
      record(options, { call, outcome, tookMs, trail: trail ?? trailOf(call) });
    },
  };
}

interface Ended {
  readonly call: Call<unknown>;
  readonly outcome: Outcome;
  readonly tookMs: number;
  readonly trail: Trail;
}

function record(options: CallRecorderOptions, { call, outcome, tookMs, trail }: Ended): void {
  const { traceparent } = valueOf(call.context, traceKey);
  // Without an id nobody could ask for it.
  if (traceparent === '') return;
  const { clock, records, appId, target, epoch } = options;
  const nowMs = clock.mono();
  const startedMs = nowMs - tookMs;
  const name = stackName(target);
  const outbound = target.direction === 'outbound';
  const number = valueOf(call.context, attemptKey);
  // Within one process both halves share a trail: each tells what its own layers did.
  const decisions = trail.decisions.filter((decision) => decision.target === name && (outbound || decision.attempt === number));
  const attempts = outbound ? trail.attempts.map((attempt) => attemptIn({ startedMs, nowMs, outcome }, attempt)) : [];
  const ok = outcome.ok && (outcome.status ?? 0) < 500;
  records.add({
    traceId: traceparent.slice(3, 35),
    app: appId,
    side: target.direction,
    block: target.block,
    target: clipped(target.name),
    operation: target.operation,
    caller: call.caller.appId,
    ...requestOf(call, target),
    epoch,
    startedAtMs: clock.now() - tookMs,
    tookMs,
    ok,
    ...(outcome.status !== undefined && { status: outcome.status }),
    ...(outcome.error !== undefined && { error: errorOf(outcome.error, call) }),
    ...(call.deadlineMs !== Infinity && { deadlineLeftMs: call.deadlineMs - nowMs }),
    flags: flagsOf({ traceparent, tookMs, ok, attempts, decisions }),
    attempts,
    decisions,
    lost: trail.lost,
  });
}

function requestOf({ input }: Call<unknown>, { block }: Target): Pick<CallRecord, 'method' | 'path'> {
  if (block !== 'invoke') return {};
  const { httpMethod, path } = input as InvokeRequest;
  return { method: httpMethod, path: pathShape(path) };
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

function errorOf(thrown: unknown, { operation, input }: Call<unknown>): { code: string; message: string } {
  const { code, message } = ProaError.from(thrown);
  const path = operation.block === 'invoke' ? (input as InvokeRequest).path : '';
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
