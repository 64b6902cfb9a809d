import { spawn, execFileSync } from 'node:child_process';
import http2 from 'node:http2';
import tls from 'node:tls';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { turns } from '../../../test/fixtures/http2-server.ts';
import { nodeClock } from '../../ports/node/clock.ts';
import { createNodeNetwork } from '../../ports/node/network.ts';
import type { Connection, ConnectionHandlers } from '../../kernel/ports.ts';
import { defaultHttp2Limits, type HeaderList, type Http2Limits, type Http2Server, type Http2Session, type Http2Stream } from './http2.ts';
import { createOwnHttp2 } from './own-http2.ts';

// Our codec with others at the other end: node:http2 (nghttp2) both ways, and the programs nghttp and h2load.

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0).toReversed()) close();
});

const keepAlive = { intervalMs: 60_000, timeoutMs: 20_000 };
const transport = createOwnHttp2({ clock: nodeClock, network: createNodeNetwork() });

/** Answers with what it got, and trailers that say how much that was. */
function echo(stream: Http2Stream, headers: HeaderList) {
  let bytes = 0;
  const name = headers.indexOf('x-name');
  stream.sendHeaders([':status', '200', 'content-type', 'application/grpc', 'x-name', name < 0 ? '' : (headers[name + 1] as string)]);
  return {
    headers() {},
    data(chunk: Uint8Array) {
      bytes += chunk.length;
      if (!stream.write(chunk)) stream.pause();
    },
    end: () => stream.end(['x-bytes', String(bytes), 'grpc-status', '0']),
    drain: () => stream.resume(),
    close() {},
  };
}

async function serve(limits: Partial<Http2Limits> = {}): Promise<{ server: Http2Server; port: number }> {
  const server = await transport.serve({
    address: { host: '127.0.0.1', port: 0 },
    limits: { ...defaultHttp2Limits, ...limits },
    keepAlive,
    stream: echo,
  });
  closers.push(() => server.destroy());
  return { server, port: (server.address as { port: number }).port };
}

interface Answer {
  readonly headers: http2.IncomingHttpHeaders;
  readonly trailers: http2.IncomingHttpHeaders;
  readonly body: Buffer;
}

function ask(session: http2.ClientHttp2Session, headers: http2.OutgoingHttpHeaders, body?: Buffer): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const stream = session.request({ ':method': 'POST', ':path': '/x', ...headers });
    const parts: Buffer[] = [];
    let found: http2.IncomingHttpHeaders = {};
    let trailers: http2.IncomingHttpHeaders = {};
    stream.on('response', (list) => (found = list));
    stream.on('trailers', (list) => (trailers = list));
    stream.on('data', (chunk: Buffer) => parts.push(chunk));
    stream.on('error', reject);
    stream.on('close', () => resolve({ headers: found, trailers, body: Buffer.concat(parts) }));
    stream.end(body);
  });
}

function bytesOf(size: number, seed: number): Buffer {
  const bytes = Buffer.alloc(size);
  for (let i = 0, state = seed + 1; i < size; i++) {
    state = (state * 1_103_515_245 + 12_345) & 0x7fffffff;
    bytes[i] = state >> 16;
  }
  return bytes;
}

describe('node:http2 as the client', () => {
  it('gets bodies of all sizes back, many at once, in both directions of flow control', async () => {
    const { port, server } = await serve();
    const session = http2.connect(`http://127.0.0.1:${port}`);
    closers.push(() => session.destroy());
    const sizes = [0, 1, 100, 16_383, 16_384, 16_385, 65_535, 65_536, 200_000, 3_000_000, ...Array.from({ length: 60 }, (_, i) => i * 997)];
    const answers = await Promise.all(sizes.map((size, i) => ask(session, { 'x-name': `n${i}` }, bytesOf(size, i))));
    for (const [i, { headers, trailers, body }] of answers.entries()) {
      expect(headers[':status']).toBe(200);
      expect(headers['x-name']).toBe(`n${i}`);
      expect(trailers).toMatchObject({ 'x-bytes': String(sizes[i]), 'grpc-status': '0' });
      expect(body.equals(bytesOf(sizes[i] as number, i))).toBe(true);
    }
    await turns();
    expect(server.streams).toBe(0);
  });

  it('may use huge headers, a small table, and padding', async () => {
    const { port } = await serve({ headerBytesMax: 200_000 });
    const session = http2.connect(`http://127.0.0.1:${port}`, {
      paddingStrategy: http2.constants.PADDING_STRATEGY_MAX,
      settings: { headerTableSize: 0 },
    });
    closers.push(() => session.destroy());
    const name = 'n'.repeat(40_000);
    for (let i = 0; i < 3; i++) {
      const answer = await ask(session, { 'x-name': name }, bytesOf(1000, i));
      expect(answer.headers['x-name']).toBe(name);
      expect(answer.body.equals(bytesOf(1000, i))).toBe(true);
    }
  });

  it('is drained in two steps: nothing that it sent before it knew is lost', async () => {
    const { port, server } = await serve();
    const session = http2.connect(`http://127.0.0.1:${port}`);
    const slow = session.request({ ':method': 'POST', ':path': '/x' });
    const got = new Promise<string>((resolve) => slow.on('data', (chunk: Buffer) => resolve(chunk.toString())));
    slow.write('a');
    expect(await got).toBe('a');
    const late = Array.from({ length: 10 }, (_, i) => ask(session, {}, bytesOf(10, i)));
    const drained = server.drain();
    expect((await Promise.all(late)).every(({ trailers }) => trailers['grpc-status'] === '0')).toBe(true);
    slow.end('b');
    const trailers = await new Promise<http2.IncomingHttpHeaders>((resolve) => slow.on('trailers', resolve));
    expect(trailers['x-bytes']).toBe('2');
    await drained;
    await new Promise<void>((resolve) => (session.closed ? resolve() : session.on('close', () => resolve())));
  });
});

