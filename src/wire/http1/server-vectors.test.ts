import { describe, expect, it } from 'vitest';
import { collect } from '../../kernel/body.ts';
import { createFakeClock } from '../../testing/fake-clock.ts';
import { createMemoryNetwork, type MemoryConnection } from '../../testing/memory-network.ts';
import { serveHttp1 } from './server.ts';

const address = { host: '127.0.0.1', port: 80 };
const head = 'GET / HTTP/1.1\r\nHost: a\r\n';
const post = 'POST /p HTTP/1.1\r\nHost: a\r\n';
const chunked = `${post}Transfer-Encoding: chunked\r\n\r\n`;
const many = (count: number): string => Array.from({ length: count }, (_, i) => `h${i}: v\r\n`).join('');

/** [bytes, what must come back]: a status is the codec's refusal, a text what the handler saw; '' nothing yet. */
type Vector = readonly [bytes: string, expected: number | string];

const vectors: Record<string, readonly Vector[]> = {
  'plain requests': [
    [`${head}\r\n`, 'GET / 0'],
    ['GET / HTTP/1.0\r\n\r\n', 'GET / 0'],
    ['GET /a/b?c=d&e HTTP/1.1\r\nHost: a\r\n\r\n', 'GET /a/b?c=d&e 0'],
    ['GET /a||b{c}"^`<>\\ HTTP/1.1\r\nHost: a\r\n\r\n', 'GET /a||b{c}"^`<>\\ 0'],
    [`\r\n${head}\r\n`, 'GET / 0'],
    ['OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n', 'OPTIONS * 0'],
    ['PROPFIND / HTTP/1.1\r\nHost: a\r\n\r\n', 'PROPFIND / 0'],
    ['QUERY / HTTP/1.1\r\nHost: [::1]:3500\r\n\r\n', 'QUERY / 0'],
    ['GET / HTTP/1.1\r\nHOST:a\r\n\r\n', 'GET / 0'],
    ['GET / HTTP/1.1\r\nHost: \t a \t \r\n\r\n', 'GET / 0'],
    [`${head}x: \x80\xff\ttab\r\n\r\n`, 'GET / 0'],
    [`${head}x:\r\n\r\n`, 'GET / 0'],
    [`${head}__proto__: 1\r\nsome_name: 2\r\n\r\n`, 'GET / 0'],
    [`${head}Connection: close\r\n\r\n`, 'GET / 0'],
    [`${head}Content-Length: 3\r\n\r\nabc`, 'GET / 3'],
    [`${head}${many(99)}\r\n`, 'GET / 0'],
  ],
  bodies: [
    [`${post}Content-Length: 0\r\n\r\n`, 'POST /p 0'],
    [`${post}Content-Length: 3\r\n\r\nabc`, 'POST /p 3'],
    [`${post}Content-Length: 0003\r\n\r\nabc`, 'POST /p 3'],
    [`${chunked}0\r\n\r\n`, 'POST /p 0'],
    [`${chunked}3\r\nabc\r\n0\r\n\r\n`, 'POST /p 3'],
    [`${chunked}00a\r\n0123456789\r\n1\r\nx\r\n0\r\n\r\n`, 'POST /p 11'],
    [`${chunked}A\r\n0123456789\r\n0\r\n\r\n`, 'POST /p 10'],
    [`${chunked}3;name=value;x="y"\r\nabc\r\n0;last\r\n\r\n`, 'POST /p 3'],
    [`${chunked}3\r\nabc\r\n0\r\nx-sum: 1\r\ny: 2\r\n\r\n`, 'POST /p 3'],
    [`${post}Transfer-Encoding: Chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n`, 'POST /p 1'],
    [`${post}Content-Length: 3\r\n\r\nab`, ''],
    [`${chunked}3\r\nabc\r\n0\r\n`, ''],
    ['GET / HTTP/1.1\r\nHost: a\r\n', ''],
  ],
  'request line': [
    ['GET /\r\n\r\n', 400],
    ['GET\r\n\r\n', 400],
    ['GET /a b HTTP/1.1\r\nHost: a\r\n\r\n', 400],
    ['GET  / HTTP/1.1\r\nHost: a\r\n\r\n', 400],
    ['GET /  HTTP/1.1\r\nHost: a\r\n\r\n', 400],
    [' GET / HTTP/1.1\r\nHost: a\r\n\r\n', 400],
    ['GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n', 400],
    ['GET / HTTP/1.1 \r\nHost: a\r\n\r\n', 400],
    ['GET / HTTP/1.2\r\nHost: a\r\n\r\n', 400],
    ['GET / HTTP/2.0\r\nHost: a\r\n\r\n', 400],
    ['GET / HTTP/1.10\r\nHost: a\r\n\r\n', 400],
    ['GET / HTTP/1.\r\nHost: a\r\n\r\n', 400],
    ['GET / http/1.1\r\nHost: a\r\n\r\n', 400],
    ['GET / HTPP/1.1\r\nHost: a\r\n\r\n', 400],
    ['G@T / HTTP/1.1\r\nHost: a\r\n\r\n', 400],
    ['G\x00T / HTTP/1.1\r\nHost: a\r\n\r\n', 400],
    ['get / HTTP/1.1\r\nHost: a\r\n\r\n', 501],
    ['BREW / HTTP/1.1\r\nHost: a\r\n\r\n', 501],
    ['TRACE / HTTP/1.1\r\nHost: a\r\n\r\n', 405],
    ['CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n', 405],
    ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400],
    ['\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n', 400],
    ['\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n', 400],
    [`GET /${'a'.repeat(5000)} HTTP/1.1\r\nHost: a\r\n\r\n`, 414],
    [`GET /${'a'.repeat(5000)}`, 414],
  ],
  target: [
    ['GET a HTTP/1.1\r\nHost: a\r\n\r\n', 400],
    ['GET * HTTP/1.1\r\nHost: a\r\n\r\n', 400],
    ['GET /#f HTTP/1.1\r\nHost: a\r\n\r\n', 400],
    ['GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n', 400],
    ['GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n', 400],
    ['GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n', 400],
    ['GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n', 400],
    ['GET /\r HTTP/1.1\r\nHost: a\r\n\r\n', 400],
    ['GET /\t HTTP/1.1\r\nHost: a\r\n\r\n', 400],
    ['GET http://a/x?y HTTP/1.1\r\nHost: a\r\n\r\n', 'GET http://a/x?y 0'],
    ['GET HTTP://A HTTP/1.1\r\nHost: a\r\n\r\n', 'GET HTTP://A 0'],
    ['GET http://b/x HTTP/1.1\r\nHost: a\r\n\r\n', 400],
    ['GET http://a@b/x HTTP/1.1\r\nHost: a\r\n\r\n', 400],
    ['GET http://a:80/x HTTP/1.1\r\nHost: a\r\n\r\n', 400],
    ['GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n', 400],
    ['GET https://a/x HTTP/1.1\r\nHost: a\r\n\r\n', 400],
    ['GET http://a/x HTTP/1.0\r\n\r\n', 400],
  ],
  host: [
    ['GET / HTTP/1.1\r\n\r\n', 400],
    [`${head}Host: a\r\n\r\n`, 400],
    [`${head}Host: b\r\n\r\n`, 400],
    [`${head}host: a\r\n\r\n`, 400],
    ['GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n', 400],
    ['GET / HTTP/1.1\r\nHost:\r\n\r\n', 400],
    ['GET / HTTP/1.1\r\nHost: a b\r\n\r\n', 400],
    ['GET / HTTP/1.1\r\nHost: a/b\r\n\r\n', 400],
    ['GET / HTTP/1.1\r\nHost: u@a\r\n\r\n', 400],
    ['GET / HTTP/1.1\r\nHost: a?b\r\n\r\n', 400],
    ['GET / HTTP/1.1\r\nHost: a\\b\r\n\r\n', 400],
    ['GET / HTTP/1.1\r\nHost: a#b\r\n\r\n', 400],
    ['GET / HTTP/1.1\r\nHost: \xe4\r\n\r\n', 400],
  ],
  headers: [
    [`${head}x\r\n\r\n`, 400],
    [`${head}: v\r\n\r\n`, 400],
    [`${head}x : v\r\n\r\n`, 400],
    [`${head}x\t: v\r\n\r\n`, 400],
    [`${head} x: v\r\n\r\n`, 400],
    [`${head}x: v\r\n folded\r\n\r\n`, 400],
    [`${head}x: v\r\n\tfolded\r\n\r\n`, 400],
    [`${head}x: a\x00b\r\n\r\n`, 400],
    [`${head}x: a\rb\r\n\r\n`, 400],
    [`${head}x: a\nb\r\n\r\n`, 400],
    [`${head}x: a\x0bb\r\n\r\n`, 400],
    [`${head}x: a\x7fb\r\n\r\n`, 400],
    [`${head}x: a\x1bb\r\n\r\n`, 400],
    [`${head}x\x00: a\r\n\r\n`, 400],
    [`${head}x(y): a\r\n\r\n`, 400],
    [`${head}x y: a\r\n\r\n`, 400],
    [`${head}\xe4: a\r\n\r\n`, 400],
    [`${head}"x": a\r\n\r\n`, 400],
    [`${head}x: a\n\r\n`, 400],
    ['GET / HTTP/1.1\nHost: a\n\n', 400],
    ['GET / HTTP/1.1\r\nHost: a\n\r\n', 400],
    ['\nGET / HTTP/1.1\r\nHost: a\r\n\r\n', 400],
    [`${head}x: a\r\r\n\r\n`, 400],
    [`${head}dapr_api_token: t\r\n\r\n`, 400],
    [`${head}Dapr-Api_Token: t\r\n\r\n`, 400],
    [`${head}PROA_API_TOKEN: t\r\n\r\n`, 400],
    [`${head}${many(100)}\r\n`, 431],
    [`${head}x: ${'y'.repeat(5000)}\r\n\r\n`, 431],
    [`${head}x: ${'y'.repeat(5000)}`, 431],
    [`${head}Expect: 200-ok\r\n\r\n`, 417],
    [`${head}Expect: 100-continue\r\nExpect: 100-continue\r\n\r\n`, 417],
  ],
  framing: [
    [`${post}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
    [`${post}Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n`, 400],
    [`${post}Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc`, 400],
    [`${post}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd`, 400],
    [`${post}Content-Length: 3, 3\r\n\r\nabc`, 400],
    [`${post}Content-Length: +3\r\n\r\nabc`, 400],
    [`${post}Content-Length: -3\r\n\r\nabc`, 400],
    [`${post}Content-Length: 0x3\r\n\r\nabc`, 400],
    [`${post}Content-Length: 3.0\r\n\r\nabc`, 400],
    [`${post}Content-Length: 3 3\r\n\r\nabc`, 400],
    [`${post}Content-Length:\r\n\r\nabc`, 400],
    [`${post}Content-Length: 1e1\r\n\r\nabc`, 400],
    [`${post}Content-Length: 99999999999999999999\r\n\r\nabc`, 400],
    [`${post}Content-Length : 3\r\n\r\nabc`, 400],
    [`${post}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`, 400],
    [`${post}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n`, 400],
    [`${post}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`, 400],
    [`${post}Transfer-Encoding: identity\r\n\r\n`, 400],
    [`${post}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
    [`${post}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n`, 400],
    [`${post}Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n`, 400],
    [`${post}Transfer-Encoding:\r\n\r\n0\r\n\r\n`, 400],
    [`${post}Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n`, 400],
    ['POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 400],
  ],
  chunks: [
    [`${chunked}0x3\r\nabc\r\n0\r\n\r\n`, 400],
    [`${chunked}g\r\nabc\r\n0\r\n\r\n`, 400],
    [`${chunked}-3\r\nabc\r\n0\r\n\r\n`, 400],
    [`${chunked}+3\r\nabc\r\n0\r\n\r\n`, 400],
    [`${chunked} 3\r\nabc\r\n0\r\n\r\n`, 400],
    [`${chunked}3 \r\nabc\r\n0\r\n\r\n`, 400],
    [`${chunked}\r\nabc\r\n0\r\n\r\n`, 400],
    [`${chunked};x\r\nabc\r\n0\r\n\r\n`, 400],
    [`${chunked}3\nabc\r\n0\r\n\r\n`, 400],
    [`${chunked}3\rabc\r\n0\r\n\r\n`, 400],
    [`${chunked}3;x\nabc\r\n0\r\n\r\n`, 400],
    [`${chunked}3;x\x00\r\nabc\r\n0\r\n\r\n`, 400],
    [`${chunked}3;${'x'.repeat(2000)}\r\nabc\r\n0\r\n\r\n`, 400],
    [`${chunked}3\r\nabcd\r\n0\r\n\r\n`, 400],
    [`${chunked}3\r\nabc\n0\r\n\r\n`, 400],
    [`${chunked}3\r\nabc0\r\n\r\n`, 400],
    [`${chunked}ffffffffffffffff\r\nabc\r\n0\r\n\r\n`, 400],
    [`${chunked}00000000000003\r\nabc\r\n0\r\n\r\n`, 400],
    [`${chunked}0\r\nx\r\n\r\n`, 400],
    [`${chunked}0\r\nx: a\nb: c\r\n\r\n`, 400],
    [`${chunked}0\r\n x: a\r\n\r\n`, 400],
    [`${chunked}0\r\nContent-Length: 3\r\n\r\n`, 400],
    [`${chunked}0\r\nTransfer-Encoding: chunked\r\n\r\n`, 400],
    [`${chunked}0\r\nHost: b\r\n\r\n`, 400],
    [`${chunked}0\r\nx: ${'y'.repeat(5000)}\r\n\r\n`, 431],
    [`${post}Content-Length: 5000\r\n\r\n`, 413],
    [`${chunked}1388\r\n${'z'.repeat(5000)}\r\n0\r\n\r\n`, 413],
  ],
};

async function serve(): Promise<{ dial: () => MemoryConnection; close: () => Promise<void> }> {
  const network = createMemoryNetwork();
  const server = await serveHttp1({
    network,
    clock: createFakeClock(),
    address,
    limits: { bodyBytesMax: 4096 },
    handler(request, response) {
      collect(request.body, 1e6).then(
        (body) => response.send(200, ['x-seen', `${request.method} ${request.target} ${body.length}`]),
        () => {},
      );
    },
  });
  return { dial: () => network.connect(address) as MemoryConnection, close: () => server.close() };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** What the peer sees: the refusal's status with a closed connection, what the handler saw, or nothing. */
function verdict(connection: MemoryConnection): number | string {
  const text = connection.received();
  if (text === '') return '';
  const seen = /^x-seen: (.*)$/m.exec(text)?.[1];
  if (seen !== undefined) return seen;
  const status = Number(/^HTTP\/1\.1 (\d{3}) .*\r\n(?:.*\r\n)*connection: close\r\n\r\n/.exec(text)?.[1]);
  return connection.ended ? status : Number.NaN;
}

describe('what an HTTP/1 server accepts and refuses', () => {
  const all = Object.entries(vectors).flatMap(([group, list]) => list.map(([bytes, expected]) => ({ group, bytes, expected })));

  it('has at least a hundred vectors', () => {
    expect(all.length).toBeGreaterThan(150);
    expect(new Set(all.map((vector) => vector.bytes)).size).toBe(all.length);
  });

  it.each(Object.keys(vectors))('%s: the same verdict whole, byte by byte, and in pieces', async (group) => {
    const server = await serve();
    const results: unknown[] = [];
    const wanted: unknown[] = [];
    for (const { bytes, expected } of all.filter((vector) => vector.group === group)) {
      for (const size of [bytes.length, 1, 7]) {
        const connection = server.dial();
        for (let i = 0; i < bytes.length; i += size) connection.write(bytes.slice(i, i + size));
        await turn();
        results.push([bytes.slice(0, 120), size, verdict(connection)]);
        wanted.push([bytes.slice(0, 120), size, expected]);
      }
    }
    expect(results).toEqual(wanted);
    await server.close();
  });
});
