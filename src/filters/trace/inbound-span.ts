import type { SpanKind, Tracer } from '../../contracts/tracer.ts';
import { derive, type Call } from '../../kernel/call.ts';
import { valueOf, withValue } from '../../kernel/context.ts';
import { isRecorded, traceKey, type TraceContext } from '../../kernel/trace-context.ts';
import type { Service } from '../../kernel/service.ts';

/** What the span of an incoming call says. */
export interface InboundSpan {
  readonly name: string;
  readonly attributes: readonly (readonly [name: string, value: string])[];
}

export interface InboundSpanOptions<In> {
  readonly tracer: Tracer;
  readonly kind: SpanKind;
  describe(input: In): InboundSpan;
  /** A call without a trace passes as it came, too: whoever sent it has decided that it is not recorded. */
  readonly decided?: boolean;
  /** The input with another trace, where the input holds one. */
  retraced?(input: In, trace: TraceContext): In;
}

/**
 * A span around what reaches the app (an invocation, an event), so that the app's own spans hang below it. A call of a trace that is not recorded, or shown to nobody, passes
 * as it came: nobody would see the span between.
 */
export function inboundSpan<In, Out>(options: InboundSpanOptions<In>): (next: Service<In, Out>) => Service<In, Out> {
  return (next) => (call) => {
    const parent = valueOf(call.context, traceKey);
    const begins = parent.traceparent === '' && options.decided !== true;
    return begins || (options.tracer.exports && isRecorded(parent)) ? next(traced(options, call, parent)) : next(call);
  };
}

function traced<In>({ tracer, kind, describe, retraced }: InboundSpanOptions<In>, call: Call<In>, parent: TraceContext): Call<In> {
  const span = tracer.start(kind, '', parent);
  if (span.trace.traceparent === parent.traceparent) return call;
  if (span.sampled) {
    const { name, attributes } = describe(call.input);
    span.rename(name);
    for (const [attribute, value] of attributes) span.set(attribute, value);
    call.end.listen(({ ok, status }) => span.end(ok && (status === undefined || status < 400), status));
  }
  const context = withValue(call.context, traceKey, span.trace);
  return derive(call, { context, input: retraced === undefined ? call.input : retraced(call.input, span.trace) });
}
