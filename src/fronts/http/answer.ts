import type { Blocks } from '../../blocks/runtime/index.ts';
import type { InvokeRequest } from '../../blocks/invoke/index.ts';
import type { Body } from '../../kernel/body.ts';
import { createCall, type Caller } from '../../kernel/call.ts';
import type { CancelScope } from '../../kernel/cancel.ts';
import { emptyContext, withValue } from '../../kernel/context.ts';
import { ProaError } from '../../kernel/errors.ts';
import { canonicalMethod } from '../../kernel/method-path.ts';
import { traceKey, type TraceContext } from '../../kernel/trace-context.ts';
import { forwardHeaders } from '../../wire/http1/forward-headers.ts';
import { dispatch, type Dispatched } from './dispatch.ts';
import { errorReply } from './error-reply.ts';
import { invokeTarget } from './invoke-target.ts';
import { Query } from './query.ts';
import type { Match, Router } from './router.ts';

/** A request of the API, on its way to a row of the table or to another app. */
export interface FrontRequest {
  readonly method: string;
  /** Without the query; `//` is not folded yet. */
  readonly path: string;
  readonly query: string;
  readonly headers: readonly string[];
  header(name: string): string | undefined;
  readonly body: Body;
  readonly trace: TraceContext;
  readonly cancel: CancelScope;
}

export interface AnswererOptions {
  readonly router: Router;
  readonly blocks: Blocks;
  readonly caller: Caller;
  readonly bodyBytesMax: number;
  /** False on the public listener, and when `spec.api` does not allow invocations: unknown paths are then just unknown. */
  readonly invocations: boolean;
}

const invokeOperation = { block: 'invoke', name: 'call', idempotent: false } as const;
const badEscape: Dispatched = {
  reply: { status: 400, headers: ['content-type', 'text/plain'], body: 'invalid URL escape' },
  call: undefined,
  error: undefined,
};

/** Answers requests: by the row that matches, else as an invocation (Dapr reference 2, 3). Never rejects. */
export function createAnswerer(
  options: AnswererOptions,
): (request: FrontRequest, match: Match | 'bad-escape' | undefined) => Promise<Dispatched> {
  const { blocks, caller, bodyBytesMax } = options;
  return (request, match) => {
    if (match === 'bad-escape') {
      request.body.discard();
      return Promise.resolve(badEscape);
    }
    if (match === undefined) return invoke(options, request);
    return dispatch(blocks, {
      match,
      method: request.method,
      query: new Query(request.query),
      header: (name) => request.header(name),
      body: request.body,
      bodyBytesMax,
      caller,
      trace: request.trace,
      cancel: request.cancel,
    });
  };
}

function invoke(options: AnswererOptions, request: FrontRequest): Promise<Dispatched> {
  const target = options.invocations ? invokeTarget(foldSlashes(request.path), request) : undefined;
  if (target === undefined) {
    return refused(request, new ProaError('invoke.no-app-id', 'failed getting app id either from the URL path or the header dapr-app-id'));
  }
  const method = canonicalMethod(target.rawMethod);
  if ('error' in method)
    return refused(request, new ProaError('invoke.bad-method', `failed to invoke, id: ${target.appId}, err: ${method.error}`));
  const input: InvokeRequest = {
    appId: target.appId,
    namespace: options.caller.namespace,
    httpMethod: request.method,
    path: method.path,
    query: request.query,
    headers: forwardHeaders(request.headers),
    body: request.body,
    replayable: request.body.length !== undefined,
  };
  const call = createCall(invokeOperation, input, {
    caller: options.caller,
    cancel: request.cancel,
    context: request.trace.traceparent === '' ? emptyContext : withValue(emptyContext, traceKey, request.trace),
  });
  return options.blocks.invoke.call(call).then(
    (answer): Dispatched => ({
      reply: { status: answer.status, headers: forwardHeaders(answer.headers), stream: answer.body },
      call,
      error: undefined,
    }),
    (thrown: unknown): Dispatched => {
      const error = ProaError.from(thrown, 'invoke.failed');
      return { reply: errorReply(error), call, error };
    },
  );
}

function refused(request: FrontRequest, error: ProaError): Promise<Dispatched> {
  request.body.discard();
  return Promise.resolve({ reply: errorReply(error), call: undefined, error });
}

function foldSlashes(path: string): string {
  return path.includes('//') && !path.includes('://') ? path.replace(/\/{2,}/g, '/') : path;
}
