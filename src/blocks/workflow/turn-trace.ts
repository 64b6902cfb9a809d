import type { HistoryEvent, TraceParent } from '../../contracts/workflow.ts';
import { isTraceparent, noTrace, type TraceContext } from '../../kernel/trace-context.ts';
import type { Core } from './core.ts';
import type { Header } from './header.ts';
import type { LiveInstance } from './live-instance.ts';

/**
 * One span per execution, from its first turn in this runtime to its end; activities and children are below it. A runtime that takes an instance over begins another
 * one below the same parent.
 */
export function turnTrace(core: Core, live: LiveInstance, news: readonly HistoryEvent[]): { readonly trace?: TraceParent } {
  const { header } = live;
  if (header === undefined) return {};
  live.span ??= core.tracer.start('internal', `workflow||${header.name}||${live.id}`, contextOf(header.trace));
  for (const event of news) {
    if (event.type === 'eventRaised') live.span.set(`workflow.event.${event.name}`, event.input?.length ?? 0);
  }
  const trace = parentOf(live.span.trace);
  return trace === undefined ? {} : { trace };
}

/** The execution is over. */
export function endTurnTrace(live: LiveInstance, header: Header): void {
  live.span?.set('workflow.status', header.status);
  for (const patch of header.choice?.patches ?? []) live.span?.set(`workflow.patch.${patch}`, 1);
  live.span?.end(header.status !== 'FAILED');
  live.span = undefined;
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
