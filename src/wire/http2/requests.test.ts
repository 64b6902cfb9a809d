import { once } from 'node:events';
import { connect as connectHttp2, createServer, type ClientHttp2Session, type Http2Server } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { bytesBody, collect, emptyBody, type Body, type Flow } from '../../kernel/body.ts';
import { CancelScope } from '../../kernel/cancel.ts';
import { ProaError } from '../../kernel/errors.ts';
import { nodeClock } from '../../ports/node/clock.ts';
import { createNodeNetwork } from '../../ports/node/network.ts';
import { createNodeRandom } from '../../ports/node/random.ts';
import { serveHttp1, type Http1Server } from '../http1/server.ts';
import type { Http1Request } from '../http1/request.ts';
import type { HttpAnswer } from '../http1/response.ts';
import { createHttp2Client } from './request-client.ts';
import { serveHttp2Requests, type Http2RequestsOptions } from './request-server.ts';

// HTTP over HTTP/2 with prior knowledge, on the port of HTTP/1.1, with Node's client and server on the other side.
const clock = nodeClock;
const network = createNodeNetwork();
const closers: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

type Handler = (request: Http1Request, answer: HttpAnswer) => void;

async function serve(handler: Handler, options: Partial<Http2RequestsOptions> = {}) {
  const requests = await serveHttp2Requests({ clock, network, headerBytesMax: 4096, handler, ...options });
  const server: Http1Server = await serveHttp1({
    network,
    clock,
    address: { host: '127.0.0.1', port: 0 },
    handler,
    onHttp2Preface: (connection, first) => requests.accept(connection, first),
  });
  const { port } = server.address as { port: number };
  const session = connectHttp2(`http://127.0.0.1:${port}`);
  session.on('error', () => {});
  closers.push(
    () => server.close(),
    () => requests.destroy(),
    () => session.destroy(),
  );
  return { session, requests };
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly text: string;
}

function ask(session: ClientHttp2Session, headers: Record<string, string | string[]>, body?: string | Buffer): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const stream = session.request(
      { ':method': body === undefined ? 'GET' : 'POST', ':path': '/', ...headers },
      { endStream: body === undefined },
    );
    let head: Record<string, unknown> = {};
    const parts: Buffer[] = [];
    stream.on('response', (got) => (head = got));
    stream.on('data', (part: Buffer) => parts.push(part));
    stream.on('end', () => resolve({ status: Number(head[':status']), headers: head, text: Buffer.concat(parts).toString('latin1') }));
    stream.on('error', reject);
    if (body !== undefined) stream.end(body);
  });
}

const echo: Handler = (request, answer) => {
  collect(request.body, 10_000_000).then(
    (bytes) => answer.send(200, ['x-length', String(request.body.length), 'x-target', request.target], Buffer.from(bytes)),
    () => {},
  );
};

/** Bytes that are made as they are asked for; `asked` tells how many were. */
function endless(asked: { bytes: number; cancelled: boolean }): Body {
  return {
    length: undefined,
    pipe(sink) {
      let credit = 0;
      let running = false;
      const flow: Flow = {
        credit(bytes) {
          credit += bytes;
          if (running) return;
          running = true;
          while (credit > 0 && !asked.cancelled) {
            credit -= 16_384;
            asked.bytes += 16_384;
            sink.chunk(Buffer.alloc(16_384));
          }
          running = false;
        },
        cancel() {
          asked.cancelled = true;
        },
      };
      sink.open(flow);
    },
    discard() {},
  };
}

