import type { Body } from '../kernel/body.ts';
import type { Cancellation } from '../kernel/cancel.ts';
import type { Address } from '../kernel/ports.ts';
import type { TraceContext } from '../kernel/trace-context.ts';

/** One HTTP request to a server whose address is known. */
export interface HttpClientRequest {
  readonly address: Address;
  /** TLS parameters; absent: plain. */
  readonly tls?:
    | {
        readonly serverName: string;
        readonly insecure?: boolean;
        readonly rootCa?: string;
        readonly certificate?: string;
        readonly privateKey?: string;
      }
    | undefined;
  readonly method: string;
  /** Path and query, encoded. */
  readonly target: string;
  /** Flat pairs, names in lower case; `host` is the caller's duty. */
  readonly headers: readonly string[];
  /** The trace that the request belongs to, told behind `headers`, which hold none then. */
  readonly trace?: TraceContext | undefined;
  readonly body: Body;
  readonly cancel: Cancellation;
  /** Until the head of the answer; absent: no limit. */
  readonly timeoutMs?: number | undefined;
  /** Told of the answer before whoever waits for it, who so needs no step in between. */
  readonly watcher?: { answered(response: HttpClientResponse): void } | undefined;
}

export interface HttpClientResponse {
  readonly status: number;
  readonly headers: readonly string[];
  readonly body: Body;
}

/**
 * Calls servers over HTTP/1.1. Fails with `unavailable` when the server cannot be reached or broke the connection before it answered, `deadline-exceeded`
 * when `timeoutMs` passed, `cancelled` when the call was given up.
 */
export interface HttpClient {
  request(request: HttpClientRequest): Promise<HttpClientResponse>;
  close(): Promise<void>;
}
