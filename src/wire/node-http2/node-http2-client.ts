import type { ClientHttp2Session } from 'node:http2';
import type { Duplex } from 'node:stream';
import { ProaError } from '../../kernel/errors.ts';
import type { Address, Clock } from '../../kernel/ports.ts';
import { http2Codes, type ClientTls, type Http2ConnectOptions, type Http2Session } from '../http2/http2.ts';
import { breakSession, keepAlive } from './node-http2-guard.ts';
import { nodeSessionOptions } from './node-http2-server.ts';
import { headerObject, NodeHttp2Stream } from './node-http2-stream.ts';

/** Connects with HTTP/2 by node:http2: prior knowledge on plain connections, ALPN on TLS. */
export async function connectNodeHttp2(clock: Clock, options: Http2ConnectOptions): Promise<Http2Session> {
  const http2 = await import('node:http2');
  const socket = await dial(options.address, options.tls);
  const session = http2.connect('http://proa.internal', { ...nodeSessionOptions(options.limits), createConnection: () => socket });
  try {
    await settled(session, socket, { clock, timeoutMs: options.timeoutMs });
  } catch (error) {
    session.destroy();
    socket.destroy();
    throw error;
  }
  session.setLocalWindowSize(options.limits.connectionWindowBytes);
  return wrap(session, clock, options);
}

async function dial(address: Address, tls: ClientTls | undefined): Promise<Duplex> {
  if (tls === undefined) {
    const net = await import('node:net');
    return net.connect({ ...address, noDelay: true });
  }
  const { connect } = await import('node:tls');
  return connect({
    ...address,
    ALPNProtocols: ['h2'],
    minVersion: 'TLSv1.2',
    rejectUnauthorized: tls.insecure !== true,
    ...(tls.ca === undefined ? undefined : { ca: tls.ca }),
    ...serverName(address, tls),
  });
}

// Names of servers are never IP addresses (RFC 6066, section 3).
function serverName(address: Address, tls: ClientTls): { servername?: string } {
  const name = tls.serverName ?? ('host' in address ? address.host : 'localhost');
  return /^[\d.]+$|:/.test(name) ? {} : { servername: name };
}

function settled(session: ClientHttp2Session, socket: Duplex, limit: { clock: Clock; timeoutMs: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = limit.clock.timer(limit.timeoutMs, () =>
      reject(new ProaError('unavailable', `no HTTP/2 connection within ${limit.timeoutMs} ms`)),
    );
    session.once('remoteSettings', () => {
      timer.cancel();
      resolve();
    });
    const failed = (error?: Error): void => {
      timer.cancel();
      reject(error ?? new ProaError('unavailable', 'the peer closed the connection'));
    };
    session.on('error', failed);
    socket.on('error', failed);
    session.once('close', () => failed());
  });
}

function wrap(session: ClientHttp2Session, clock: Clock, options: Http2ConnectOptions): Http2Session {
  let streams = 0;
  let leaving = false;
  const remote = 'path' in options.address ? '' : `${options.address.host}:${options.address.port}`;
  session.on('goaway', () => {
    leaving = true;
  });
  session.on('close', () => options.closed());
  keepAlive(session, { clock, keepAlive: options.keepAlive, busy: () => streams > 0 });
  return {
    get usable() {
      return !leaving && !session.closed && !session.destroyed;
    },
    get streams() {
      return streams;
    },
    request(headers, handlers, end = false) {
      const stream = session.request(headerObject(headers), { endStream: end });
      streams++;
      stream.on('close', () => {
        streams--;
      });
      const wrapped = new NodeHttp2Stream(stream, { session, clock, remote });
      wrapped.attach(handlers);
      return wrapped;
    },
    close() {
      if (!session.closed) session.close();
    },
    destroy() {
      breakSession(session, http2Codes.cancel);
    },
  };
}
