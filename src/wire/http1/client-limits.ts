import { limits } from '../../kernel/limits.ts';

/** Limits of an HTTP/1.1 client. Counts are per address. */
export interface Http1ClientLimits {
  readonly connectionsMax: number;
  /** Calls that wait for a connection, first come first served; one more is an `overloaded` error. */
  readonly waitersMax: number;
  /** Addresses with a pool at the same time. */
  readonly addressesMax: number;
  readonly headerBytesMax: number;
  readonly headersMax: number;
  readonly extensionBytesMax: number;
  readonly trailerBytesMax: number;
  /** Interim (1xx) answers before the final one. */
  readonly interimMax: number;
  /** Of an idle connection; shorter than what servers usually grant, so that they seldom close first. */
  readonly idleTimeoutMs: number;
  readonly connectTimeoutMs: number;
  /** From the call to the answer's head; `Infinity` leaves it to the caller's deadline. */
  readonly headTimeoutMs: number;
  /** Without one byte of a body that somebody waits for. */
  readonly bodyTimeoutMs: number;
  /** An answer's body that nobody takes. */
  readonly heldTimeoutMs: number;
  /** Without the peer taking what is queued. */
  readonly writeTimeoutMs: number;
  /** The rest of a body that nobody wants is read and dropped up to here to keep the connection. */
  readonly unreadBytesMax: number;
  /** Bodies up to this size can be sent again when an idle connection turns out to be dead. */
  readonly replayBytesMax: number;
}

export const clientLimitDefaults: Http1ClientLimits = {
  connectionsMax: 512,
  waitersMax: 4096,
  addressesMax: 10_000,
  headerBytesMax: 32 * 1024,
  headersMax: 256,
  extensionBytesMax: 1024,
  trailerBytesMax: 8 * 1024,
  interimMax: 8,
  idleTimeoutMs: 50_000,
  connectTimeoutMs: 5_000,
  headTimeoutMs: Infinity,
  bodyTimeoutMs: 60_000,
  heldTimeoutMs: 300_000,
  writeTimeoutMs: 30_000,
  unreadBytesMax: 64 * 1024,
  replayBytesMax: limits.replayBytes,
};
