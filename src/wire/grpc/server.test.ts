import * as grpc from '@grpc/grpc-js';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import http2 from 'node:http2';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { fromBinary } from '@bufbuild/protobuf';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { afterEach, describe, expect, it } from 'vitest';
import {
  echoClient,
  echoServer,
  newSeen,
  refereeClient,
  refereeService,
  refereeUnary,
  codecs,
  type EchoSeen,
} from '../../../test/fixtures/grpc-echo.ts';
import { BadRequestSchema, ErrorInfoSchema, ResourceInfoSchema } from '../../gen/google/rpc/error_details_pb.ts';
import { StatusSchema } from '../../gen/google/rpc/status_pb.ts';
import { ProaError } from '../../kernel/errors.ts';
import { nodeClock } from '../../ports/node/clock.ts';
import { frame as framed } from './framing.ts';
import type { GrpcServer, GrpcServerOptions } from './server.ts';

/** A frame in memory of its own. */
const frame = (message: Uint8Array): Buffer => Buffer.from(framed(message));

const closers: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

interface Rig {
  seen: EchoSeen;
  server: GrpcServer;
  port: number;
  client: grpc.Client;
}

async function rig(more: Partial<GrpcServerOptions> = {}, clientOptions: grpc.ClientOptions = {}): Promise<Rig> {
  const seen = newSeen();
  const { server, address } = await echoServer(seen, more);
  const client = refereeClient(address.port, clientOptions);
  closers.push(
    () => server.close(0),
    () => client.close(),
  );
  return { seen, server, port: address.port, client };
}

function openChat(client: grpc.Client, options: grpc.CallOptions = {}) {
  const { Chat } = refereeService;
  return client.makeBidiStreamRequest(Chat.path, Chat.requestSerialize, Chat.responseDeserialize, new grpc.Metadata(), options);
}

function statusOf(call: grpc.ClientDuplexStream<string, string> | grpc.ClientReadableStream<string>): Promise<grpc.StatusObject> {
  call.on('error', () => {});
  return new Promise((resolve) => call.on('status', resolve));
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
}

/** A request without a gRPC library. */
function post(port: number, headers: Record<string, string>, body: Uint8Array = frame(Buffer.from('hi'))) {
  const session = http2.connect(`http://127.0.0.1:${port}`);
  return new Promise<{ headers: http2.IncomingHttpHeaders; trailers: http2.IncomingHttpHeaders; body: Buffer }>((resolve, reject) => {
    const stream = session.request({
      ':method': 'POST',
      ':path': '/test.Echo/Unary',
      'content-type': 'application/grpc',
      te: 'trailers',
      ...headers,
    });
    const parts: Buffer[] = [];
    let got: http2.IncomingHttpHeaders = {};
    let trailers: http2.IncomingHttpHeaders = {};
    stream.on('response', (found) => (got = found));
    stream.on('trailers', (found) => (trailers = found));
    stream.on('data', (chunk: Buffer) => parts.push(chunk));
    stream.on('error', reject);
    stream.on('close', () => {
      session.destroy();
      resolve({ headers: got, trailers, body: Buffer.concat(parts) });
    });
    stream.end(body);
  });
}

