import type { Address, Connection, ConnectionHandlers, Listener, Network } from '../kernel/ports.ts';

/** One end of a connection in memory. What is written arrives at the other end inside `write`, unless that end is paused. */
export interface MemoryConnection extends Connection {
  /** Delivers chunks as they are, in a buffer that is overwritten afterwards, as a real shared read buffer is. */
  readonly received: () => string;
  readonly destroyed: boolean;
  readonly ended: boolean;
}

export interface MemoryNetwork extends Network {
  /** Connections that `connect` made, in order. */
  readonly dialled: readonly MemoryConnection[];
}

const idle: ConnectionHandlers = { data() {}, end() {}, drain() {}, close() {} };
const queueBytesMax = 64 * 1024;

class End implements MemoryConnection {
  handlers: ConnectionHandlers = idle;
  readonly remote: string;
  other: End | undefined = undefined;
  #paused = false;
  #inbox: Uint8Array[] = [];
  #inboxBytes = 0;
  #inboxEnded = false;
  #blocked = false;
  #sentEnd = false;
  #gotEnd = false;
  #log = '';
  #delivering = false;
  #wrote = false;
  opening = false;
  destroyed = false;

  constructor(remote: string) {
    this.remote = remote;
  }

  get ended(): boolean {
    return this.#gotEnd;
  }

  received = (): string => this.#log;

  write(data: string | Uint8Array): boolean {
    if (this.destroyed || this.#sentEnd) return false;
    this.#wrote = true;
    const bytes = typeof data === 'string' ? Buffer.from(data, 'latin1') : Buffer.from(data);
    const ok = this.other?.arrive(bytes) ?? true;
    if (!ok) this.#blocked = true;
    return ok;
  }

  cork(): void {}
  uncork(): void {}

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.pump();
  }

  end(): void {
    if (this.#sentEnd || this.destroyed) return;
    this.#sentEnd = true;
    this.other?.arriveEnd();
    this.closeIfDone();
  }

  destroy(error?: Error): void {
    if (this.destroyed) return;
    this.destroyed = true;
    this.#inbox = [];
    queueMicrotask(() => this.handlers.close(error));
    const peer = this.other;
    if (peer !== undefined && !peer.destroyed) queueMicrotask(() => peer.reset(this.#sentEnd));
  }

  /** The other side has gone: what it sent before an orderly end is still read, anything else is lost. */
  reset(orderly: boolean): void {
    if (this.destroyed) return;
    if (orderly) {
      this.arriveEnd();
      return;
    }
    this.destroyed = true;
    this.handlers.close(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }));
  }

  arrive(bytes: Uint8Array): boolean {
    if (this.destroyed) return true;
    this.#inbox.push(bytes);
    this.#inboxBytes += bytes.length;
    this.pump();
    return this.#inboxBytes < queueBytesMax;
  }

  arriveEnd(): void {
    this.#inboxEnded = true;
    this.pump();
  }

  /** Nothing arrives before the connection is open, even if the other side speaks first; whoever writes without waiting for that reads at once, too. */
  get #early(): boolean {
    return this.opening && (this.handlers.open !== undefined || !this.#wrote);
  }

  pump(): void {
    if (this.#delivering) return;
    this.#delivering = true;
    while (!this.#paused && !this.#early && !this.destroyed) {
      const chunk = this.#inbox.shift();
      if (chunk === undefined) break;
      this.#inboxBytes -= chunk.length;
      this.#log += Buffer.from(chunk).toString('latin1');
      this.handlers.data(chunk);
      // A reader that kept the chunk reads garbage from now on.
      chunk.fill(0x2a);
    }
    this.#delivering = false;
    this.other?.unblock(this.#inboxBytes);
    if (this.#inboxEnded && !this.#gotEnd && !this.#paused && !this.#early && this.#inbox.length === 0 && !this.destroyed) {
      this.#gotEnd = true;
      this.handlers.end();
      this.closeIfDone();
    }
  }

  unblock(waiting: number): void {
    if (!this.#blocked || waiting > 0 || this.destroyed) return;
    this.#blocked = false;
    queueMicrotask(() => this.handlers.drain());
  }

  closeIfDone(): void {
    if (!this.#sentEnd || !this.#gotEnd || this.destroyed) return;
    this.destroyed = true;
    queueMicrotask(() => this.handlers.close(undefined));
  }
}

/** A network in memory: synchronous, without loss, with half-close and back pressure (64 KB a direction). For codec tests. */
export function createMemoryNetwork(): MemoryNetwork {
  const listeners = new Map<string, (connection: Connection) => void>();
  const dialled: MemoryConnection[] = [];
  let ports = 40_000;
  const key = (address: Address): string => ('path' in address ? address.path : `${address.host}:${address.port}`);
  return {
    dialled,
    listen(address, accept): Promise<Listener> {
      const bound = 'port' in address && address.port === 0 ? { host: address.host, port: ports++ } : address;
      const name = key(bound);
      if (listeners.has(name)) return Promise.reject(Object.assign(new Error(`listen EADDRINUSE ${name}`), { code: 'EADDRINUSE' }));
      listeners.set(name, accept);
      return Promise.resolve({
        address: bound,
        close() {
          listeners.delete(name);
          return Promise.resolve();
        },
      });
    },
    resolve: () => Promise.resolve(['127.0.0.1']),
    connect(address) {
      const near = new End(key(address));
      near.opening = true;
      dialled.push(near);
      const accept = listeners.get(key(address));
      queueMicrotask(() => {
        if (near.destroyed) return;
        if (accept === undefined) near.destroy(Object.assign(new Error(`connect ECONNREFUSED ${near.remote}`), { code: 'ECONNREFUSED' }));
        else {
          near.handlers.open?.();
          near.opening = false;
          near.pump();
        }
      });
      if (accept !== undefined) {
        const far = new End(`127.0.0.1:${ports++}`);
        near.other = far;
        far.other = near;
        accept(far);
      }
      return near;
    },
  };
}
