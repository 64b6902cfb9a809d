import { describe, expect, it } from 'vitest';
import { bytesBody, collect } from '../../kernel/body.ts';
import { CancelScope } from '../../kernel/cancel.ts';
import type { Address, Connection, ConnectionHandlers } from '../../kernel/ports.ts';
import { createFakeClock } from '../../testing/fake-clock.ts';
import { createMemoryNetwork } from '../../testing/memory-network.ts';
import { onceBody } from '../../testing/once-body.ts';
import type { Http1ClientRequest } from './client-call.ts';
import type { Http1ClientLimits } from './client-limits.ts';
import { createHttp1Client } from './client.ts';

const address: Address = { host: '10.0.0.1', port: 80 };
const get: Http1ClientRequest = { method: 'GET', target: '/', headers: [] };
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

interface Peer {
  readonly connection: Connection;
  /** What the client sent on this connection. */
  text: string;
  closed: boolean;
}

/** A client, and a peer that does what `script` says at each piece of data. */
async function rig(script: (peer: Peer, index: number) => void = () => {}, limits: Partial<Http1ClientLimits> = {}) {
  const network = createMemoryNetwork();
  const clock = createFakeClock();
  const peers: Peer[] = [];
  const listener = await network.listen(address, (connection) => {
    const peer: Peer = { connection, text: '', closed: false };
    const index = peers.push(peer) - 1;
    const handlers: ConnectionHandlers = {
      data(chunk) {
        peer.text += Buffer.from(chunk).toString('latin1');
        script(peer, index);
      },
      end() {},
      drain() {},
      close: () => (peer.closed = true),
    };
    connection.handlers = handlers;
  });
  const client = createHttp1Client({ network, clock, limits });
  return { client, clock, peers, listener, pool: client.pool(address) };
}

const ok = (body = '', more = ''): string => `HTTP/1.1 200 OK\r\n${more}content-length: ${body.length}\r\n\r\n${body}`;
const text = async (body: Parameters<typeof collect>[0]): Promise<string> => Buffer.from(await collect(body, 1e6)).toString('latin1');

describe('answers that a client accepts and refuses', () => {
  /** The peer's bytes (then it closes), and what comes of them: `status body`, or the code of the error. */
  const vectors: readonly (readonly [string, string])[] = [
    [ok('hello'), '200 hello'],
    ['HTTP/1.1 200\r\ncontent-length: 2\r\n\r\nok', '200 ok'],
    ['HTTP/1.1 200 \r\ncontent-length: 2\r\n\r\nok', '200 ok'],
    ['HTTP/1.0 404 Not Found\r\n\r\nuntil close', '404 until close'],
    ['HTTP/1.1 200 OK\r\n\r\n', '200 '],
    ['HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nt: 1\r\n\r\n', '200 abc'],
    [`HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n${ok('late')}`, '200 late'],
    ['HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\n', '204 '],
    ['HTTP/1.1 304 Not Modified\r\ntransfer-encoding: chunked\r\n\r\n', '304 '],
    ['', 'http.broken'],
    ['HTTP/1.1 200 OK\r\ncontent-le', 'http.broken'],
    ['HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhal', 'http.broken'],
    ['HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n', 'http.broken'],
    ['HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nx\r\n', 'http.protocol'],
    ['HTTP/2 200 OK\r\ncontent-length: 0\r\n\r\n', 'http.protocol'],
    ['HTTP/1.2 200 OK\r\ncontent-length: 0\r\n\r\n', 'http.protocol'],
    ['http/1.1 200 OK\r\ncontent-length: 0\r\n\r\n', 'http.protocol'],
    ['HTTP/1.1  200 OK\r\ncontent-length: 0\r\n\r\n', 'http.protocol'],
    ['HTTP/1.1 20 OK\r\ncontent-length: 0\r\n\r\n', 'http.protocol'],
    ['HTTP/1.1 2000 OK\r\ncontent-length: 0\r\n\r\n', 'http.protocol'],
    ['HTTP/1.1 999 OK\r\ncontent-length: 0\r\n\r\n', 'http.protocol'],
    ['HTTP/1.1 099 OK\r\ncontent-length: 0\r\n\r\n', 'http.protocol'],
    ['HTTP/1.1 101 Switching\r\nupgrade: x\r\n\r\n', 'http.protocol'],
    ['ICY 200 OK\r\n\r\n', 'http.protocol'],
    ['HTTP/1.1 200 OK\ncontent-length: 0\n\n', 'http.protocol'],
    ['HTTP/1.1 200 O\x00K\r\ncontent-length: 0\r\n\r\n', 'http.protocol'],
    ['HTTP/1.1 200 OK\r\ncontent-length: 0\r\ncontent-length: 0\r\n\r\n', 'http.protocol'],
    ['HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n', 'http.protocol'],
    ['HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nx', 'http.protocol'],
    ['HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n', 'http.protocol'],
    ['HTTP/1.1 200 OK\r\ncontent-length: 3\r\n folded: x\r\n\r\nabc', 'http.protocol'],
    ['HTTP/1.1 200 OK\r\nx: a\rb\r\ncontent-length: 0\r\n\r\n', 'http.protocol'],
    ['HTTP/1.1 200 OK\r\nx : a\r\ncontent-length: 0\r\n\r\n', 'http.protocol'],
    [`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(40_000)}\r\n\r\n`, 'http.protocol'],
    [`HTTP/1.1 200 OK\r\n${'x: y\r\n'.repeat(300)}\r\n`, 'http.protocol'],
    [`${'HTTP/1.1 100 Continue\r\n\r\n'.repeat(9)}${ok('x')}`, 'http.protocol'],
  ];

  it.each([1e9, 1, 5])('in pieces of %d bytes', async (size) => {
    const results: unknown[] = [];
    for (const [bytes] of vectors) {
      const { client } = await rig((peer) => {
        if (!peer.text.endsWith('\r\n\r\n')) return;
        peer.text = '';
        for (let i = 0; i < bytes.length; i += size) peer.connection.write(bytes.slice(i, i + size));
        peer.connection.end();
      });
      const result = await client
        .request(address, get)
        .then(
          async (response) => `${response.status} ${await text(response.body)}`,
          (error: unknown) => error,
        )
        .catch((error: unknown) => error);
      results.push([bytes.slice(0, 80), typeof result === 'string' ? result : (result as { code: string }).code]);
      client.close();
    }
    expect(results).toEqual(vectors.map(([bytes, expected]) => [bytes.slice(0, 80), expected]));
  });
});

