/** Limits of one end of a mux connection. Those of the first group are told to the peer in `hello`; exceeding one ends the connection. */
export interface MuxLimits {
  /** Streams that the peer may have open at once. More are refused, which is safe to repeat elsewhere. */
  readonly streamsMax: number;
  /** Payload of one frame. */
  readonly frameBytesMax: number;
  /** Text and lengths of one head or of trailers. */
  readonly headBytesMax: number;
  /** Names and values of one head together. */
  readonly fieldsMax: number;
  /** Bytes of a body that the peer may send on a new stream before it gets credit. */
  readonly windowBytes: number;

  /** A stream's window grows up to this size while its reader keeps up. */
  readonly windowBytesMax: number;
  /** What the streams of one connection may get together beyond their first windows. */
  readonly growthBytesMax: number;
  /** Bytes that wait for a peer that does not read; more ends the connection. */
  readonly queuedBytesMax: number;
  /** Streams that a peer may reset, and pings that it may send, in ten seconds; more ends the connection. */
  readonly resetsMax: number;
  readonly pingsMax: number;
  /** Connections to one peer (client), or of all peers (server). */
  readonly connectionsMax: number;
  /** Calls that wait for a connection. */
  readonly waitersMax: number;
  /** From connecting to the peer's `hello`. */
  readonly helloTimeoutMs: number;
  /** Silence after which the peer is asked whether it is still there. */
  readonly pingAfterMs: number;
  /** Silence after that question which ends the connection. */
  readonly pingTimeoutMs: number;
  /** Without the peer taking what is queued. */
  readonly writeTimeoutMs: number;
  /** A connection without streams; its client closes it. */
  readonly idleTimeoutMs: number;
  /** Frames that are gathered before they leave, when the turn has not ended before. */
  readonly gatheredMax: number;
}

/** A connection's memory is bounded by streams times window plus growth: 64 MB and 16 MB at the worst, if a peer fills every window at once. */
export const muxLimitDefaults: MuxLimits = {
  streamsMax: 4096,
  frameBytesMax: 256 * 1024,
  headBytesMax: 128 * 1024,
  fieldsMax: 520,
  windowBytes: 16 * 1024,
  windowBytesMax: 1024 * 1024,
  growthBytesMax: 16 * 1024 * 1024,
  queuedBytesMax: 16 * 1024 * 1024,
  resetsMax: 20_000,
  pingsMax: 100,
  connectionsMax: 4,
  waitersMax: 4096,
  helloTimeoutMs: 5_000,
  pingAfterMs: 10_000,
  pingTimeoutMs: 5_000,
  writeTimeoutMs: 30_000,
  idleTimeoutMs: 300_000,
  gatheredMax: Infinity,
};

/**
 * Between processes of one machine a write costs little, and what has left early is worked on by the other side while this one goes on: else both take turns and
 * each waits for the other's batch. Over TLS, where a write is a record of its own, it costs more than it gives.
 */
export const machineLimits: Partial<MuxLimits> = { gatheredMax: 4 };

/** A server accepts connections of many peers. */
export const muxServerLimitDefaults: MuxLimits = { ...muxLimitDefaults, connectionsMax: 1024 };
