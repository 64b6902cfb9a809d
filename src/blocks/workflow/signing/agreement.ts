import type { HistoryEvent } from '../../../contracts/workflow.ts';
import { applyToOpen } from '../filter-mail.ts';
import { type Header, isFinal, opens, type OpenOperation, withId } from '../header.ts';

/**
 * Where the header of an instance says something else than its history, whose signatures do not cover it; undefined: nowhere. The engine goes by the header, so
 * that whoever changes it must not get further than whoever changes the history.
 */
export function disagreement(id: string, header: Header, events: readonly HistoryEvent[]): string | undefined {
  if (header.events !== events.length) return `the history has ${events.length} events, not ${header.events}`;
  const started = events.find((event) => event.type === 'executionStarted');
  if (started?.type !== 'executionStarted') return 'the history has no start';
  const { instance, name, parent } = started;
  if (instance.instanceId !== id) return `the history is that of ${JSON.stringify(instance.instanceId.slice(0, 256))}`;
  if ((instance.executionId ?? '') !== header.execution) return 'the history is that of another execution';
  if (name !== header.name) return `the history is that of the workflow ${JSON.stringify(name.slice(0, 256))}`;
  if (!same(parent, header.parent)) return 'the history names another parent';
  const open = new Map<string, OpenOperation>();
  let ids: Header['ids'] = [];
  let ended: string | undefined;
  for (const event of events) {
    if (event.type === 'executionCompleted') {
      ended = event.status;
      continue;
    }
    applyToOpen(open, event);
    if (event.id >= 0) ids = withId(ids, event.id);
    const operation = opens(event);
    if (operation !== undefined) open.set(String(event.id), operation);
    if (event.type === 'childCreated' && header.children !== true) return 'the history has children';
  }
  const final = isFinal(header.status) ? header.status : undefined;
  if (ended !== final) return ended === undefined ? 'the history has not ended' : `the history has ended as ${ended}`;
  if (final === undefined && !same(Object.fromEntries(open), header.open)) return 'the history has other operations that are open';
  return same(ids, header.ids) ? undefined : 'the history uses other ids';
}

function same(a: unknown, b: unknown): boolean {
  return a === b || stable(a) === stable(b);
}

// The order of names is nobody's business.
function stable(value: unknown): string | undefined {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
      : inner,
  );
}
