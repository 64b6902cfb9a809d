import type { TraceContext } from '../kernel/trace-context.ts';

export type SpanKind = 'server' | 'client' | 'producer' | 'consumer' | 'internal';

/** A span under way. One that is not sampled still has ids, so that the trace goes on behind it, and costs little more than they do. */
export interface ActiveSpan {
  /** What callees see: this span as their parent. */
  readonly trace: TraceContext;
  /** Whether it is shown to somebody; `trace` says whether the trace is recorded. */
  readonly sampled: boolean;
  /** `attribute` comes from `kernel/names`; whoever has to work for a value asks `sampled` first. */
  set(attribute: string, value: string | number): void;
  /** Another name, once it is known what the call is about. */
  rename(name: string): void;
  /** Ends the span once; `status` is an HTTP or gRPC status. */
  end(ok: boolean, status?: number): void;
}

export interface Tracer {
  /** False: nobody is shown any span, so one that would only stand between two others need not be. */
  readonly exports: boolean;
  /** Starts a span below `parent` (a root when it is empty). Sampling follows the parent, else the configured rate. */
  start(kind: SpanKind, name: string, parent: TraceContext): ActiveSpan;
  /** A span of something that outlives processes: whoever names the same ids goes on with the same span, and decides the same about sampling. Only one of them ends it. */
  resume(span: LastingSpan): ActiveSpan;
}

export interface LastingSpan {
  readonly kind: SpanKind;
  readonly name: string;
  readonly parent: TraceContext;
  /** 32 lower-case hex digits: the trace when there is no parent. */
  readonly traceId: string;
  /** 16 lower-case hex digits. */
  readonly spanId: string;
  /** Wall milliseconds. */
  readonly startMs: number;
}

const untraced: ActiveSpan = { trace: { traceparent: '', tracestate: '', baggage: '' }, sampled: false, set() {}, rename() {}, end() {} };

/** Records nothing and starts no traces: incoming ones pass through unchanged. */
export const noTracer: Tracer = {
  exports: false,
  start: (_kind, _name, parent) => passed(parent),
  resume: ({ parent }) => passed(parent),
};

function passed(parent: TraceContext): ActiveSpan {
  return parent.traceparent === '' ? untraced : { ...untraced, trace: parent };
}
