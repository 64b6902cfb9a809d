import { connect as connectHttp2, constants, type ClientHttp2Session, type OutgoingHttpHeaders } from 'node:http2';
import { connect, type Socket } from 'node:net';

/** What came of one gRPC call that was written by hand. */
export interface RawCall {
  /** Of HTTP; 0 when there was no answer but a reset or an end of the connection. */
  readonly status: number;
  /** `grpc-status`, of the head or the trailers; -1 when there was none. */
  readonly grpc: number;
  readonly message: string;
  readonly body: Buffer;
  /** The HTTP/2 code with which the stream ended. */
  readonly code: number;
}

/** A message as gRPC frames it; flag and length can be lied about. */
export function frame(message: Uint8Array, lies: { readonly flag?: number; readonly length?: number } = {}): Buffer {
  const head = Buffer.alloc(5);
  head[0] = lies.flag ?? 0;
  head.writeUInt32BE(lies.length ?? message.length, 1);
  return Buffer.concat([head, message]);
}

export function openSession(port: string): ClientHttp2Session {
  const session = connectHttp2(`http://127.0.0.1:${port}`);
  session.on('error', () => undefined);
  return session;
}

/** Sends headers and bytes on a stream of its own; fails when nothing has come within half a minute: a server that hangs is a fault. */
export function rawCall(session: ClientHttp2Session, headers: OutgoingHttpHeaders, bytes?: Buffer): Promise<RawCall> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no answer within 30 s to ${JSON.stringify(headers).slice(0, 200)}`)), 30_000);
    const seen: Record<string, string | string[] | undefined> = {};
    const parts: Buffer[] = [];
    const stream = session.request(
      { ':method': 'POST', 'content-type': 'application/grpc', te: 'trailers', ...headers },
      { endStream: bytes === undefined },
    );
    stream.on('response', (head) => Object.assign(seen, head));
    stream.on('trailers', (trailers) => Object.assign(seen, trailers));
    stream.on('data', (part: Buffer) => parts.push(part));
    stream.on('error', () => undefined);
    stream.on('close', () => {
      clearTimeout(timer);
      resolve({
        status: Number(seen[':status'] ?? 0),
        grpc: Number(seen['grpc-status'] ?? -1),
        message: decodeURIComponent([seen['grpc-message'] ?? ''].flat().join()),
        body: Buffer.concat(parts),
        code: stream.rstCode ?? constants.NGHTTP2_NO_ERROR,
      });
    });
    if (bytes !== undefined) stream.end(bytes);
  });
}

const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

/** A frame of HTTP/2. */
export function http2Frame(type: number, flags: number, stream: number, payload: Uint8Array = new Uint8Array(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** Headers as literals that are not indexed (RFC 7541, section 6.2.2); lengths below 127. */
export function literalHeaders(pairs: readonly (readonly [string, string])[]): Buffer {
  const text = (value: string): Buffer => Buffer.concat([Buffer.from([value.length]), Buffer.from(value, 'latin1')]);
  return Buffer.concat(pairs.flatMap(([name, value]) => [Buffer.from([0]), text(name), text(value)]));
}

/** The head of a gRPC call. */
export function callHead(path: string): Buffer {
  return literalHeaders([
    [':method', 'POST'],
    [':scheme', 'http'],
    [':path', path],
    [':authority', 'a'],
    ['content-type', 'application/grpc'],
    ['te', 'trailers'],
  ]);
}

/** A connection on which bytes are written as they are. */
export interface RawHttp2 {
  readonly socket: Socket;
  /** Every byte that came. */
  received(): Buffer;
  /** Resolves when the server has closed the connection, or said with GOAWAY that it will. Fails after half a minute. */
  refused(): Promise<void>;
}

/** Connects and sends the preface and an empty SETTINGS, unless told not to. */
export function openRaw(port: string, options: { readonly silent?: boolean } = {}): RawHttp2 {
  const socket = connect(Number(port), '127.0.0.1');
  const parts: Buffer[] = [];
  let closed = false;
  socket.on('data', (part: Buffer) => parts.push(part));
  socket.on('error', () => undefined);
  socket.on('close', () => (closed = true));
  if (options.silent !== true) socket.write(Buffer.concat([preface, http2Frame(4, 0, 0)]));
  const saidGoodbye = (): boolean => frameTypes(Buffer.concat(parts)).includes(7);
  return {
    socket,
    received: () => Buffer.concat(parts),
    async refused() {
      const deadline = Date.now() + 30_000;
      while (!closed && !saidGoodbye()) {
        if (Date.now() > deadline) throw new Error(`the connection is still served; got ${frameTypes(Buffer.concat(parts)).join(' ')}`);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      socket.destroy();
    },
  };
}

function frameTypes(bytes: Buffer): number[] {
  const types: number[] = [];
  for (let at = 0; at + 9 <= bytes.length; at += 9 + bytes.readUIntBE(at, 3)) types.push(bytes[at + 3] as number);
  return types;
}
