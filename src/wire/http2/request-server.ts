import type { Clock, Connection, Network } from '../../kernel/ports.ts';
import type { Http1Request } from '../http1/request.ts';
import type { HttpAnswer } from '../http1/response.ts';
import { serverLimitDefaults } from '../http1/server-limits.ts';
import { Sweep } from '../http1/sweep.ts';
import { defaultHttp2Limits, type Http2Limits, type KeepAlive } from './http2.ts';
import { createOwnHttp2 } from './own-http2.ts';
import { requestOf } from './request-message.ts';
import { RequestStream, type RequestsShared } from './request-stream.ts';

export interface Http2RequestsOptions {
  readonly clock: Clock;
  readonly network: Network;
  /** A whole list of header fields: 431. */
  readonly headerBytesMax: number;
  readonly limits?: Partial<Http2Limits>;
  /** Without one byte of a body that the handler waits for: 408. */
  readonly bodyTimeoutMs?: number;
  /** What handles requests of HTTP/1.1: requests look the same, and answers are given in the same way. */
  readonly handler: (request: Http1Request, answer: HttpAnswer) => void;
  /** What the handler threw; without it the error is visible only as a 500. */
  readonly onError?: (error: unknown) => void;
}

/** Takes connections that another listener accepted. */
export interface Http2RequestServer {
  accept(connection: Connection, first?: Uint8Array): void;
  /** Takes no new requests, and resolves when those under way are answered. */
  drain(): Promise<void>;
  /** Cuts everything off. */
  destroy(): void;
}

const keepAlive: KeepAlive = { intervalMs: 60_000, timeoutMs: 20_000 };
// What each field counts beyond its bytes in HTTP/2 (RFC 9113, section 6.5.2), for ten fields as net/http allows.
const fieldAllowanceBytes = 10 * 32;

/** Serves HTTP requests over HTTP/2 without TLS (prior knowledge), with a handler of HTTP/1.1 requests behind it. */
export async function serveHttp2Requests(options: Http2RequestsOptions): Promise<Http2RequestServer> {
  const { clock, network, headerBytesMax, handler } = options;
  const sweep = new Sweep(clock);
  const onError = options.onError ?? (() => {});
  const shared: RequestsShared = {
    clock,
    sweep,
    bodyTimeoutMs: options.bodyTimeoutMs ?? serverLimitDefaults.bodyTimeoutMs,
    handler,
    onError,
  };
  const rules = { requestLineBytesMax: headerBytesMax, guardedNames: serverLimitDefaults.guardedNames };
  return createOwnHttp2({ clock, network }).serve({
    limits: { ...defaultHttp2Limits, headerBytesMax: headerBytesMax + fieldAllowanceBytes, ...options.limits },
    keepAlive,
    failed: onError,
    stream(stream, headers) {
      const request = requestOf(headers, stream.remote, rules);
      if (!('status' in request)) return new RequestStream(stream, request, shared);
      stream.sendHeaders([':status', String(request.status), 'content-type', 'text/plain']);
      stream.write(Buffer.from(`${request.reason}\n`));
      stream.end();
      return answered;
    },
  });
}

const answered = { headers() {}, data() {}, end() {}, drain() {}, close() {} };
