import { connect as connectHttp2 } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { createFakeClock } from '../../testing/fake-clock.ts';
import { defaultHttp2Limits } from '../http2/http2.ts';
import { createNodeHttp2 } from './node-http2.ts';

const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
const emptySettings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function rig() {
  const clock = createFakeClock();
  const server = await createNodeHttp2(clock).serve({
    address: { host: '127.0.0.1', port: 0 },
    limits: defaultHttp2Limits,
    keepAlive: { intervalMs: 3_600_000, timeoutMs: 20_000 },
    stream: () => ({ headers() {}, data() {}, end() {}, drain() {}, close() {} }),
  });
  closers.push(() => server.destroy());
  const { port } = server.address as { port: number };
  const peer = async (first: Buffer): Promise<{ readonly socket: Socket; readonly closed: () => boolean }> => {
    const socket = connect({ host: '127.0.0.1', port });
    let closed = false;
    socket.on('close', () => (closed = true)).on('error', () => {});
    closers.push(() => socket.destroy());
    // The server has made its session when its SETTINGS arrive.
    await new Promise((resolve) => {
      socket.once('data', resolve);
      socket.write(first);
    });
    socket.resume();
    return { socket, closed: () => closed };
  };
  return { clock, port, peer };
}

describe('the beginning of a connection by node:http2', () => {
  it.each([
    ['sends no preface', Buffer.alloc(0)],
    ['sends no SETTINGS', preface],
    ['does not acknowledge ours', Buffer.concat([preface, emptySettings])],
  ])('has a limit for a peer that %s', async (_name, first) => {
    const { clock, peer } = await rig();
    const { closed } = await peer(first);
    clock.advance(9_000);
    await new Promise((resolve) => setImmediate(resolve));
    expect(closed()).toBe(false);
    clock.advance(1_500);
    await expect.poll(closed).toBe(true);
  });

  it('has none for a peer that began as it should', async () => {
    const { clock, port } = await rig();
    const session = connectHttp2(`http://127.0.0.1:${port}`);
    closers.push(() => session.destroy());
    let closed = false;
    session.on('close', () => (closed = true)).on('error', () => {});
    await new Promise((resolve) => session.once('remoteSettings', resolve));
    // The server answers a PING after what it read before it: our acknowledgement.
    await new Promise((resolve) => session.ping(resolve));
    clock.advance(60_000);
    await new Promise((resolve) => session.ping(resolve));
    expect(closed).toBe(false);
  });
});
