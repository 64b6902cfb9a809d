import tls from 'node:tls';
import type { Address, Connection, Listener, Network } from '../../kernel/ports.ts';
import { bindServer } from '../../ports/node/network.ts';
import { pinnedTarget } from '../../ports/node/pinned-target.ts';
import { TlsConnection } from './connection.ts';

/** Who we are and whom we trust, in PEM: the certificate with its chain, its key, and the roots. */
export interface TlsIdentity {
  readonly certificate: string;
  readonly privateKey: string;
  readonly roots: string;
}

/** What the peer showed. `untrusted` is OpenSSL's code when its chain does not lead to one of our roots, or is not valid now. */
export interface PeerProof {
  readonly der: Uint8Array;
  readonly untrusted: string | undefined;
}

/** Whether a peer is accepted, and what is known of it then. */
export type Verdict<Peer> = { readonly peer: Peer } | { readonly refused: string };

export interface MutualTlsOptions<Peer> {
  /** The identity as it is now; asked for every new connection and compared by reference. */
  identity(): TlsIdentity;
  verify(proof: PeerProof): Verdict<Peer>;
  readonly protocol: string;
  /** The bytes that tell a refused peer why, after which the connection is closed. */
  refusal(reason: string): Uint8Array;
  /** A connection was refused, by us or in the handshake: one line of the security log. */
  onRefused(remote: string, reason: string): void;
  readonly handshakeTimeoutMs: number;
  /** What connections read into, in turn; many networks may share one. */
  readonly readBuffer: Buffer;
  /** Binds servers; default: by themselves. */
  readonly bind?: NonNullable<Network['bind']>;
}

/** A connection whose peer has shown who it is. */
export interface VerifiedConnection<Peer> extends Connection {
  readonly peer: Peer;
}

/** TLS 1.3 with certificates on both sides. What is refused never reaches `accept`, nor `open` of an outgoing connection. */
export interface MutualTlsNetwork<Peer> {
  listen(address: Address, accept: (connection: VerifiedConnection<Peer>) => void): Promise<Listener>;
  connect(address: Address): Connection;
  /** The identity changed: listeners show the new one from now on. Open connections stay as they are. */
  renewed(): void;
}

const shared = {
  minVersion: 'TLSv1.3',
  maxVersion: 'TLSv1.3',
  // Certificates are judged here, with a reason for both sides, instead of by an alert that names none.
  rejectUnauthorized: false,
  requestCert: true,
  allowHalfOpen: true,
} as const;

/** The network for connections between runtimes. Fails to listen with the system's error. */
export function createMutualTlsNetwork<Peer>(options: MutualTlsOptions<Peer>): MutualTlsNetwork<Peer> {
  const servers = new Set<tls.Server>();
  let context: { readonly of: TlsIdentity; readonly made: tls.SecureContext } | undefined;
  const contextNow = (): tls.SecureContext => {
    const identity = options.identity();
    if (context?.of !== identity) context = { of: identity, made: tls.createSecureContext(contextOptions(identity)) };
    return context.made;
  };
  return {
    listen: (address, accept) => listen(options, servers, { address, accept }),
    connect: (address) => connect(options, address, contextNow()),
    renewed() {
      for (const server of servers) server.setSecureContext(contextOptions(options.identity()));
    },
  };
}

function contextOptions({ certificate, privateKey, roots }: TlsIdentity): tls.SecureContextOptions {
  return { cert: certificate, key: privateKey, ca: roots, minVersion: shared.minVersion, maxVersion: shared.maxVersion };
}

interface Listening<Peer> {
  readonly address: Address;
  readonly accept: (connection: VerifiedConnection<Peer>) => void;
}

async function listen<Peer>(
  options: MutualTlsOptions<Peer>,
  servers: Set<tls.Server>,
  { address, accept }: Listening<Peer>,
): Promise<Listener> {
  const server = tls.createServer({
    ...shared,
    ...contextOptions(options.identity()),
    ALPNProtocols: [options.protocol],
    handshakeTimeout: options.handshakeTimeoutMs,
    noDelay: true,
    // Every connection proves who it is; nothing is resumed on the strength of an earlier proof.
    sessionTimeout: 1,
  });
  server.on('secureConnection', (socket) => {
    const remote = `${socket.remoteAddress ?? ''}:${socket.remotePort ?? 0}`;
    const connection = new TlsConnection(socket, remote, false);
    const verdict = judge(options, socket);
    if ('refused' in verdict) return refuse(options, connection, verdict.refused);
    accept(Object.assign(connection, { peer: verdict.peer }));
    connection.read(options.readBuffer);
  });
  server.on('tlsClientError', (error, socket) => {
    // A port scan or a health check that closes again is no attempt to get in.
    if ((error as { code?: string }).code !== 'ECONNRESET')
      options.onRefused(`${socket.remoteAddress ?? ''}:${socket.remotePort ?? 0}`, error.message);
  });
  servers.add(server);
  const listener = await (options.bind ?? ((bound, at) => bindServer(bound as tls.Server, at)))(server, address);
  return {
    address: listener.address,
    close() {
      servers.delete(server);
      return listener.close();
    },
  };
}

function connect<Peer>(options: MutualTlsOptions<Peer>, address: Address, secureContext: tls.SecureContext): Connection {
  const { readBuffer } = options;
  // The callback exists before the connection that it serves.
  const late: { connection?: TlsConnection } = {};
  const callback = (count: number): boolean => {
    late.connection?.handlers.data(readBuffer.subarray(0, count));
    return true;
  };
  const socket = tls.connect({
    ...pinnedTarget(address),
    ...shared,
    onread: { buffer: readBuffer, callback },
    secureContext,
    ALPNProtocols: [options.protocol],
    // The name in the certificate is a SPIFFE id, not a host.
    checkServerIdentity: () => undefined,
  } as tls.ConnectionOptions);
  socket.setNoDelay(true);
  const remote = 'path' in address ? address.path : `${address.host}:${address.port}`;
  const connection = new TlsConnection(socket, remote, false);
  late.connection = connection;
  socket.once('secureConnect', () => {
    const verdict = judge(options, socket);
    if ('refused' in verdict) refuse(options, connection, verdict.refused);
    else connection.handlers.open?.();
  });
  return connection;
}

function judge<Peer>(options: MutualTlsOptions<Peer>, socket: tls.TLSSocket): Verdict<Peer> {
  if (socket.alpnProtocol !== options.protocol) return { refused: `the peer does not speak ${options.protocol}` };
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return { refused: 'the peer showed no certificate' };
  const error = socket.authorized ? undefined : ((socket.authorizationError as unknown as string | undefined) ?? 'UNTRUSTED');
  return options.verify({ der: certificate.raw, untrusted: error });
}

function refuse<Peer>(options: MutualTlsOptions<Peer>, connection: TlsConnection, reason: string): void {
  options.onRefused(connection.remote, reason);
  connection.refuse(options.refusal(reason), reason);
}
