// The ceiling of what can be built on Node: processes that read, write fixed bytes, and look at nothing. They parse no head, refuse nothing, measure nothing.
// `proxy <port> <app port>`, `constant <port>`; and the two ends of a chain, which send frames of a fixed length over one TLS connection:
// `front <port> <back port> <directory>`, `back <port> <app port> <directory>`.
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import tls from 'node:tls';

const [mode, port, peerPort, directory] = process.argv.slice(2);
const host = '127.0.0.1';
const request = `GET /x HTTP/1.1\r\nhost: ${host}\r\ntraceparent: 00-0123456789abcdef0123456789abcdef-0123456789abcdef-00\r\n\r\n`;
const answer = `HTTP/1.1 200 OK\r\nServer: bare\r\nDate: Sat, 28 Nov 2026 11:28:21 GMT\r\nContent-Type: application/json\r\nContent-Length: 64\r\n\r\n${'x'.repeat(64)}`;
// What a call and an answer take in a frame when all that they repeat is left out.
const frameBytes = { request: 60, answer: 110 };
const buffer = Buffer.allocUnsafeSlow(64 * 1024);
const wireBuffer = Buffer.allocUnsafeSlow(64 * 1024);

let leaving: { socket: net.Socket; text: string }[] = [];

/** Writes when all sockets of the turn were read, as the product does: it is what costs least. */
function send(socket: net.Socket, text: string): void {
  if (leaving.push({ socket, text }) === 1) setImmediate(flush);
}

function flush(): void {
  const now = leaving;
  leaving = [];
  for (const { socket, text } of now) socket.write(text, 'latin1');
}

/** Accepts connections and tells of each read; their bytes are not looked at. */
function serve(read: (socket: net.Socket) => void): void {
  const server = net.createServer({ pauseOnConnect: true, noDelay: true }, (accepted) => {
    const holder = accepted as unknown as { _handle: unknown };
    const handle = holder._handle;
    holder._handle = null;
    accepted.destroy();
    const callback = (): boolean => {
      read(socket);
      return true;
    };
    const socket = new net.Socket({ handle, onread: { buffer, callback } } as net.SocketConstructorOpts);
    socket.on('error', () => {});
    socket.resume();
  });
  server.listen(Number(port), host);
}

interface Upstream {
  readonly socket: net.Socket;
  answered: () => void;
}

const idle: Upstream[] = [];

/** One request to the app on a kept connection. */
function ask(answered: () => void): void {
  const upstream = idle.pop() ?? open();
  upstream.answered = answered;
  send(upstream.socket, request);
}

function open(): Upstream {
  const callback = (): boolean => {
    idle.push(upstream);
    upstream.answered();
    return true;
  };
  const socket = net.connect({ host, port: Number(peerPort), noDelay: true, onread: { buffer, callback } });
  const upstream: Upstream = { socket, answered: () => {} };
  // The app closes what was idle for too long; a request written to it would never be answered, and every later one one place too late.
  socket.on('close', () => {
    const at = idle.indexOf(upstream);
    if (at >= 0) idle.splice(at, 1);
  });
  socket.on('error', () => {});
  return upstream;
}

/** Frames of one length that leave in one write per turn. */
function frames(link: () => net.Socket, length: number): () => void {
  const slab = Buffer.alloc(64 * 1024, 'x');
  let count = 0;
  return () => {
    if (count++ > 0) return;
    setImmediate(() => {
      const bytes = slab.subarray(0, count * length);
      count = 0;
      link().write(bytes);
    });
  };
}

/** Tells how many whole frames have arrived. */
function counting(length: number, arrived: () => void): (bytes: number) => true {
  let rest = 0;
  return (bytes) => {
    for (rest += bytes; rest >= length; rest -= length) arrived();
    return true;
  };
}

function identity(name: string): tls.SecureContextOptions & tls.CommonConnectionOptions {
  const file = (path: string): Buffer => readFileSync(join(directory as string, path));
  return { key: file(`${name}.key`), cert: file(`${name}.crt`), ca: file('ca.crt'), minVersion: 'TLSv1.3', requestCert: true };
}

function front(): void {
  let waiting: net.Socket[] = [];
  let first = 0;
  const callback = counting(frameBytes.answer, () => {
    send(waiting[first++] as net.Socket, answer);
    if (first < 4096) return;
    waiting = waiting.slice(first);
    first = 0;
  });
  const onread = { buffer: wireBuffer, callback };
  const link = tls.connect({
    host,
    port: Number(peerPort),
    ...identity('a'),
    checkServerIdentity: () => undefined,
    onread,
  } as tls.ConnectionOptions);
  link.setNoDelay(true);
  const ring = frames(() => link, frameBytes.request);
  serve((socket) => {
    waiting.push(socket);
    ring();
  });
}

function back(): void {
  tls
    .createServer({ ...identity('b'), noDelay: true }, (link) => {
      const ring = frames(() => link, frameBytes.answer);
      const arrived = counting(frameBytes.request, () => ask(ring));
      link.on('data', (chunk: Buffer) => arrived(chunk.length));
      link.on('error', () => {});
    })
    .listen(Number(port), host);
}

const modes: Record<string, () => void> = {
  proxy: () => serve((socket) => ask(() => send(socket, answer))),
  constant: () => serve((socket) => send(socket, answer)),
  front,
  back,
};
modes[mode as string]?.();