describe('requests over HTTP/2 on the port of HTTP/1.1', () => {
  it('look as they do over HTTP/1.1: target, query, host, cookies in one header, lengths', async () => {
    let seen: Http1Request | undefined;
    const { session } = await serve((request, answer) => {
      seen = request;
      answer.send(200, ['Content-Type', 'text/plain', 'connection', 'close'], 'héllo');
    });
    const answer = await ask(session, {
      ':path': '/a%20b?c=d',
      ':authority': 'host:1',
      cookie: ['a=1', 'b=2'],
      te: 'trailers',
      'x-own': 'yes',
    });
    expect([answer.status, answer.headers['content-type'], answer.headers['content-length']]).toEqual([200, 'text/plain', '6']);
    expect(answer.headers['date']).toMatch(/GMT$/);
    expect(Buffer.from(answer.text, 'latin1').toString()).toBe('héllo');
    expect(seen).toMatchObject({ method: 'GET', target: '/a%20b?c=d', path: '/a%20b', query: 'c=d', host: 'host:1' });
    expect(seen?.headers).toEqual(['host', 'host:1', 'x-own', 'yes', 'cookie', 'a=1; b=2']);
    expect(seen?.body.length).toBe(0);
  });

  it('carry bodies of both kinds, larger than every window', async () => {
    const { session } = await serve(echo);
    const big = Buffer.alloc(3_000_000, 'x').toString();
    const [known, unknown, empty] = await Promise.all([
      ask(session, { 'content-length': String(big.length) }, big),
      ask(session, {}, big),
      ask(session, { 'content-length': '0' }, ''),
    ]);
    expect([known.headers['x-length'], known.text === big]).toEqual([String(big.length), true]);
    expect([unknown.headers['x-length'], unknown.text === big]).toEqual(['undefined', true]);
    expect(empty).toMatchObject({ status: 200, text: '' });
  });

  it('answers HEAD with the length alone, and 204 without one', async () => {
    const { session } = await serve((request, answer) => answer.send(request.method === 'HEAD' ? 200 : 204, [], 'four'));
    expect(await ask(session, { ':method': 'HEAD' })).toMatchObject({ status: 200, text: '', headers: { 'content-length': '4' } });
    const none = await ask(session, {});
    expect([none.status, none.text, none.headers['content-length']]).toEqual([204, '', undefined]);
  });

  it('asks for a body that waits for 100 Continue when the handler reads it', async () => {
    const { session } = await serve(echo);
    const stream = session.request({ ':method': 'POST', expect: '100-continue' }, { endStream: false });
    await once(stream, 'continue');
    stream.end('after all');
    const [part] = (await once(stream, 'data')) as [Buffer];
    expect(part.toString()).toBe('after all');
  });

  it('holds a source back while the client does not read, and stops it when the client goes', async () => {
    const asked = { bytes: 0, cancelled: false };
    let ended: unknown;
    const { session } = await serve((_, answer) => {
      answer.onEnd({ answered: (error) => (ended = error) });
      answer.sendBody(200, [], endless(asked));
    });
    const stream = session.request({ ':path': '/' });
    stream.on('error', () => {});
    stream.pause();
    await once(stream, 'response');
    await expect.poll(() => asked.bytes).toBeGreaterThan(60_000);
    expect(asked.bytes).toBeLessThan(5_000_000);
    stream.close(8);
    await expect.poll(() => asked.cancelled).toBe(true);
    await expect.poll(() => ended).toBeInstanceOf(ProaError);
  });

  it('holds a client back while nobody reads its body', async () => {
    let request: Http1Request | undefined;
    const { session } = await serve((got) => (request = got));
    const stream = session.request({ ':method': 'POST' }, { endStream: false });
    stream.on('error', () => {});
    let taken = 0;
    const part = Buffer.alloc(16_384);
    const push = (): void => {
      if (taken < 400) stream.write(part, () => (taken++, push()));
    };
    push();
    await expect.poll(() => request).toBeDefined();
    await new Promise((resolve) => session.ping(resolve));
    expect(taken).toBeLessThan(60);
    const got = collect((request as Http1Request).body, 10_000_000);
    await expect.poll(() => taken).toBe(400);
    stream.end();
    expect((await got).length).toBe(400 * 16_384);
  });

  it.each([
    ['TRACE', { ':method': 'TRACE' }, 405],
    ['a method that nobody knows', { ':method': 'NOPE' }, 501],
    ['the asterisk', { ':path': '*' }, 400],
    ['a path without a slash', { ':path': 'no-slash' }, 400],
    ['a fragment', { ':path': '/a#b' }, 400],
    ['a space', { ':path': '/a b' }, 400],
    ['a long path', { ':path': `/${'x'.repeat(4_096)}` }, 414],
    ['a bad authority', { ':authority': 'a b' }, 400],
    ['an alias of the token', { dapr_api_token: 'x' }, 400],
    ['an expectation', { expect: 'wonders' }, 417],
    ['a large header', { 'x-big': 'x'.repeat(5_000) }, 431],
  ])('are refused as over HTTP/1.1: %s', async (_, headers, status) => {
    const { session } = await serve((_, answer) => answer.send(200, []));
    expect((await ask(session, headers as Record<string, string>)).status).toBe(status);
    expect((await ask(session, {})).status).toBe(200);
  });

  it('answers 500 for a handler that throws and 408 to a body that does not come', async () => {
    const thrown: unknown[] = [];
    const { session } = await serve(
      (request, answer) => {
        if (request.path === '/throw') throw new Error('no');
        echo(request, answer);
      },
      { onError: (error) => thrown.push(error), bodyTimeoutMs: 150 },
    );
    expect((await ask(session, { ':path': '/throw' })).status).toBe(500);
    expect(thrown).toHaveLength(1);
    const stream = session.request({ ':method': 'POST' }, { endStream: false });
    stream.on('error', () => {});
    stream.write('a');
    const [head] = (await once(stream, 'response')) as [Record<string, unknown>];
    expect(head[':status']).toBe(408);
  });

  it('sends nothing of an answer with headers that HTTP does not allow, and resets one that breaks off', async () => {
    const { session } = await serve((request, answer) => {
      if (request.path === '/break') {
        answer.sendBody(200, [], { length: 10, pipe: (sink) => (sink.open({ credit() {}, cancel() {} }), sink.end()), discard() {} });
        return;
      }
      expect(() => answer.send(200, ['x-bad', 'a\r\nb'])).toThrow(ProaError);
      expect(() => answer.also('x-bad', 'a\nb')).toThrow(ProaError);
      answer.send(502, []);
    });
    expect((await ask(session, {})).status).toBe(502);
    await expect(ask(session, { ':path': '/break' })).rejects.toThrow(/INTERNAL_ERROR/);
  });

  it('lets requests end when it drains', async () => {
    let answer: HttpAnswer | undefined;
    const { session, requests } = await serve((_, got) => (answer = got));
    const answered = ask(session, {});
    await expect.poll(() => answer).toBeDefined();
    const drained = requests.drain();
    answer?.send(200, [], 'late');
    expect((await answered).text).toBe('late');
    await drained;
  });
});

