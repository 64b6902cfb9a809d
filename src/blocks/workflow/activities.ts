import { historyTampered } from '../../contracts/history-signing.ts';
import type { OwnedShard } from '../../contracts/placement.ts';
import type { ActivityAnswer, ActivityTask, FailureDetails, HistoryEvent, PropagatedHistory } from '../../contracts/workflow.ts';
import { isStep, workflowLimits } from '../../contracts/workflow.ts';
import { ProaError } from '../../kernel/errors.ts';
import { logFields } from '../../kernel/names.ts';
import type { TaskScheduled } from './apply-turn.ts';
import { deniedText, isAllowed } from './access.ts';
import { AttemptWatch } from './attempt-watch.ts';
import { backoffMs, pause } from './commit-firm.ts';
import type { Core } from './core.ts';
import { foreignBell, type ForeignTask, orderOf, readForeignTask } from './foreign-task.ts';
import { below } from './history-lines.ts';
import type { InstanceCache } from './instance-cache.ts';
import { type LiveInstance, readPast } from './live-instance.ts';
import type { Address, Fate, InboxItem } from './mail.ts';
import { commitAhead, type Postman } from './postman.ts';
import { historyForTask } from './propagate.ts';
import type { Result } from './signing/attest.ts';
import { provenTo } from './signing/proof.ts';
import { attestedResult } from './signing/results.ts';
import { contextOf, parentOf } from './turn-trace.ts';
import { isOwnApp } from './turn-change.ts';
import type { WorkerPool, WorkerSeat } from './worker-pool.ts';

export interface ActivitiesParts {
  readonly core: Core;
  readonly pool: WorkerPool;
  readonly cache: InstanceCache;
  readonly postman: Postman;
  /** A result for an instance in memory. */
  readonly arrived: (id: string, item: InboxItem) => void;
}

interface Job {
  readonly instanceId: string;
  /** Its name; empty when the instance is another app's. */
  readonly workflow: string;
  readonly execution: string;
  readonly task: TaskScheduled;
  /** Histories that go along with it. */
  readonly propagated: (() => Promise<PropagatedHistory | undefined>) | undefined;
  /** The worker that has the run which the activity is a step of. */
  readonly near: () => WorkerSeat | undefined;
  /** Nobody waits for the result any more. */
  readonly over: () => boolean;
}

/**
 * Executes activities, at least once each: one whose worker goes away is given to another, one whose runtime dies is executed by the next owner of its instance. Results go
 * to the instance in memory, or by mail when it is not (or not any more) in this runtime.
 */
export class Activities {
  readonly #parts: ActivitiesParts;
  /** `<instance> <execution> <task>` of what is in hand. */
  readonly #running = new Set<string>();

  constructor(parts: ActivitiesParts) {
    this.#parts = parts;
  }

  get size(): number {
    return this.#running.size;
  }

  /** After the commit that scheduled it. */
  dispatch(live: LiveInstance, task: TaskScheduled): void {
    const { header, id: instanceId } = live;
    if (header === undefined) return;
    const execution = header.execution;
    const name = nameOf(instanceId, execution, task.id);
    if (this.#running.has(name)) return;
    this.#running.add(name);
    live.activities.add(task.id);
    const now = (): LiveInstance | undefined => this.#parts.cache.get(instanceId);
    const over = (): boolean => {
      const copy = now();
      const current = copy?.header;
      // Of a shard that went elsewhere the new owner executes what had not begun here; when that is this runtime again, its new copy counts on this attempt.
      if (!this.#parts.core.holds((copy ?? live).home)) return true;
      return current !== undefined && (current.execution !== execution || current.open[task.id]?.kind !== 'task');
    };
    const propagated = task.propagation === undefined ? undefined : () => historyForTask(this.#parts.core, live, task);
    const near = isStep(task.taskExecutionId) ? (): WorkerSeat | undefined => now()?.seat : nowhere;
    const job = { instanceId, workflow: header.name, execution, task, over, near, propagated };
    void this.#execute(job).then((answer) => {
      this.#running.delete(name);
      live.activities.delete(task.id);
      now()?.activities.delete(task.id);
      if (answer !== undefined) void this.#deliver(job, answer);
      else this.#leftTo(now(), live);
    });
  }

  // Given up because the shard was lost, and loaded again meanwhile: the new copy took the activity for one in hand.
  #leftTo(current: LiveInstance | undefined, former: LiveInstance): void {
    const { core } = this.#parts;
    if (current === undefined || current === former || core.closed) return;
    this.resume(current).catch((error: unknown) => {
      core.log.warn('what is open in a workflow cannot be read', { instance: current.id, error: ProaError.from(error).message });
    });
  }

