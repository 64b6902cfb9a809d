import { create, toBinary } from '@bufbuild/protobuf';
import { gzipSync } from 'node:zlib';
import type { ClientHttp2Session } from 'node:http2';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EncryptRequestSchema } from '../../src/gen/dapr/proto/runtime/v1/crypto_pb.ts';
import { GetStateRequestSchema, SaveStateRequestSchema } from '../../src/gen/dapr/proto/runtime/v1/state_pb.ts';
import { SubscribeTopicEventsRequestAlpha1Schema } from '../../src/gen/dapr/proto/runtime/v1/pubsub_pb.ts';
import { component, createMachine, startSidecar, type TestMachine, type TestSidecar } from '../compat/sidecar.ts';
import { callHead, frame, http2Frame, literalHeaders, openRaw, openSession, rawCall } from './raw-http2.ts';

// Calls, streams and bytes that no client library would send, against the real process over gRPC: each gets its exact status or loses its
// connection, nothing hangs, the process stays small and serves on.
const service = '/dapr.proto.runtime.v1.Dapr';
const save = `${service}/SaveState`;
const values = { storeName: 'store', states: [{ key: 'a', value: Buffer.from('1') }] };
const good = Buffer.from(toBinary(SaveStateRequestSchema, create(SaveStateRequestSchema, values)));
const [ok, cancelled, invalid, exceeded, notFound, exhausted, unimplemented, internal, unavailable] = [0, 1, 3, 4, 5, 8, 12, 13, 14];

let machine: TestMachine;
let sidecar: TestSidecar;
let session: ClientHttp2Session;

beforeAll(async () => {
  machine = createMachine();
  const resources = {
    'state.yaml': component('store', 'state.in-memory'),
    'pubsub.yaml': component('pubsub', 'pubsub.in-memory'),
    'crypto.yaml': component('keys', 'crypto.dapr.localstorage', { path: machine.directory }),
    'lock.yaml': component('locks', 'lock.proa'),
  };
  sidecar = await startSidecar({ appId: 'hostile', machine, resources });
  session = openSession(sidecar.grpcPort);
});
afterAll(async () => {
  session.destroy();
  const code = await sidecar.stop();
  const printed = sidecar.output();
  machine.remove();
  expect(code).toBe(0);
  expect(printed).not.toMatch(/\n\s+at .*:\d+:\d+/);
  // Dozens of malformed calls are a few lines.
  expect([...printed.matchAll(/gRPC calls? failed/g)].length).toBeLessThan(10);
});

const withPath = (path: string, more: object = {}) => ({ ':path': path, ...more });

describe('a call that is not what the method takes', () => {
  it.each([
    ['a good one', good, {}, ok],
    ['three bytes of ones', Buffer.from([0xff, 0xff, 0xff]), {}, invalid],
    ['a field of another wire type', Buffer.from([0x08, 0x01]), {}, invalid],
    ['a group that never ends', Buffer.from([0x0b, 0x0c]), {}, invalid],
    ['a hundred thousand groups', Buffer.alloc(100_000, 0x0b), {}, invalid],
    ['text that is not UTF-8', Buffer.from([0x0a, 0x02, 0xff, 0xfe]), {}, invalid],
    ['a length beyond the message', Buffer.from([0x0a, 0x7f, 0x61]), {}, invalid],
    ['a length of ten bytes', Buffer.from([0x0a, ...Array.from({ length: 9 }, () => 0xff), 0x01]), {}, invalid],
    ['no field at all', Buffer.alloc(0), {}, invalid],
    ['fields that nobody knows', Buffer.concat([good, Buffer.from([0xfa, 0x7f, 0x03, 0x61, 0x62, 0x63])]), {}, ok],
    ['flag 7', good, { flag: 7 }, internal],
    ['compressed, but how is not said', good, { flag: 1 }, internal],
    ['a length above what comes', good, { length: good.length + 10 }, internal],
    ['a length of 4 GiB', good, { length: 0xffffffff }, exhausted],
    ['more than the limit', Buffer.alloc(5_000_000), {}, exhausted],
  ])('%s', async (_, message, lies, status) => {
    const answer = await rawCall(session, withPath(save), frame(message, lies));
    expect({ http: answer.status, grpc: answer.grpc }).toEqual({ http: 200, grpc: status });
    expect(answer.message).not.toMatch(/\bat .*\.(?:c?js|ts):\d+|node:internal/);
  });

  it.each([
    ['no message', Buffer.alloc(0)],
    ['half a frame', Buffer.from([0, 0])],
    ['two messages', Buffer.concat([frame(good), frame(good)])],
  ])('%s', async (_, bytes) => expect((await rawCall(session, withPath(save), bytes)).grpc).toBe(internal));

  it.each([
    ['damaged', good, internal],
    ['sound', gzipSync(good), ok],
    // 100 MB of zeros in 100 kB.
    ['a bomb', gzipSync(Buffer.alloc(100 * 1024 * 1024)), exhausted],
  ])('gzip that is %s', async (_, message, status) => {
    expect((await rawCall(session, withPath(save, { 'grpc-encoding': 'gzip' }), frame(message, { flag: 1 }))).grpc).toBe(status);
  });

  it.each(['br', 'zstd', 'x'.repeat(500), 'gzip, gzip'])('grpc-encoding %s', async (encoding) => {
    expect((await rawCall(session, withPath(save, { 'grpc-encoding': encoding }), frame(good, { flag: 1 }))).grpc).toBe(unimplemented);
  });

  it.each(['x', '', '-1S', '99999999999S', '1X', '123456789S', '1.5S', '8H8'])('the deadline "%s"', async (timeout) => {
    const answer = await rawCall(session, withPath(save, { 'grpc-timeout': timeout }), frame(good));
    expect([answer.grpc, answer.message]).toEqual([invalid, expect.stringContaining('grpc-timeout')]);
  });

  it('a deadline that has passed', async () => {
    const answer = await rawCall(session, withPath(save, { 'grpc-timeout': '0n' }), frame(good));
    expect([ok, exceeded]).toContain(answer.grpc);
  });
});

