import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { bytesBody, collect, type Body, type Flow } from '../../kernel/body.ts';
import { CancelScope } from '../../kernel/cancel.ts';
import type { Address, Network } from '../../kernel/ports.ts';
import { nodeClock } from '../../ports/node/clock.ts';
import { createNodeNetwork } from '../../ports/node/network.ts';
import { createMemoryNetwork } from '../../testing/memory-network.ts';
import { createHttp1Client, type Http1Client } from './client.ts';
import { forwardHeaders } from './forward-headers.ts';
import { serveHttp1, type Http1Server } from './server.ts';

const loopback: Address = { host: '127.0.0.1', port: 0 };
const clock = nodeClock;

/** A body of `size` bytes that are made as they are asked for. */
function generated(size: number, length: number | undefined): Body {
  return {
    length,
    pipe(sink) {
      const chunk = Buffer.alloc(50_000);
      let left = size;
      let credit = 0;
      let running = false;
      let stopped = false;
      const run = (): void => {
        if (running || stopped) return;
        running = true;
        while (left > 0 && credit > 0 && !stopped) {
          const count = Math.min(chunk.length, left);
          for (let i = 0; i < count; i++) chunk[i] = (left - i) & 0xff;
          left -= count;
          credit -= count;
          sink.chunk(chunk.subarray(0, count));
        }
        running = false;
        if (left === 0 && !stopped) {
          stopped = true;
          sink.end(['x-made', 'yes']);
        }
      };
      const flow: Flow = {
        credit(bytes) {
          credit += bytes;
          run();
        },
        cancel() {
          stopped = true;
        },
      };
      sink.open(flow);
      run();
    },
    discard() {},
  };
}

interface Digest {
  readonly size: number;
  readonly hash: string;
  readonly trailers: readonly string[] | undefined;
}

function digest(body: Body): Promise<Digest> {
  return new Promise((resolve, reject) => {
    const hash = createHash('sha1');
    let size = 0;
    let flow: Flow;
    body.pipe({
      open(opened) {
        flow = opened;
        flow.credit(64 * 1024);
      },
      chunk(chunk) {
        size += chunk.length;
        hash.update(chunk);
        flow.credit(chunk.length);
      },
      end: (trailers) => resolve({ size, hash: hash.digest('hex'), trailers }),
      fail: reject,
    });
  });
}

function proxyTo(
  client: Http1Client,
  upstream: Address,
  network: Network = createNodeNetwork(),
  address: Address = loopback,
): Promise<Http1Server> {
  const pool = client.pool(upstream);
  return serveHttp1({
    network,
    clock,
    address,
    handler(request, response) {
      pool.dispatch(
        {
          method: request.method,
          target: request.target,
          headers: forwardHeaders(request.headers),
          body: request.body,
          cancel: request.cancel,
        },
        {
          head: (answer) => response.sendBody(answer.status, forwardHeaders(answer.headers), answer.body),
          fail: (error) => response.send(error.spec.http, [], error.message),
        },
      );
    },
  });
}

const echo = (network: Network = createNodeNetwork(), address: Address = loopback): Promise<Http1Server> =>
  serveHttp1({
    network,
    clock,
    address,
    handler: (request, response) => response.sendBody(200, ['x-method', request.method], request.body),
  });