interface NodeRig {
  readonly session: Http2Session;
  readonly server: http2.Http2Server | http2.Http2SecureServer;
}

async function nodeServer(answer: (stream: http2.ServerHttp2Stream) => void, settings: http2.Settings = {}): Promise<NodeRig> {
  const server = http2.createServer({ settings });
  server.on('stream', answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => void server.close());
  const session = await connect({ host: '127.0.0.1', port: (server.address() as { port: number }).port });
  return { server, session };
}

async function connect(
  address: { host: string; port: number },
  more: { tls?: { ca?: string; insecure?: boolean } } = {},
): Promise<Http2Session> {
  const session = await transport.connect({ address, limits: defaultHttp2Limits, keepAlive, timeoutMs: 5_000, closed() {}, ...more });
  closers.push(() => session.destroy());
  return session;
}

/** One call of ours: writes the body with back pressure, gives what came back. */
function call(
  session: Http2Session,
  body: Buffer,
  headers: readonly string[] = [],
): Promise<{ head: HeaderList; body: Buffer; trailers: HeaderList; code: number }> {
  return new Promise((resolve) => {
    const parts: Buffer[] = [];
    const found: { head: HeaderList; trailers: HeaderList } = { head: [], trailers: [] };
    let at = 0;
    const more = (): void => {
      while (at < body.length) {
        const chunk = body.subarray(at, at + 50_000);
        at += chunk.length;
        if (!stream.write(chunk)) return;
      }
      stream.end();
    };
    const stream = session.request([':method', 'POST', ':scheme', 'http', ':authority', 'x', ':path', '/x', ...headers], {
      headers: (list) => {
        found.head = list;
      },
      data: (chunk) => void parts.push(Buffer.from(chunk)),
      end: (list) => {
        found.trailers = list;
      },
      drain: more,
      close: (code) => resolve({ ...found, body: Buffer.concat(parts), code }),
    });
    more();
  });
}

function nodeEcho(stream: http2.ServerHttp2Stream): void {
  stream.respond({ ':status': 200 }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'x-done': 'yes' }));
  stream.on('error', () => {});
  stream.pipe(stream);
}

describe('node:http2 as the server', () => {
  it('gives bodies of all sizes back, many at once', async () => {
    const { session } = await nodeServer(nodeEcho);
    const sizes = [0, 1, 16_384, 65_535, 65_536, 200_000, 3_000_000, ...Array.from({ length: 60 }, (_, i) => i * 997)];
    const answers = await Promise.all(sizes.map((size, i) => call(session, bytesOf(size, i))));
    for (const [i, answer] of answers.entries()) {
      expect(answer).toMatchObject({ trailers: ['x-done', 'yes'], code: 0 });
      expect(answer.head[1]).toBe('200');
      expect(answer.body.equals(bytesOf(sizes[i] as number, i))).toBe(true);
    }
  });

  it('may take two streams at a time and a window of a kilobyte', async () => {
    const { session } = await nodeServer(nodeEcho, { maxConcurrentStreams: 2, initialWindowSize: 1024 });
    const answers = await Promise.all(Array.from({ length: 30 }, (_, i) => call(session, bytesOf(20_000, i))));
    expect(answers.every(({ body }, i) => body.equals(bytesOf(20_000, i)))).toBe(true);
  });

  it('sends informational answers, resets and GOAWAY', async () => {
    const { session } = await nodeServer((stream) => {
      stream.on('error', () => {});
      stream.additionalHeaders({ ':status': 103, link: '</x>' });
      if (stream.id === 1) stream.respond({ ':status': 204 }, { endStream: true });
      else if (stream.id === 3) stream.close(http2.constants.NGHTTP2_ENHANCE_YOUR_CALM);
      else {
        stream.session?.goaway(0, stream.id ?? 0);
        stream.respond({ ':status': 200 }, { endStream: true });
      }
    });
    expect(await call(session, Buffer.alloc(0))).toMatchObject({ head: expect.arrayContaining(['204']), code: 0 });
    expect(await call(session, Buffer.alloc(0))).toMatchObject({ code: 11 });
    expect(await call(session, Buffer.alloc(0))).toMatchObject({ code: 0 });
    expect(session.usable).toBe(false);
  });
});