describe('a call that is none', () => {
  it.each([
    [415, { 'content-type': 'text/plain' }],
    [415, { 'content-type': 'application/json' }],
    [415, { 'content-type': 'application/grpc-web' }],
    [415, { 'content-type': 'application/grpcx' }],
    [405, { ':method': 'PUT' }],
  ])('answers %i to %j', async (status, headers) => {
    expect((await rawCall(session, withPath(save, headers), frame(good))).status).toBe(status);
  });

  it.each([
    [`${service}/Nope`, unimplemented],
    [`${service}/saveState`, unimplemented],
    [`${service}/SaveState/`, unimplemented],
    [`/${service}/SaveState`, unimplemented],
    ['/dapr.proto.runtime.v1.AppCallback/OnInvoke', unimplemented],
    ['/a.B/C', unimplemented],
    ['/', unimplemented],
    ['//', unimplemented],
    [`/${'x'.repeat(8_000)}`, unimplemented],
  ])('%s', async (path, status) => {
    expect((await rawCall(session, withPath(path), frame(good))).grpc).toBe(status);
  });

  it('names an app that nobody has', async () => {
    expect((await rawCall(session, withPath('/a.B/C', { 'dapr-app-id': 'nobody' }), frame(good))).grpc).toBe(unavailable);
  });

  it.each([['x-bin'], ['grpc-trace-bin'], ['traceparent'], ['baggage'], ['grpc-nothing']])('garbage in %s harms nobody', async (name) => {
    expect((await rawCall(session, withPath(save, { [name]: '!!!***===' }), frame(good))).grpc).toBe(ok);
  });

  it.each([
    ['1,000 headers', Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [`x-${i}`, '1']))],
    ['a header of 60 kB', { 'x-big': 'a'.repeat(60_000) }],
  ])('%s are refused, and the connection lives on or is given up', async (_, headers) => {
    const own = openSession(sidecar.grpcPort);
    const answer = await rawCall(own, withPath(save, headers), frame(good));
    expect(answer.grpc === exhausted || answer.status === 431 || answer.code !== 0).toBe(true);
    own.destroy();
  });
});

describe('a stream that does not keep to its protocol', () => {
  const subscribe = `${service}/SubscribeTopicEventsAlpha1`;
  const initial = (pubsubName: string, topic: string): Buffer =>
    frame(
      toBinary(
        SubscribeTopicEventsRequestAlpha1Schema,
        create(SubscribeTopicEventsRequestAlpha1Schema, {
          subscribeTopicEventsRequestType: { case: 'initialRequest', value: { pubsubName, topic } },
        }),
      ),
    );
  it.each([
    ['nothing', Buffer.alloc(0), invalid],
    ['an empty first message', frame(Buffer.alloc(0)), invalid],
    ['no topic', initial('pubsub', ''), invalid],
    ['no broker', initial('', 't'), invalid],
    ['a second beginning', Buffer.concat([initial('pubsub', 't'), initial('pubsub', 't')]), invalid],
    ['garbage after its beginning', Buffer.concat([initial('pubsub', 't'), frame(Buffer.from([0xff]))]), invalid],
  ])('a subscription with %s', async (_, bytes, status) => expect((await rawCall(session, withPath(subscribe), bytes)).grpc).toBe(status));

  it('a subscription to a broker that there is not', async () => {
    const { grpc } = await rawCall(session, withPath(subscribe), initial('nope', 't'));
    expect([invalid, notFound]).toContain(grpc);
  });

  const chunk = (value: object): Buffer => frame(toBinary(EncryptRequestSchema, create(EncryptRequestSchema, value)));
  const options = { componentName: 'keys', keyName: 'none', keyWrapAlgorithm: 'A256KW' };
  const payload = (seq: bigint) => ({ payload: { data: Buffer.from('x'), seq } });
  it.each([
    ['no options', chunk(payload(0n)), invalid],
    ['an unknown key', chunk({ options, ...payload(0n) }), internal],
    ['an unknown provider', chunk({ options: { ...options, componentName: 'nope' }, ...payload(0n) }), invalid],
    ['no key name', chunk({ options: { ...options, keyName: '' }, ...payload(0n) }), invalid],
  ])('encryption with %s', async (_, bytes, status) =>
    expect((await rawCall(session, withPath(`${service}/EncryptAlpha1`), bytes)).grpc).toBe(status),
  );
});

