import type tls from 'node:tls';
import type { Connection, ConnectionHandlers } from '../../kernel/ports.ts';
import { readInto } from './read-into.ts';

const silent: ConnectionHandlers = { data() {}, end() {}, drain() {}, close() {} };
const lingerMs = 1_000;

/** A TLS socket as a connection of the network port. */
export class TlsConnection implements Connection {
  readonly remote: string;
  handlers: ConnectionHandlers = silent;
  readonly #socket: tls.TLSSocket;
  #error: Error | undefined = undefined;

  /** `dataEvents` is false for a socket that reads into a buffer of its user, or will. */
  constructor(socket: tls.TLSSocket, remote: string, dataEvents = true) {
    this.remote = remote;
    this.#socket = socket;
    if (dataEvents) this.#listen();
    socket.on('end', () => this.handlers.end());
    socket.on('drain', () => this.handlers.drain());
    socket.on('error', (error) => {
      this.#error ??= error;
    });
    socket.on('close', () => this.handlers.close(this.#error));
  }

  /** Begins to read an accepted socket, into `buffer` where that can be done. */
  read(buffer: Buffer): void {
    if (this.#socket.destroyed) return;
    if (readInto(this.#socket, buffer, (bytes) => this.handlers.data(bytes))) this.#socket.resume();
    else this.#listen();
  }

  #listen(): void {
    this.#socket.on('data', (chunk: Buffer) => this.handlers.data(chunk));
  }

  write(data: string | Uint8Array): boolean {
    return typeof data === 'string' ? this.#socket.write(data, 'latin1') : this.#socket.write(data);
  }

  cork(): void {
    this.#socket.cork();
  }

  uncork(): void {
    this.#socket.uncork();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  end(): void {
    this.#socket.end();
  }

  destroy(error?: Error): void {
    this.#socket.destroy(error);
  }

  /** Tells the peer why and closes; `close` follows at once with an error of that reason (code `EPROOF`). */
  refuse(farewell: Uint8Array, reason: string): void {
    this.#error = Object.assign(new Error(reason), { code: 'EPROOF' });
    const { handlers } = this;
    this.handlers = silent;
    this.#socket.resume();
    this.#socket.end(farewell);
    this.#socket.setTimeout(lingerMs, () => this.#socket.destroy());
    handlers.close(this.#error);
  }
}
