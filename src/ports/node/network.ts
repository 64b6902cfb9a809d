import { partOf } from '../../kernel/bytes.ts';
import { chmodSync } from 'node:fs';
import net from 'node:net';
import type { Address, Connection, ConnectionHandlers, Listener, Network, SharedListener } from '../../kernel/ports.ts';
import { DirectWriter, type WriteHandle } from './direct-write.ts';
import { pinnedTarget } from './pinned-target.ts';
import { Turn, type TurnReader, type TurnWriter } from './turn.ts';

// One read buffer for every socket of the thread: a read costs no allocation and none of the stream machinery. It is safe
// because a chunk is valid only during the callback that delivers it (the rule of `ConnectionHandlers.data`).
const readBufferBytes = 64 * 1024;
const writeQueueBytes = 64 * 1024;
const keptViewBytesMax = 2048;

/** Which way accepted sockets are read: into the shared buffer, or by plain `data` events where Node's internals have moved. */
export type AcceptedReads = 'shared-buffer' | 'data-events';

export interface NodeNetworkOptions {
  /** Reads accepted sockets by `data` events even where the shared buffer would work (tests, or a Node that misbehaves). */
  readonly forceDataEvents?: boolean;
  /** Writes through the streams of sockets even where their handles can be written to (tests, or a Node that misbehaves). */
  readonly forceStreamWrites?: boolean;
}

export interface NodeNetwork extends Network {
  /** What accepted connections use; it falls back for good when a socket without a usable handle is seen. */
  readonly acceptedReads: AcceptedReads;
  /** A listening socket that this process inherited as an open file, and what it is bound to. */
  adopt(fd: number, address: Address): SharedListener;
}

const servers = new WeakMap<Listener, net.Server>();

/** The open file behind a listener of this process, for children that inherit it. Fails with an Error for any other, and where Node has none. */
export function fdOf(listener: Listener): number {
  const server = servers.get(listener) as unknown as { _handle?: { fd?: number } | null } | undefined;
  const fd = server?._handle?.fd;
  if (fd === undefined || fd < 0) throw new Error('this socket cannot be shared with another process');
  return fd;
}

/** The system's TCP (without Nagle's delay) and Unix sockets (mode 0600). */
export function createNodeNetwork(options: NodeNetworkOptions = {}): NodeNetwork {
  const turn = new Turn();
  const direct = options.forceStreamWrites === true ? undefined : DirectWriter.open();
  const reads = new SharedReads({ turn, direct });
  let acceptedReads: AcceptedReads = options.forceDataEvents === true ? 'data-events' : 'shared-buffer';
  const serverFor = (address: Address, accept: (connection: Connection) => void): net.Server =>
    net.createServer({ pauseOnConnect: true, allowHalfOpen: true, noDelay: true }, (socket) => {
      const rewrapped = acceptedReads === 'shared-buffer' ? reads.rewrap(socket) : undefined;
      if (rewrapped === undefined) acceptedReads = 'data-events';
      const connection = rewrapped ?? new NodeConnection(socket, peerOf(socket, address), { turn, direct });
      if (rewrapped === undefined) socket.on('data', (chunk: Buffer) => connection.handlers.data(chunk));
      else rewrapped.remote = peerOf(rewrapped.socket, address);
      accept(connection);
      connection.resume();
    });
  return {
    get acceptedReads() {
      return acceptedReads;
    },
    listen: (address, accept) => bindServer(serverFor(address, accept), address),
    bind: (server, address) => bindServer(server as net.Server, address),
    adopt: (fd, address) => ({
      address,
      accept: (accept) => inherited(serverFor(address, accept), fd, address),
      bind: (server) => inherited(server as net.Server, fd, address),
    }),
    connect(address) {
      const remote = 'path' in address ? address.path : `${address.host}:${address.port}`;
      return reads.connect(address, remote);
    },
    async resolve(host) {
      const dns = await import('node:dns/promises');
      return (await dns.lookup(host, { all: true })).map(({ address }) => address);
    },
  };
}

/** What the connections of a network share: the order of a turn, and the way past the streams where there is one. */
interface Ways {
  readonly turn: Turn;
  readonly direct: DirectWriter | undefined;
}

/** The shared buffer and the sockets that read into it. */
class SharedReads {
  readonly #ways: Ways;
  readonly #buffer = Buffer.allocUnsafeSlow(readBufferBytes);
  // Small reads repeat the same few lengths, so their views are kept instead of made anew.
  readonly #views: (Buffer | undefined)[] = Array.from({ length: keptViewBytesMax + 1 }, () => undefined);

  constructor(ways: Ways) {
    this.#ways = ways;
  }

