import { describe, expect, it } from 'vitest';
import { createFakeClock } from '../../testing/fake-clock.ts';
import { createMemoryNetwork, type MemoryConnection } from '../../testing/memory-network.ts';
import { BlankFields, takeFields, type Fields } from './fields.ts';
import { HeadMemo } from './head-memo.ts';
import { serveHttp1 } from './server.ts';

function keep(memo: HeadMemo<Fields>, section: string, known: Partial<Fields>): void {
  const bytes = Buffer.from(section, 'latin1');
  memo.keep(bytes, { at: 0, stop: bytes.length, end: bytes.length }, { ...new BlankFields(), ...known });
}

function match(memo: HeadMemo<Fields>, text: string): { stop: number; headers: readonly string[] } {
  const bytes = Buffer.from(text, 'latin1');
  const known = memo.match(bytes, 0, bytes.length);
  return { stop: known?.length ?? -1, headers: known?.said.headers ?? [] };
}

describe('HeadMemo', () => {
  const section = 'host: a\r\nx: 1\r\n\r\n';
  const headers = ['host', 'a', 'x', '1'];

  it('knows exactly the bytes that it kept', () => {
    const memo = new HeadMemo<Fields>();
    expect(match(memo, section).stop).toBe(-1);
    keep(memo, section, { headers });
    expect(match(memo, section)).toEqual({ stop: section.length, headers });
    for (let i = 0; i < section.length; i++) {
      const changed = `${section.slice(0, i)}${String.fromCharCode(section.charCodeAt(i) ^ 1)}${section.slice(i + 1)}`;
      expect(match(memo, changed).stop).toBe(-1);
    }
    expect(match(memo, section.slice(0, -1)).stop).toBe(-1);
  });

  it('is not fooled by what stands in the same slot', () => {
    const memo = new HeadMemo<Fields>();
    const bytes = Buffer.from(`${section}0123456789abcdef`);
    memo.keep(bytes, { at: 0, stop: section.length, end: bytes.length }, { ...new BlankFields(), headers });
    expect(match(memo, section)).toEqual({ stop: section.length, headers });
    expect(match(memo, `${section}0123456789abcde`).stop).toBe(-1);
  });

  it('keeps no section that is too long', () => {
    const memo = new HeadMemo<Fields>();
    const long = `x: ${'y'.repeat(3000)}\r\n\r\n`;
    keep(memo, long, { headers: ['x', 'y'.repeat(3000)] });
    expect(match(memo, long).stop).toBe(-1);
  });

  it('comes back to a section after many others', () => {
    const memo = new HeadMemo<Fields>();
    for (let i = 0; i < 1000; i++) {
      const other = `x: ${String(i).padStart(4, '0')}\r\n\r\n`;
      expect(match(memo, other).stop).toBe(-1);
      keep(memo, other, { headers: ['x', String(i)] });
    }
    const again = 'x: same\r\n\r\n';
    let known = 0;
    for (let i = 0; i < 64; i++) {
      if (match(memo, again).stop === -1) keep(memo, again, { headers: ['x', 'same'] });
      else known++;
    }
    expect(known).toBeGreaterThan(16);
  });
});

describe('a header section that is taken over', () => {
  it('says all that the other said', () => {
    const said = {
      headers: ['host', 'a'],
      contentLength: 3,
      chunked: true,
      close: true,
      keepAlive: true,
      keptMs: 5_000,
      host: 'a',
      expect: '100-continue',
    };
    const into = new BlankFields();
    takeFields(said, into);
    expect({ ...into }).toEqual(said);
    expect(into.headers).toBe(said.headers);
  });
});

describe('a server whose clients repeat themselves', () => {
  it.each([
    ['GET /1 HTTP/1.1\r\nhost: a\r\n\r\n', 'GET /2 HTTP/1.1\r\nhost: a\r\n\r\n', 200],
    ['GET /1 HTTP/1.1\r\nhost: a\r\n\r\n', 'POST /2 HTTP/1.1\r\nhost: a\r\n\r\n', 200],
    ['GET /1 HTTP/1.0\r\n\r\n', 'GET /2 HTTP/1.1\r\n\r\n', 400],
    [
      'POST /1 HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
      'POST /2 HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
      400,
    ],
    ['GET http://a/1 HTTP/1.1\r\nhost: a\r\n\r\n', 'GET http://b/2 HTTP/1.1\r\nhost: a\r\n\r\n', 400],
    ['GET /1 HTTP/1.1\r\nhost: a\r\n\r\n', 'TRACE /2 HTTP/1.1\r\nhost: a\r\n\r\n', 405],
    ['GET /1 HTTP/1.1\r\nhost: a\r\n\r\n', `GET /${'x'.repeat(200)} HTTP/1.1\r\nhost: a\r\n\r\n`, 414],
  ])('judges every request line with the headers again: %j then %j', async (first, second, status) => {
    const network = createMemoryNetwork();
    const address = { host: '127.0.0.1', port: 80 };
    const server = await serveHttp1({
      network,
      clock: createFakeClock(),
      address,
      limits: { headerBytesMax: 150, requestLineBytesMax: 150 },
      handler(request, response) {
        request.body.discard();
        response.send(200, ['x-headers', request.headers.join('|')]);
      },
    });
    // A connection each, and twice, so that the section is known when the second request comes.
    const statuses: number[] = [];
    for (const text of [first, first, second]) {
      const connection = network.connect(address) as MemoryConnection;
      connection.write(text);
      await new Promise((resolve) => setImmediate(resolve));
      statuses.push(Number(connection.received().slice(9, 12)));
      connection.destroy();
    }
    expect(statuses).toEqual([200, 200, status]);
    await server.close();
  });
});