describe('connections', () => {
  it.each([
    ['timeout=5', 4_000],
    ['max=100, Timeout=20', 19_000],
    ['timeout=1', 500],
    ['timeout=600', 50_000],
    ['timeout=soon', 50_000],
    ['xtimeout=5', 50_000],
  ])('are let go of before a server does it that says "keep-alive: %s"', async (kept, idleMs) => {
    const { client, pool, clock } = await rig((peer) => void peer.connection.write(ok('a', `keep-alive: ${kept}\r\n`)));
    // The second answer has a head that is remembered.
    for (let i = 0; i < 2; i++) {
      expect(await text((await client.request(address, get)).body)).toBe('a');
      clock.advance(idleMs - 200);
      await turn();
      expect(pool.counts.idle).toBe(1);
    }
    clock.advance(400);
    await turn();
    expect(pool.counts).toEqual({ open: 0, idle: 0, waiting: 0 });
  });

  it('keeps one, uses the hottest first, and throws away what cannot be trusted', async () => {
    let answer = ok('a');
    const { client, pool, peers, clock } = await rig((peer) => void peer.connection.write(answer));
    for (let i = 0; i < 3; i++) expect(await text((await client.request(address, get)).body)).toBe('a');
    expect([peers.length, pool.counts.idle]).toEqual([1, 1]);
    expect(peers[0]?.text.startsWith('GET / HTTP/1.1\r\nhost: 10.0.0.1\r\n\r\n')).toBe(true);
    for (const bad of [
      `${ok('a')}HTTP/1.1 200 OK\r\n`,
      ok('a', 'connection: close\r\n'),
      'HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\na',
    ]) {
      answer = bad;
      expect(await text((await client.request(address, get)).body)).toBe('a');
      await turn();
      expect([bad, pool.counts]).toEqual([bad, { open: 0, idle: 0, waiting: 0 }]);
    }
    // Bytes that nobody asked for.
    answer = ok('a');
    await text((await client.request(address, get)).body);
    peers.at(-1)?.connection.write(ok('smuggled'));
    await turn();
    expect(pool.counts.open).toBe(0);
    // Idle for too long.
    await text((await client.request(address, get)).body);
    clock.advance(51_000);
    await turn();
    expect(pool.counts.open).toBe(0);
    expect(clock.waiting).toBe(0);
  });

  it('bounds connections and waiters, serves waiters in order, and forgets those that gave up', async () => {
    const waiting: Peer[] = [];
    const { client, pool } = await rig((peer) => void waiting.push(peer), { connectionsMax: 2, waitersMax: 3 });
    const done: string[] = [];
    const scopes = [new CancelScope(), new CancelScope()];
    const calls = ['/0', '/1', '/2', '/3', '/4', '/5'].map((target, i) =>
      client
        .request(address, {
          ...get,
          target,
          ...(i === 2 ? { cancel: scopes[0] as CancelScope } : {}),
          ...(i === 4 ? { timeoutMs: 1e9 } : {}),
        })
        .then(
          () => done.push(target),
          (error: { code: string }) => done.push(`${target} ${error.code}`),
        ),
    );
    await turn();
    expect(done).toEqual(['/5 overloaded']);
    expect(pool.counts).toEqual({ open: 2, idle: 0, waiting: 3 });
    scopes[0]?.cancel('no');
    await turn();
    expect(pool.counts.waiting).toBe(2);
    for (let peer = waiting.shift(); peer !== undefined; peer = waiting.shift()) {
      peer.connection.write(ok());
      await turn();
    }
    await Promise.all(calls);
    expect(done).toEqual(['/5 overloaded', '/2 cancelled', '/0', '/1', '/3', '/4']);
    expect(pool.counts).toEqual({ open: 2, idle: 2, waiting: 0 });
    client.close();
    await expect(client.request(address, get)).rejects.toMatchObject({ code: 'unavailable' });
  });

  it('repeats a call on a dead kept connection once, if that can do no harm', async () => {
    const run = async (request: Http1ClientRequest, dieAlways = false): Promise<unknown> => {
      let count = 0;
      const { client, peers } = await rig((peer, index) => {
        count++;
        if (index === 0 && count > 1) peer.connection.destroy();
        else if (dieAlways && index > 0) peer.connection.destroy();
        else peer.connection.write(ok(`${index}`));
      });
      await text((await client.request(address, get)).body);
      const result = await client.request(address, request).then(
        (response) => text(response.body),
        (error: { code: string }) => error.code,
      );
      client.close();
      return `${result as string} over ${peers.length}`;
    };
    expect(await run(get)).toBe('1 over 2');
    expect(await run({ ...get, method: 'PUT', body: bytesBody(Buffer.from('x')) })).toBe('1 over 2');
    expect(await run({ ...get, method: 'PUT', body: onceBody(Buffer.alloc(70_000), 70_000) })).toBe('http.broken over 1');
    expect(await run({ ...get, method: 'POST' })).toBe('http.broken over 1');
    expect(await run({ ...get, method: 'POST', idempotent: true })).toBe('1 over 2');
    expect(await run({ ...get, idempotent: false })).toBe('http.broken over 1');
    expect(await run(get, true)).toBe('http.broken over 2');
  });

  it('says what failed: nobody listens, nobody answers, half an answer', async () => {
    const { client, clock, listener } = await rig(
      (peer) => void (peer.text.includes('/half') && peer.connection.write('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf')),
    );
    const slow = client.request(address, { ...get, timeoutMs: 1_000 });
    const half = await client.request(address, { ...get, target: '/half' });
    const rest = collect(half.body, 100);
    clock.advance(1_200);
    await expect(slow).rejects.toMatchObject({ code: 'deadline-exceeded' });
    clock.advance(60_000);
    await expect(rest).rejects.toMatchObject({ code: 'http.broken' });
    await listener.close();
    await expect(client.request(address, get)).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('ECONNREFUSED') as string,
    });
    client.close();
    expect(clock.waiting).toBe(0);
  });

  it('cancels a call in each of its phases and closes its connection', async () => {
    const { client, peers, pool } = await rig(
      (peer) => void (peer.text.includes('/body') && peer.connection.write('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf')),
    );
    const before = new CancelScope();
    before.cancel('early');
    await expect(client.request(address, { ...get, cancel: before })).rejects.toMatchObject({ code: 'cancelled' });
    expect(peers).toHaveLength(0);
    const head = new CancelScope();
    const waiting = client.request(address, { ...get, cancel: head });
    head.cancel('enough');
    await expect(waiting).rejects.toMatchObject({ code: 'cancelled' });
    const middle = new CancelScope();
    const response = await client.request(address, { ...get, target: '/body', cancel: middle });
    const rest = collect(response.body, 100);
    middle.cancel('enough');
    await expect(rest).rejects.toMatchObject({ code: 'cancelled' });
    await turn();
    expect([peers.map((peer) => peer.closed), pool.counts.open]).toEqual([[true, true], 0]);
    client.close();
  });

  it('delivers an answer that was not read before the server closed', async () => {
    const { client } = await rig((peer) => {
      peer.connection.write(`HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n`);
      peer.connection.write('0\r\n\r\n');
      peer.connection.end();
    });
    const response = await client.request(address, get);
    await turn();
    await turn();
    expect(await text(response.body)).toBe('hello');
    client.close();
  });

  it('stops sending when the answer came before the request was complete', async () => {
    const { client, pool } = await rig(
      (peer) => void (peer.text.includes('first') && peer.connection.write(`HTTP/1.1 413 No\r\ncontent-length: 0\r\n\r\n`)),
    );
    let cancelled = false;
    const response = await client.request(address, {
      ...get,
      method: 'POST',
      body: {
        length: 1_000_000,
        discard() {},
        pipe(sink) {
          sink.open({ credit() {}, cancel: () => (cancelled = true) });
          sink.chunk(Buffer.from('first'));
        },
      },
    });
    expect([response.status, cancelled]).toEqual([413, true]);
    await turn();
    expect(pool.counts.open).toBe(0);
  });
});
