import type { ActiveSpan, SpanKind, Tracer } from '../contracts/tracer.ts';
import { spanAttributes } from '../kernel/names.ts';
import type { Clock, Random } from '../kernel/ports.ts';
import { isSampled, type TraceContext } from '../kernel/trace-context.ts';
import { createTraceIds, parentOf } from './trace-ids.ts';

/** A finished, sampled span, ready for an exporter. Times are wall nanoseconds. */
export interface FinishedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly name: string;
  readonly kind: SpanKind;
  readonly startNs: bigint;
  readonly endNs: bigint;
  readonly ok: boolean;
  readonly attributes: readonly (readonly [string, string | number])[];
  readonly traceState: string;
}

export interface TracingOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** 0 to 1: the share of root spans that is recorded. A parent's decision wins. */
  readonly samplingRate: number;
  /** Absent: nobody is shown spans. Traces go on, with the decision that they are recorded, but none of their spans is. */
  readonly export?: (span: FinishedSpan) => void;
}

/** A tracer whose spans cost an id and one small object, but for those that somebody is shown. */
export function createTracer(options: TracingOptions): Tracer {
  const ids = createTraceIds(options.random);
  const threshold = Math.min(1, Math.max(0, options.samplingRate)) * 2 ** 32;
  const recorder = options.export && { clock: options.clock, export: options.export };
  return {
    exports: recorder !== undefined,
    start(kind, name, parent) {
      const root = parent.traceparent === '';
      const sampled = root ? options.random.u32() < threshold : isSampled(parent.traceparent);
      const line = root ? ids.rootLine() : undefined;
      const made = line === undefined ? `${parent.traceparent.slice(0, 36)}${ids.spanId()}-00` : parentOf(line);
      const traceparent = sampled ? `${made.slice(0, 53)}01` : made;
      const { tracestate, baggage } = parent;
      const trace: TraceContext = { traceparent, tracestate, baggage, line: sampled ? undefined : line, sampled };
      if (!sampled || recorder === undefined) return new UnseenSpan(trace);
      const [traceId, spanId] = [made.slice(3, 35), made.slice(36, 52)];
      return recordedSpan(recorder, { kind, name, trace, traceId, spanId, parentSpanId: root ? '' : parent.traceparent.slice(36, 52) });
    },
    resume({ kind, name, parent, spanId, startMs, ...own }) {
      const root = parent.traceparent === '';
      // Of the id, so that every process decides the same.
      const sampled = root ? Number.parseInt(own.traceId.slice(-8), 16) < threshold : isSampled(parent.traceparent);
      const traceId = root ? own.traceId : parent.traceparent.slice(3, 35);
      const traceparent = `00-${traceId}-${spanId}-0${sampled ? 1 : 0}`;
      const trace: TraceContext = { traceparent, tracestate: parent.tracestate, baggage: parent.baggage, sampled };
      if (!sampled || recorder === undefined) return new UnseenSpan(trace);
      return recordedSpan(recorder, {
        kind,
        name,
        trace,
        traceId,
        spanId,
        parentSpanId: root ? '' : parent.traceparent.slice(36, 52),
        startMs,
      });
    },
  };
}

class UnseenSpan implements ActiveSpan {
  readonly sampled = false;
  readonly trace: TraceContext;
  constructor(trace: TraceContext) {
    this.trace = trace;
  }
  set(): void {}
  rename(): void {}
  end(): void {}
}

interface Started {
  readonly kind: SpanKind;
  readonly name: string;
  readonly trace: TraceContext;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  /** Absent: now. */
  readonly startMs?: number;
}

function recordedSpan(options: Required<Pick<TracingOptions, 'clock' | 'export'>>, started: Started): ActiveSpan {
  const startMs = started.startMs ?? options.clock.now();
  const beforeMs = Math.max(0, options.clock.now() - startMs);
  const startMono = options.clock.mono();
  const attributes: [string, string | number][] = [];
  let { name } = started;
  let ended = false;
  return {
    trace: started.trace,
    sampled: true,
    set: (name, value) => attributes.push([name, value]),
    rename(given) {
      name = given;
    },
    end(ok, status) {
      if (ended) return;
      ended = true;
      if (status !== undefined) attributes.push([spanAttributes.statusCode, status]);
      const startNs = BigInt(Math.round(startMs * 1e3)) * 1000n;
      const tookNs = BigInt(Math.round((beforeMs + options.clock.mono() - startMono) * 1e6));
      const { kind, traceId, spanId, parentSpanId, trace } = started;
      options.export({
        traceId,
        spanId,
        parentSpanId,
        name,
        kind,
        startNs,
        endNs: startNs + tookNs,
        ok,
        attributes,
        traceState: trace.tracestate,
      });
    },
  };
}
