import * as grpc from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import {
  codecs,
  echoClient,
  echoServer,
  newSeen,
  refereeClient,
  refereeServer,
  refereeService,
  refereeUnary,
  transport,
} from '../../../test/fixtures/grpc-echo.ts';
import { nodeClock } from '../../ports/node/clock.ts';
import { applicationMetadata } from './metadata.ts';
import { proxyStream, proxyTarget } from './proxy.ts';
import { createGrpcServer } from './server.ts';
import type { GrpcStatus } from './status.ts';

const closers: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

// grpc-js client - our proxy - target.
async function rig(targetPort: number) {
  const target = echoClient({ address: { host: '127.0.0.1', port: targetPort } });
  const ends: GrpcStatus[] = [];
  const server = await createGrpcServer({
    clock: nodeClock,
    transport,
    address: { host: '127.0.0.1', port: 0 },
    methods: [],
    onUnknown(stream, headers) {
      proxyTarget(headers);
      const dropped = new Set(['dapr-app-id']);
      const passed: string[] = [];
      for (let i = 0; i < headers.length; i += 2)
        if (!dropped.has(headers[i] as string)) passed.push(headers[i] as string, headers[i + 1] as string);
      return proxyStream(stream, { client: target, headers: passed, onEnd: (status) => ends.push(status) });
    },
  });
  const client = refereeClient((server.address as { port: number }).port, { 'grpc.max_receive_message_length': -1 });
  closers.push(
    () => server.close(0),
    () => target.close(),
    () => client.close(),
  );
  const metadata = new grpc.Metadata();
  metadata.set('dapr-app-id', 'target');
  return { client, server, ends, metadata };
}

async function refereeTarget(): Promise<number> {
  const { server, port } = await refereeServer();
  closers.push(() => server.forceShutdown());
  return port;
}

describe('the transparent proxy', () => {
  it('passes unary calls with metadata, statuses and what is not implemented', async () => {
    const { client, metadata, ends } = await rig(await refereeTarget());
    metadata.set('x-echo', 'hello');
    metadata.set('x-echo-bin', Buffer.from([0, 255, 10]));
    const { reply, headers, trailers } = await refereeUnary(client, 'grüß dich', { metadata });
    expect(reply).toBe('grüß dich');
    expect(headers?.get('x-echo')).toEqual(['hello']);
    expect(trailers?.get('x-echo-bin')).toEqual([Buffer.from([0, 255, 10])]);
    const { error } = await refereeUnary(client, 'fail', { metadata });
    expect(error).toMatchObject({ code: grpc.status.NOT_FOUND, details: 'é 100% missing' });
    expect(error?.metadata.get('x-why')).toEqual(['because']);
    expect((await refereeUnary(client, 'x', { metadata, path: '/test.Echo/Nope' })).error?.code).toBe(grpc.status.UNIMPLEMENTED);
    const homeless = await refereeUnary(client, 'x');
    expect(homeless.error).toMatchObject({ code: grpc.status.UNIMPLEMENTED });
    expect(homeless.error?.details).toContain('dapr-app-id');
    expect(ends.map((status) => status.code)).toEqual(['OK', 'NOT_FOUND', 'UNIMPLEMENTED']);
    expect(applicationMetadata(ends[1]?.metadata ?? [])).toEqual(['x-why', 'because']);
  });

  it('streams both ways with more data than fits anywhere', async () => {
    const { client, metadata } = await rig(await refereeTarget());
    const { Many, Sum, Chat } = refereeService;
    const many = client.makeServerStreamRequest(Many.path, Many.requestSerialize, Many.responseDeserialize, '3000 4096', metadata);
    let received = 0;
    for await (const message of many) received += (message as string).length;
    expect(received).toBe(3000 * 4096);
    const sum = await new Promise((resolve, reject) => {
      const call = client.makeClientStreamRequest(Sum.path, Sum.requestSerialize, Sum.responseDeserialize, metadata, (error, reply) =>
        error === null ? resolve(reply) : reject(error),
      );
      for (let i = 0; i < 3000; i++) call.write('z'.repeat(4096));
      call.end();
    });
    expect(sum).toBe(`3000 ${3000 * 4096}`);
    const chat = client.makeBidiStreamRequest(Chat.path, Chat.requestSerialize, Chat.responseDeserialize, metadata);
    const echoed: string[] = [];
    chat.on('data', (message: string) => {
      echoed.push(message);
      chat.write(echoed.length < 5 ? `m${echoed.length}` : 'stop');
    });
    chat.write('m0');
    const status = await new Promise<grpc.StatusObject>((resolve) => chat.on('status', resolve));
    expect(status.code).toBe(grpc.status.OK);
    expect(echoed).toEqual(['m0', 'm1', 'm2', 'm3', 'm4']);
  });

  it('passes back pressure, cancellation and deadlines on', async () => {
    const seen = newSeen();
    const target = await echoServer(seen);
    closers.push(() => target.server.close(0));
    const { client, metadata, ends, server } = await rig(target.address.port);
    const chat = client.makeBidiStreamRequest(
      '/test.Echo/Chat',
      refereeService.Chat.requestSerialize,
      refereeService.Chat.responseDeserialize,
      metadata,
    );
    chat.on('error', () => {});
    chat.on('data', () => chat.cancel());
    chat.write('a');
    while (seen.cancels.length < 1 || ends.length < 1) await new Promise((resolve) => setTimeout(resolve, 2));
    expect(ends[0]?.code).toBe('CANCELLED');
    // One whose time is up before the proxy has read it never gets to the target.
    while (seen.cancels.length < 2) {
      const late = await refereeUnary(client, 'hang', { metadata, options: { deadline: Date.now() + 50 } });
      expect(late.error?.code).toBe(grpc.status.DEADLINE_EXCEEDED);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    // Ours as the client: it reads one message and stops.
    const slow = echoClient({ address: server.address as { host: string; port: number } });
    closers.push(() => slow.close());
    const many = await slow.stream(codecs.many, { metadata: ['dapr-app-id', 'target'] });
    await many.write('10000 1024');
    many.end();
    const iterator = many[Symbol.asyncIterator]();
    await iterator.next();
    let last = -1;
    while (seen.produced !== last) {
      last = seen.produced;
      await new Promise((resolve) => setTimeout(resolve, 40));
    }
    expect(last).toBeLessThan(1000);
    let count = 1;
    while ((await iterator.next()).done !== true) count++;
    expect(count).toBe(10_000);
  });

  it('says that the target cannot be reached, or broke off', async () => {
    const nobody = await refereeServer();
    nobody.server.forceShutdown();
    const dead = await rig(nobody.port);
    expect((await refereeUnary(dead.client, 'x', { metadata: dead.metadata })).error?.code).toBe(grpc.status.UNAVAILABLE);
    const seen = newSeen();
    const target = await echoServer(seen);
    const { client, metadata } = await rig(target.address.port);
    const call = refereeUnary(client, 'hang', { metadata });
    while (seen.deadlines.length === 0) await new Promise((resolve) => setTimeout(resolve, 2));
    await target.server.close(0);
    expect([grpc.status.UNAVAILABLE, grpc.status.CANCELLED]).toContain((await call).error?.code);
  });
});