  /** Executes what the history of an instance says is open; for instances that were loaded. */
  async resume(live: LiveInstance): Promise<void> {
    const { header } = live;
    if (header === undefined || header.status !== 'RUNNING') return;
    const open = Object.entries(header.open).flatMap(([id, operation]) =>
      operation.kind === 'task' && isOwnApp(this.#parts.core, operation) ? [Number(id)] : [],
    );
    if (open.length === 0) return;
    const wanted = new Set(open);
    for (const event of await readPast(this.#parts.core, live)) {
      if (event.type !== 'taskScheduled' || !wanted.has(event.id)) continue;
      if (this.#running.has(nameOf(live.id, header.execution, event.id))) live.activities.add(event.id);
      else this.dispatch(live, event);
    }
  }

  /** Executes what other apps asked of this shard. */
  async resumeForeign(shard: OwnedShard): Promise<void> {
    const { core } = this.#parts;
    const prefix = core.keys.foreigns(shard.index);
    const { from: first, to } = below(prefix);
    let from = first;
    for (;;) {
      const page = await core.engine.range({ from, to, limit: 256 });
      for (const { key, value } of page.entries) {
        const name = orderOf(prefix, key);
        if (this.#running.has(name)) continue;
        this.#running.add(name);
        const foreign = await readForeignTask(core, value).catch((error: unknown) => {
          // The next look must not take it for one in hand.
          this.#running.delete(name);
          throw error;
        });
        void this.#foreign(shard, { key, name, foreign }).finally(() => this.#running.delete(name));
      }
      const last = page.entries.at(-1);
      if (!page.more || last === undefined) return;
      from = `${last.key}\x00`;
    }
  }

  async #foreign(shard: OwnedShard, { key, name, foreign }: { key: string; name: string; foreign: ForeignTask }): Promise<void> {
    const { core, postman } = this.#parts;
    const { from, execution, task, propagated } = foreign;
    const allowed = await this.#mayExecute(shard, from, task.name);
    const denied: ActivityAnswer = { failure: { errorType: 'WorkflowAccessDenied', errorMessage: deniedText, isNonRetriable: true } };
    const over = (): boolean => !core.holds(shard);
    const proven = propagated === undefined ? undefined : await provenTo(core, propagated);
    if (typeof proven === 'string') core.log.error(proven, { [logFields.workflowInstance]: from.instanceId });
    const refused: ActivityAnswer | undefined =
      typeof proven === 'string' ? { failure: { errorType: historyTampered, errorMessage: proven, isNonRetriable: true } } : undefined;
    const job = {
      instanceId: from.instanceId,
      workflow: '',
      execution,
      task,
      over,
      near: nowhere,
      propagated: proven === undefined || typeof proven === 'string' ? undefined : async () => proven,
    };
    const answer = allowed ? (refused ?? (await this.#execute(job))) : denied;
    if (answer === undefined) return;
    core.metrics.completion('activity', 'remote');
    const event = await resultEvent(core, { instanceId: from.instanceId, task }, answer);
    if (event === undefined) return answer.settled?.(false);
    const letter = { to: from, execution, event };
    const { puts, parts } = postman.deliver([letter], false);
    for (let tries = 0; core.holds(shard); tries++) {
      try {
        await commitAhead(core.engine, parts);
        const deleteRange = [below(core.keys.blobs(foreignBell, name))];
        const result = await core.engine.commit({ if: [shard.condition], put: puts, delete: [key], deleteRange });
        if (result.status === 'unknown') continue;
        answer.settled?.(result.status === 'done');
        return;
      } catch (error) {
        core.log.warn('the result of an activity for another app is not stored yet', { error: ProaError.from(error).message });
        await pause(core.clock, backoffMs(core.random, tries));
      }
    }
    answer.settled?.(false);
  }

  /** Until the policies can be read: an activity that came once does not come again. */
  async #mayExecute(shard: OwnedShard, caller: Address, name: string): Promise<boolean> {
    const { core } = this.#parts;
    for (let tries = 0; core.holds(shard); tries++) {
      try {
        return await isAllowed(core, { caller, kind: 'activity', operation: 'schedule', name });
      } catch (error) {
        core.log.warn('the policies of workflows cannot be read', { [logFields.error]: ProaError.from(error).message });
        await pause(core.clock, backoffMs(core.random, tries));
      }
    }
    return false;
  }

  /** Undefined when nobody waits for it any more. */
  async #execute(job: Job): Promise<ActivityAnswer | undefined> {
    const { core, pool } = this.#parts;
    const { task } = job;
    for (let tries = 0; ;) {
      const held = await pool.acquire('activities', task.name, job.near()).held;
      if (job.over() || core.closed) {
        held.release();
        return undefined;
      }
      const span = core.tracer.start('internal', `activity||${task.name}`, contextOf(task.trace));
      const watch = new AttemptWatch(core.clock, task.options ?? {});
      const startedMs = core.clock.mono();
      core.metrics.activityPayload(job.workflow, task.name, (task.input?.length ?? 0) / workflowLimits.payloadBytesMax);
      try {
        const trace = parentOf(span.trace);
        const propagated = job.propagated === undefined ? undefined : await job.propagated();
        const attempt = held.run((worker) => worker.activity(taskFor(job, watch, { trace, propagated })));
        const answer = await watch.race(attempt);
        const failed = 'failure' in answer;
        span.end(!failed);
        core.metrics.activity(task.name, failed ? 'failed' : 'success', core.clock.mono() - startedMs);
        return checked(answer);
      } catch (error) {
        span.end(false);
        core.metrics.activity(task.name, 'recoverable', core.clock.mono() - startedMs);
        if (held.seat.attached) {
          core.log.warn('a worker failed with an activity; it is tried again', { error: ProaError.from(error).message });
          held.release();
          await pause(core.clock, backoffMs(core.random, tries++));
        }
      } finally {
        watch.end();
        held.release();
      }
    }
  }

  async #deliver({ instanceId, execution, task, over }: Job, answer: ActivityAnswer): Promise<void> {
    const { core, cache, postman, arrived } = this.#parts;
    const event = await resultEvent(core, { instanceId, task }, answer);
    if (event === undefined) return answer.settled?.(false);
    const live = cache.get(instanceId);
    if (live !== undefined && !live.gone) {
      const settled = (fate: Fate): void => {
        if (fate !== 'lost') answer.settled?.(fate === 'kept');
        else if (!over()) void this.#mail({ instanceId, execution, event, answer }, postman);
      };
      core.metrics.completion('activity', 'local');
      arrived(instanceId, { event, execution, settled, sinceMs: core.clock.mono() });
      return;
    }
    await this.#mail({ instanceId, execution, event, answer }, postman);
  }

  // The instance went to another owner, who perhaps executes the activity again: whose result comes first counts.
  async #mail(
    { instanceId, execution, event, answer }: { instanceId: string; execution: string; event: HistoryEvent; answer: ActivityAnswer },
    postman: Postman,
  ): Promise<void> {
    const { core } = this.#parts;
    core.metrics.completion('activity', 'remote');
    const to = { ...core.self, instanceId };
    try {
      const { puts, parts } = postman.deliver([{ to, execution, event }], false);
      await commitAhead(core.engine, parts);
      const exists = { kind: 'exists', key: core.keys.record(instanceId) } as const;
      const result = await core.engine.commit({ if: [exists], put: puts });
      answer.settled?.(result.status === 'done');
    } catch (error) {
      core.log.warn('the result of an activity is lost; it is executed again', {
        [logFields.workflowInstance]: instanceId,
        [logFields.error]: ProaError.from(error).message,
      });
      answer.settled?.(false);
    }
  }
}

const nowhere = (): undefined => undefined;

interface Along {
  readonly trace: ActivityTask['trace'];
  readonly propagated: PropagatedHistory | undefined;
}

function taskFor({ instanceId, execution, task, over }: Job, watch: AttemptWatch, { trace, propagated }: Along): ActivityTask {
  return {
    instance: { instanceId, executionId: execution },
    taskId: task.id,
    name: task.name,
    ...(task.version !== undefined && { version: task.version }),
    ...(task.input !== undefined && { input: task.input }),
    ...(task.taskExecutionId !== undefined && { taskExecutionId: task.taskExecutionId }),
    ...(trace !== undefined && { trace }),
    ...(task.options !== undefined && { options: task.options }),
    ...(propagated !== undefined && { propagated }),
    idempotencyKey: `${execution}/${task.id}`,
    async heartbeat(details) {
      if (over()) throw new ProaError('workflow.task-lost', 'nobody waits for the activity any more');
      await watch.heartbeat(details);
    },
  };
}

function nameOf(instanceId: string, execution: string, id: number): string {
  return `${instanceId}\x00${execution}\x00${id}`;
}

/** The event of an answer: at once, unless it is to be attested. Undefined: the runtime ended before it could be. */
function resultEvent(
  core: Core,
  { instanceId, task }: { readonly instanceId: string; readonly task: TaskScheduled },
  answer: ActivityAnswer,
): Result | Promise<Result | undefined> {
  const { id, taskExecutionId, name, input } = task;
  const make = (): Result => {
    const base = { id: -1, timeMs: core.engine.now(), scheduledId: id, ...(taskExecutionId !== undefined && { taskExecutionId }) };
    if ('failure' in answer) return { ...base, type: 'taskFailed', failure: answer.failure };
    return { ...base, type: 'taskCompleted', ...(answer.result !== undefined && { result: answer.result }) };
  };
  if (core.signing === undefined) return make();
  return attestedResult(core, make, { parentInstanceId: instanceId, taskScheduledId: id, activityName: name, input });
}

// A result beyond the limit fails the activity: the same code would give the same result again.
function checked(answer: ActivityAnswer): ActivityAnswer {
  const settled = answer.settled === undefined ? {} : { settled: answer.settled };
  if ('failure' in answer) return { failure: shortened(answer.failure, 0), ...settled };
  if (answer.result === undefined || Buffer.byteLength(answer.result) <= workflowLimits.payloadBytesMax) return answer;
  const errorMessage = `the result of an activity has at most ${workflowLimits.payloadBytesMax} bytes`;
  return { failure: { errorType: 'PayloadTooLarge', errorMessage, isNonRetriable: true }, ...settled };
}

const depthMax = 16;
const textCharsMax = 256 * 1024;

function shortened(failure: FailureDetails, depth: number): FailureDetails {
  const { innerFailure, stackTrace, unknown, ...rest } = failure;
  return {
    ...rest,
    errorMessage: failure.errorMessage.slice(0, textCharsMax),
    ...(stackTrace !== undefined && { stackTrace: stackTrace.slice(0, textCharsMax) }),
    ...(unknown !== undefined && unknown.length <= textCharsMax && { unknown }),
    ...(innerFailure !== undefined && depth < depthMax && { innerFailure: shortened(innerFailure, depth + 1) }),
  };
}