describe('the server, with grpc-js as its client', () => {
  it('answers unary calls with metadata both ways', async () => {
    const { client } = await rig();
    const metadata = new grpc.Metadata();
    metadata.set('x-echo', 'hello');
    metadata.set('x-echo-bin', Buffer.from([0, 255, 10]));
    const { error, reply, headers, trailers } = await refereeUnary(client, 'grüß dich', { metadata });
    expect(error).toBeNull();
    expect(reply).toBe('grüß dich');
    expect(headers?.get('x-echo')).toEqual(['hello']);
    expect(trailers?.get('x-echo-bin')).toEqual([Buffer.from([0, 255, 10])]);
    const many = await Promise.all(Array.from({ length: 300 }, (_, i) => refereeUnary(client, `m${i}`)));
    expect(many.map((answer) => answer.reply)).toEqual(Array.from({ length: 300 }, (_, i) => `m${i}`));
    expect((await refereeUnary(client, '')).reply).toBe('');
  });

  it('sends statuses with messages and details, and hides nothing but the stack of a bug', async () => {
    const { client } = await rig();
    const { error } = await refereeUnary(client, 'fail');
    expect(error?.code).toBe(grpc.status.INVALID_ARGUMENT);
    expect(error?.details).toBe('key a||b: “not” allowed\n100%');
    const status = fromBinary(StatusSchema, error?.metadata.get('grpc-status-details-bin')[0] as Buffer);
    expect(status).toMatchObject({ code: 3, message: 'key a||b: “not” allowed\n100%' });
    const [info, resource, bad] = status.details;
    expect(anyUnpack(info!, ErrorInfoSchema)).toMatchObject({
      reason: 'DAPR_STATE_ILLEGAL_KEY',
      domain: 'dapr.io',
      metadata: { key: 'a||b' },
    });
    expect(anyUnpack(resource!, ResourceInfoSchema)).toMatchObject({ resourceType: 'state', resourceName: 'store' });
    expect(anyUnpack(bad!, BadRequestSchema)?.fieldViolations).toMatchObject([{ field: 'a||b', description: 'must not hold ||' }]);
    const bug = await refereeUnary(client, 'bug');
    expect(bug.error?.code).toBe(grpc.status.INTERNAL);
    expect(bug.error?.details).toBe('undefined is not a function');
    const missing = await refereeUnary(client, 'x', { path: '/test.Echo/Nope' });
    expect(missing.error?.code).toBe(grpc.status.UNIMPLEMENTED);
  });

  it('streams from the server, from the client and both ways', async () => {
    const { client } = await rig();
    const { Many, Sum } = refereeService;
    const many = client.makeServerStreamRequest(Many.path, Many.requestSerialize, Many.responseDeserialize, '1000 100');
    let received = 0;
    for await (const message of many) received += (message as string).length;
    expect(received).toBe(100_000);
    const sum = await new Promise((resolve, reject) => {
      const call = client.makeClientStreamRequest(Sum.path, Sum.requestSerialize, Sum.responseDeserialize, (error, reply) =>
        error === null ? resolve(reply) : reject(error),
      );
      for (let i = 0; i < 1000; i++) call.write('abc');
      call.end();
    });
    expect(sum).toBe('1000 3000');
    const chat = openChat(client);
    const ended = statusOf(chat);
    const echoed: string[] = [];
    chat.on('data', (message: string) => {
      echoed.push(message);
      if (echoed.length < 5) chat.write(`m${echoed.length}`);
      else chat.end();
    });
    chat.write('m0');
    expect((await ended).code).toBe(grpc.status.OK);
    expect(echoed).toEqual(['m0', 'm1', 'm2', 'm3', 'm4']);
  });

  it('may end a bidirectional call while the client still sends', async () => {
    const { client, server } = await rig();
    for (const [last, code] of [
      ['stop', grpc.status.OK],
      ['fail', grpc.status.INVALID_ARGUMENT],
    ] as const) {
      const chat = openChat(client);
      const ended = statusOf(chat);
      chat.on('data', () => {});
      chat.write('a');
      chat.write(last);
      expect((await ended).code).toBe(code);
    }
    await until(() => server.calls === 0);
  });

  it('keeps deadlines and tells handlers of cancellation', async () => {
    const { client, seen, server } = await rig();
    const before = nodeClock.mono();
    // On a busy machine a deadline may pass before the call is connected or sent; then no handler hears of it.
    let afterMs = 60;
    for (; seen.deadlines.length === 0; afterMs *= 2) {
      const late = await refereeUnary(client, 'hang', { options: { deadline: Date.now() + afterMs } });
      expect(late.error?.code).toBe(grpc.status.DEADLINE_EXCEEDED);
    }
    await until(() => seen.cancels.length === 1);
    expect(seen.deadlines[0]).toBeGreaterThan(before);
    expect(seen.deadlines[0]).toBeLessThan(nodeClock.mono() + afterMs);
    const chat = openChat(client);
    const ended = statusOf(chat);
    chat.on('data', () => chat.cancel());
    chat.write('a');
    expect((await ended).code).toBe(grpc.status.CANCELLED);
    await until(() => seen.cancels.length === 2 && server.calls === 0);
    expect(seen.cancels[1]).toMatchObject({ code: 'cancelled' });
  });

  it('cuts calls at their own deadline even when the client does not', async () => {
    const { port, seen } = await rig();
    // On a busy machine that time may be over before the message is there, and then no handler hears of it.
    for (let afterMs = 50; seen.cancels.length === 0; afterMs *= 2) {
      const { headers } = await post(port, { 'grpc-timeout': `${afterMs}m` }, frame(Buffer.from('hang')));
      expect(headers['grpc-status']).toBe('4');
    }
    expect(seen.cancels).toMatchObject([{ code: 'deadline-exceeded' }]);
    expect((await post(port, { 'grpc-timeout': '5x' })).headers['grpc-status']).toBe('3');
  });

  it('holds a stream of 10 000 messages back for a slow reader', async () => {
    const { port, seen } = await rig();
    // Not grpc-js, which reads ahead without a limit.
    const session = http2.connect(`http://127.0.0.1:${port}`);
    closers.push(() => session.destroy());
    const stream = session.request({ ':method': 'POST', ':path': '/test.Echo/Many', 'content-type': 'application/grpc' });
    stream.end(frame(Buffer.from('10000 1024')));
    await until(() => seen.produced > 60);
    // The windows are full: whatever else was going to be produced would have been by now.
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(seen.produced).toBeLessThan(200);
    let bytes = 0;
    let status: unknown;
    stream.on('trailers', (trailers) => (status = trailers['grpc-status']));
    for await (const chunk of stream) bytes += (chunk as Buffer).length;
    expect({ bytes, status }).toEqual({ bytes: 10_000 * 1029, status: '0' });
  });

  it('limits messages and takes big ones up to the limit', async () => {
    const { client } = await rig({}, { 'grpc.max_receive_message_length': 64 * 1024 * 1024 });
    expect((await refereeUnary(client, 'size 9000000')).reply?.length).toBe(9_000_000);
    const fits = 'y'.repeat(4 * 1024 * 1024);
    expect((await refereeUnary(client, fits)).reply).toBe(fits);
    const { error } = await refereeUnary(client, `${fits}y`);
    expect(error?.code).toBe(grpc.status.RESOURCE_EXHAUSTED);
    expect(error?.details).toContain('4194305 bytes, the limit is 4194304');
    expect((await refereeUnary(client, 'still here')).reply).toBe('still here');
  });
});

