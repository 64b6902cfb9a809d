import type { InvokeRequest } from '../../blocks/invoke/index.ts';
import { createCall } from '../../kernel/call.ts';
import { emptyContext, withValue } from '../../kernel/context.ts';
import { ProaError } from '../../kernel/errors.ts';
import { deadlineOf, timeoutHeader } from '../../kernel/timeout-header.ts';
import { canonicalMethod } from '../../kernel/method-path.ts';
import { TextMemo } from '../../kernel/text-memo.ts';
import { traceKey } from '../../kernel/trace-context.ts';
import { forwardHeaders } from '../../wire/http1/forward-headers.ts';
import { dispatch, type Dispatchable, type Dispatched, type DispatchOptions } from './dispatch.ts';
import { errorReply } from './error-reply.ts';
import { invokeTarget, isNamedByHeader } from './invoke-target.ts';
import type { Match } from './router.ts';

/** A request of the API, on its way to a row of the table or to another app. */
export interface FrontRequest extends Dispatchable {
  /** Without the query; `//` is not folded yet. */
  readonly path: string;
  readonly headers: readonly string[];
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

/** Answers requests: by the row that matches, else as an invocation (Dapr reference 2, 3). Never rejects. */
export function createAnswerer(
  options: AnswererOptions,
): (request: FrontRequest, match: Match | 'bad-escape' | undefined) => Promise<Dispatched> {
  const ofPath = new TextMemo((path) => destinationOf(foldSlashes(path), noHeaders));
  return (request, match) => {
    if (match === 'bad-escape') {
      request.body.discard();
      return Promise.resolve(badEscape);
    }
    if (match !== undefined) return dispatch(options, request, match);
    if (!options.invocations) return refused(request, noAppId());
    const destination = isNamedByHeader(request) ? destinationOf(foldSlashes(request.path), request) : ofPath.of(request.path);
    return 'appId' in destination ? invoke(options, request, destination) : refused(request, destination.refusal());
  };
}

/** The app and the canonical method of an invocation, or why there is none. */
type Destination = { readonly appId: string; readonly path: string } | { readonly refusal: () => ProaError };

const noHeaders = { header: () => undefined };

function destinationOf(path: string, request: Pick<FrontRequest, 'header'>): Destination {
  const target = invokeTarget(path, request);
  if (target === undefined) return { refusal: noAppId };
  const { appId, rawMethod } = target;
  const method = canonicalMethod(rawMethod);
  if ('path' in method) return { appId, path: method.path };
  return { refusal: () => new ProaError('invoke.bad-method', `failed to invoke, id: ${appId}, err: ${method.error}`) };
}

function noAppId(): ProaError {
  return new ProaError('invoke.no-app-id', 'failed getting app id either from the URL path or the header dapr-app-id');
}

function invoke(options: AnswererOptions, request: FrontRequest, { appId, path }: { appId: string; path: string }): Promise<Dispatched> {
  let deadlineMs: number;
  try {
    deadlineMs = deadlineOf(request.header(timeoutHeader), options.clock);
  } catch (thrown) {
    return refused(request, ProaError.from(thrown));
  }
  const input: InvokeRequest = {
    appId,
    namespace: options.caller.namespace,
    httpMethod: request.method,
    path,
    query: request.query,
    headers: forwardHeaders(request.headers),
    body: request.body,
    replayable: request.body.length !== undefined,
  };
  const call = createCall(invokeOperation, input, {
    caller: options.caller,
    cancel: request.cancel,
    deadlineMs,
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
