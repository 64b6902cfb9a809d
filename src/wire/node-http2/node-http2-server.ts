import type { Http2Server as NodeServer, ServerHttp2Session } from 'node:http2';
import { Server as ListeningServer, type Socket } from 'node:net';
import type { Address, Clock, Connection } from '../../kernel/ports.ts';
import { connectionDuplex } from './connection-duplex.ts';
import { http2Codes, type Http2Limits, type Http2ServeOptions, type Http2Server } from '../http2/http2.ts';
import { breakSession, guardBeginning, guardFloods, keepAlive } from './node-http2-guard.ts';
import { headerPairs, NodeHttp2Stream } from './node-http2-stream.ts';

// Above every id that a peer can have used: "finish what you have, open nothing new" (RFC 9113, section 6.8).
const lastStreamIdMax = 2 ** 31 - 1;

/** The limits as Node's session options; both sides of a connection use them. */
export function nodeSessionOptions(limits: Http2Limits) {
  return {
    maxHeaderListPairs: limits.headersMax,
    maxOutstandingPings: 4,
    settings: {
      enablePush: false,
      initialWindowSize: limits.streamWindowBytes,
      maxConcurrentStreams: limits.streamsMax,
      maxHeaderListSize: limits.headerBytesMax,
    },
  };
}

interface Serving {
  readonly options: Http2ServeOptions;
  readonly clock: Clock;
  readonly sessions: Set<ServerHttp2Session>;
  streams: number;
  draining: boolean;
}

/** Serves HTTP/2 without TLS by node:http2. */
export async function serveNodeHttp2(clock: Clock, options: Http2ServeOptions): Promise<Http2Server> {
  const http2 = await import('node:http2');
  const serving: Serving = { options, clock, sessions: new Set(), streams: 0, draining: false };
  const server = http2.createServer({ ...nodeSessionOptions(options.limits) });
  server.maxConnections = options.limits.connectionsMax;
  server.on('session', (session) => serveSession(serving, session));
  // A socket that breaks before it is a session.
  server.on('sessionError', () => {});
  const address = options.address === undefined ? undefined : await listen(server, options.address);
  server.on('error', () => {});
  return {
    address,
    get streams() {
      return serving.streams;
    },
    accept: (connection, first) => acceptConnection(serving, server, { connection, first }),
    drain: () => drain(serving, server),
    destroy() {
      serving.draining = true;
      stopListening(server);
      for (const session of serving.sessions) breakSession(session, http2Codes.cancel);
    },
  };
}

function acceptConnection(serving: Serving, server: NodeServer, from: { connection: Connection; first: Uint8Array | undefined }): void {
  if (serving.draining || serving.sessions.size >= serving.options.limits.connectionsMax) from.connection.destroy();
  else server.emit('connection', connectionDuplex(from.connection, from.first) as Socket);
}

function serveSession(serving: Serving, session: ServerHttp2Session): void {
  const { options, clock, sessions } = serving;
  sessions.add(session);
  const { remoteAddress, remotePort } = session.socket;
  const remote = remoteAddress === undefined ? '' : `${remoteAddress}:${remotePort}`;
  const origin = { session, clock, remote };
  let open = 0;
  session.setLocalWindowSize(options.limits.connectionWindowBytes);
  session.on('error', () => {});
  session.on('close', () => sessions.delete(session));
  guardBeginning(session, clock, options.limits);
  const peerReset = guardFloods(session, clock, options.limits.controlFramesMax);
  keepAlive(session, { clock, keepAlive: options.keepAlive, busy: () => true });
  session.on('stream', (stream, headers, _flags, raw?: string[]) => {
    open++;
    serving.streams++;
    stream.on('aborted', peerReset);
    stream.on('close', () => {
      open--;
      serving.streams--;
      if (serving.draining && open === 0 && !session.destroyed) session.close();
    });
    const pairs = raw ?? headerPairs(headers);
    // Node only announces this limit.
    if (headerBytes(pairs) > options.limits.headerBytesMax) stream.respond({ ':status': 431 }, { endStream: true });
    else {
      const wrapped = new NodeHttp2Stream(stream, origin);
      wrapped.attach(options.stream(wrapped, pairs));
    }
  });
}

// The size that RFC 9113 defines in section 6.5.2.
function headerBytes(pairs: readonly string[]): number {
  let bytes = pairs.length * 16;
  for (const text of pairs) bytes += text.length;
  return bytes;
}

function listen(server: NodeServer, address: Address): Promise<Address> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    const ready = (): void => {
      server.removeListener('error', reject);
      const bound = server.address();
      resolve(typeof bound === 'object' && bound !== null ? { host: bound.address, port: bound.port } : address);
    };
    if (!('path' in address)) server.listen({ host: address.host, port: address.port }, ready);
    else {
      // The socket is bound within this call: nobody else may connect, not even for a moment.
      const mask = process.umask(0o177);
      try {
        server.listen({ path: address.path }, ready);
      } finally {
        process.umask(mask);
      }
    }
  });
}

// From Node 24 on, the HTTP/2 server's own `close` also closes its sessions, and requests that are on their way would be refused.
function stopListening(server: NodeServer): void {
  if (server.listening) ListeningServer.prototype.close.call(server);
}

function drain(serving: Serving, server: NodeServer): Promise<void> {
  serving.draining = true;
  const closed = new Promise<void>((resolve) => {
    stopListening(server);
    for (const session of serving.sessions) {
      // Requests that are on their way while the peer learns of it are still served: the connection closes one round trip later.
      session.goaway(http2Codes.noError, lastStreamIdMax);
      session.ping(() => {
        if (!session.destroyed) session.close();
      });
      session.on('close', () => {
        if (serving.sessions.size === 0) resolve();
      });
    }
    if (serving.sessions.size === 0) resolve();
  });
  return closed;
}
