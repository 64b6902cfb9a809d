import type * as grpc from '@grpc/grpc-js';
import net from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { codecs, echoClient, echoServer, newSeen, refereeServer } from '../../../test/fixtures/grpc-echo.ts';
import { CancelScope } from '../../kernel/cancel.ts';
import type { ProaError } from '../../kernel/errors.ts';
import { nodeClock } from '../../ports/node/clock.ts';
import type { GrpcClient, GrpcClientOptions } from './client.ts';
import type { HeaderList } from '../http2/http2.ts';
import { binaryText, binaryValues, headerValue } from './metadata.ts';
import { remoteStatusOf, type GrpcStatus } from './status.ts';

const closers: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

function clientOf(port: number, more: Partial<GrpcClientOptions> = {}): GrpcClient {
  const client = echoClient({ address: { host: '127.0.0.1', port }, ...more });
  closers.push(() => client.close());
  return client;
}

async function rig(more: Partial<GrpcClientOptions> = {}, handlers: Partial<grpc.UntypedServiceImplementation> = {}) {
  const { server, port } = await refereeServer(handlers);
  closers.push(() => server.forceShutdown());
  return { server, port, client: clientOf(port, more) };
}

async function failure(promise: Promise<unknown>): Promise<ProaError> {
  return promise.then(
    () => {
      throw new Error('it did not fail');
    },
    (error: ProaError) => error,
  );
}

async function gather<T>(messages: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const message of messages) all.push(message);
  return all;
}

