import { once } from 'node:events';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { collect } from '../../kernel/body.ts';
import { createFakeClock } from '../../testing/fake-clock.ts';
import { createMemoryNetwork, type MemoryConnection } from '../../testing/memory-network.ts';
import { serveHttp1 } from './server.ts';

const address = { host: '127.0.0.1', port: 80 };
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

interface Outcome {
  /** What handlers saw: method, target, headers, body. */
  readonly requests: string[];
  readonly answers: string;
  readonly ended: boolean;
}

/** Feeds bytes in pieces of the given sizes (over and over) and reports everything that can be observed. */
async function feed(bytes: string, sizes: readonly number[]): Promise<Outcome> {
  const network = createMemoryNetwork();
  const requests: string[] = [];
  const server = await serveHttp1({
    network,
    clock: createFakeClock(),
    address,
    handler(request, response) {
      const seen = `${request.method} ${request.target} ${request.headers.join('|')}`;
      collect(request.body, 1e6).then(
        (body) => {
          requests.push(`${seen} ${Buffer.from(body).toString('latin1')}`);
          response.send(200, ['x-n', String(requests.length)]);
        },
        () => {},
      );
    },
  });
  const connection = network.connect(address) as MemoryConnection;
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = Math.max(1, sizes[i % sizes.length] ?? 1);
    connection.write(bytes.slice(at, at + size));
    at += size;
  }
  for (let i = 0; i < 6; i++) await turn();
  const outcome = { requests, answers: connection.received(), ended: connection.ended };
  await server.close();
  return outcome;
}

const token = fc.stringMatching(/^[A-Za-z0-9!#$%&'*+.^`|~-]{1,12}$/);
const value = fc.stringMatching(/^[ -~\t\x80-\xff]{0,20}$/);
const bodyText = fc.string({ maxLength: 40, unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)) });

/** Requests that are mostly valid: framing by length, by chunks, or none. */
const request = fc
  .record({
    method: fc.constantFrom('GET', 'POST', 'PUT', 'OPTIONS', 'PROPFIND'),
    target: fc.stringMatching(/^\/[!-"$-~]{0,20}$/),
    headers: fc.array(fc.tuple(token, value), { maxLength: 4 }),
    body: fc.option(bodyText, { nil: undefined }),
    chunks: fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 3 }),
    coded: fc.boolean(),
  })
  .map(({ method, target, headers, body, chunks, coded }) => {
    const lines = headers.filter(([name]) => !/^(host|connection|expect|content-length|transfer-encoding|upgrade)$/i.test(name));
    const head = `${method} ${target} HTTP/1.1\r\nHost: a\r\n${lines.map(([name, text]) => `${name}: ${text}\r\n`).join('')}`;
    if (body === undefined) return `${head}\r\n`;
    if (!coded) return `${head}Content-Length: ${body.length}\r\n\r\n${body}`;
    let text = `${head}Transfer-Encoding: chunked\r\n\r\n`;
    for (let at = 0, i = 0; at < body.length; i++) {
      const piece = body.slice(at, at + (chunks[i % chunks.length] as number));
      text += `${piece.length.toString(16)}\r\n${piece}\r\n`;
      at += piece.length;
    }
    return `${text}0\r\n\r\n`;
  });

/** The same with one byte changed, removed or doubled, where grammars hurt. */
const mutation = fc.record({
  at: fc.nat(400),
  kind: fc.constantFrom('set', 'cut', 'double'),
  byte: fc.constantFrom(...'\r\n\0 \t:;0,x-_\x80#/'),
});
const stream = fc
  .tuple(fc.array(request, { minLength: 1, maxLength: 3 }), fc.option(mutation, { nil: undefined }))
  .map(([requests, change]) => {
    const text = requests.join('');
    if (change === undefined || change.at >= text.length) return text;
    const { at, kind, byte } = change;
    if (kind === 'cut') return text.slice(0, at) + text.slice(at + 1);
    return text.slice(0, at) + (kind === 'set' ? byte : text.charAt(at) + text.charAt(at)) + text.slice(at + 1);
  });

describe('parsing', () => {
  it('does not depend on how the bytes were split', async () => {
    await fc.assert(
      fc.asyncProperty(stream, fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 6 }), async (bytes, sizes) => {
        const whole = await feed(bytes, [bytes.length]);
        expect(await feed(bytes, sizes)).toEqual(whole);
        expect(await feed(bytes, [1])).toEqual(whole);
      }),
      { numRuns: 250 },
    );
  });

  it('never accepts what llhttp refuses, and reads what both accept alike', async () => {
    const seen: string[] = [];
    const server = http.createServer({ maxHeaderSize: 4096, requireHostHeader: true }, (incoming, response) => {
      const parts: Buffer[] = [];
      incoming.on('data', (part: Buffer) => parts.push(part));
      incoming.on('end', () => {
        const headers = incoming.rawHeaders.map((text, i) => (i % 2 === 0 ? text.toLowerCase() : text)).join('|');
        seen.push(`${incoming.method} ${incoming.url} ${headers} ${Buffer.concat(parts).toString('latin1')}`);
        response.end();
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const referee = async (bytes: string): Promise<string[]> => {
      seen.length = 0;
      const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
      socket.on('error', () => {}).resume();
      socket.end(Buffer.from(bytes, 'latin1'));
      await once(socket, 'close');
      return seen.slice();
    };
    // Node reports a message whose body is broken only as far as it was read; complete ones are compared.
    await fc.assert(
      fc.asyncProperty(stream, async (bytes) => {
        const [ours, theirs] = [await feed(bytes, [bytes.length]), await referee(bytes)];
        expect(theirs.slice(0, ours.requests.length)).toEqual(ours.requests);
      }),
      { numRuns: 300 },
    );
    server.close();
    server.closeAllConnections();
  });
});
