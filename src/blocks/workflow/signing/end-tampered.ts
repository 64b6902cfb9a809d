import { historyTampered } from '../../../contracts/history-signing.ts';
import type { ShardTimers } from '../../../contracts/timers.ts';
import { logFields } from '../../../kernel/names.ts';
import { risingClock } from '../clock-stamp.ts';
import type { Core } from '../core.ts';
import type { Header } from '../header.ts';
import type { LiveInstance } from '../live-instance.ts';
import type { Letter } from '../mail.ts';
import type { Postman } from '../postman.ts';
import { timerAppends } from '../timer-data.ts';
import { type RetentionPolicy, retentionTimer } from '../turn-change.ts';
import type { Change } from '../turn-commit.ts';
import { attestedBy, executedOf } from './results.ts';
import type { Broken, Started } from './standing.ts';

/** What ending it takes. */
export interface EndBy {
  readonly core: Core;
  readonly postman: Postman;
  readonly timers: () => ShardTimers | undefined;
  readonly retention: RetentionPolicy;
}

/**
 * The end of an instance whose history somebody changed: failed, with Dapr's type of error. One event joins the history, without a signature; what was there stays as it was
 * found, and nothing of it is executed any more. The parent is told when it is proven who that is.
 */
export function tamperedChange(
  { core, postman, timers, retention }: EndBy,
  live: LiveInstance,
  { problem, start }: Broken,
): Change | undefined {
  const { header: found, id } = live;
  if (found === undefined) return undefined;
  const failure = { errorType: historyTampered, errorMessage: problem };
  core.log.error(`the history of workflow "${found.name}" was changed by somebody else; the workflow has failed`, {
    [logFields.workflowInstance]: id,
    [logFields.error]: problem,
  });
  const stamp = risingClock(core.engine.now(), found.lastMs);
  const timeMs = stamp();
  const { stall: _stall, suspended: _suspended, outbox: _outbox, ...rest } = found;
  const header: Header = { ...rest, status: 'FAILED', open: {}, updatedMs: timeMs, completedMs: timeMs, lastMs: timeMs };
  const letters = start === undefined ? [] : toParent(core, start, { timeMs: stamp(), failure });
  const timer = retentionTimer(core, id, { header, policy: retention });
  return {
    live,
    shard: live.home,
    header,
    events: [{ type: 'executionCompleted', id: -1, timeMs, status: 'FAILED', failure }],
    unsigned: true,
    consumed: [],
    appends: timerAppends(timers(), live.shard, timer === undefined ? [] : [timer]),
    delivery: postman.deliver(letters, false),
    busy: true,
  };
}

// Nobody is told on the word of what somebody changed: whoever did that would have us sign what they like.
function toParent(
  core: Core,
  start: Started,
  { timeMs, failure }: { readonly timeMs: number; readonly failure: { errorType: string; errorMessage: string } },
): Letter[] {
  const { parent } = start;
  if (parent === undefined) return [];
  const event = { type: 'childFailed', id: -1, timeMs, scheduledId: parent.taskScheduledId, failure } as const;
  const to = { namespace: parent.appNamespace ?? core.self.namespace, appId: parent.appId, instanceId: parent.instanceId };
  const execution = parent.executionId === undefined ? {} : { execution: parent.executionId };
  return [{ to, ...execution, event: attestedBy(core, event, executedOf(start)) }];
}