describe('the client, with grpc-js as its server', () => {
  it('makes unary calls with metadata both ways', async () => {
    const { client } = await rig();
    let headers: HeaderList = [];
    let status: GrpcStatus | undefined;
    const reply = await client.unary(codecs.unary, 'grüß dich', {
      metadata: ['x-echo', 'hello', 'x-echo-bin', binaryText(new Uint8Array([0, 255, 10]))],
      onHeaders: (found) => (headers = found),
      onStatus: (found) => (status = found),
    });
    expect(reply).toBe('grüß dich');
    expect(headerValue(headers, 'x-echo')).toBe('hello');
    expect(headers.some((name) => name.startsWith(':') || name === 'content-type')).toBe(false);
    expect(status?.code).toBe('OK');
    expect(binaryValues(status?.metadata ?? [], 'x-echo-bin')).toEqual([Buffer.from([0, 255, 10])]);
    const many = await Promise.all(Array.from({ length: 300 }, (_, i) => client.unary(codecs.unary, `m${i}`)));
    expect(many).toEqual(Array.from({ length: 300 }, (_, i) => `m${i}`));
  });

  it('turns statuses into errors that keep what the peer said', async () => {
    const { client } = await rig();
    const error = await failure(client.unary(codecs.unary, 'fail'));
    expect(error).toMatchObject({ code: 'not-found', message: 'é 100% missing' });
    expect(remoteStatusOf(error)).toMatchObject({ code: 'NOT_FOUND', metadata: ['x-why', 'because'] });
    expect(await failure(client.unary(codecs.missing, 'x'))).toMatchObject({ code: 'unimplemented' });
  });

  it('streams in all directions', async () => {
    const { client } = await rig();
    const many = await client.stream(codecs.many);
    await many.write('1000 100');
    many.end();
    expect((await gather(many)).join('').length).toBe(100_000);
    const sum = await client.stream(codecs.sum);
    for (let i = 0; i < 1000; i++) await sum.write('abc');
    sum.end();
    expect(await gather(sum)).toEqual(['1000 3000']);
    const chat = await client.stream(codecs.chat);
    const echoed: string[] = [];
    await chat.write('m0');
    for await (const message of chat) {
      echoed.push(message);
      await chat.write(echoed.length < 5 ? `m${echoed.length}` : 'stop');
    }
    expect(echoed).toEqual(['m0', 'm1', 'm2', 'm3', 'm4']);
    expect(await failure(chat.write('late'))).toMatchObject({ code: 'cancelled' });
  });

  it('keeps deadlines and cancels', async () => {
    let [called, cancelled] = [0, 0];
    const { client } = await rig(
      {},
      {
        Unary(call: grpc.ServerUnaryCall<string, string>) {
          called++;
          call.on('cancelled', () => cancelled++);
        },
      },
    );
    await client.connect();
    // What is over before the server has read the call tells it of nothing.
    do {
      const late = await failure(client.unary(codecs.unary, 'hang', { deadlineMs: nodeClock.mono() + 50 }));
      expect(late).toMatchObject({ code: 'deadline-exceeded' });
      await new Promise((resolve) => setTimeout(resolve, 20));
    } while (cancelled === 0);
    expect(await failure(client.unary(codecs.unary, 'x', { deadlineMs: nodeClock.mono() - 1 }))).toMatchObject({
      code: 'deadline-exceeded',
    });
    const [before, calls] = [cancelled, called];
    const scope = new CancelScope();
    const call = failure(client.unary(codecs.unary, 'hang', { cancel: scope }));
    while (called === calls) await new Promise((resolve) => setTimeout(resolve, 2));
    scope.cancel('enough');
    expect(await call).toMatchObject({ code: 'cancelled' });
    expect(await failure(client.unary(codecs.unary, 'x', { cancel: scope }))).toMatchObject({ code: 'cancelled' });
    while (cancelled === before) await new Promise((resolve) => setTimeout(resolve, 2));
  });

  it('holds the server back when it reads slowly, and itself when the server does', async () => {
    let produced = 0;
    let granted: (() => void) | undefined;
    const { client } = await rig(
      {},
      {
        Many(call: grpc.ServerWritableStream<string, string>) {
          const more = (): void => {
            while (produced < 10_000) {
              produced++;
              if (!call.write('x'.repeat(1024))) {
                call.once('drain', more);
                return;
              }
            }
            call.end();
          };
          more();
        },
        Sum(call: grpc.ServerReadableStream<string, string>, done: grpc.sendUnaryData<string>) {
          let count = 0;
          granted = () => {
            call.on('data', () => count++);
            call.on('end', () => done(null, String(count)));
          };
        },
      },
    );
    const many = await client.stream(codecs.many);
    await many.write('go');
    many.end();
    const iterator = many[Symbol.asyncIterator]();
    await iterator.next();
    let last = 0;
    while (produced !== last) {
      last = produced;
      await new Promise((resolve) => setTimeout(resolve, 40));
    }
    expect(last).toBeLessThan(1000);
    let count = 1;
    while ((await iterator.next()).done !== true) count++;
    expect(count).toBe(10_000);
    const sum = await client.stream(codecs.sum);
    let sent = 0;
    const sending = (async () => {
      for (; sent < 10_000; sent++) await sum.write('y'.repeat(1024));
      sum.end();
    })();
    last = -1;
    while (sent !== last) {
      last = sent;
      await new Promise((resolve) => setTimeout(resolve, 40));
    }
    // grpc-js reads ahead a good deal, yet not everything.
    granted?.();
    await sending;
    expect(await gather(sum)).toEqual(['10000']);
  });

  it('limits what it receives', async () => {
    const { client } = await rig();
    expect((await client.unary(codecs.unary, `size ${4 * 1024 * 1024}`)).length).toBe(4 * 1024 * 1024);
    expect(await failure(client.unary(codecs.unary, `size ${4 * 1024 * 1024 + 1}`))).toMatchObject({ code: 'overloaded' });
    const small = clientOf((await refereeServerPort()).port, { callsMax: 2 });
    const held = [small.stream(codecs.chat), small.stream(codecs.chat)];
    await Promise.all(held);
    expect(await failure(small.unary(codecs.unary, 'x'))).toMatchObject({ code: 'overloaded' });
  });
});

async function refereeServerPort() {
  const found = await refereeServer();
  closers.push(() => found.server.forceShutdown());
  return found;
}

