import { historyTampered } from '../../../contracts/history-signing.ts';
import type { HistoryEvent } from '../../../contracts/workflow.ts';
import { logFields } from '../../../kernel/names.ts';
import { risingClock } from '../clock-stamp.ts';
import type { Core } from '../core.ts';
import type { Header } from '../header.ts';
import type { LiveInstance } from '../live-instance.ts';
import type { Letter } from '../mail.ts';
import { attest } from './attest.ts';
import { executedOf } from './results.ts';
import type { Broken, Started } from './standing.ts';

/** How an instance ends whose history somebody changed. */
export interface TamperedEnd {
  readonly header: Header;
  /** Joins the history without a signature: what is there stays as it was found. */
  readonly events: readonly HistoryEvent[];
  /** To the parent, when it is proven who that is. */
  readonly letters: readonly Letter[];
}

/** The end of an instance whose history somebody changed: failed, with Dapr's type of error; nothing of it is executed any more. */
export function tamperedEnd(core: Core, { id, header }: LiveInstance, { problem, start }: Broken): TamperedEnd | undefined {
  if (header === undefined) return undefined;
  const failure = { errorType: historyTampered, errorMessage: problem };
  core.log.error(`the history of workflow "${header.name}" was changed by somebody else; the workflow has failed`, {
    [logFields.workflowInstance]: id,
    [logFields.error]: problem,
  });
  const stamp = risingClock(core.engine.now(), header.lastMs);
  const timeMs = stamp();
  const { stall: _stall, suspended: _suspended, outbox: _outbox, ...rest } = header;
  return {
    header: { ...rest, status: 'FAILED', open: {}, updatedMs: timeMs, completedMs: timeMs, lastMs: timeMs },
    events: [{ type: 'executionCompleted', id: -1, timeMs, status: 'FAILED', failure }],
    letters: start === undefined ? [] : toParent(core, start, { timeMs: stamp(), failure }),
  };
}

// Nobody is told on the word of what somebody changed: whoever did that would have us sign what they like.
function toParent(core: Core, start: Started, { timeMs, failure }: { readonly timeMs: number; readonly failure: { errorType: string; errorMessage: string } }): Letter[] {
  const { parent } = start;
  if (parent === undefined || core.signing === undefined) return [];
  const event = { type: 'childFailed', id: -1, timeMs, scheduledId: parent.taskScheduledId, failure } as const;
  const to = { namespace: parent.appNamespace ?? core.self.namespace, appId: parent.appId, instanceId: parent.instanceId };
  const execution = parent.executionId === undefined ? {} : { execution: parent.executionId };
  return [{ to, ...execution, event: attest(core.signing, event, executedOf(start)) }];
}
