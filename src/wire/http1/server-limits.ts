import { limits } from '../../kernel/limits.ts';

/** Limits of an HTTP/1.1 server; each ends in the named status, or in a closed connection. */
export interface Http1ServerLimits {
  /** Bytes of a whole request head: 431. */
  readonly headerBytesMax: number;
  /** 431. */
  readonly headersMax: number;
  /** Bytes of the request line: 414. */
  readonly requestLineBytesMax: number;
  /** Bytes of a body: 413. `Infinity` leaves the limit to the handler. */
  readonly bodyBytesMax: number;
  readonly extensionBytesMax: number;
  readonly trailerBytesMax: number;
  /** Above: 503 and closed. */
  readonly connectionsMax: number;
  /** From the first byte of a head (or from connecting) to its end: 408. */
  readonly headTimeoutMs: number;
  /** Between two requests. */
  readonly idleTimeoutMs: number;
  /** Without one byte of a body that the handler waits for: 408. */
  readonly bodyTimeoutMs: number;
  /** Without the peer taking what is queued. */
  readonly writeTimeoutMs: number;
  /** How long a refused peer may go on sending, so that it can read why. */
  readonly lingerTimeoutMs: number;
  /** How much it may send meanwhile. Twice the usual limit of bodies: who sends somewhat too much is not cut off while it writes. */
  readonly lingerBytesMax: number;
  /** The rest of a body that the handler did not want is read and dropped up to here; beyond, the connection is closed. */
  readonly unreadBytesMax: number;
  /** Bytes of further requests that are kept while one is answered. */
  readonly pipelineBytesMax: number;
  /** Lower-case names whose spelling with `_` instead of `-` is refused (400), so that no alias passes a check. */
  readonly guardedNames: ReadonlySet<string>;
}

/** Dapr's values where it has them (its reference, section 2). */
export const serverLimitDefaults: Http1ServerLimits = {
  headerBytesMax: limits.headerBytes,
  headersMax: limits.headers,
  requestLineBytesMax: limits.headerBytes,
  bodyBytesMax: Infinity,
  extensionBytesMax: 1024,
  trailerBytesMax: limits.headerBytes,
  connectionsMax: 10_000,
  headTimeoutMs: 10_000,
  idleTimeoutMs: 60_000,
  bodyTimeoutMs: 30_000,
  writeTimeoutMs: 30_000,
  lingerTimeoutMs: 2_000,
  lingerBytesMax: 8 * 1024 * 1024,
  unreadBytesMax: 256 * 1024,
  pipelineBytesMax: 16 * 1024,
  guardedNames: new Set(['dapr-api-token', 'dapr-app-token', 'dapr-app-id', 'dapr-caller-app-id', 'proa-api-token']),
};
