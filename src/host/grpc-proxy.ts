import type { Govern } from '../contracts/governance.ts';
import type { InvokeRequest, InvokeResponse } from '../contracts/app-channel.ts';
import type { GrpcAppChannel } from '../fronts/app/grpc-channel.ts';
import { answered, isAnswered } from '../kernel/answered.ts';
import { emptyBody } from '../kernel/body.ts';
import { createCall, type Call, type Caller } from '../kernel/call.ts';
import { emptyContext, withValue } from '../kernel/context.ts';
import { ProaError } from '../kernel/errors.ts';
import type { Ports } from '../kernel/ports.ts';
import { grpcCodeOf, httpFromGrpc } from '../kernel/status.ts';
import { traceKey } from '../kernel/trace-context.ts';
import { callHead } from '../fronts/grpc/call-head.ts';
import type { HeaderList, Http2Stream, Http2StreamHandlers } from '../wire/http2/http2.ts';
import { headerValue } from '../wire/grpc/metadata.ts';
import { requestHead } from '../wire/grpc/request-head.ts';
import { translated } from '../wire/http2/stable-headers.ts';
import type { Service } from '../kernel/service.ts';
import type { Machine } from './machine.ts';
import { PassedCall, type OpenStream } from './passed-call.ts';
import type { PassedTelemetry } from './passed-telemetry.ts';

/** Opens a stream of a proxied call towards an app; fails when access control denies it or the app cannot be reached. */
export type ProxyReceive = (headers: HeaderList, caller: Caller, handlers: Http2StreamHandlers) => Http2Stream | Promise<Http2Stream>;

const operation = { block: 'invoke', name: 'proxy', idempotent: false } as const;
const stamped = new Set([
  'dapr-app-id',
  'dapr-api-token',
  'dapr-caller-app-id',
  'dapr-caller-namespace',
  'dapr-callee-app-id',
  'connection',
  'te',
]);

/** The receiving side: calls of unknown services reach the own gRPC app, behind the same access control as invocations. */
export function createProxyReceive(parts: {
  readonly govern: Govern;
  readonly appId: string;
  readonly namespace: string;
  readonly channel: () => GrpcAppChannel | undefined;
}): ProxyReceive {
  const { govern, appId, namespace, channel } = parts;
  const service = govern<ProxyRequest, ProxyResponse>(
    { block: 'invoke', name: appId, operation: 'proxy', direction: 'inbound' },
    ({ input }) => {
      try {
        const app = channel();
        if (app === undefined) throw new ProaError('invoke.unreachable', `app "${appId}" does not speak gRPC, or is not connected`);
        const stream = app.client.raw(input.wire, input.handlers);
        return stream instanceof Promise ? stream.then(answerWith) : answered(answerWith(stream));
      } catch (error) {
        return Promise.reject(ProaError.from(error));
      }
    },
  );
  const stampsOf = perCaller((caller) => ['te', 'trailers', ...callerStamps(caller), 'dapr-callee-app-id', appId]);
  return (headers, caller, handlers) => {
    const watched = new WatchedStream(handlers);
    const call = createCall<ProxyRequest>(
      operation,
      {
        appId,
        namespace,
        httpMethod: 'POST',
        path: requestHead(headers).name,
        query: '',
        // For matches and tokens of policies; what goes to the app is `wire`.
        headers,
        body: emptyBody,
        replayable: false,
        wire: stampsOf(caller)(headers),
        handlers: watched,
      },
      { caller, context: contextOf(headers) },
    );
    watched.call = call;
    const streamOf = ({ stream, status }: ProxyResponse): Http2Stream => {
      if (stream !== undefined) return stream;
      // A fault or a fallback: what it says in HTTP terms cannot take the place of a stream.
      call.end.fire({ ok: false, status });
      throw new ProaError('unavailable', `a policy answered with status ${status} in place of app "${appId}"`);
    };
    const answer = service(call);
    return isAnswered(answer) ? streamOf(answer.answer) : answer.then(streamOf);
  };
}

function answerWith(stream: Http2Stream): ProxyResponse {
  return { status: 200, headers: noHeaders, body: emptyBody, stream };
}

interface ProxyRequest extends InvokeRequest {
  /** The request's headers as the app gets them. */
  readonly wire: HeaderList;
  readonly handlers: Http2StreamHandlers;
}

