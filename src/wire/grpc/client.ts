import { create, fromBinary, toBinary, type DescMethod, type MessageInitShape, type MessageShape } from '@bufbuild/protobuf';
import { ProaError } from '../../kernel/errors.ts';
import { limits } from '../../kernel/limits.ts';
import type { Address, Clock, Random } from '../../kernel/ports.ts';
import { addressText, Channel } from './channel.ts';
import { GrpcClientCall, type CallParts, type CallSink, type ClientCallOptions } from './client-call.ts';
import {
  defaultHttp2Limits,
  type ClientTls,
  type HeaderList,
  type Http2Session,
  type Http2Stream,
  type Http2StreamHandlers,
  type Http2Transport,
  type KeepAlive,
} from '../http2/http2.ts';
import { translated } from '../http2/stable-headers.ts';
import { MessageQueue } from './message-queue.ts';
import type { MessageWriter } from './message-writer.ts';
import { methodPath } from './method.ts';

export interface GrpcClientOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly address: Address;
  readonly tls?: ClientTls;
  /** Largest message to receive (default 4 MiB). */
  readonly messageBytesMax?: number;
  /** Calls that may be under way at once (default 1000); more fail with `overloaded`. */
  readonly callsMax?: number;
  readonly connectTimeoutMs?: number;
  readonly backoffMaxMs?: number;
  /** Servers of other makers end connections that ask more often than every five minutes. */
  readonly keepAlive?: KeepAlive;
  readonly transport: Http2Transport;
  /** Told of every call (proxied streams excepted), with its gRPC status, when it is over. */
  readonly ended?: CallParts['ended'];
}

/** A streaming call: write, end, and iterate over what comes back. It fails with the call's error. */
export interface ClientStream<I, O> extends AsyncIterable<O>, MessageWriter<I> {
  /** Sends no more messages. */
  end(): void;
  cancel(reason?: unknown): void;
}

/** A method without a descriptor: its path and how its messages are written and read. */
export interface MethodCodec<I, O> {
  readonly path: string;
  encode(message: I): Uint8Array;
  decode(bytes: Uint8Array): O;
}

export interface GrpcClient {
  /** Sends one message and gives the one that comes back. Fails with a `ProaError`; `remoteStatusOf` tells the peer's status. */
  unary<I, O>(method: MethodCodec<I, O>, request: I, options?: ClientCallOptions): Promise<O>;
  /** Opens a streaming call of any kind. Fails when there is no connection. */
  stream<I, O>(method: MethodCodec<I, O>, options?: ClientCallOptions): Promise<ClientStream<I, O>>;
  /** Opens a stream at the level of HTTP/2, for proxies; scheme and authority are this client's. Fails with `unavailable`. */
  raw(headers: HeaderList, handlers: Http2StreamHandlers): Http2Stream | Promise<Http2Stream>;
  /** Resolves when there is a connection. Fails with `unavailable`. */
  connect(): Promise<void>;
  /** Ends the connection at once, with the calls on it. */
  close(): void;
}

/** The codec of a generated method. */
export function codecOf<M extends DescMethod>(method: M): MethodCodec<MessageInitShape<M['input']>, MessageShape<M['output']>> {
  const { input, output }: { input: M['input']; output: M['output'] } = method;
  return {
    path: methodPath(method),
    encode: (message) => toBinary(input, create(input, message) as MessageShape<M['input']>),
    decode: (bytes) => fromBinary(output, bytes) as MessageShape<M['output']>,
  };
}

const clientKeepAlive: KeepAlive = { intervalMs: 310_000, timeoutMs: 20_000 };

