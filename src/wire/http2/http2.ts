import type { Address, Connection } from '../../kernel/ports.ts';

/** Header fields in wire order: name, value, name, value. Names are lower case; pseudo headers come first. */
export type HeaderList = readonly string[];

/** Error codes of HTTP/2 (RFC 9113, section 7); `lost` is ours: the connection broke. */
export const http2Codes = {
  noError: 0,
  protocolError: 1,
  internalError: 2,
  flowControlError: 3,
  settingsTimeout: 4,
  streamClosed: 5,
  frameSizeError: 6,
  refusedStream: 7,
  cancel: 8,
  compressionError: 9,
  enhanceYourCalm: 11,
  inadequateSecurity: 12,
  lost: -1,
} as const;

/** What a stream tells its user. Calls come in this order and never inside a call of the user into the stream. */
export interface Http2StreamHandlers {
  /** The peer's header block; on servers the request's headers come with the stream instead. */
  headers(headers: HeaderList): void;
  /** `chunk` is valid only during this call. */
  data(chunk: Uint8Array): void;
  /** The peer sends no more. `trailers` is empty when it sent none. Not called when a reset came right behind the end: that is a cancellation. */
  end(trailers: HeaderList): void;
  /** After a `write` that returned false: there is room again. */
  drain(): void;
  /** The last event, always. `code` is `http2Codes.noError` when both directions ended properly. */
  close(code: number): void;
}

export interface Http2Stream {
  /** `host:port` of the peer, or empty on Unix sockets. */
  readonly remote: string;
  /** Bytes that were written but not taken by the peer yet. */
  readonly queuedBytes: number;
  /** So much waits on this connection, or on all of the server, that new answers should be refused. Absent where the transport bounds it by itself. */
  readonly crowded?: boolean;
  /** Sends our header block (servers only: a client's goes with `request`); `end` closes our direction with it. Informational ones may go before it. */
  sendHeaders(headers: HeaderList, end?: boolean): void;
  /** Sends `data`, which is read before the call returns. False: the peer reads slower than we write; wait for `drain`. */
  write(data: Uint8Array): boolean;
  /** Closes our direction. On servers this ends the whole stream: a peer that still sends is told to stop, without an error. */
  end(trailers?: HeaderList): void;
  /** Gives the stream up with an error code; `close` follows. */
  reset(code: number): void;
  /** Receive no more for now; the flow control window then holds the peer back. */
  pause(): void;
  resume(): void;
}

export interface Http2Limits {
  /** Streams that one peer may have open at once. */
  readonly streamsMax: number;
  /** Bytes of one list of header fields, as RFC 9113 counts them (section 6.5.2). A request with more is answered 431. */
  readonly headerBytesMax: number;
  readonly headersMax: number;
  readonly streamWindowBytes: number;
  readonly connectionWindowBytes: number;
  /**
   * Frames that a peer may send in ten seconds although they carry nothing: PING, SETTINGS, RST_STREAM, empty DATA, PRIORITY, unknown types, WINDOW_UPDATE
   * beyond what our data explains, and mistakes that we answer with RST_STREAM. More ends the connection (ENHANCE_YOUR_CALM).
   */
  readonly controlFramesMax: number;
  readonly connectionsMax: number;
  /** For the preface and the first SETTINGS. */
  readonly handshakeTimeoutMs: number;
  /** For the acknowledgement of our SETTINGS (SETTINGS_TIMEOUT). */
  readonly settingsTimeoutMs: number;
  /** From the first to the last frame of a header block. */
  readonly headersTimeoutMs: number;
  /** Without the peer taking a byte that we wrote, and of an answer that is complete and waits for a window. */
  readonly writeTimeoutMs: number;
}

/** Values for peers that may be hostile: those of Envoy's edge (reliability reference 5.3). */
export const defaultHttp2Limits: Http2Limits = {
  streamsMax: 100,
  headerBytesMax: 32 * 1024,
  headersMax: 128,
  streamWindowBytes: 64 * 1024,
  connectionWindowBytes: 1024 * 1024,
  controlFramesMax: 1000,
  connectionsMax: 4096,
  handshakeTimeoutMs: 10_000,
  settingsTimeoutMs: 10_000,
  headersTimeoutMs: 10_000,
  writeTimeoutMs: 30_000,
};

export interface KeepAlive {
  /** A PING goes out after this time without one. */
  readonly intervalMs: number;
  /** A peer that does not answer within this time is given up. */
  readonly timeoutMs: number;
}

/** One connection, seen from the client. */
export interface Http2Session {
  /** True while new streams may be opened: neither closed nor told to go away. */
  readonly usable: boolean;
  readonly streams: number;
  /** Opens a stream. Only while `usable`. */
  request(headers: HeaderList, handlers: Http2StreamHandlers, end?: boolean): Http2Stream;
  /** Opens no more streams and closes when the open ones have ended. */
  close(): void;
  destroy(): void;
}

export interface Http2Server {
  /** The bound address, with the real port; undefined when it only takes connections by `accept`. */
  readonly address: Address | undefined;
  readonly streams: number;
  /** Serves a connection that somebody else accepted; `first` are the bytes read from it so far. */
  accept(connection: Connection, first?: Uint8Array): void;
  /** Refuses new connections and streams (GOAWAY), resolves when the open streams have ended. `destroy` cuts that short. */
  drain(): Promise<void>;
  destroy(): void;
}

export interface Http2ServeOptions {
  /** Without it the server takes connections only by `accept`. */
  readonly address?: Address;
  readonly limits: Http2Limits;
  readonly keepAlive: KeepAlive;
  /** Called for each request; the handlers that it returns get the stream's events. */
  stream(stream: Http2Stream, headers: HeaderList): Http2StreamHandlers;
  /** Something that handlers threw; their connection is lost (INTERNAL_ERROR), the others are not. */
  failed?(error: unknown): void;
}

export interface ClientTls {
  /** Certificates of authorities to trust, PEM; the system's when absent. */
  readonly ca?: string;
  /** Accept any certificate. */
  readonly insecure?: boolean;
  readonly serverName?: string;
}

export interface Http2ConnectOptions {
  readonly address: Address;
  readonly tls?: ClientTls;
  readonly limits: Http2Limits;
  readonly keepAlive: KeepAlive;
  /** Covers everything up to the peer's first SETTINGS frame. */
  readonly timeoutMs: number;
  /** The connection ended; all its streams got their `close` before. */
  closed(): void;
}

/** HTTP/2 connections, so that the codec below gRPC can be exchanged. */
export interface Http2Transport {
  /** Fails with the system's error when the address cannot be bound. */
  serve(options: Http2ServeOptions): Promise<Http2Server>;
  /** Resolves once the peer has shown that it speaks HTTP/2. Fails with the system's or the protocol's error. */
  connect(options: Http2ConnectOptions): Promise<Http2Session>;
}