describe('the server, against strange clients', () => {
  it('reads gzip, and refuses bombs and unknown encodings', async () => {
    const { port } = await rig();
    const compressed = (bytes: Uint8Array): Uint8Array => {
      const framed = Buffer.from(frame(gzipSync(bytes)));
      framed[0] = 1;
      return framed;
    };
    const good = await post(port, { 'grpc-encoding': 'gzip' }, compressed(Buffer.from('squeezed')));
    expect(good.trailers['grpc-status']).toBe('0');
    expect(good.body.subarray(5).toString()).toBe('squeezed');
    expect((await post(port, { 'grpc-encoding': 'gzip' }, compressed(Buffer.alloc(20_000_000)))).headers['grpc-status']).toBe('8');
    const unknown = await post(port, { 'grpc-encoding': 'snappy' });
    expect(unknown.headers['grpc-status']).toBe('12');
    expect(unknown.headers['grpc-accept-encoding']).toBe('identity,gzip');
    expect((await post(port, {}, compressed(Buffer.from('x')))).headers['grpc-status']).toBe('13');
    expect((await post(port, {}, Buffer.from([9, 0, 0, 0, 1, 1]))).headers['grpc-status']).toBe('13');
  });

  it('refuses what is not gRPC, and requests that break off or hold too many messages', async () => {
    const { port } = await rig();
    expect((await post(port, { 'content-type': 'application/json' })).headers[':status']).toBe(415);
    expect((await post(port, { ':method': 'PUT' })).headers[':status']).toBe(405);
    expect((await post(port, {}, frame(Buffer.from('hello')).subarray(0, 7))).headers['grpc-status']).toBe('13');
    expect((await post(port, {}, new Uint8Array())).headers['grpc-status']).toBe('13');
    const two = Buffer.concat([frame(Buffer.from('a')), frame(Buffer.from('b'))]);
    expect((await post(port, {}, two)).headers['grpc-status']).toBe('13');
  });

  it('survives garbage, floods and oversized headers', async () => {
    const { port, client, server } = await rig({ limits: { controlFramesMax: 200 } });
    const raw = (bytes: Uint8Array): Promise<void> =>
      new Promise((resolve) => {
        const socket = net.connect(port, '127.0.0.1');
        socket.on('error', () => {});
        socket.on('close', () => resolve());
        socket.resume();
        socket.write(bytes);
      });
    await raw(Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'));
    await raw(Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), Buffer.alloc(4096, 0xee)]));
    const preface = Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0])]);
    const ping = Buffer.from([0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
    const settings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
    await raw(Buffer.concat([preface, ...Array.from({ length: 400 }, () => ping)]));
    await raw(Buffer.concat([preface, ...Array.from({ length: 400 }, () => settings)]));
    expect((await post(port, { 'x-large': 'x'.repeat(40_000) })).headers[':status']).toBe(431);
    expect((await refereeUnary(client, 'alive')).reply).toBe('alive');
    await until(() => server.calls === 0);
  });

  it('lets `before` refuse and hands unknown methods over', async () => {
    const { client } = await rig({
      before(call) {
        if (call.metadata.includes('bad-token')) throw new ProaError('unauthenticated', 'the token is wrong');
      },
      onUnknown(stream, headers) {
        if (!headers.includes('/other/Method')) return undefined;
        return {
          headers() {},
          data: (chunk) => void stream.write(Buffer.from(chunk)),
          end: () => stream.end(['grpc-status', '0', 'x-proxied', 'yes']),
          drain() {},
          close() {},
          ...(stream.sendHeaders([':status', '200', 'content-type', 'application/grpc']), {}),
        };
      },
    });
    const metadata = new grpc.Metadata();
    metadata.set('dapr-api-token', 'bad-token');
    expect((await refereeUnary(client, 'a', { metadata })).error?.code).toBe(grpc.status.UNAUTHENTICATED);
    const proxied = await refereeUnary(client, 'through', { path: '/other/Method' });
    expect(proxied.reply).toBe('through');
    expect(proxied.trailers?.get('x-proxied')).toEqual(['yes']);
  });
});

