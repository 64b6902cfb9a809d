import type { InvokeRequest } from '../../blocks/invoke/index.ts';
import { createCall } from '../../kernel/call.ts';
import { emptyContext, withValue } from '../../kernel/context.ts';
import { ProaError } from '../../kernel/errors.ts';
import { deadlineOf, timeoutHeader } from '../../kernel/timeout-header.ts';
import { ListMemo } from '../../kernel/list-memo.ts';
import { traceKey } from '../../kernel/trace-context.ts';
import { forwardHeaders } from '../../wire/http1/forward-headers.ts';
import { dispatch, type Dispatchable, type Dispatched, type DispatchedTo, type DispatchOptions } from './dispatch.ts';
import { errorReply } from './error-reply.ts';
import { destinationOf, isNamedByHeader, noAppId, type Reached } from './invoke-target.ts';
import type { KnownPath } from './known-path.ts';

/** A request of the API, on its way to a row of the table or to another app. */
export interface FrontRequest extends Dispatchable {
  readonly known: KnownPath;
}

export interface AnswererOptions extends DispatchOptions {
  /** False on the public listener, and when `spec.api` does not allow invocations: unknown paths are then just unknown. */
  readonly invocations: boolean;
}

const invokeOperation = { block: 'invoke', name: 'call', idempotent: false } as const;
const badEscape: Dispatched = {
  reply: { status: 400, headers: ['content-type', 'text/plain'], body: 'invalid URL escape' },
  call: undefined,
  error: undefined,
};

/** Answers a request: by the row that matches, else as an invocation (Dapr reference 2, 3). Every failure is an answer too. */
export type Answerer = (request: FrontRequest, to: DispatchedTo) => void;

export function createAnswerer(options: AnswererOptions): Answerer {
  const passed = { in: new ListMemo(forwardHeaders), out: new ListMemo(forwardHeaders) };
  return (request, to) => {
    const { known } = request;
    const match = known.match(request.method);
    if (match === 'bad-escape') {
      request.body.discard();
      return to.dispatched(badEscape);
    }
    if (match !== undefined) return dispatch(options, request, { match, to });
    if (!options.invocations) return to.dispatched(refused(request, noAppId()));
    const destination = isNamedByHeader(request) ? destinationOf(known.path, request) : known.destination();
    if ('appId' in destination) return invoke(options, request, { destination, to, passed });
    return to.dispatched(refused(request, destination.refusal()));
  };
}

/** The headers of requests and of answers that are passed on. */
interface PassedHeaders {
  readonly in: ListMemo<readonly string[]>;
  readonly out: ListMemo<readonly string[]>;
}

interface Invocation {
  readonly destination: Reached;
  readonly to: DispatchedTo;
  readonly passed: PassedHeaders;
}

function invoke(options: AnswererOptions, request: FrontRequest, { destination, to, passed }: Invocation): void {
  const { appId, path } = destination;
  let deadlineMs: number;
  try {
    deadlineMs = deadlineOf(request.header(timeoutHeader), options.clock);
  } catch (thrown) {
    to.dispatched(refused(request, ProaError.from(thrown)));
    return;
  }
  const input: InvokeRequest = {
    appId,
    namespace: options.caller.namespace,
    httpMethod: request.method,
    path,
    query: request.query,
    headers: passed.in.of(request.headers),
    body: request.body,
    replayable: request.body.length !== undefined,
  };
  const call = createCall(invokeOperation, input, {
    caller: options.caller,
    cancel: request.cancel,
    deadlineMs,
    context: request.trace.traceparent === '' ? emptyContext : withValue(emptyContext, traceKey, request.trace),
  });
  options.blocks.invoke.call(call).then(
    (answer) =>
      to.dispatched({
        reply: { status: answer.status, headers: passed.out.of(answer.headers), stream: answer.body },
        call,
        error: undefined,
      }),
    (thrown: unknown) => {
      const error = ProaError.from(thrown, 'invoke.failed');
      to.dispatched({ reply: errorReply(error), call, error });
    },
  );
}

function refused(request: FrontRequest, error: ProaError): Dispatched {
  request.body.discard();
  return { reply: errorReply(error), call: undefined, error };
}
