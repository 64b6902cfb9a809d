import type { HistoryEvent, TurnAnswer } from '../../contracts/workflow.ts';
import { ProaError } from '../../kernel/errors.ts';
import { logFields } from '../../kernel/names.ts';
import { backoffMs, pause } from './commit-firm.ts';
import type { Core } from './core.ts';
import { type LiveInstance, readPast } from './live-instance.ts';
import type { Held } from './worker-pool.ts';

/** What is new to the worker, behind the event that begins the turn. */
export interface News {
  readonly news: readonly HistoryEvent[];
  readonly startedMs: number;
}

/** The answer of a worker to a turn; undefined when it has none: then the place is given back, and after a while somebody else is asked. */
export async function askWorker(
  core: Core,
  live: LiveInstance,
  { held, ...turn }: News & { readonly held: Held },
): Promise<TurnAnswer | undefined> {
  const { metrics } = core;
  const { header } = live;
  if (header === undefined) return undefined;
  if (header.startedMs === undefined) metrics.scheduling(header.name, Math.max(0, turn.startedMs - (header.startAtMs ?? header.createdMs)));
  if (live.seat !== undefined && live.seat !== held.seat) live.seat.worker.forget(live.id);
  live.seat = held.seat;
  try {
    return await held.run((worker) =>
      worker.turn({
        instance: { instanceId: live.id, executionId: header.execution },
        pastCount: header.events,
        past: () => readPast(core, live),
        news: [{ type: 'workflowStarted', id: -1, timeMs: turn.startedMs }, ...turn.news],
      }),
    );
  } catch (error) {
    live.seat = undefined;
    metrics.execution(header.name, 'recoverable', 0);
    if (!held.seat.attached) return undefined;
    const fields = { [logFields.workflowInstance]: live.id, [logFields.error]: ProaError.from(error).message };
    core.log.warn('a worker failed with a workflow; it is tried again', fields);
    held.release();
    await pause(core.clock, backoffMs(core.random, live.failures++));
    return undefined;
  }
}
