import { type HistoryEvent, type PropagatedHistory, propagationScopes } from './workflow.ts';

/** A workflow and what happened to it so far. */
export interface HistorySource {
  readonly appId: string;
  readonly instanceId: string;
  readonly workflowName: string;
  readonly events: readonly HistoryEvent[];
}

/** The history that goes along with one operation: up to the event that began it, and before it what the workflow itself was given when the scope says so. */
export function historyTo(
  { events, ...who }: HistorySource,
  { id, scope }: { readonly id: number; readonly scope: number },
): PropagatedHistory {
  const at = events.findIndex((event) => event.id === id && (event.type === 'taskScheduled' || event.type === 'childCreated'));
  const own = (at < 0 ? events : events.slice(0, at + 1)).map(bare);
  const received = scope === propagationScopes.lineage ? (givenTo(events)?.chunks ?? []) : [];
  return { scope, chunks: [...received, { ...who, events: own }] };
}

/** What the workflow of these events was given with its start. */
export function givenTo(events: readonly HistoryEvent[]): PropagatedHistory | undefined {
  const started = events.find((event) => event.type === 'executionStarted');
  return started?.type === 'executionStarted' ? started.propagated : undefined;
}

/** True for the scope of an operation that something goes along with. */
export function isScope(scope: number | undefined): scope is number {
  return scope !== undefined && scope > propagationScopes.none;
}

// What was handed on once stands in a chunk of its own.
function bare(event: HistoryEvent): HistoryEvent {
  if (event.type !== 'executionStarted' || event.propagated === undefined) return event;
  const { propagated: _given, ...rest } = event;
  return rest;
}
