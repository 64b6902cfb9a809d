import type { HistoryEvent } from '../../contracts/workflow.ts';
import { type Header, type OpenOperation, resolves } from './header.ts';
import type { InboxItem } from './mail.ts';

/** Which of the waiting items a turn gets, in order, and which mean nothing any more. */
export interface Filtered {
  readonly taken: readonly InboxItem[];
  readonly dropped: readonly InboxItem[];
}

const nothing: Filtered = { taken: [], dropped: [] };

/**
 * Drops what must not reach a worker (serverless reference 5.6, rules 4 and 8): a result of something that has one already, a failure after a completion and the
 * reverse; results that match nothing that is open, which would swallow a later operation with the same id; mail to an earlier execution; what a policy denies.
 */
export function filterMail(header: Header, items: readonly InboxItem[], max: number): Filtered {
  if (items.length === 0) return nothing;
  const taken: InboxItem[] = [];
  const dropped: InboxItem[] = [];
  const open = new Map(Object.entries(header.open));
  for (const item of items) {
    if (taken.length >= max) break;
    if (wanted(header, item, open)) taken.push(item);
    else dropped.push(item);
  }
  return { taken, dropped };
}

function wanted(header: Header, { event, execution, denied }: InboxItem, open: Map<string, OpenOperation>): boolean {
  if (denied === true) return false;
  if (execution !== undefined && execution !== header.execution) return false;
  const resolved = resolves(event);
  if (resolved !== undefined) {
    const id = String(resolved.id);
    if (open.get(id)?.kind !== resolved.kind) return false;
    open.delete(id);
    return true;
  }
  if (event.type === 'eventRaised') dropWaitTimer(open, event.name);
  return event.type !== 'executionStarted' && event.type !== 'executionCompleted';
}

/** The open operations after an event became history. */
export function applyToOpen(open: Map<string, OpenOperation>, event: HistoryEvent): void {
  const resolved = resolves(event);
  if (resolved !== undefined) open.delete(String(resolved.id));
  else if (event.type === 'eventRaised') dropWaitTimer(open, event.name);
}

/** The event won: the timer of its oldest wait fires for nobody. Entries come in the order of their ids, which is that of creation. */
function dropWaitTimer(open: Map<string, OpenOperation>, name: string): void {
  const wanted = name.toLowerCase();
  let oldest: number | undefined;
  for (const [id, operation] of open) {
    if (operation.kind === 'timer' && operation.event === wanted && (oldest === undefined || Number(id) < oldest)) oldest = Number(id);
  }
  if (oldest !== undefined) open.delete(String(oldest));
}
