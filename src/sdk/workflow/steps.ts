import type { ActivityOptions as EngineOptions } from '../../contracts/workflow.ts';
import { attempts } from './attempts.ts';
import type { StepContext, StepOptions } from './context.ts';
import { nameChecked } from './definition.ts';
import { durationMs } from './duration.ts';
import type { Execution } from './execution.ts';
import type { Outcome } from './operation.ts';
import { errorOf } from './failures.ts';
import { retryPolicy, type Retry } from './retry-policy.ts';
import { decodeValue } from './values.ts';

/** What undoes something. */
export interface Undo {
  readonly name: string;
  readonly perform: () => Promise<unknown>;
}

/** What the calls of one run share. */
export interface RunState {
  readonly execution: Execution;
  /** For steps and activities that say nothing else. */
  readonly retry: Retry | undefined;
  readonly undos: Undo[];
  /** How many operations of a kind and name there were. */
  readonly counts: Map<string, number>;
}

/** The label of the next operation of that kind and name, such as `run charge#2`. */
export function nextLabel({ counts }: RunState, kind: string, name: string): string {
  const key = `${kind} ${name}`;
  const n = (counts.get(key) ?? 0) + 1;
  counts.set(key, n);
  return `${key}#${n}`;
}

/** The value of an outcome; fails with the error of a failure. */
export function valueOf(outcome: Outcome): unknown {
  if ('failure' in outcome) throw errorOf(outcome.failure);
  return decodeValue(outcome.result);
}

/** `ctx.run`: a step whose function lives in this run. Its result, and the result alone, is recorded. */
export function createRun(state: RunState) {
  const { execution, undos } = state;
  return function run<T>(name: string, step: (step: StepContext) => Promise<T> | T, options: StepOptions<T> = {}): Promise<T> {
    const perform = async (): Promise<T> => {
      const label = nextLabel(state, 'run', nameChecked(name, 'a step'));
      const limits = engineOptions(options, `step "${name}"`);
      const timeoutMs = limits?.attemptTimeoutMs;
      const outcome = await attempts(execution, {
        policy: retryPolicy(options.retry ?? state.retry, `step "${name}"`),
        label,
        origin: () => ({ kind: 'activityRetry', taskExecutionId: label }),
        from: run,
        attempt: (attempt) =>
          execution.operation(
            label,
            { type: 'scheduleTask', name, taskExecutionId: label, ...(limits !== undefined && { options: limits }) },
            { step: { name, label, attempt, timeoutMs, run: step }, from: run },
          ),
      });
      const value = valueOf(outcome) as T;
      const { rollback, ...others } = options;
      const undo = `undo ${name}`;
      if (rollback !== undefined)
        undos.push({ name: undo, perform: () => run(undo, (own) => rollback(value, own), others as StepOptions) });
      return value;
    };
    return handled(perform());
  };
}

/** What the engine watches over; undefined: nothing. */
export function engineOptions({ timeout, heartbeat }: Pick<StepOptions, 'timeout' | 'heartbeat'>, what: string): EngineOptions | undefined {
  if (timeout === undefined && heartbeat === undefined) return undefined;
  return {
    ...(timeout !== undefined && { attemptTimeoutMs: durationMs(timeout, `the timeout of ${what}`) }),
    ...(heartbeat !== undefined && { heartbeatTimeoutMs: durationMs(heartbeat, `the heartbeat of ${what}`) }),
  };
}

/** A promise whose failure nobody has to wait for: losers of a race end like that. */
export function handled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}
