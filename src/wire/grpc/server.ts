import { ProaError } from '../../kernel/errors.ts';
import { limits } from '../../kernel/limits.ts';
import type { Address, Clock, Connection } from '../../kernel/ports.ts';
import {
  defaultHttp2Limits,
  type HeaderList,
  type Http2Limits,
  type Http2Stream,
  type Http2StreamHandlers,
  type Http2Transport,
  type KeepAlive,
} from '../http2/http2.ts';
import type { Method } from './method.ts';
import { requestHead } from './request-head.ts';
import { GrpcServerCall, type CallContext } from './server-call.ts';
import { statusTrailers, toGrpcStatus } from './status.ts';

export interface GrpcServerOptions extends Omit<CallContext, 'messageBytesMax'> {
  readonly clock: Clock;
  /** Without it the server takes connections only by `accept`. */
  readonly address?: Address;
  readonly methods: readonly Method[];
  /**
   * Takes a call of a method that is not among `methods`, at the level of HTTP/2: it answers on the stream and gets its events.
   * Undefined refuses the call with UNIMPLEMENTED; what it throws is the answer.
   */
  onUnknown?(stream: Http2Stream, headers: HeaderList): Http2StreamHandlers | undefined;
  /** Largest message to receive (default 4 MiB). */
  readonly messageBytesMax?: number;
  readonly limits?: Partial<Http2Limits>;
  readonly keepAlive?: KeepAlive;
  readonly transport: Http2Transport;
}

export interface GrpcServer {
  /** The bound address with the real port. */
  readonly address: Address | undefined;
  /** Calls under way. */
  readonly calls: number;
  /** Serves a connection that somebody else accepted; `first` are the bytes read from it so far. */
  accept(connection: Connection, first?: Uint8Array): void;
  /** Takes no new calls, lets those under way end, and cuts off what has not ended after `graceMs` (default 5 s). */
  close(graceMs?: number): Promise<void>;
}

const serverKeepAlive: KeepAlive = { intervalMs: 60_000, timeoutMs: 20_000 };

/** Serves gRPC without TLS on a TCP port or Unix socket. Fails with the system's error when the address cannot be bound. */
export async function createGrpcServer(options: GrpcServerOptions): Promise<GrpcServer> {
  const { clock } = options;
  const methods = new Map(options.methods.map((method) => [method.path, method]));
  const context: CallContext = { ...options, messageBytesMax: options.messageBytesMax ?? limits.bodyBytes };
  const server = await options.transport.serve({
    ...(options.address === undefined ? undefined : { address: options.address }),
    limits: { ...defaultHttp2Limits, ...options.limits },
    keepAlive: options.keepAlive ?? serverKeepAlive,
    failed: (error) => options.failed?.('', ProaError.from(error)),
    stream: (stream, headers) => dispatch(stream, headers, { methods, context, options }),
  });
  return {
    address: server.address,
    get calls() {
      return server.streams;
    },
    accept: (connection, first) => server.accept(connection, first),
    async close(graceMs = 5_000) {
      const timer = clock.timer(graceMs, () => server.destroy());
      await server.drain();
      timer.cancel();
    },
  };
}

interface Dispatch {
  readonly methods: ReadonlyMap<string, Method>;
  readonly context: CallContext;
  readonly options: GrpcServerOptions;
}

function dispatch(stream: Http2Stream, headers: HeaderList, to: Dispatch): Http2StreamHandlers {
  const { grpc, method: verb, path } = requestHead(headers);
  if (!grpc) return refuse(stream, ['415', 'this port serves gRPC']);
  if (verb !== 'POST') return refuse(stream, ['405', 'gRPC calls are POST requests']);
  const method = to.methods.get(path);
  if (method !== undefined) {
    const call = new GrpcServerCall(stream, headers, { method, context: to.context });
    call.start();
    return call;
  }
  try {
    const handlers = to.options.onUnknown?.(stream, headers);
    if (handlers !== undefined) return handlers;
    throw new ProaError('unimplemented', `${path.slice(0, 200)} is not implemented here`);
  } catch (error) {
    stream.sendHeaders([':status', '200', 'content-type', 'application/grpc', ...statusTrailers(toGrpcStatus(error))], true);
    return deaf;
  }
}

function refuse(stream: Http2Stream, [status, message]: readonly [string, string]): Http2StreamHandlers {
  stream.sendHeaders([':status', status, 'content-type', 'text/plain']);
  stream.write(Buffer.from(`${message}\n`));
  stream.end();
  return deaf;
}

/** Handlers of a stream that was answered already. */
const deaf: Http2StreamHandlers = { headers() {}, data() {}, end() {}, drain() {}, close() {} };