describe('the connection of a client', () => {
  it('fails at once while nobody listens, and finds the server when it comes back', async () => {
    const first = await rig({ backoffMaxMs: 20 });
    expect(await first.client.unary(codecs.unary, 'a')).toBe('a');
    first.server.forceShutdown();
    const failures = [await failure(first.client.unary(codecs.unary, 'b')), await failure(first.client.unary(codecs.unary, 'c'))];
    expect(failures.map((error) => error.code)).toEqual(['unavailable', 'unavailable']);
    const again = await echoServer(newSeen(), { address: { host: '127.0.0.1', port: first.port } });
    closers.push(() => again.server.close(0));
    let reply: string | undefined;
    while (reply === undefined) {
      reply = await first.client.unary(codecs.unary, 'd').catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(reply).toBe('d');
  });

  it('tells a broken connection, silence and garbage from a call that failed', async () => {
    const behaviours: ((socket: net.Socket) => void)[] = [
      (socket) => void socket.once('data', () => socket.destroy()),
      (socket) => void socket.resume(),
      (socket) => void socket.resume().write(Buffer.alloc(4096, 0x41)),
      (socket) => void socket.resume().end('HTTP/1.1 400 Bad Request\r\n\r\n'),
    ];
    for (const behave of behaviours) {
      const sockets = new Set<net.Socket>();
      const server = net.createServer((socket) => {
        sockets.add(socket);
        socket.on('error', () => {});
        behave(socket);
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const client = clientOf((server.address() as net.AddressInfo).port, { connectTimeoutMs: 100 });
      expect(await failure(client.unary(codecs.unary, 'x'))).toMatchObject({ code: 'unavailable' });
      for (const socket of sockets) socket.destroy();
      server.close();
    }
  });

  it('ends calls under way as unavailable when the connection breaks, and as cancelled when it is closed here', async () => {
    const { server, client } = await rig();
    const chat = await client.stream(codecs.chat);
    await chat.write('a');
    const iterator = chat[Symbol.asyncIterator]();
    expect((await iterator.next()).value).toBe('a');
    server.forceShutdown();
    expect(['unavailable', 'cancelled']).toContain((await failure(iterator.next())).code);
    const seen = newSeen();
    const ours = await echoServer(seen);
    closers.push(() => ours.server.close(0));
    const second = clientOf(ours.address.port);
    const call = failure(second.unary(codecs.unary, 'hang'));
    while (seen.deadlines.length === 0) await new Promise((resolve) => setTimeout(resolve, 2));
    second.close();
    expect(['unavailable', 'cancelled']).toContain((await call).code);
    expect(await failure(second.unary(codecs.unary, 'x'))).toMatchObject({ code: 'unavailable' });
    while (seen.cancels.length === 0) await new Promise((resolve) => setTimeout(resolve, 2));
  });

  it('gives a peer up that answers no pings while a call waits', async () => {
    const ours = await echoServer(newSeen());
    closers.push(() => ours.server.close(0));
    // A relay that swallows everything from the server once told so.
    let deaf = false;
    const relay = net.createServer((socket) => {
      const upstream = net.connect(ours.address.port, '127.0.0.1');
      for (const end of [socket, upstream]) end.on('error', () => {});
      closers.push(() => void (socket.destroy(), upstream.destroy()));
      socket.pipe(upstream);
      upstream.on('data', (chunk: Buffer) => deaf || socket.write(chunk));
    });
    await new Promise<void>((resolve) => relay.listen(0, '127.0.0.1', resolve));
    closers.push(() => void relay.close());
    const client = clientOf((relay.address() as net.AddressInfo).port, { keepAlive: { intervalMs: 30, timeoutMs: 30 } });
    // A process that stands still for a moment finds its ping unanswered, too.
    await expect.poll(() => client.unary(codecs.unary, 'a').catch(() => 'given up')).toBe('a');
    deaf = true;
    expect(await failure(client.unary(codecs.unary, 'b'))).toMatchObject({ code: 'unavailable' });
  });
});
