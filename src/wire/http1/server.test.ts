import { describe, expect, it } from 'vitest';
import { bytesBody, collect } from '../../kernel/body.ts';
import type { Connection } from '../../kernel/ports.ts';
import { createFakeClock, type FakeClock } from '../../testing/fake-clock.ts';
import { createMemoryNetwork, type MemoryConnection } from '../../testing/memory-network.ts';
import { onceBody } from '../../testing/once-body.ts';
import type { Http1Request } from './request.ts';
import type { Http1Response } from './response.ts';
import type { Http1ServerLimits } from './server-limits.ts';
import { serveHttp1, type Http1Server } from './server.ts';

const address = { host: '127.0.0.1', port: 80 };
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

interface Rig {
  readonly server: Http1Server;
  readonly clock: FakeClock;
  readonly dial: () => MemoryConnection;
  readonly errors: unknown[];
}

async function rig(
  handler: (request: Http1Request, response: Http1Response) => void,
  limits: Partial<Http1ServerLimits> = {},
  onHttp2Preface?: (connection: Connection, firstBytes: Uint8Array) => void,
): Promise<Rig> {
  const network = createMemoryNetwork();
  const clock = createFakeClock();
  const errors: unknown[] = [];
  const server = await serveHttp1({
    network,
    clock,
    address,
    limits,
    handler,
    onError: (error) => errors.push(error),
    ...(onHttp2Preface === undefined ? {} : { onHttp2Preface }),
  });
  return { server, clock, errors, dial: () => network.connect(address) as MemoryConnection };
}

/** Connections that write nothing hear from the server once they are open. */
const opened = (): Promise<void> => Promise.resolve();
const get = (path: string, more = ''): string => `GET ${path} HTTP/1.1\r\nHost: a\r\n${more}\r\n`;
const statuses = (connection: MemoryConnection): string[] =>
  [...connection.received().matchAll(/^HTTP\/1\.1 (\d+)/gm)].map((match) => match[1] as string);
const bodyOf = (connection: MemoryConnection): string => connection.received().slice(connection.received().indexOf('\r\n\r\n') + 4);

