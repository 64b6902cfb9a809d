import tls from 'node:tls';
import type { Address, Connection, Network } from '../../kernel/ports.ts';
import { pinnedTarget } from '../../ports/node/pinned-target.ts';
import { TlsConnection } from './connection.ts';

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
    connect: (address) => connect(address, options),
    resolve: () => Promise.reject(new Error('a TLS client network does not resolve')),
  };
}

function connect(address: Address, options: TlsOptions): Connection {
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
  socket.setNoDelay(true);
  const connection = new TlsConnection(socket, 'path' in address ? address.path : `${address.host}:${address.port}`);
  socket.on('secureConnect', () => connection.handlers.open?.());
  return connection;
}
