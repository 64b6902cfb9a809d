import type { HistoryEvent, TraceParent } from '../../contracts/workflow.ts';
import type { ActiveSpan } from '../../contracts/tracer.ts';
import { spanAttributes } from '../../kernel/names.ts';
import { isTraceparent, noTrace, type TraceContext } from '../../kernel/trace-context.ts';
import type { Core } from './core.ts';
import { type Header, statusOf } from './header.ts';
import { type LiveInstance, readPast } from './live-instance.ts';

/**
 * One span per execution, from its first turn to its end, whoever executes its turns: the ids follow from the execution, so that a runtime which takes an instance over goes on with the same
 * span, and only the one that ends the execution exports it. Activities and children are below it.
 */
export async function resumeSpan(core: Core, live: LiveInstance): Promise<void> {
  const { header } = live;
  if (header === undefined || live.span !== undefined) return;
  const { traceId, spanId } = lastingIds(core, header.execution);
  const name = `workflow||${header.name}||${live.id}`;
  const startMs = header.events === 0 ? core.engine.now() : (header.startedMs ?? header.createdMs);
  live.span = core.tracer.resume({ kind: 'internal', name, parent: contextOf(header.trace), traceId, spanId, startMs });
  // What others noted in it is gone with their memory.
  if (header.events > 0 && live.span.sampled) note(live.span, await readPast(core, live));
}

/** Notes what is new in the span, and tells workers its id; the parent of what the turn begins. */
export function turnTrace(live: LiveInstance, news: HistoryEvent[]): { readonly trace?: TraceParent } {
  const { span } = live;
  if (span === undefined) return {};
  note(span, news);
  const trace = parentOf(span.trace);
  if (trace === undefined) return {};
  const at = news.findIndex(({ type }) => type === 'executionStarted');
  const started = news[at];
  if (started?.type === 'executionStarted') news[at] = { ...started, workflowSpanId: trace.traceParent.slice(36, 52) };
  return { trace };
}

/** The instance is held for now. */
export function noteStall(live: LiveInstance, reason: string): void {
  live.span?.set(spanAttributes.workflowStalled, reason);
}

function note(span: ActiveSpan, events: readonly HistoryEvent[]): void {
  if (!span.sampled) return;
  for (const event of events) {
    if (event.type === 'eventRaised') span.set(`${spanAttributes.workflowEvent}.${event.name}`, event.input?.length ?? 0);
    else if (event.type === 'executionSuspended') span.set(spanAttributes.workflowSuspended, event.reason ?? '');
    else if (event.type === 'executionResumed') span.set(spanAttributes.workflowResumed, event.reason ?? '');
  }
}

/** The execution is over. */
export function endTurnTrace(live: LiveInstance, header: Header): void {
  live.span?.set(spanAttributes.workflowStatus, statusOf(header));
  for (const patch of header.choice?.patches ?? []) live.span?.set(`${spanAttributes.workflowPatch}.${patch}`, 1);
  live.span?.end(header.status !== 'FAILED');
  live.span = undefined;
}

// An execution is 32 random hex digits as a rule; those that workers name may be anything.
function lastingIds({ shardOf }: Core, execution: string): { readonly traceId: string; readonly spanId: string } {
  const own = /^[0-9a-f]{32}$/.test(execution) && !/^0{16}|0{32}$/.test(execution);
  const part = (n: number): string => (shardOf(`${n}\x00${execution}`, 2 ** 32 - 1) + 1).toString(16).padStart(8, '0');
  const traceId = own ? execution : [0, 1, 2, 3].map(part).join('');
  return { traceId, spanId: traceId.slice(0, 16) };
}

/** A stored parent as a context; whatever is not valid is none. */
export function contextOf(trace: TraceParent | undefined): TraceContext {
  if (trace === undefined || !isTraceparent(trace.traceParent)) return noTrace;
  return { traceparent: trace.traceParent, tracestate: trace.traceState ?? '', baggage: '' };
}

/** A context as it is stored; undefined for none. */
export function parentOf({ traceparent, tracestate }: TraceContext): TraceParent | undefined {
  if (traceparent === '') return undefined;
  return { traceParent: traceparent, ...(tracestate !== '' && { traceState: tracestate }) };
}