describe('answers', () => {
  it('writes a small answer once, with length, date and UTF-8', async () => {
    const { dial, server, clock } = await rig((_request, response) => response.send(200, ['content-type', 'text/plain'], 'smörgås ⛵'));
    const connection = dial();
    connection.write(get('/'));
    const date = new Date(clock.now()).toUTCString();
    expect(connection.received()).toBe(
      `HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ndate: ${date}\r\ncontent-length: 13\r\n\r\n${Buffer.from('smörgås ⛵').toString('latin1')}`,
    );
    clock.advance(2_000);
    connection.write(get('/'));
    expect(connection.received()).toContain(`date: ${new Date(clock.now()).toUTCString()}`);
    await server.close();
  });

  it('leaves bodies out where none may be, and keeps HTTP/1.0 clients alive only on request', async () => {
    const { dial, server } = await rig((request, response) => {
      if (request.path === '/head') response.sendBody(200, ['content-length', '7'], bytesBody(Buffer.from('')));
      else if (request.path === '/stream') response.sendBody(200, [], onceBody(Buffer.from('abc'), undefined));
      else response.send(Number(request.path.slice(1)), [], 'text');
    });
    const connection = dial();
    for (const path of ['/204', '/304', '/200']) connection.write(`HEAD ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
    connection.write(`HEAD /head HTTP/1.1\r\nHost: a\r\n\r\n`);
    connection.write(get('/204') + get('/304'));
    const answers = connection.received().split('HTTP/1.1 ').slice(1);
    expect(answers.map((answer) => [answer.slice(0, 3), /content-length: (\d+)/.exec(answer)?.[1], answer.split('\r\n\r\n')[1]])).toEqual([
      ['204', undefined, ''],
      ['304', undefined, ''],
      ['200', '4', ''],
      ['200', '7', ''],
      ['204', undefined, ''],
      ['304', undefined, ''],
    ]);
    const old = dial();
    old.write('GET /200 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n');
    expect(old.received()).toContain('connection: keep-alive');
    expect(old.ended).toBe(false);
    old.write('GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n');
    expect(old.received()).toMatch(/connection: close\r\n\r\nabc$/);
    expect(old.ended).toBe(true);
    await server.close();
  });

  it('turns what a handler throws into a 500, and refuses header injection without sending anything', async () => {
    const { dial, server, errors } = await rig((request, response) => {
      response.send(200, ['x', request.query === 'bad' ? 'a\r\nset-cookie: b' : 'ok'], '');
    });
    const connection = dial();
    connection.write(get('/?good') + get('/?bad'));
    expect(statuses(connection)).toEqual(['200', '500']);
    expect(connection.received()).not.toContain('set-cookie');
    expect(connection.ended).toBe(true);
    expect(errors).toMatchObject([{ code: 'bad-request' }]);
    await server.close();
  });
});

describe('pipelining', () => {
  it('answers in order, one at a time, whatever the handlers take', async () => {
    const pending: { path: string; response: Http1Response }[] = [];
    const { dial, server } = await rig((request, response) => void pending.push({ path: request.path, response }));
    const connection = dial();
    connection.write(get('/1') + get('/2') + `POST /3 HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody${get('/4')}`);
    const seen: string[] = [];
    while (pending.length > 0) {
      expect(pending).toHaveLength(1);
      const { path, response } = pending.pop() as { path: string; response: Http1Response };
      seen.push(path);
      await turn();
      response.send(200, ['x-path', path]);
    }
    expect(seen).toEqual(['/1', '/2', '/3', '/4']);
    expect([...connection.received().matchAll(/x-path: (\S+)/g)].map((match) => match[1])).toEqual(seen);
    await server.close();
  });

  it('bounds what it keeps of further requests', async () => {
    const responses: Http1Response[] = [];
    const { dial, server } = await rig((_request, response) => void responses.push(response));
    const connection = dial();
    let accepted = 0;
    for (; accepted < 10_000 && connection.write(get('/')); accepted++);
    // 16 KB kept by the server and 64 KB in the network's queue.
    expect(accepted).toBeLessThan(4_000);
    for (let response = responses.pop(); response !== undefined; response = responses.pop()) response.send(200, []);
    expect(statuses(connection)).toHaveLength(accepted + 1);
    await server.close();
  });
});

describe('request bodies', () => {
  it('delivers what came with the head inside pipe, and copies what is piped later', async () => {
    const early: string[] = [];
    const late: string[] = [];
    const { dial, server } = await rig((request, response) => {
      if (request.path === '/early') {
        request.body.pipe({
          open: (flow) => flow.credit(100),
          chunk: (chunk) => early.push(Buffer.from(chunk).toString()),
          end: () => early.push('end'),
          fail() {},
        });
        early.push('returned');
        response.send(200, []);
      } else {
        setImmediate(() => {
          void collect(request.body, 1e6).then((bytes) => {
            late.push(Buffer.from(bytes).toString());
            response.send(200, []);
          });
        });
      }
    });
    const connection = dial();
    connection.write('POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello');
    expect(early).toEqual(['hello', 'end', 'returned']);
    connection.write('POST /late HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel');
    connection.write('lo\r\n0\r\n\r\n');
    await turn();
    await turn();
    expect(late).toEqual(['hello']);
    expect(statuses(connection)).toEqual(['200', '200']);
    await server.close();
  });

  it('says 100 Continue when the body is wanted, and only then', async () => {
    const { dial, server } = await rig((request, response) => {
      if (request.path === '/no') response.send(401, []);
      else void collect(request.body, 100).then((body) => response.send(200, [], body));
    });
    const expecting = (path: string): string => `POST ${path} HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\n`;
    const yes = dial();
    yes.write(expecting('/yes'));
    expect(yes.received()).toBe('HTTP/1.1 100 Continue\r\n\r\n');
    yes.write('ok');
    await turn();
    expect(statuses(yes)).toEqual(['100', '200']);
    const no = dial();
    no.write(expecting('/no'));
    expect(statuses(no)).toEqual(['401']);
    // Whether the body follows is anybody's guess.
    expect(no.received()).toContain('connection: close');
    expect(no.ended).toBe(true);
    await server.close();
  });

  it('drops the rest of a small body to keep the connection, and closes on a large one', async () => {
    const { dial, server } = await rig((_request, response) => response.send(404, []), { unreadBytesMax: 1000 });
    const post = (length: number): string => `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n\r\n`;
    const small = dial();
    small.write(`${post(1000)}${'x'.repeat(600)}`);
    small.write(`${'x'.repeat(400)}${get('/')}`);
    expect(statuses(small)).toEqual(['404', '404']);
    const large = dial();
    large.write(post(1001));
    expect([statuses(large), large.ended]).toEqual([['404'], true]);
    // Said beforehand: a client that keeps connections would send its next request behind the body.
    expect(large.received()).toContain('connection: close');
    const chunked = dial();
    chunked.write('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n');
    for (let i = 0; i < 12; i++) chunked.write(`64\r\n${'x'.repeat(100)}\r\n`);
    expect([statuses(chunked), chunked.ended]).toEqual([['404'], true]);
    await server.close();
  });

  it('tells reader and handler when the client goes away, once', async () => {
    const events: string[] = [];
    const { dial, server } = await rig((request, response) => {
      request.cancel.onCancel(() => events.push(`${request.path} abort`));
      response.onEnd({ answered: (error) => events.push(`${request.path} end ${error === undefined ? 'ok' : 'cut'}`) });
      request.body.pipe({ open: (flow) => flow.credit(100), chunk() {}, end() {}, fail: () => events.push(`${request.path} fail`) });
      if (request.path === '/done') response.send(200, []);
    });
    const body = dial();
    body.write('POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe');
    body.destroy();
    await turn();
    expect(events.splice(0)).toEqual(['/body fail', '/body end cut', '/body abort']);
    const waiting = dial();
    waiting.write(get('/wait'));
    waiting.end();
    expect(events.splice(0)).toEqual(['/wait abort']);
    const done = dial();
    done.write(get('/done'));
    done.destroy();
    await turn();
    expect(events.splice(0)).toEqual(['/done end ok']);
    await server.close();
  });
});

describe('limits on a fake clock', () => {
  it('refuses slow heads and slow bodies, and closes idle connections', async () => {
    const { dial, server, clock } = await rig((request, response) => {
      void collect(request.body, 1e6).then(
        () => response.send(200, []),
        () => {},
      );
    });
    const silent = dial();
    const slow = dial();
    const drip = dial();
    await opened();
    slow.write('GET / HT');
    clock.advance(9_000);
    slow.write('TP/1.1\r\nHost: a\r\nx: ');
    drip.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n');
    clock.advance(1_200);
    expect([statuses(slow), slow.ended]).toEqual([['408'], true]);
    expect([silent.received(), silent.ended]).toEqual(['', true]);
    for (let i = 0; i < 5; i++) {
      clock.advance(28_000);
      drip.write('x');
    }
    expect(drip.ended).toBe(false);
    clock.advance(30_200);
    expect([statuses(drip), drip.ended]).toEqual([['408'], true]);
    const idle = dial();
    idle.write(get('/'));
    await turn();
    expect(statuses(idle)).toEqual(['200']);
    clock.advance(59_000);
    expect(idle.ended).toBe(false);
    clock.advance(1_200);
    expect(idle.ended).toBe(true);
    // The head of a second request has its own ten seconds.
    const second = dial();
    second.write(get('/'));
    await turn();
    clock.advance(30_000);
    second.write('GET');
    clock.advance(9_800);
    expect(second.ended).toBe(false);
    clock.advance(400);
    expect([statuses(second), second.ended]).toEqual([['200', '408'], true]);
    await server.close();
  });

  it('cuts readers that do not read, and refused peers that do not leave', async () => {
    const ends: unknown[] = [];
    const { dial, server, clock } = await rig((_request, response) => {
      response.onEnd({ answered: (error) => ends.push(error) });
      response.sendBody(200, [], {
        length: 1e9,
        discard() {},
        pipe: (sink) => sink.open({ credit: () => sink.chunk(Buffer.alloc(40_000)), cancel() {} }),
      });
    });
    const reader = dial();
    reader.pause();
    reader.write(get('/'));
    clock.advance(29_000);
    expect(server.connections).toBe(1);
    clock.advance(1_200);
    await turn();
    expect([server.connections, ends.length]).toEqual([0, 1]);
    const refused = dial();
    refused.write('rubbish\r\n\r\n');
    expect(server.connections).toBe(1);
    clock.advance(2_200);
    await turn();
    expect(server.connections).toBe(0);
    expect(clock.waiting).toBe(0);
    await server.close();
  });

  it('turns connections above the limit away with a 503', async () => {
    const { dial, server } = await rig((_request, response) => response.send(200, []), { connectionsMax: 2 });
    const kept = [dial(), dial()];
    const third = dial();
    await opened();
    expect([statuses(third), third.ended]).toEqual([['503'], true]);
    for (const connection of kept) connection.write(get('/'));
    expect(kept.map(statuses)).toEqual([['200'], ['200']]);
    await server.close();
  });
});

describe('the end of a server', () => {
  it('drains: idle connections close, running requests are finished and say so', async () => {
    const responses: Http1Response[] = [];
    const { dial, server } = await rig((_request, response) => void responses.push(response));
    const idle = dial();
    const busy = dial();
    busy.write(get('/'));
    let drained = false;
    const draining = server.drain().then(() => (drained = true));
    await turn();
    expect([idle.ended, busy.ended, drained]).toEqual([true, false, false]);
    idle.end();
    responses[0]?.send(200, []);
    expect(busy.received()).toContain('connection: close');
    expect(busy.ended).toBe(true);
    busy.end();
    await draining;
    expect(server.connections).toBe(0);
  });

  it('hands HTTP/2 connections over with their first bytes, also when the preface comes in pieces', async () => {
    const first: string[] = [];
    const { dial, server } = await rig(
      () => {},
      {},
      (connection, bytes) => {
        first.push(Buffer.from(bytes).toString('latin1'));
        connection.handlers = { data: (chunk) => first.push(Buffer.from(chunk).toString('latin1')), end() {}, drain() {}, close() {} };
      },
    );
    const connection = dial();
    connection.write('PRI * HTTP/2.0\r\n');
    connection.write('\r\nSM\r\n\r\nframes');
    connection.write('more');
    expect(first).toEqual(['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nframes', 'more']);
    const late = dial();
    late.write(get('/'));
    late.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    expect(first).toHaveLength(2);
    expect(bodyOf(connection)).toBe('');
    await server.close();
  });
});
