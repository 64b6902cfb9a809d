import type { ActivityTask, WorkflowAction } from '../../contracts/workflow.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Clock } from '../../kernel/ports.ts';
import { handedOn, type Instance } from './instance.ts';
import type { TimeLine } from './time-line.ts';

export interface WatchedTask {
  readonly instance: Instance;
  readonly action: WorkflowAction & { readonly type: 'scheduleTask' };
  readonly timeLine: TimeLine;
  readonly clock: Clock;
  /** The attempt took too long, or gave no sign of life. */
  readonly fail: (message: string) => void;
}

/** An activity as a worker gets it, its time watched. */
export function watchedTask({ instance, action, timeLine, clock, fail }: WatchedTask): ActivityTask {
  const { id, name, version, input, taskExecutionId, options } = action;
  const { instanceId, executionId } = instance;
  let beats = 0;
  const watch = (beat: number): void => {
    const limitMs = options?.heartbeatTimeoutMs;
    if (limitMs === undefined) return;
    timeLine.add(clock.now() + limitMs, () => beat === beats && fail(`"${name}" gave no sign of life for ${limitMs} ms`));
  };
  watch(beats);
  const attemptMs = options?.attemptTimeoutMs;
  if (attemptMs !== undefined) timeLine.add(clock.now() + attemptMs, () => fail(`"${name}" was not done within ${attemptMs} ms`));
  return {
    instance: { instanceId, executionId },
    taskId: id,
    name,
    ...(version !== undefined && { version }),
    ...(input !== undefined && { input }),
    ...(taskExecutionId !== undefined && { taskExecutionId }),
    ...(options !== undefined && { options }),
    ...handedOn(instance, action),
    idempotencyKey: `${executionId}/${id}`,
    heartbeat() {
      if (!instance.awaits(id)) return Promise.reject(new ProaError('aborted', 'the activity is not wanted any more'));
      watch(++beats);
      return Promise.resolve();
    },
  };
}