  connect(address: Address, remote: string): NodeConnection {
    const late = new LateConnection();
    const socket = net.connect({ ...pinnedTarget(address), noDelay: true, ...this.#options(late) } as net.NetConnectOpts);
    const connection = new NodeConnection(socket, remote, this.#ways);
    late.connection = connection;
    socket.once('connect', () => {
      connection.opened();
      connection.handlers.open?.();
    });
    return connection;
  }

  /** Moves an accepted socket's handle to a socket that reads into the buffer. Undefined where Node has no such handle. */
  rewrap(accepted: net.Socket): NodeConnection | undefined {
    const holder = accepted as unknown as { _handle?: { readStart?: unknown } | null };
    const handle = holder._handle;
    if (typeof handle !== 'object' || handle === null || typeof handle.readStart !== 'function') return undefined;
    holder._handle = null;
    // Without its handle the first wrapper closes nothing; it only gives back its place in the server's count.
    accepted.destroy();
    const late = new LateConnection();
    const socket = new net.Socket({ handle, ...this.#options(late) } as net.SocketConstructorOpts);
    const connection = new NodeConnection(socket, '', this.#ways);
    late.connection = connection;
    connection.opened();
    return connection;
  }

  #options(late: LateConnection): object {
    const callback = (count: number): boolean => {
      late.connection?.arrived(this.#first(count));
      return true;
    };
    return { allowHalfOpen: true, writableHighWaterMark: writeQueueBytes, onread: { buffer: this.#buffer, callback } };
  }

  #first(count: number): Buffer {
    if (count > keptViewBytesMax) return partOf(this.#buffer, 0, count);
    return (this.#views[count] ??= partOf(this.#buffer, 0, count));
  }
}

/** The read callback exists before the connection that it serves. */
class LateConnection {
  connection: NodeConnection | undefined = undefined;
}

class NodeConnection implements Connection, TurnReader, TurnWriter {
  readonly socket: net.Socket;
  readonly #turn: Turn;
  readonly #direct: DirectWriter | undefined;
  /** Set while what is written may go past the stream. */
  #handle: WriteHandle | undefined = undefined;
  /** Bytes that went past the stream, and that the kernel has not taken. */
  #unsent = 0;
  remote: string;
  handlers: ConnectionHandlers = silent;
  #error: Error | undefined = undefined;
  /** Text of this turn. */
  #queued = '';
  /** `write` answered false because of what is queued here, of which the socket knows nothing. */
  #refused = false;
  /** What arrived in this turn, or before the connection was paused. */
  #held: Buffer | undefined = undefined;
  #paused = false;

  constructor(socket: net.Socket, remote: string, { turn, direct }: Ways) {
    this.socket = socket;
    this.remote = remote;
    this.#turn = turn;
    this.#direct = direct;
    socket.on('error', (error: Error) => {
      this.#error = error;
      this.#handle = undefined;
    });
    socket.on('end', () => {
      this.#deliverAll();
      this.handlers.end();
    });
    socket.on('drain', () => this.handlers.drain());
    socket.on('close', () => {
      this.#handle = undefined;
      this.#deliverAll();
      this.handlers.close(this.#error);
    });
  }

  /** The socket is connected: it can be written to. */
  opened(): void {
    if (this.#direct !== undefined) this.#handle = DirectWriter.handleOf(this.socket);
  }

  /** `chunk` lies in the shared buffer. */
  arrived(chunk: Buffer): void {
    if (this.#held !== undefined) this.#deliverAll();
    const held = !this.#paused && this.#turn.handlesAtOnce() ? undefined : this.#turn.hold(chunk);
    if (held === undefined) {
      this.handlers.data(chunk);
      return;
    }
    this.#held = held;
    this.#turn.arrived(this);
  }

  deliverHeld(): void {
    if (!this.#paused) this.#deliverAll();
  }

  #deliverAll(): void {
    const held = this.#held;
    if (held === undefined) return;
    this.#held = undefined;
    this.handlers.data(held);
    this.#turn.release(held);
  }

  write(data: string | Uint8Array): boolean {
    if (typeof data !== 'string') {
      this.flush();
      return this.#send(data);
    }
    if (this.#queued === '') {
      if (this.#turn.quiet) return this.#send(data);
      this.#queued = data;
      this.#turn.wrote(this);
    } else this.#queued += data;
    if (this.#queued.length + this.#unsent + this.socket.writableLength < writeQueueBytes) return true;
    this.#refused = true;
    return false;
  }

  /** Hands the text of this turn to the socket. */
  flush(): void {
    const text = this.#queued;
    if (text === '') return;
    this.#queued = '';
    const refused = this.#refused;
    this.#refused = false;
    // When the socket is full too, it says itself when it has drained.
    if (this.#send(text) && refused && !this.socket.destroyed) this.handlers.drain();
  }

  /** False when `drain` follows. */
  #send(data: string | Uint8Array): boolean {
    const handle = this.#handle;
    if (handle === undefined || this.#unsent > 0 || this.socket.writableLength > 0 || this.socket.writableCorked > 0) {
      return this.socket.destroyed || (typeof data === 'string' ? this.socket.write(data, 'latin1') : this.socket.write(data));
    }
    const written = (this.#direct as DirectWriter).write(handle, data, this.#sent);
    if (written === 'now') return true;
    if (written === 'later') this.#unsent = data.length;
    else this.destroy(written);
    return written !== 'later';
  }

  /** The kernel has taken what did not leave at once. */
  readonly #sent = (error?: Error): void => {
    this.#unsent = 0;
    if (error !== undefined) this.destroy(error);
    else if (this.#handle !== undefined) this.handlers.drain();
  };

  cork(): void {
    this.socket.cork();
  }

  uncork(): void {
    this.socket.uncork();
  }

  pause(): void {
    this.#paused = true;
    this.socket.pause();
  }

  resume(): void {
    this.#paused = false;
    if (this.#held !== undefined) this.#turn.arrived(this);
    this.socket.resume();
  }

  end(): void {
    this.flush();
    this.#handle = undefined;
    this.socket.end();
  }

  destroy(error?: Error): void {
    this.#held = undefined;
    this.#handle = undefined;
    this.socket.destroy(error);
  }
}

const silent: ConnectionHandlers = { data() {}, end() {}, drain() {}, close() {} };

function peerOf(socket: net.Socket, address: Address): string {
  if ('path' in address) return address.path;
  const host = socket.remoteAddress ?? '';
  return `${host.includes(':') ? `[${host}]` : host}:${socket.remotePort ?? 0}`;
}

// What fits into `sun_path`, without the closing zero. Node cuts a longer path short and makes a socket that nobody looks for.
const pathBytesMax = process.platform === 'linux' ? 107 : 103;

/** Binds a server of Node's. Fails with the system's error. */
export function bindServer(server: net.Server, address: Address): Promise<Listener> {
  if ('path' in address && Buffer.byteLength(address.path) > pathBytesMax) {
    const message = `a socket's path has at most ${pathBytesMax} bytes: ${address.path}`;
    return Promise.reject(Object.assign(new Error(message), { code: 'ENAMETOOLONG' }));
  }
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.once('listening', () => {
      server.off('error', reject);
      // Accepting can fail later (EMFILE); the listener lives on and the client sees its connection wait.
      server.on('error', () => {});
      if ('path' in address) chmodSync(address.path, 0o600);
      const bound = server.address();
      const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
      const listener = { address: 'path' in address ? address : { host: address.host, port }, close: () => closeServer(server) };
      servers.set(listener, server);
      resolve(listener);
    });
    if ('path' in address) privately(() => listen(server, address));
    else listen(server, address);
  });
}

function inherited(server: net.Server, fd: number, address: Address): Listener {
  server.listen({ fd });
  server.on('error', () => {});
  return { address, close: () => closeServer(server) };
}

const backlog = 511;

interface BareServer {
  _listen2?(address: string, port: number, family: number, backlog: number): void;
}

/**
 * `server.listen` always loads the cluster module, and child_process and dgram with it: 3 ms and 1.7 MB of a start. What it ends in is called
 * directly where that is there, except for names, which have to be looked up, and in forked processes, which may share their parent's ports.
 */
function listen(server: net.Server, address: Address): void {
  const family = 'path' in address ? -1 : net.isIP(address.host);
  const bare = server as BareServer;
  if (typeof bare._listen2 !== 'function' || family === 0 || process.send !== undefined) {
    server.listen({ ...('path' in address ? { path: address.path } : { host: address.host, port: address.port }), backlog });
  } else if ('path' in address) bare._listen2(address.path, -1, family, backlog);
  else bare._listen2(address.host, address.port, family, backlog);
}

/** A socket is bound inside `work`, so the mask makes it private from its first moment. */
function privately(work: () => void): void {
  let previous: number | undefined;
  try {
    previous = process.umask(0o177);
  } catch {
    // Worker threads may not change the mask: the mode set after binding has to do.
  }
  try {
    work();
  } finally {
    if (previous !== undefined) process.umask(previous);
  }
}

/** The handle is closed at once; waiting for the server's `close` would wait for its connections. */
function closeServer(server: net.Server): Promise<void> {
  server.close(() => {});
  return Promise.resolve();
}