/** A client of one address. It connects at the first call and again whenever that is needed. */
export function createGrpcClient(options: GrpcClientOptions): GrpcClient {
  const { clock, address } = options;
  const channel = new Channel({
    clock,
    random: options.random,
    transport: options.transport,
    address,
    ...(options.tls === undefined ? undefined : { tls: options.tls }),
    limits: { ...defaultHttp2Limits, streamsMax: 1 },
    keepAlive: options.keepAlive ?? clientKeepAlive,
    connectTimeoutMs: options.connectTimeoutMs ?? 5_000,
    backoffMaxMs: options.backoffMaxMs ?? 1_000,
  });
  const callsMax = options.callsMax ?? 1000;
  const authority = 'path' in address ? 'localhost' : addressText(address);
  const scheme = options.tls === undefined ? 'http' : 'https';
  const readdressed = translated((headers) => readdress(headers, { scheme, authority }));
  let calls = 0;

  const open = (path: string, callOptions: ClientCallOptions, sink: CallSink): GrpcClientCall => {
    if (calls >= callsMax)
      throw new ProaError('overloaded', `${calls} calls to ${addressText(address)} are under way, the limit is ${callsMax}`, {
        refusedAt: 'caller',
      });
    calls++;
    return new GrpcClientCall({
      clock,
      path,
      authority,
      scheme,
      messageBytesMax: options.messageBytesMax ?? limits.bodyBytes,
      options: callOptions,
      ended: options.ended,
      sink: {
        message: (bytes) => sink.message(bytes),
        end(error) {
          calls--;
          sink.end(error);
        },
      },
    });
  };
  return {
    unary: (method, request, callOptions = {}) => unary({ open, channel }, method, { request, options: callOptions }),
    stream: (method, callOptions = {}) => openStream({ open, channel }, method, callOptions),
    raw(headers, handlers) {
      const session = channel.session();
      if (!(session instanceof Promise)) return session.request(readdressed(headers), handlers);
      return session.then((made) => made.request(readdressed(headers), handlers));
    },
    async connect() {
      await channel.session();
    },
    close: () => channel.destroy(),
  };
}

function readdress(headers: HeaderList, to: { readonly scheme: string; readonly authority: string }): string[] {
  const result = [':scheme', to.scheme, ':authority', to.authority];
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string;
    if (name === ':scheme' || name === ':authority' || name === 'host') continue;
    if (name.startsWith(':')) result.unshift(name, headers[i + 1] as string);
    else result.push(name, headers[i + 1] as string);
  }
  return result;
}

interface Opener {
  readonly channel: Channel;
  open(path: string, options: ClientCallOptions, sink: CallSink): GrpcClientCall;
}

async function unary<I, O>(opener: Opener, method: MethodCodec<I, O>, what: { request: I; options: ClientCallOptions }): Promise<O> {
  const first = method.encode(what.request);
  for (let attempt = 1; ; attempt++) {
    const { call, answer } = startUnary(opener, method, { first, options: what.options });
    try {
      return method.decode(await answer);
    } catch (error) {
      // A peer that goes away refuses what it has not begun: that is safe to send once more.
      if (!call.refused || attempt > 1) throw ProaError.from(error, 'malformed-response');
    }
  }
}

function startUnary(opener: Opener, method: MethodCodec<never, unknown>, what: { first: Uint8Array; options: ClientCallOptions }) {
  let settle: { resolve(bytes: Uint8Array): void; reject(error: unknown): void };
  const answer = new Promise<Uint8Array>((resolve, reject) => {
    settle = { resolve, reject };
  });
  let reply: Uint8Array | undefined;
  let replies = 0;
  const call = opener.open(method.path, what.options, {
    message(bytes) {
      replies++;
      reply = bytes;
    },
    end(error) {
      if (error !== undefined) settle.reject(error);
      else if (reply === undefined || replies > 1)
        settle.reject(new ProaError('internal', `${method.path} answered ${replies} messages instead of one`));
      else settle.resolve(reply);
    },
  });
  withSession(opener.channel, call, (session) => call.start(session, what.first, true));
  return { call, answer };
}

async function openStream<I, O>(opener: Opener, method: MethodCodec<I, O>, options: ClientCallOptions): Promise<ClientStream<I, O>> {
  const held: { call?: GrpcClientCall; opened?: (error?: ProaError) => void } = {};
  const queue = new MessageQueue<O>({ pause: () => held.call?.pause(), resume: () => held.call?.resume() });
  const started = new Promise<void>((resolve, reject) => {
    held.opened = (error) => (error === undefined ? resolve() : reject(error));
  });
  const call = opener.open(method.path, options, {
    message: (bytes) => queue.push(method.decode(bytes)),
    end(error) {
      if (error === undefined) queue.end();
      else queue.fail(error);
      held.opened?.(error);
    },
  });
  held.call = call;
  withSession(opener.channel, call, (session) => {
    call.start(session);
    held.opened?.();
  });
  await started;
  return {
    write: (message) => call.write(method.encode(message)),
    end: () => call.endSending(),
    cancel: (reason) => call.cancel(reason),
    [Symbol.asyncIterator]: () => queue[Symbol.asyncIterator](),
  };
}

// Without a promise when the connection is there: the usual case.
function withSession(channel: Channel, call: GrpcClientCall, then: (session: Http2Session) => void): void {
  let session: Http2Session | Promise<Http2Session>;
  try {
    session = channel.session();
  } catch (error) {
    call.unreachable(error);
    return;
  }
  if (!(session instanceof Promise)) then(session);
  else
    session.then(then, (error: unknown) => {
      call.unreachable(error);
    });
}
