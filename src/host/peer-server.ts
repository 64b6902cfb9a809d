import type { InvokeRequest } from '../contracts/app-channel.ts';
import { createCall } from '../kernel/call.ts';
import { emptyContext, withValue } from '../kernel/context.ts';
import { ProaError } from '../kernel/errors.ts';
import { canonicalMethod } from '../kernel/method-path.ts';
import { deadlineOf, timeoutHeader } from '../kernel/timeout-header.ts';
import type { Address, Clock, Ports } from '../kernel/ports.ts';
import { isTraceparent, traceKey } from '../kernel/trace-context.ts';
import { forwardHeaders } from '../wire/http1/forward-headers.ts';
import type { Http1Request } from '../wire/http1/request.ts';
import type { Http1Response } from '../wire/http1/response.ts';
import { serveHttp1, type Http1Server } from '../wire/http1/server.ts';
import { peerHeaders, receiveFromPeer, type Machine } from './machine.ts';

const operation = { block: 'invoke', name: 'receive', idempotent: false } as const;

/**
 * Serves invocations from other runtimes of this machine on a Unix socket that only the same user can open. Processes of one user are one
 * trust domain (docs/guides/security.md): the caller's app id is believed here, and nowhere else.
 */
export function servePeers(ports: Pick<Ports, 'network' | 'clock'>, address: Address, machine: Machine): Promise<Http1Server> {
  return serveHttp1({
    network: ports.network,
    clock: ports.clock,
    address,
    limits: { headerBytesMax: 128 * 1024, requestLineBytesMax: 64 * 1024, headersMax: 256 },
    handler: (request, response) => answer({ machine, clock: ports.clock }, request, response),
  });
}

function answer({ machine, clock }: { machine: Machine; clock: Clock }, request: Http1Request, response: Http1Response): void {
  const instance = request.header('x-proa-instance');
  const method = canonicalMethod(request.path);
  if (instance === undefined || 'error' in method) {
    request.body.discard();
    response.send(400, []);
    return;
  }
  let deadlineMs: number;
  try {
    deadlineMs = deadlineOf(request.header(timeoutHeader), clock);
  } catch {
    request.body.discard();
    response.send(400, []);
    return;
  }
  const { cancel } = request;
  const traceparent = request.header('traceparent') ?? '';
  const trace = { traceparent: isTraceparent(traceparent) ? traceparent : '', tracestate: request.header('tracestate') ?? '', baggage: '' };
  const input: InvokeRequest = {
    appId: request.header(peerHeaders.target) ?? '',
    namespace: '',
    httpMethod: request.method,
    path: method.path,
    query: request.query ?? '',
    headers: forwardHeaders(request.headers).filter((_, i, all) => all[i - (i % 2)] !== 'x-proa-instance'),
    body: request.body,
    replayable: request.body.length !== undefined,
  };
  const call = createCall(operation, input, {
    cancel,
    deadlineMs,
    context: trace.traceparent === '' ? emptyContext : withValue(emptyContext, traceKey, trace),
    caller: { appId: request.header(peerHeaders.callerAppId) ?? '', namespace: request.header(peerHeaders.callerNamespace) ?? '' },
  });
  receiveFromPeer(machine, instance, call).then(
    (answered) => {
      response.onEnd({
        answered: (error) =>
          void call.end.fire({ ok: error === undefined, status: answered.status, ...(error === undefined ? {} : { error }) }),
      });
      response.sendBody(answered.status, forwardHeaders(answered.headers), answered.body);
    },
    (thrown: unknown) => {
      const error = ProaError.from(thrown);
      call.end.fire({ ok: false, error });
      // The caller's runtime builds the error document; the code travels in a header of its own.
      const after = error.details?.metadata?.['retryAfterMs'];
      const more = after === undefined ? [] : ['x-proa-retry-after-ms', after];
      response.send(error.spec.http, ['x-proa-error', error.code, 'content-type', 'text/plain', ...more], error.message);
    },
  );
}