describe('bytes that are not quite HTTP/2', () => {
  const call = http2Frame(1, 0x4, 1, callHead(save));
  const u32 = (value: number): Buffer => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value >>> 0);
    return bytes;
  };
  it.each([
    ['a preface that is garbage', true, Buffer.from(`PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n${'x'.repeat(100)}`)],
    ['a preface that is cut', true, Buffer.from('PRI * HTTP/2.0\r\n\r\nS\r\n')],
    ['TLS', true, Buffer.from('160301020001000100', 'hex')],
    ['a frame that is too large', false, http2Frame(0, 0, 1, Buffer.alloc(100_000))],
    ['headers on stream 0', false, http2Frame(1, 0x5, 0, callHead(save))],
    ['headers on an even stream', false, http2Frame(1, 0x5, 2, callHead(save))],
    ['data on a stream that is not open', false, http2Frame(0, 0, 5, frame(good))],
    ['a continuation of nothing', false, http2Frame(9, 0x4, 1, callHead(save))],
    ['another frame inside a head', false, Buffer.concat([http2Frame(1, 0, 1, callHead(save)), http2Frame(6, 0, 0, Buffer.alloc(8))])],
    ['an index into no table', false, http2Frame(1, 0x5, 1, Buffer.from([0x80]))],
    ['an index that never ends', false, http2Frame(1, 0x5, 1, Buffer.alloc(64, 0xff))],
    ['a Huffman code that is none', false, http2Frame(1, 0x5, 1, Buffer.from([0x00, 0x84, 0xff, 0xff, 0xff, 0xff, 0x01, 0x61]))],
    ['a window beyond its limit', false, Buffer.concat([http2Frame(8, 0, 0, u32(0x7fffffff)), http2Frame(8, 0, 0, u32(0x7fffffff))])],
    ['settings of an odd size', false, http2Frame(4, 0, 0, Buffer.alloc(5))],
    ['settings for a stream', false, http2Frame(4, 0, 1, Buffer.alloc(6))],
    ['a ping of another size', false, http2Frame(6, 0, 0, Buffer.alloc(7))],
    ['a reset of stream 0', false, http2Frame(3, 0, 0, u32(8))],
    ['padding longer than the frame', false, http2Frame(0, 0x8, 1, Buffer.from([200, 1, 2]))],
    ['a push', false, Buffer.concat([call, http2Frame(5, 0x4, 1, Buffer.concat([u32(2), literalHeaders([[':path', '/']])]))])],
  ])('%s ends the connection', async (_, silent, bytes) => {
    const raw = openRaw(sidecar.grpcPort, { silent });
    raw.socket.write(bytes);
    if (silent) raw.socket.end();
    await raw.refused();
  });

  it('heads without end are cut off', async () => {
    const raw = openRaw(sidecar.grpcPort);
    raw.socket.write(http2Frame(1, 0, 1, callHead(save)));
    const more = http2Frame(9, 0, 1, literalHeaders(Array.from({ length: 100 }, (_, i) => [`x-${i}`, 'a'.repeat(100)] as const)));
    for (let i = 0; i < 200; i++) raw.socket.write(more);
    await raw.refused();
  });
});

