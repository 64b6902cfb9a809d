import type { InvokeRequest } from '../../blocks/invoke/index.ts';
import { createCall } from '../../kernel/call.ts';
import { emptyContext, withValue } from '../../kernel/context.ts';
import { ProaError } from '../../kernel/errors.ts';
import { deadlineOf, timeoutHeader } from '../../kernel/timeout-header.ts';
import { canonicalMethod } from '../../kernel/method-path.ts';
import { ListMemo } from '../../kernel/list-memo.ts';
import { TextMemo } from '../../kernel/text-memo.ts';
import { traceKey } from '../../kernel/trace-context.ts';
import { forwardHeaders } from '../../wire/http1/forward-headers.ts';
import { dispatch, type Dispatchable, type Dispatched, type DispatchedTo, type DispatchOptions } from './dispatch.ts';
import { errorReply } from './error-reply.ts';
import { invokeTarget, isNamedByHeader } from './invoke-target.ts';
import type { Match } from './router.ts';

/** A request of the API, on its way to a row of the table or to another app. */
export interface FrontRequest extends Dispatchable {
  /** Without the query; `//` is not folded yet. */
  readonly path: string;
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
export type Answerer = (request: FrontRequest, match: Match | 'bad-escape' | undefined, to: DispatchedTo) => void;

export function createAnswerer(options: AnswererOptions): Answerer {
  const ofPath = new TextMemo((path) => destinationOf(foldSlashes(path), noHeaders));
  const passed = { in: new ListMemo(forwardHeaders), out: new ListMemo(forwardHeaders) };
  return (request, match, to) => {
    if (match === 'bad-escape') {
      request.body.discard();
      return to.dispatched(badEscape);
    }
    if (match !== undefined) return dispatch(options, request, { match, to });
    if (!options.invocations) return to.dispatched(refused(request, noAppId()));
    const destination = isNamedByHeader(request) ? destinationOf(foldSlashes(request.path), request) : ofPath.of(request.path);
    if ('appId' in destination) return invoke(options, request, { destination, to, passed });
    return to.dispatched(refused(request, destination.refusal()));
  };
}

interface Reached {
  readonly appId: string;
  readonly path: string;
}

/** The app and the canonical method of an invocation, or why there is none. */
type Destination = Reached | { readonly refusal: () => ProaError };

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
  return new ProaError('invoke.no-app-id', 'failed getting app id either from the URL path or the header dapr-app-id', {
    hint: 'no API has this method and path; an app is called with /v1.0/invoke/<app id>/method/<path>',
  });
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

function foldSlashes(path: string): string {
  return path.includes('//') && !path.includes('://') ? path.replace(/\/{2,}/g, '/') : path;
}
