import tls from 'node:tls';
import type { Address, Connection, ConnectionHandlers, Network } from '../../kernel/ports.ts';
import { pinnedTarget } from '../../ports/node/pinned-target.ts';

/** How a server is verified, and how we show who we are. Certificates and keys are PEM. */
export interface TlsOptions {
  readonly serverName: string;
  /** The protocol that is spoken over it (ALPN); HTTP/1.1 unless said otherwise. */
  readonly alpn?: 'http/1.1' | 'h2';
  /** Accepts any certificate: only for servers whose address proves who they are (loopback), or when the user asked for it. */
  readonly insecure?: boolean;
  /** Replaces the system's roots. */
  readonly rootCa?: string;
  readonly certificate?: string;
  readonly privateKey?: string;
}

/** A network whose connections are TLS 1.2 or newer to one kind of server. It cannot listen. */
export function createTlsNetwork(options: TlsOptions): Network {
  return {
    listen: () => Promise.reject(new Error('a TLS client network does not listen')),
    connect: (address) => new TlsConnection(address, options),
    resolve: () => Promise.reject(new Error('a TLS client network does not resolve')),
  };
}

const silent: ConnectionHandlers = { data() {}, end() {}, drain() {}, close() {} };

class TlsConnection implements Connection {
  readonly remote: string;
  handlers: ConnectionHandlers = silent;
  readonly #socket: tls.TLSSocket;
  #error: Error | undefined = undefined;

  constructor(address: Address, options: TlsOptions) {
    this.remote = 'path' in address ? address.path : `${address.host}:${address.port}`;
    const { serverName, insecure, rootCa, certificate, privateKey } = options;
    const socket = tls.connect({
      ...pinnedTarget(address),
      minVersion: 'TLSv1.2',
      ALPNProtocols: [options.alpn ?? 'http/1.1'],
      rejectUnauthorized: insecure !== true,
      // An IP address is no server name (RFC 6066, section 3).
      ...(/^[\d.]+$|:/.test(serverName) ? {} : { servername: serverName }),
      ...(rootCa === undefined ? {} : { ca: rootCa }),
      ...(certificate === undefined ? {} : { cert: certificate }),
      ...(privateKey === undefined ? {} : { key: privateKey }),
    });
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('secureConnect', () => this.handlers.open?.());
    socket.on('data', (chunk: Buffer) => this.handlers.data(chunk));
    socket.on('end', () => this.handlers.end());
    socket.on('drain', () => this.handlers.drain());
    socket.on('error', (error) => {
      this.#error = error;
    });
    socket.on('close', () => this.handlers.close(this.#error));
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
}