describe('what is meant to wear a server down', () => {
  const rssBytes = async (): Promise<number> => {
    const metrics = await (await fetch(`http://127.0.0.1:${sidecar.metricsPort}/metrics`)).text();
    return Number(/^process_resident_memory_bytes(?:\{[^}]*\})? ([\d.e+]+)/m.exec(metrics)?.[1] ?? Number.NaN);
  };
  const serves = async (): Promise<void> => {
    const own = openSession(sidecar.grpcPort);
    expect((await rawCall(own, withPath(save), frame(good))).grpc).toBe(ok);
    own.destroy();
  };

  it('thousands of streams that are opened and left, on one connection', async () => {
    const raw = openRaw(sidecar.grpcPort);
    for (let id = 1; id < 6_001; id += 2) raw.socket.write(http2Frame(1, 0x4, id, callHead(`${service}/SubscribeTopicEventsAlpha1`)));
    await serves();
    raw.socket.destroy();
    await serves();
  });

  it('calls that are reset as soon as they are made', async () => {
    const raw = openRaw(sidecar.grpcPort);
    for (let id = 1; id < 20_001; id += 2) {
      raw.socket.write(http2Frame(1, 0x4, id, callHead(save)));
      raw.socket.write(http2Frame(3, 0, id, Buffer.from([0, 0, 0, cancelled + 7])));
    }
    await raw.refused();
    await serves();
  });

  it.each([
    ['pings', http2Frame(6, 0, 0, Buffer.alloc(8))],
    ['settings', http2Frame(4, 0, 0)],
    ['empty data', http2Frame(0, 0, 1)],
    ['priorities', http2Frame(2, 0, 1, Buffer.alloc(5))],
  ])('a flood of %s', async (_, flood) => {
    const raw = openRaw(sidecar.grpcPort);
    raw.socket.write(http2Frame(1, 0x4, 1, callHead(save)));
    const many = Buffer.concat(Array.from({ length: 1_000 }, () => flood));
    for (let i = 0; i < 30; i++) raw.socket.write(many);
    await serves();
    raw.socket.destroy();
  });

  it('answers that nobody reads: what they hold is bounded, and let go of when their reader leaves', async () => {
    const large = create(SaveStateRequestSchema, { storeName: 'store', states: [{ key: 'large', value: Buffer.alloc(2_000_000, 97) }] });
    const own = openSession(sidecar.grpcPort);
    expect((await rawCall(own, withPath(save), frame(toBinary(SaveStateRequestSchema, large)))).grpc).toBe(ok);
    const ask = frame(toBinary(GetStateRequestSchema, create(GetStateRequestSchema, { storeName: 'store', key: 'large' })));
    const mostBytes: number[] = [];
    for (let round = 0; round < 4; round++) {
      const lazy = Array.from({ length: 2 }, () => openRaw(sidecar.grpcPort));
      for (const raw of lazy) {
        raw.socket.pause();
        for (let id = 1; id < 101; id += 2) {
          raw.socket.write(http2Frame(1, 0x4, id, callHead(`${service}/GetState`)));
          raw.socket.write(http2Frame(0, 0x1, id, ask));
        }
      }
      await serves();
      for (const raw of lazy) raw.socket.destroy();
      // Memory goes back when something is allocated, so something must be.
      for (let i = 0; i < 20; i++) expect((await rawCall(own, withPath(`${service}/GetState`), ask)).grpc).toBe(ok);
      mostBytes.push(await rssBytes());
    }
    own.destroy();
    // The allocator may keep what it was given once; what is not let go of would be added in every round (200 MB).
    expect(Math.max(...mostBytes)).toBeLessThan((mostBytes[0] as number) + 250 * 1024 * 1024);
    expect(Math.max(...mostBytes)).toBeLessThan(700 * 1024 * 1024);
  });

  it('answers of many connections that nobody reads: calls beyond what is kept are refused with their status, and served again afterwards', async () => {
    const ask = frame(toBinary(GetStateRequestSchema, create(GetStateRequestSchema, { storeName: 'store', key: 'large' })));
    const before = await rssBytes();
    const sessions = Array.from({ length: 8 }, () => openSession(sidecar.grpcPort));
    const statuses = await Promise.all(
      sessions.flatMap((each) =>
        Array.from(
          { length: 60 },
          () =>
            new Promise<string>((resolve) => {
              const stream = each.request({ ':method': 'POST', ':path': `${service}/GetState`, 'content-type': 'application/grpc' });
              stream.on('error', () => {});
              // Heads are looked at, answers are not read.
              stream.pause();
              stream.once('response', (head) => resolve(String(head['grpc-status'] ?? 'waits')));
              stream.end(ask);
            }),
        ),
      ),
    );
    expect(new Set(statuses)).toEqual(new Set(['waits', String(exhausted)]));
    // 480 answers would be 960 MB.
    expect((await rssBytes()) - before).toBeLessThan(500 * 1024 * 1024);
    for (const each of sessions) each.destroy();
    await expect.poll(async () => (await rawCall(session, withPath(`${service}/GetState`), ask)).grpc, { timeout: 60_000 }).toBe(ok);
  });

  it('leaves a process that answers over both protocols', async () => {
    await serves();
    expect((await sidecar.get('/v1.0/healthz/outbound')).status).toBe(204);
  });
});