/** A TLS socket of Node as a connection of the network port. */
function connectionOf(socket: tls.TLSSocket): Connection {
  const connection: Connection & { handlers: ConnectionHandlers } = {
    remote: `${socket.remoteAddress}:${socket.remotePort}`,
    handlers: { data() {}, end() {}, drain() {}, close() {} },
    write: (bytes) => (typeof bytes === 'string' ? socket.write(bytes, 'latin1') : socket.write(bytes)),
    cork: () => socket.cork(),
    uncork: () => socket.uncork(),
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    end: () => void socket.end(),
    destroy: (error) => void socket.destroy(error),
  };
  socket.on('data', (chunk: Buffer) => connection.handlers.data(chunk));
  socket.on('end', () => connection.handlers.end());
  socket.on('drain', () => connection.handlers.drain());
  socket.on('error', () => {});
  socket.on('close', () => connection.handlers.close(undefined));
  return connection;
}

describe('TLS with ALPN h2', () => {
  it('carries our server to node:http2, and ours to ours', async () => {
    const { key, cert } = certificate();
    const { server } = await serve();
    const protocols: (string | false | null)[] = [];
    const secure = tls.createServer({ key, cert, ALPNProtocols: ['h2'] }, (socket) => {
      protocols.push(socket.alpnProtocol);
      server.accept(connectionOf(socket));
    });
    await new Promise<void>((resolve) => secure.listen(0, '127.0.0.1', resolve));
    closers.push(() => void secure.close());
    const { port } = secure.address() as { port: number };
    const session = http2.connect(`https://127.0.0.1:${port}`, { rejectUnauthorized: false });
    closers.push(() => session.destroy());
    expect((await ask(session, {}, bytesOf(500_000, 1))).body.equals(bytesOf(500_000, 1))).toBe(true);
    const ours = await connect({ host: '127.0.0.1', port }, { tls: { insecure: true } });
    const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => call(ours, bytesOf(30_000, i))));
    expect(answers.every(({ body }, i) => body.equals(bytesOf(30_000, i)))).toBe(true);
    expect(protocols).toEqual(['h2', 'h2']);
    await expect(connect({ host: '127.0.0.1', port }, { tls: {} })).rejects.toThrow(/self-signed|certificate/i);
  });

  it('carries our client to node:http2', async () => {
    const { key, cert } = certificate();
    const server = http2.createSecureServer({ key, cert });
    server.on('stream', nodeEcho);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closers.push(() => void server.close());
    const session = await connect({ host: '127.0.0.1', port: (server.address() as { port: number }).port }, { tls: { insecure: true } });
    expect((await call(session, bytesOf(300_000, 5))).body.equals(bytesOf(300_000, 5))).toBe(true);
  });
});

function certificate(): { key: string; cert: string } {
  const pem = execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-keyout',
      '-',
      '-days',
      '2',
      '-subj',
      '/CN=localhost',
    ],
    { stdio: ['ignore', 'pipe', 'ignore'] },
  ).toString();
  return {
    key: pem.slice(pem.indexOf('-----BEGIN PRIVATE'), pem.indexOf('-----BEGIN CERT')),
    cert: pem.slice(pem.indexOf('-----BEGIN CERT')),
  };
}

function installed(name: string): boolean {
  try {
    execFileSync('sh', ['-c', `command -v ${name}`], { stdio: 'ignore' });
    return true;
  } catch {
    console.log(`skipped: ${name} not found (Debian: nghttp2-client)`);
    return false;
  }
}

function output(command: string, args: readonly string[]): Promise<string> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
  return new Promise((resolve) => child.on('close', () => resolve(text)));
}

describe('the programs of nghttp2', () => {
  it.runIf(installed('nghttp'))('nghttp: settings, an upload, trailers and an orderly end', async () => {
    const { port } = await serve();
    const text = await output('nghttp', [
      '-nv',
      '-H',
      'x-name: nghttp',
      '-d',
      fileURLToPath(new URL('../../../package-lock.json', import.meta.url)),
      '--max-concurrent-streams=5',
      `http://127.0.0.1:${port}/x`,
    ]);
    expect(text).toMatch(/:status: 200/);
    expect(text).toMatch(/x-name: nghttp/);
    expect(text).toMatch(/grpc-status: 0/);
    expect(text).toMatch(/SETTINGS_MAX_CONCURRENT_STREAMS\(0x03\):100/);
    expect(text).not.toMatch(/PROTOCOL_ERROR|FLOW_CONTROL|invalid|not processed/);
  });

  it.runIf(installed('h2load'))('h2load: 20 000 requests over ten connections, none fails', async () => {
    const { port, server } = await serve();
    const text = await output('h2load', ['-n20000', '-c10', '-m50', '-H', 'x-name: h2load', `http://127.0.0.1:${port}/x`]);
    expect(text).toMatch(/20000 succeeded, 0 failed, 0 errored/);
    expect(text).toMatch(/20000 2xx/);
    await turns();
    expect(server.streams).toBe(0);
  });
});
