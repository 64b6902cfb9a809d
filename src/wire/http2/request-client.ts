import { emptyBody, type Body } from '../../kernel/body.ts';
import type { Cancellable, Cancellation } from '../../kernel/cancel.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Address, Clock, Network, Random, Timer } from '../../kernel/ports.ts';
import { traceHeaders, type TraceContext } from '../../kernel/trace-context.ts';
import { Channel } from '../grpc/channel.ts';
import { defaultHttp2Limits, http2Codes, type HeaderList, type Http2Session, type Http2Stream, type Http2StreamHandlers } from './http2.ts';
import { createOwnHttp2 } from './own-http2.ts';
import { StreamBody, type StreamBodyOwner } from './stream-body.ts';
import { StreamSink } from './stream-sink.ts';

export interface Http2ClientOptions {
  readonly clock: Clock;
  readonly network: Network;
  readonly random: Random;
  /** The server; all requests go there, over one connection. */
  readonly address: Address;
}

export interface Http2ClientRequest {
  readonly method: string;
  /** Path and query, encoded. */
  readonly target: string;
  /** Flat pairs, names in lower case; `host` becomes the authority. */
  readonly headers: readonly string[];
  /** The trace that the request belongs to, told behind `headers`, which hold none then. */
  readonly trace?: TraceContext | undefined;
  readonly body: Body;
  readonly cancel: Cancellation;
  /** Until the head of the answer; absent: no limit. */
  readonly timeoutMs?: number | undefined;
  /** Told of the answer before whoever waits for it. */
  readonly watcher?: { answered(response: Http2ClientResponse): void } | undefined;
}

export interface Http2ClientResponse {
  readonly status: number;
  readonly headers: readonly string[];
  readonly body: Body;
}

/**
 * HTTP requests over HTTP/2 without TLS (prior knowledge). Fails with `unavailable` when the server cannot be reached or broke off before it answered,
 * `deadline-exceeded` when `timeoutMs` passed, `cancelled` when the request was given up.
 */
export interface Http2RequestClient {
  request(request: Http2ClientRequest): Promise<Http2ClientResponse>;
  close(): Promise<void>;
}

/** A client of one server. It connects with the first request, and again after the connection broke. */
export function createHttp2Client({ clock, network, random, address }: Http2ClientOptions): Http2RequestClient {
  const channel = new Channel({
    clock,
    random,
    transport: createOwnHttp2({ clock, network }),
    address,
    limits: defaultHttp2Limits,
    keepAlive: { intervalMs: 60_000, timeoutMs: 20_000 },
    connectTimeoutMs: 5_000,
    backoffMaxMs: 200,
  });
  return {
    async request(request) {
      let session: Http2Session;
      try {
        session = await channel.session();
        // It may have been given up while the connection was made.
        if (request.cancel.cancelled) throw ProaError.from(request.cancel.reason, 'cancelled');
      } catch (error) {
        request.body.discard(error);
        throw error;
      }
      return new Promise((resolve, reject) => new ClientRequest(request, { resolve, reject, clock }).start(session));
    },
    close() {
      channel.close();
      return Promise.resolve();
    },
  };
}

interface Outcome {
  readonly clock: Clock;
  resolve(response: Http2ClientResponse): void;
  reject(error: ProaError): void;
}

/** One request on its stream. */
class ClientRequest implements Http2StreamHandlers, StreamBodyOwner, Cancellable {
  readonly #request: Http2ClientRequest;
  readonly #outcome: Outcome;
  #stream: Http2Stream | undefined = undefined;
  #sink: StreamSink | undefined = undefined;
  #body: StreamBody | undefined = undefined;
  #timer: Timer | undefined = undefined;
  #failure: ProaError | undefined = undefined;

  constructor(request: Http2ClientRequest, outcome: Outcome) {
    this.#request = request;
    this.#outcome = outcome;
  }

  start(session: Http2Session): void {
    const { body, cancel, timeoutMs } = this.#request;
    const bodyless = body.length === 0;
    try {
      this.#stream = session.request(requestHead(this.#request), this, bodyless);
    } catch (thrown) {
      const error = ProaError.from(thrown);
      body.discard(error);
      this.#outcome.reject(error);
      return;
    }
    cancel.guard(this);
    if (timeoutMs !== undefined)
      this.#timer = this.#outcome.clock.timer(timeoutMs, () =>
        this.#giveUp(new ProaError('deadline-exceeded', `no answer within ${timeoutMs} ms`)),
      );
    if (bodyless) return;
    this.#sink = new StreamSink(this.#stream, body.length, (error) => {
      this.#failure ??= ProaError.from(error, 'body-read');
    });
    body.pipe(this.#sink);
  }

  cancel(reason: unknown): void {
    this.#giveUp(ProaError.from(reason, 'cancelled'));
  }

  headers(list: HeaderList): void {
    this.#timer?.cancel();
    const status = Number(list[1]);
    const headers = list.slice(2);
    const empty = this.#request.method === 'HEAD' || status === 204 || status === 304;
    if (!empty) this.#body = new StreamBody(this, lengthOf(headers));
    const response = { status, headers, body: this.#body ?? emptyBody };
    this.#request.watcher?.answered(response);
    this.#outcome.resolve(response);
  }

  data(chunk: Uint8Array): void {
    this.#body?.push(chunk);
  }

  end(trailers: HeaderList): void {
    this.#body?.ended(trailers);
  }

  drain(): void {
    this.#sink?.drain();
  }

  close(code: number): void {
    this.#timer?.cancel();
    this.#request.cancel.release(this);
    const error = this.#failure ?? new ProaError('unavailable', reasonOf(code));
    this.#sink?.cancel(error);
    this.#body?.fail(error);
    // Does nothing when the head was handed on.
    this.#outcome.reject(error);
  }

  bodyWanted(): void {
    this.#stream?.resume();
  }

  bodyFull(): void {
    this.#stream?.pause();
  }

  bodyDropped(): void {
    this.#stream?.reset(http2Codes.cancel);
  }

  #giveUp(error: ProaError): void {
    this.#failure ??= error;
    this.#stream?.reset(http2Codes.cancel);
  }
}

// What frames a message of HTTP/1.1 has no place here (RFC 9113, section 8.2.2); the length is ours to say.
const leftOut = new Set(['host', 'connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade', 'te', 'content-length']);

function requestHead({ method, target, headers, trace, body }: Http2ClientRequest): string[] {
  const list = [':method', method, ':scheme', 'http', ':path', target];
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = headers[i] as string;
    if (name === 'host') list.splice(4, 0, ':authority', headers[i + 1] as string);
    else if (!leftOut.has(name)) list.push(name, headers[i + 1] as string);
  }
  if (trace !== undefined) list.push(...traceHeaders(trace));
  if (body.length !== undefined && body.length > 0) list.push('content-length', String(body.length));
  return list;
}

function lengthOf(headers: readonly string[]): number | undefined {
  for (let i = 0; i < headers.length; i += 2) if (headers[i] === 'content-length') return Number(headers[i + 1]);
  return undefined;
}

function reasonOf(code: number): string {
  return code === http2Codes.lost ? 'the server broke the connection' : `the server broke the request off (HTTP/2 code ${code})`;
}
