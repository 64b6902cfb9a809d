import { closest } from '../../kernel/closest.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Clock } from '../../kernel/ports.ts';
import type { ActivityAnswer, ActivityTask } from '../../contracts/workflow.ts';
import { checked } from '../contract.ts';
import type { ActivityContext } from './context.ts';
import type { Execution } from './execution.ts';
import type { OpenStep } from './operation.ts';
import { failureOf } from './failures.ts';
import type { Guard } from './guard.ts';
import type { WorkflowRegistry } from './registry.ts';
import { decodeValue, encodeValue } from './values.ts';

type Work = (context: ActivityContext) => unknown;

/** Steps and activities that run, and how to stop them. */
export class ActivityRuns {
  readonly #clock: Clock;
  readonly #guard: Guard | undefined;
  readonly #running = new Map<string, Set<AbortController>>();

  constructor(clock: Clock, guard: Guard | undefined) {
    this.#clock = clock;
    this.#guard = guard;
  }

  /** A function of a run: aborted when the run is cancelled. */
  step(task: ActivityTask, step: OpenStep, execution: Execution): Promise<ActivityAnswer> {
    // The same in every attempt: the next one is another activity for the engine.
    const idempotencyKey = `${task.instance.executionId}/${step.label}`;
    const what = `the result of step "${step.name}"`;
    return this.#run(task, { what, until: execution.signal, timeoutMs: step.timeoutMs }, (context) =>
      step.run({ ...context, idempotencyKey, attempt: step.attempt }),
    );
  }

  /** A function with a name of its own. */
  async declared(task: ActivityTask, registry: WorkflowRegistry): Promise<ActivityAnswer> {
    const { name, input, options, taskExecutionId } = task;
    const definition = registry.activity(name);
    if (definition === undefined) {
      const near = closest(name, registry.activityNames);
      const errorMessage = `this app has no activity "${name}"${near === undefined ? '' : `; it has "${near}"`}`;
      return { failure: { errorType: 'not-found', errorMessage } };
    }
    const what = `the result of activity "${name}"`;
    const key =
      taskExecutionId === undefined || taskExecutionId === '' ? task.idempotencyKey : `${task.instance.executionId}/${taskExecutionId}`;
    const schema = definition.input;
    return this.#run(task, { what, until: undefined, timeoutMs: options?.attemptTimeoutMs }, async (context) => {
      const value = await checked(schema, decodeValue(input), { what: `the input of activity "${name}"`, code: 'bad-request' });
      return definition.run(value, { ...context, idempotencyKey: key });
    });
  }

  /** Aborts what runs for an instance. */
  stop(instanceId: string): void {
    for (const controller of this.#running.get(instanceId) ?? [])
      controller.abort(new ProaError('aborted', 'the workflow does not need this any more'));
  }

  async #run(
    task: ActivityTask,
    { what, until, timeoutMs }: { readonly what: string; readonly until: AbortSignal | undefined; readonly timeoutMs: number | undefined },
    work: Work,
  ): Promise<ActivityAnswer> {
    const controller = new AbortController();
    const follow = (): void => controller.abort(until?.reason);
    if (until?.aborted === true) follow();
    until?.addEventListener('abort', follow, { once: true });
    const leave = this.#enter(task.instance.instanceId, controller);
    let timer: { cancel(): void } | undefined;
    const late = new Promise<never>((_, reject) => {
      if (timeoutMs === undefined) return;
      timer = this.#clock.timer(timeoutMs, () => {
        const error = new ProaError('deadline-exceeded', `"${task.name}" was not done within ${timeoutMs} ms`);
        controller.abort(error);
        reject(error);
      });
    });
    try {
      const run = async (): Promise<unknown> => work(contextOf(task, controller));
      const running = this.#guard === undefined ? run() : this.#guard.outside(run);
      const result = encodeValue(await Promise.race([running, late]), what);
      return result === undefined ? {} : { result };
    } catch (error) {
      return { failure: failureOf(error) };
    } finally {
      timer?.cancel();
      until?.removeEventListener('abort', follow);
      leave();
    }
  }

  #enter(instanceId: string, controller: AbortController): () => void {
    const others = this.#running.get(instanceId) ?? new Set();
    this.#running.set(instanceId, others.add(controller));
    return () => {
      others.delete(controller);
      if (others.size === 0 && this.#running.get(instanceId) === others) this.#running.delete(instanceId);
    };
  }
}

function contextOf(task: ActivityTask, controller: AbortController): ActivityContext {
  return {
    instanceId: task.instance.instanceId,
    name: task.name,
    idempotencyKey: task.idempotencyKey,
    attempt: task.options?.attempt ?? 1,
    lineage: task.propagated?.chunks ?? [],
    signal: controller.signal,
    traceparent: task.trace?.traceParent ?? '',
    async heartbeat(details) {
      try {
        await task.heartbeat(details);
      } catch (error) {
        controller.abort(error);
        throw error;
      }
    },
  };
}
