import type { MessageInitShape, MessageShape, DescMethod } from '@bufbuild/protobuf';
import type { Blocks, Tracer } from '../../blocks/runtime/index.ts';
import { createCall, type Caller, type Operation } from '../../kernel/call.ts';
import { emptyContext, withValue } from '../../kernel/context.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Clock } from '../../kernel/ports.ts';
import type { Service } from '../../kernel/service.ts';
import { readTraceparent, traceKey, type TraceContext } from '../../kernel/trace-context.ts';
import { headerValue } from '../../wire/grpc/metadata.ts';
import { grpcNumber } from '../../kernel/status.ts';
import type { ServerCall } from '../../wire/grpc/method.ts';
import { isBaggage } from '../../kernel/baggage.ts';
import { describeCall } from './span-attributes.ts';
import { fromTraceBin, toTraceBin } from './trace-bin.ts';

/** What every row of the gRPC API is answered with. */
export interface GrpcFrontContext {
  readonly clock: Clock;
  readonly blocks: Blocks;
  readonly tracer: Tracer;
  readonly caller: Caller;
}

/** One unary rpc: it translates, and decides nothing. */
export interface Row<M extends DescMethod, In, Out> {
  readonly operation: Operation;
  decode(request: MessageShape<M['input']>, call: ServerCall): In;
  service(blocks: Blocks): Service<In, Out>;
  encode(output: Out, call: ServerCall, request: MessageShape<M['input']>): MessageInitShape<M['output']>;
}

/** Makes handlers from rows. The call ends when its answer is there: a unary answer has no last byte to wait for. */
export function unaryRows(
  front: GrpcFrontContext,
): <M extends DescMethod, In, Out>(
  method: M,
  row: Row<M, In, Out>,
) => (request: MessageShape<M['input']>, call: ServerCall) => Promise<MessageInitShape<M['output']>> {
  return (_method, row) => async (request, call) => {
    const output = await runService(front, call, {
      operation: row.operation,
      service: row.service(front.blocks),
      input: row.decode(request, call),
    });
    return row.encode(output, call, request);
  };
}

export interface Invocation<In, Out> {
  /** The HTTP status of an answer that has one: it tells how the call ended. */
  readonly statusOf?: (output: Out) => number;
  readonly operation: Operation;
  readonly service: Service<In, Out>;
  readonly input: In;
}

/** Runs a block's service for a gRPC call: trace, caller, deadline and cancellation are those of the call. */
export async function runService<In, Out>(front: GrpcFrontContext, call: ServerCall, invocation: Invocation<In, Out>): Promise<Out> {
  const incoming = incomingTrace(call);
  if (incoming.baggage !== '') tellBaggage(call, incoming.baggage);
  const span = front.tracer.start('server', call.path, incoming);
  if (span.sampled || incoming.traceparent !== '') call.setHeader('grpc-trace-bin', toTraceBin(span.trace.traceparent));
  const end = (code: number): void => {
    if (span.sampled) describeCall(span, call, invocation);
    span.end(code === 0, code);
  };
  const made = createCall(invocation.operation, invocation.input, {
    caller: front.caller,
    deadlineMs: call.deadlineMs,
    cancel: call.cancel,
    context: span.trace.traceparent === '' ? emptyContext : withValue(emptyContext, traceKey, span.trace),
  });
  try {
    const output = await invocation.service(made);
    const status = invocation.statusOf?.(output);
    made.end.fire(status === undefined ? { ok: true } : { ok: status < 500, status });
    end(grpcNumber('OK'));
    return output;
  } catch (thrown) {
    const error = ProaError.from(thrown);
    made.end.fire({ ok: false, error });
    end(grpcNumber(error.spec.grpc));
    throw error;
  }
}

// It goes back to whoever sent it, as over HTTP.
function tellBaggage(call: ServerCall, baggage: string): void {
  if (!isBaggage(baggage)) throw new ProaError('bad-request', 'invalid baggage header');
  call.setHeader('baggage', baggage);
}

/** `traceparent` of the metadata, else `grpc-trace-bin` (OpenCensus's binary form). */
export function incomingTrace(call: Pick<ServerCall, 'metadata'>): TraceContext {
  const text = readTraceparent(headerValue(call.metadata, 'traceparent') ?? '');
  const traceparent = text === '' ? fromTraceBin(headerValue(call.metadata, 'grpc-trace-bin')) : text;
  return { traceparent, tracestate: headerValue(call.metadata, 'tracestate') ?? '', baggage: headerValue(call.metadata, 'baggage') ?? '' };
}