describe('a client of HTTP/2 with prior knowledge', () => {
  async function app(listen: (server: Http2Server) => void) {
    const server = createServer();
    const sessions = new Set<{ destroy(): void }>();
    server.on('session', (session) => void sessions.add(session));
    listen(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
    const client = createHttp2Client({ clock, network, random: createNodeRandom(), address });
    closers.push(
      () => server.close(),
      () => sessions.forEach((session) => session.destroy()),
      () => client.close(),
    );
    const request = (more: Partial<Parameters<typeof client.request>[0]> = {}) =>
      client.request({ method: 'GET', target: '/x?y', headers: ['host', 'app:1'], body: emptyBody, cancel: new CancelScope(), ...more });
    return { client, request };
  }

  it('sends what HTTP/1.1 would, without its framing, and streams the answer', async () => {
    const { request } = await app((server) => {
      server.on('stream', (stream, headers) => {
        const { ':authority': authority, ':path': path, 'content-length': length, connection } = headers;
        stream.respond({ ':status': 201, 'x-saw': JSON.stringify([authority, path, length, connection]) });
        stream.pipe(stream);
      });
    });
    const body = bytesBody(Buffer.alloc(1_000_000, 'z'));
    const answer = await request({
      method: 'POST',
      headers: ['host', 'app:1', 'connection', 'close', 'transfer-encoding', 'chunked'],
      body,
    });
    expect(answer.status).toBe(201);
    expect(answer.headers).toContain('["app:1","/x?y","1000000",null]');
    expect((await collect(answer.body, 2_000_000)).length).toBe(1_000_000);
    const empty = await request();
    expect((await collect(empty.body, 10)).length).toBe(0);
    expect(empty.body.length).toBe(0);
  });

  it('fails with what happened: nobody there, broken off, too slow, given up', async () => {
    const { request, client } = await app((server) => {
      server.on('stream', (stream, headers) => {
        stream.on('error', () => {});
        if (headers[':path'] === '/break') stream.close(2);
      });
      server.on('sessionError', () => {});
    });
    await expect(request({ target: '/break' })).rejects.toMatchObject({ code: 'unavailable' });
    await expect(request({ timeoutMs: 20 })).rejects.toMatchObject({ code: 'deadline-exceeded' });
    const cancel = new CancelScope();
    const given = request({ cancel });
    cancel.cancel(new ProaError('cancelled', 'enough'));
    await expect(given).rejects.toMatchObject({ code: 'cancelled' });
    await client.close();
    await expect(request()).rejects.toMatchObject({ code: 'unavailable' });
    const nobody = createHttp2Client({ clock, network, random: createNodeRandom(), address: { host: '127.0.0.1', port: 1 } });
    const call = { method: 'GET', target: '/', headers: [], body: emptyBody, cancel: new CancelScope() };
    await expect(nobody.request(call)).rejects.toMatchObject({ code: 'unavailable' });
  });
});