describe('the life of a server', () => {
  it('listens on a Unix socket that only its user may open, and says when an address is taken', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'proa-grpc-'));
    closers.push(() => rmSync(folder, { recursive: true }));
    const path = join(folder, 's');
    await rig({ address: { path } });
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const client = echoClient({ address: { path } });
    closers.push(() => client.close());
    expect(await client.unary(codecs.unary, 'over a socket')).toBe('over a socket');
    await expect(echoServer(newSeen(), { address: { path } })).rejects.toMatchObject({ code: 'EADDRINUSE' });
  });

  it('drains under load: every call that it took is answered, none fails for our client', async () => {
    const { server, port } = await rig();
    const next = await rig();
    let target = port;
    let failed = 0;
    let done = 0;
    const clients = [echoClient({ address: { host: '127.0.0.1', port } }), echoClient({ address: { host: '127.0.0.1', port: next.port } })];
    closers.push(...clients.map((client) => () => client.close()));
    const worker = async (): Promise<void> => {
      for (let i = 0; i < 100; i++) {
        const client = clients[target === port ? 0 : 1];
        await client?.unary(codecs.unary, 'x').then(
          () => done++,
          () => failed++,
        );
      }
    };
    const load = Promise.all(Array.from({ length: 20 }, worker));
    await until(() => done > 300);
    // What a balancer does: new calls go elsewhere, the old server drains.
    target = next.port;
    await server.close(5_000);
    await load;
    expect({ done, failed }).toEqual({ done: 2000, failed: 0 });
  });

  it('waits for long calls while it drains, and cuts them off in the end', async () => {
    // On a busy machine the time to drain may be over before anything was said once more: then it was too short.
    for (let [graceMs, heard] = [200, false]; !heard; graceMs *= 2) {
      const { server, client } = await rig();
      const chat = openChat(client);
      const ended = statusOf(chat);
      const first = new Promise((resolve) => chat.once('data', resolve));
      chat.write('a');
      await first;
      const closing = server.close(graceMs);
      const second = new Promise<string>((resolve) => chat.once('data', resolve));
      chat.write('b');
      const said = await Promise.race([second, ended]);
      heard = said === 'b';
      await closing;
      expect([grpc.status.UNAVAILABLE, grpc.status.CANCELLED]).toContain((await ended).code);
    }
  });
});
