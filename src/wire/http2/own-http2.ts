import { ProaError } from '../../kernel/errors.ts';
import type { Address, Clock, Connection, Network } from '../../kernel/ports.ts';
import { Sweep } from '../http1/sweep.ts';
import { Http2Connection, type ConnectionShared, type ConnectionUser } from './connection.ts';
import type { ClientTls, Http2ConnectOptions, Http2ServeOptions, Http2Server, Http2Session, Http2Transport } from './http2.ts';
import { Slabs } from '../mux/slabs.ts';
import { deaf } from './stream.ts';

export interface OwnHttp2Options {
  readonly clock: Clock;
  readonly network: Network;
}

/** HTTP/2 by our own codec (RFC 9113 and 7541), over the network port. */
export function createOwnHttp2(ports: OwnHttp2Options): Http2Transport {
  const slabs = new Slabs();
  const clients = new Sweep(ports.clock);
  return {
    serve: (options) => serve(ports, slabs, options),
    connect: (options) => connect(ports, { slabs, sweep: clients }, options),
  };
}

async function serve({ clock, network }: OwnHttp2Options, slabs: Slabs, options: Http2ServeOptions): Promise<Http2Server> {
  const sweep = new Sweep(clock);
  const shared: ConnectionShared = { clock, sweep, slabs, limits: options.limits, keepAlive: options.keepAlive, budget: { bytes: 0 } };
  const waiters: (() => void)[] = [];
  let streams = 0;
  let draining = false;
  const user: ConnectionUser = {
    role: 'server',
    stream: (stream, headers) => options.stream(stream, headers),
    streamOpened() {
      streams++;
    },
    streamClosed() {
      streams--;
    },
    settled() {},
    failed: (error) => options.failed?.(error),
    closed() {
      if (sweep.size === 0) for (const waiter of waiters.splice(0)) waiter();
    },
  };
  const accept = (connection: Connection, first?: Uint8Array): void => {
    if (draining || sweep.size >= options.limits.connectionsMax) {
      connection.handlers = deafConnection;
      connection.destroy();
      return;
    }
    sweep.refresh();
    const accepted = new Http2Connection(connection, shared, user);
    connection.handlers = accepted;
    accepted.start();
    if (first !== undefined && first.length > 0) accepted.data(first);
  };
  const listener = options.address === undefined ? undefined : await network.listen(options.address, (connection) => accept(connection));
  const each = (visit: (connection: Http2Connection) => void): void => {
    for (const member of sweep.members()) visit(member as Http2Connection);
  };
  return {
    address: listener?.address,
    get streams() {
      return streams;
    },
    accept,
    async drain() {
      draining = true;
      await listener?.close();
      each((connection) => connection.beginDrain());
      if (sweep.size > 0) await new Promise<void>((resolve) => waiters.push(resolve));
    },
    destroy() {
      draining = true;
      void listener?.close();
      each((connection) => connection.destroy());
    },
  };
}

const deafConnection = { data() {}, end() {}, drain() {}, close() {} };

async function connect(
  { clock, network }: OwnHttp2Options,
  kept: { readonly slabs: Slabs; readonly sweep: Sweep },
  options: Http2ConnectOptions,
): Promise<Http2Session> {
  const { address, tls } = options;
  const secured = tls === undefined ? network : await tlsNetwork(address, tls);
  return new Promise<Http2Session>((resolve, reject) => {
    let session: Http2Session | undefined;
    kept.sweep.refresh();
    const user: ConnectionUser = {
      role: 'client',
      stream: () => deaf,
      streamOpened() {},
      streamClosed() {},
      settled() {
        timer.cancel();
        session = sessionOf(connection);
        resolve(session);
      },
      failed() {},
      closed(error) {
        timer.cancel();
        if (session === undefined) reject(error ?? new ProaError('unavailable', 'the peer closed the connection'));
        else options.closed();
      },
    };
    const socket = secured.connect(address);
    const connection = new Http2Connection(
      socket,
      { clock, ...kept, limits: options.limits, keepAlive: options.keepAlive, budget: { bytes: 0 } },
      user,
    );
    const timer = clock.timer(options.timeoutMs, () =>
      connection.destroy(new ProaError('unavailable', `no HTTP/2 connection within ${options.timeoutMs} ms`)),
    );
    socket.handlers = connection;
    connection.start();
  });
}

async function tlsNetwork(address: Address, { ca, insecure, serverName }: ClientTls): Promise<Network> {
  const { createTlsNetwork } = await import('../tls/network.ts');
  return createTlsNetwork({
    serverName: serverName ?? hostOf(address),
    alpn: 'h2',
    ...(insecure === undefined ? {} : { insecure }),
    ...(ca === undefined ? {} : { rootCa: ca }),
  });
}

function hostOf(address: Address): string {
  return 'host' in address ? address.host : 'localhost';
}

function sessionOf(connection: Http2Connection): Http2Session {
  return {
    get usable() {
      return connection.usable;
    },
    get streams() {
      return connection.streams.count;
    },
    request: (headers, handlers, end = false) => connection.request(headers, handlers, end),
    close: () => connection.leave(),
    destroy: () => connection.destroy(),
  };
}
