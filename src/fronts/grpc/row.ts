import type { MessageInitShape, MessageShape, DescMethod } from '@bufbuild/protobuf';
import type { ActiveSpan, Blocks, Tracer } from '../../blocks/runtime/index.ts';
import { answered, isAnswered } from '../../kernel/answered.ts';
import { createCall, type Call, type Caller, type Operation, type Outcome } from '../../kernel/call.ts';
import { emptyContext, withValue } from '../../kernel/context.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Clock } from '../../kernel/ports.ts';
import type { Service } from '../../kernel/service.ts';
import { traceKey } from '../../kernel/trace-context.ts';
import { grpcNumber } from '../../kernel/status.ts';
import type { ServerCall } from '../../wire/grpc/method.ts';
import { isBaggage } from '../../kernel/baggage.ts';
import { callHead } from './call-head.ts';
import { describeCall } from './span-attributes.ts';
import { toTraceBin } from './trace-bin.ts';

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
  return (_method, row) => (request, call) => {
    const answer = runService(front, call, {
      operation: row.operation,
      service: row.service(front.blocks),
      input: row.decode(request, call),
      statusOf: undefined,
    });
    if (isAnswered(answer)) return answered(row.encode(answer.answer, call, request));
    return answer.then((output) => row.encode(output, call, request));
  };
}

export interface Invocation<In, Out> {
  /** The HTTP status of an answer that has one: it tells how the call ended. */
  readonly statusOf?: ((output: Out) => number) | undefined;
  readonly operation: Operation;
  readonly service: Service<In, Out>;
  readonly input: In;
}

/**
 * Runs a block's service for a gRPC call: trace, caller, deadline and cancellation are those of the call. What is known at once is answered so. May throw what it could
 * reject with.
 */
export function runService<In, Out>(front: GrpcFrontContext, call: ServerCall, invocation: Invocation<In, Out>): Promise<Out> {
  const incoming = callHead(call.metadata).trace;
  if (incoming.baggage !== '') tellBaggage(call, incoming.baggage);
  const span = front.tracer.start('server', call.path, incoming);
  if (span.sampled || incoming.traceparent !== '') call.setHeader('grpc-trace-bin', toTraceBin(span.trace.traceparent));
  const made = createCall(invocation.operation, invocation.input, {
    caller: front.caller,
    deadlineMs: call.deadlineMs,
    cancel: call.cancel,
    context: span.trace.traceparent === '' ? emptyContext : withValue(emptyContext, traceKey, span.trace),
  });
  const running: Running<In, Out> = { call, invocation, span, made };
  let answer: Promise<Out>;
  try {
    answer = invocation.service(made);
  } catch (thrown) {
    throw failed(running, thrown);
  }
  if (!isAnswered(answer))
    return answer.then(
      (output) => succeeded(running, output),
      (thrown: unknown) => {
        throw failed(running, thrown);
      },
    );
  succeeded(running, answer.answer);
  return answer;
}

interface Running<In, Out> {
  readonly call: ServerCall;
  readonly invocation: Invocation<In, Out>;
  readonly span: ActiveSpan;
  readonly made: Call<In>;
}

const ended: Outcome = { ok: true };

function succeeded<In, Out>(running: Running<In, Out>, output: Out): Out {
  const status = running.invocation.statusOf?.(output);
  running.made.end.fire(status === undefined ? ended : { ok: status < 500, status });
  endSpan(running, grpcNumber('OK'));
  return output;
}

function failed<In, Out>(running: Running<In, Out>, thrown: unknown): ProaError {
  const error = ProaError.from(thrown);
  running.made.end.fire({ ok: false, error });
  endSpan(running, grpcNumber(error.spec.grpc));
  return error;
}

function endSpan<In, Out>({ call, invocation, span }: Running<In, Out>, code: number): void {
  if (span.sampled) describeCall(span, call, invocation);
  span.end(code === 0, code);
}

// It goes back to whoever sent it, as over HTTP.
function tellBaggage(call: ServerCall, baggage: string): void {
  if (!isBaggage(baggage)) throw new ProaError('bad-request', 'invalid baggage header');
  call.setHeader('baggage', baggage);
}