interface ProxyResponse extends InvokeResponse {
  /** Absent when a policy answered in place of the app. */
  readonly stream?: Http2Stream;
}

function contextOf(headers: HeaderList) {
  const { trace } = callHead(headers);
  return trace.traceparent === '' ? emptyContext : withValue(emptyContext, traceKey, trace);
}

const noHeaders: readonly string[] = [];

/** Ends the call with its stream, as the app's status says. */
class WatchedStream implements Http2StreamHandlers {
  readonly #handlers: Http2StreamHandlers;
  call: Call<ProxyRequest> | undefined = undefined;
  #status = 200;

  constructor(handlers: Http2StreamHandlers) {
    this.#handlers = handlers;
  }

  headers(headers: HeaderList): void {
    this.#read(headers);
    this.#handlers.headers(headers);
  }

  data(chunk: Uint8Array): void {
    this.#handlers.data(chunk);
  }

  end(trailers: HeaderList): void {
    this.#read(trailers);
    this.#handlers.end(trailers);
  }

  drain(): void {
    this.#handlers.drain();
  }

  close(code: number): void {
    this.call?.end.fire({ ok: code === 0, status: this.#status });
    this.#handlers.close(code);
  }

  #read(headers: HeaderList): void {
    const number = headerValue(headers, 'grpc-status');
    if (number !== undefined && number !== '0') this.#status = httpFromGrpc(grpcCodeOf(Number(number)));
  }
}

const callersMax = 256;

/** For each caller, the translation of headers that takes what a caller may not say of itself away and stamps `stamps`. */
function perCaller(stamps: (caller: Caller) => readonly string[]): (caller: Caller) => (headers: HeaderList) => readonly string[] {
  const made = new Map<string, (headers: HeaderList) => readonly string[]>();
  const find = (caller: Caller): ((headers: HeaderList) => readonly string[]) => {
    const id = `${caller.namespace} ${caller.appId}`;
    const found = made.get(id);
    if (found !== undefined) return found;
    const stamp = stamps(caller);
    const translate = translated((headers) => [...withoutStamps(headers), ...stamp]);
    if (made.size >= callersMax) made.clear();
    made.set(id, translate);
    return translate;
  };
  let last: Caller | undefined;
  let lastFound: ((headers: HeaderList) => readonly string[]) | undefined;
  return (caller) => {
    // Callers are the same objects from call to call; all of one connection come from one.
    if (caller !== last || lastFound === undefined) {
      lastFound = find(caller);
      last = caller;
    }
    return lastFound;
  };
}

function callerStamps({ appId, namespace }: Caller): readonly string[] {
  return ['dapr-caller-app-id', appId, 'dapr-caller-namespace', namespace];
}

/** The calling side: an unknown service with the metadata `dapr-app-id` goes to that app (Dapr reference 7.7), through the stack of its invocations. */
export function createProxy(
  { clock }: Pick<Ports, 'clock'>,
  parts: Pick<Machine, 'local' | 'peers'> & {
    readonly invoke: Service<InvokeRequest, InvokeResponse>;
    readonly telemetry: PassedTelemetry;
  },
  caller: Caller,
): (stream: Http2Stream, headers: HeaderList) => Http2StreamHandlers | undefined {
  const { local, peers, invoke, telemetry } = parts;
  const open: OpenStream = (endpoint, headers, handlers) => {
    const app = local.get(endpoint.instance);
    if (app !== undefined) return app.proxy(headers, caller, handlers);
    const passed = { headers: withoutStamps(headers).concat('te', 'trailers'), caller, handlers };
    const links = peers.links();
    return links instanceof Promise ? links.then((loaded) => loaded.grpc(endpoint, passed)) : links.grpc(endpoint, passed);
  };
  return (stream, headers) => {
    const { target } = callHead(headers);
    if (target === '') return undefined;
    const passed = new PassedCall(stream, { headers, target, caller, clock, telemetry, open });
    passed.start(invoke);
    return passed;
  };
}

function withoutStamps(headers: HeaderList): string[] {
  const kept: string[] = [];
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string;
    if (!stamped.has(name) && name !== ':scheme') kept.push(name, headers[i + 1] as string);
  }
  return kept;
}
