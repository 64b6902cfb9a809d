import type { DurableTimer } from '../../contracts/timers.ts';
import type { HistoryEvent } from '../../contracts/workflow.ts';
import { logFields } from '../../kernel/names.ts';
import { deniedText, isAllowed } from './access.ts';
import type { Core } from './core.ts';
import { type Header, isFinal, newHeader } from './header.ts';
import { encodeLine } from './history-lines.ts';
import type { LiveInstance } from './live-instance.ts';
import type { InboxItem, Letter } from './mail.ts';
import { commitAhead, type Delivery, type Postman } from './postman.ts';
import { attestedBy, executedOf } from './signing/results.ts';
import { timerFor } from './timer-data.ts';
import { hasRunningChildren } from './tree.ts';
import type { Change } from './turn-commit.ts';

type Started = Extract<HistoryEvent, { readonly type: 'executionStarted' }>;
type Admit = (change: Omit<Change, 'appends'> & { readonly appends: [] }, timers: readonly DurableTimer[]) => Promise<boolean>;

/** What admitting a start takes. */
export interface AdmitBy {
  readonly postman: Postman;
  readonly commit: Admit;
}

/** Whether a start waits in the inbox. */
export function startWaits({ inbox }: LiveInstance): boolean {
  return inbox.some(({ event, taken }) => event.type === 'executionStarted' && taken !== true);
}

/**
 * Starts that came by mail: children, and detached instances. A new id becomes an instance; a finished one with the same id is replaced once all that it created has
 * finished; the same start again changes nothing; any other start of a taken id fails the task of the parent (serverless reference 5.9). True when there was one.
 */
export async function admitStarts(core: Core, live: LiveInstance, { postman, commit }: AdmitBy): Promise<boolean> {
  const item = live.inbox.find(({ event, taken }) => event.type === 'executionStarted' && taken !== true);
  if (item === undefined) return false;
  const started = item.event as Started;
  const { header } = live;
  item.taken = true;
  try {
    const change = { live, shard: live.home, events: [], consumed: [item], appends: [] as [], busy: true };
    if (await isRefused(core, item, started.name)) {
      const delivery = postman.deliver(
        refusal(core, item, { started, errorType: 'WorkflowAccessDenied', errorMessage: deniedText }),
        false,
      );
      if (header !== undefined) return await commit({ ...change, header, delivery }, []);
      return await discard(core, live, { item, delivery });
    }
    if (
      header !== undefined &&
      (sameStart(header, started) || !isFinal(header.status) || (await hasRunningChildren(core, live.id, header)))
    ) {
      const errorMessage = `an instance with the id ${started.instance.instanceId} exists`;
      const taken = { started, errorType: 'WorkflowInstanceAlreadyExists', errorMessage };
      const letters = sameStart(header, started) ? [] : refusal(core, item, taken);
      return await commit({ ...change, header, delivery: postman.deliver(letters, false) }, []);
    }
    const nowMs = core.engine.now();
    const place = { keys: core.keys, id: live.id, scope: started.instance.executionId ?? '', newBlob: () => core.random.hex(16) };
    const { line, parts } = encodeLine(started, place);
    const timers =
      started.scheduledStartMs === undefined || started.scheduledStartMs <= nowMs ? [] : [startTimer(live, started.scheduledStartMs)];
    const made: Header = newHeader(started, [line], nowMs);
    const ended = header === undefined ? {} : { ended: header.execution };
    return await commit({ ...change, ...ended, header: made, parts, delivery: postman.deliver([], false) }, timers);
  } finally {
    item.taken = false;
  }
}

function startTimer({ id }: LiveInstance, atMs: number): DurableTimer {
  return timerFor(atMs, { kind: 'start', instanceId: id });
}

function sameStart({ parent, execution }: Header, started: Started): boolean {
  if (execution === started.instance.executionId) return true;
  const other = started.parent;
  if (parent === undefined || other === undefined) return false;
  const same = parent.instanceId === other.instanceId && parent.executionId === other.executionId && parent.appId === other.appId;
  return same && parent.taskScheduledId === other.taskScheduledId;
}

async function isRefused(core: Core, { from }: InboxItem, name: string): Promise<boolean> {
  return from !== undefined && !(await isAllowed(core, { caller: from, kind: 'workflow', operation: 'schedule', name }));
}

// There is no record that a change could be part of: the mail goes, and whoever sent it is told.
async function discard(
  core: Core,
  live: LiveInstance,
  { item, delivery }: { readonly item: InboxItem; readonly delivery: Delivery },
): Promise<boolean> {
  await commitAhead(core.engine, delivery.parts);
  const deleted = item.key === undefined ? [] : [item.key];
  const result = await core.engine.commit({ if: [live.home.condition], put: delivery.puts, delete: deleted });
  if (result.status !== 'done') return false;
  live.inbox = live.inbox.filter((other) => other !== item);
  return true;
}

interface Refusal {
  readonly started: Started;
  readonly errorType: string;
  readonly errorMessage: string;
}

function refusal(core: Core, { detached }: InboxItem, { started, ...failure }: Refusal): Letter[] {
  const { parent, instance } = started;
  if (parent === undefined || detached === true) {
    const fields = { [logFields.workflowInstance]: instance.instanceId, [logFields.error]: failure.errorMessage };
    core.log.warn('a detached workflow was not started', fields);
    return [];
  }
  const told = { type: 'childFailed', id: -1, timeMs: core.engine.now(), scheduledId: parent.taskScheduledId, failure } as const;
  const event = attestedBy(core, told, executedOf(started));
  const to = { namespace: parent.appNamespace ?? core.self.namespace, appId: parent.appId, instanceId: parent.instanceId };
  return [{ to, event, ...(parent.executionId !== undefined && { execution: parent.executionId }) }];
}