describe('client, server and a proxy made of both', () => {
  it.each([false, true])('passes bodies of all sizes and framings both ways (data events: %s)', async (forceDataEvents) => {
    const network = createNodeNetwork({ forceDataEvents });
    const directory = mkdtempSync(join(tmpdir(), 'proa-h1-'));
    const client = createHttp1Client({ network, clock });
    const upstream = await echo(network, { path: join(directory, 'up') });
    const proxy = await proxyTo(client, upstream.address, network);
    for (const size of [0, 1, 255, 16_384, 16_385, 65_536, 1_000_003]) {
      const wanted = (await digest(generated(size, size))).hash;
      for (const length of [size, undefined]) {
        const response = await client.request(proxy.address, {
          method: 'POST',
          target: '/x',
          headers: ['x-a', 'b'],
          body: generated(size, length),
        });
        expect(response.status).toBe(200);
        expect(response.header('x-method')).toBe('POST');
        expect(response.body.length).toBe(length);
        const got = await digest(response.body);
        expect({ size: got.size, hash: got.hash }).toEqual({ size, hash: wanted });
        expect(got.trailers).toEqual(length === undefined ? ['x-made', 'yes'] : undefined);
      }
    }
    // Everything went over one connection per hop.
    expect(client.pool(proxy.address).counts).toEqual({ open: 1, idle: 1, waiting: 0 });
    expect(upstream.connections).toBe(1);
    client.close();
    await Promise.all([proxy.drain(), upstream.drain()]);
    rmSync(directory, { recursive: true });
  });

  it('keeps the memory of a 64 MB body bounded while its reader is slow', async () => {
    // In memory, because what kernels buffer (tens of MB over four loopback hops) would hide what we do.
    const network = createMemoryNetwork();
    const client = createHttp1Client({ network, clock });
    const upstream = await echo(network);
    const proxy = await proxyTo(client, upstream.address, network);
    const size = 64 * 1024 * 1024;
    let produced = 0;
    const source = generated(size, size);
    const counted: Body = {
      length: size,
      discard() {},
      pipe: (sink) =>
        source.pipe({
          open: (flow) => sink.open(flow),
          chunk(chunk) {
            produced += chunk.length;
            sink.chunk(chunk);
          },
          end: () => sink.end(),
          fail: (error) => sink.fail(error),
        }),
    };
    const response = await client.request(proxy.address, { method: 'PUT', target: '/', headers: [], body: counted });
    let received = 0;
    let lead = 0;
    await new Promise<void>((resolve, reject) => {
      let flow: Flow;
      response.body.pipe({
        open(opened) {
          flow = opened;
          flow.credit(32_768);
        },
        chunk(chunk) {
          received += chunk.length;
          lead = Math.max(lead, produced - received);
          setImmediate(() => flow.credit(chunk.length));
        },
        end: () => resolve(),
        fail: reject,
      });
    });
    expect(received).toBe(size);
    // Four hops, each with its window of 64 KB, the queue of 64 KB of the connection, and a chunk on its way.
    expect(lead).toBeLessThan(1024 * 1024);
    client.close();
    await Promise.all([proxy.close(), upstream.close()]);
  });

  it('cancels through the proxy: the upstream handler learns that the caller gave up', async () => {
    const network = createNodeNetwork();
    const client = createHttp1Client({ network, clock });
    let aborted: (reason: unknown) => void = () => {};
    const upstreamAborted = new Promise((resolve) => (aborted = resolve));
    let reached: () => void = () => {};
    const upstreamReached = new Promise<void>((resolve) => (reached = resolve));
    const upstream = await serveHttp1({
      network,
      clock,
      address: loopback,
      handler(request) {
        request.cancel.onCancel(aborted);
        reached();
      },
    });
    const proxy = await proxyTo(client, upstream.address, network);
    const scope = new CancelScope();
    const answer = client.request(proxy.address, { method: 'GET', target: '/', headers: [], cancel: scope });
    await upstreamReached;
    scope.cancel('enough');
    await expect(answer).rejects.toMatchObject({ code: 'cancelled' });
    await upstreamAborted;
    client.close();
    await Promise.all([proxy.close(), upstream.close()]);
  });

  it('cuts an answer off when the upstream breaks in its middle, so that nobody takes it for complete', async () => {
    const network = createNodeNetwork();
    const client = createHttp1Client({ network, clock });
    const upstream = await serveHttp1({
      network,
      clock,
      address: loopback,
      handler(request, response) {
        const body = generated(200_000, request.path === '/known' ? 400_000 : undefined);
        if (request.path === '/known') response.sendBody(200, [], body);
        else {
          let sink: { fail: (error: unknown) => void } | undefined = undefined;
          response.sendBody(200, [], {
            length: undefined,
            discard() {},
            pipe(target) {
              sink = target;
              target.open({ credit() {}, cancel() {} });
              target.chunk(Buffer.from('some'));
            },
          });
          setImmediate(() => (sink as unknown as { fail: (error: unknown) => void }).fail(new Error('source died')));
        }
      },
    });
    const proxy = await proxyTo(client, upstream.address, network);
    for (const target of ['/known', '/chunked']) {
      const response = await client.request(proxy.address, { method: 'GET', target, headers: [] });
      await expect(collect(response.body, 1e9)).rejects.toMatchObject({ code: 'http.broken' });
    }
    client.close();
    await Promise.all([proxy.close(), upstream.close()]);
  });

  it('sends invalid headers, targets and methods nowhere', async () => {
    const network = createNodeNetwork();
    const client = createHttp1Client({ network, clock });
    const upstream = await echo(network);
    const base = { method: 'GET', target: '/', headers: [] };
    const wrong = [
      { ...base, headers: ['x', 'a\r\nb: c'] },
      { ...base, headers: ['x', 'a\0'] },
      { ...base, headers: ['x', 'a\u010ab'] },
      { ...base, headers: ['x y', 'a'] },
      { ...base, headers: ['', 'a'] },
      { ...base, headers: ['x:', 'a'] },
      { ...base, target: '/ HTTP/1.1\r\nx: y' },
      { ...base, target: 'x' },
      { ...base, target: '/\u0141' },
      { ...base, method: 'GET /' },
      { ...base, method: '' },
    ];
    for (const request of wrong) await expect(client.request(upstream.address, request)).rejects.toMatchObject({ code: 'bad-request' });
    expect((await client.request(upstream.address, { ...base, method: 'POST', body: bytesBody(Buffer.from('ok')) })).status).toBe(200);
    client.close();
    await upstream.close();
  });
});

describe('forwardHeaders', () => {
  it('drops what belongs to one connection, also what Connection names, and keeps the host', () => {
    const headers = ['host', 'a', 'connection', 'X-Gone, close , host', 'x-gone', '1', 'x-stays', '2', 'te', 'trailers', 'trailer', 'x'];
    headers.push('transfer-encoding', 'chunked', 'content-length', '3', 'keep-alive', 'timeout=5', 'upgrade', 'h2c');
    headers.push('proxy-connection', 'x', 'proxy-authenticate', 'x', 'proxy-authorization', 'x', 'set-cookie', '1', 'set-cookie', '2');
    expect(forwardHeaders(headers)).toEqual(['host', 'a', 'x-stays', '2', 'set-cookie', '1', 'set-cookie', '2']);
  });
});
