import type { Call, Outcome } from '../kernel/call.ts';
import { noteDecision, type Decision, type DecisionKind } from '../kernel/trail.ts';
import type { Target } from './governance.ts';

/** How a layer tells what it did to a call, in one sentence without anything that the caller wrote. Who it is, and which policy asked for it, is known to whoever made the function. */
export type Tell = (call: Call<unknown>, kind: DecisionKind, what: string) => void;

/** Tells nobody. */
export const untold: Tell = () => {};

/** How decisions name the stack in which they were made. */
export function stackName({ direction, block, name, operation }: Target): string {
  return block === 'invoke' ? `${direction} ${name}` : `${direction} ${name} ${operation}`;
}

/** The usual way: into the trail of the call. */
export function tellTrail(role: string, target: string, from: Pick<Decision, 'policy' | 'origin'> = {}): Tell {
  return (call, kind, what) => noteDecision(call, { role, kind, what, target, ...from });
}

/** Stands at the outside of a stack. */
export interface CallRecorder {
  begin(call: Call<unknown>): void;
  /** `tookMs` is undefined where nobody measured it. */
  end(call: Call<unknown>, outcome: Outcome, tookMs: number | undefined): void;
}

/** One attempt in a record; times are relative to the beginning of the call. */
export interface RecordedAttempt {
  readonly number: number;
  readonly endpoint?: string;
  readonly atMs: number;
  readonly tookMs: number;
  readonly ok: boolean;
  readonly status?: number;
  /** Code of the error. */
  readonly error?: string;
  readonly breakerBefore?: string;
  readonly breakerAfter?: string;
  readonly inFlight?: number;
  readonly waitedMs?: number;
}

/** What one stack of one runtime knows about a call. No header, no body, no query, and no value in a path, is ever in it. */
export interface CallRecord {
  readonly traceId: string;
  /** The app whose runtime tells it. */
  readonly app: string;
  readonly side: Target['direction'];
  readonly block: string;
  /** The app or component called, and the operation. */
  readonly target: string;
  readonly operation: string;
  readonly caller: string;
  readonly method?: string;
  readonly path?: string;
  /** Number of the policies' version that applied. */
  readonly epoch: number;
  /** Wall time in milliseconds. */
  readonly startedAtMs: number;
  readonly tookMs: number;
  readonly ok: boolean;
  readonly status?: number;
  readonly error?: { readonly code: string; readonly message: string };
  /** What was left of the deadline when the call ended; absent: it had none. */
  readonly deadlineLeftMs?: number;
  readonly flags: readonly string[];
  readonly attempts: readonly RecordedAttempt[];
  readonly decisions: readonly Decision[];
  /** Attempts and decisions beyond what is kept of one call. */
  readonly lost: number;
}

/** The calls worth telling about, newest kept. */
export interface CallRecords {
  /** `make` is asked for the record later, together with others, or when somebody looks: a call that is recorded is not to wait for its story. */
  add(make: () => CallRecord): void;
  /** Oldest first; empty when nothing is known (any more). */
  find(traceId: string): readonly CallRecord[];
}

/** Remembers nothing. */
export const noRecords: CallRecords = { add() {}, find: () => [] };
