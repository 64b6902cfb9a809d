import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bytesBody, emptyBody } from '../../kernel/body.ts';
import type { ProaError } from '../../kernel/errors.ts';
import type { Connection } from '../../kernel/ports.ts';
import { nodePorts } from '../../ports/node/index.ts';
import { createFakeClock } from '../../testing/fake-clock.ts';
import { createMemoryNetwork, type MemoryConnection } from '../../testing/memory-network.ts';
import { createMuxClient } from './client.ts';
import { FieldsWriter } from './fields-writer.ts';
import { closeCodes, codePayload, endFlag, everyStream, frameHeaderBytes, frameType, headFixedBytes, writeFrameHeader } from './frame.ts';
import { writeHead } from './head.ts';
import { encodeHello } from './hello.ts';
import { muxLimitDefaults, type MuxLimits } from './limits.ts';
import { serveMux, type MuxCall } from './server.ts';

const address = { host: '127.0.0.1', port: 7002 };

function frame(type: number, payload: Uint8Array, { flags = 0, stream = 0 } = {}): Buffer {
  const bytes = Buffer.alloc(frameHeaderBytes + payload.length);
  writeFrameHeader(bytes, 0, payload.length, { type, flags, stream });
  bytes.set(payload, frameHeaderBytes);
  return bytes;
}

function headFrame(stream: number, fields: readonly string[], more: { flags?: number; body?: Uint8Array } = {}): Buffer {
  const [body, writer] = [more.body ?? Buffer.alloc(0), new FieldsWriter()];
  const payload = Buffer.alloc(headFixedBytes + writer.measure({ fields }) + body.length);
  payload.set(body, writeHead(payload, 0, { fields, timeoutMs: undefined, bodyLength: undefined }, writer));
  return frame(frameType.head, payload, { flags: more.flags ?? 0, stream });
}

const hello = frame(frameType.hello, encodeHello(muxLimitDefaults));

async function serving(handler: (call: MuxCall<string>) => void = () => {}, limits: Partial<MuxLimits> = {}) {
  const network = createMemoryNetwork();
  const clock = createFakeClock();
  const broken: string[] = [];
  const server = await serveMux({
    network,
    clock,
    address,
    limits,
    identify: (connection: Connection) => connection.remote,
    handler,
    onBroken: (_remote, error) => broken.push(error.message),
  });
  const connect = async (): Promise<MemoryConnection> => {
    const connection = network.connect(address) as MemoryConnection;
    await turn();
    return connection;
  };
  return { server, clock, broken, connect, network };
}

async function turn(): Promise<void> {
  for (let i = 0; i < 4; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** Types and texts of what a connection got. */
function framesOf(connection: MemoryConnection): { type: number; stream: number; flags: number; payload: Buffer }[] {
  const bytes = Buffer.from(connection.received(), 'latin1');
  const frames = [];
  for (let at = 0; at + frameHeaderBytes <= bytes.length;) {
    const length = bytes.readUIntBE(at, 3);
    const start = at + frameHeaderBytes;
    frames.push({
      type: bytes[at + 3] as number,
      flags: bytes[at + 4] as number,
      stream: bytes.readUInt32BE(at + 5),
      payload: bytes.subarray(start, start + length),
    });
    at = start + length;
  }
  return frames;
}

function goawayOf(connection: MemoryConnection): { code: number; reason: string } | undefined {
  const found = framesOf(connection).find(({ type }) => type === frameType.goaway);
  return found && { code: found.payload.readUInt16BE(4), reason: found.payload.toString('utf8', 6) };
}

describe('a peer that breaks the protocol', () => {
  const wrong: Record<string, [bytes: Buffer[], reason: string]> = {
    'is no mux': [[Buffer.from('GET / HTTP/1.1\r\nhost: x\r\n\r\n')], 'unknown type'],
    'starts without a hello': [[headFrame(1, ['GET'])], 'before hello'],
    'says another magic': [[frame(frameType.hello, Buffer.from('proa/9'))], 'does not speak proa/1'],
    'cuts its hello off': [[frame(frameType.hello, encodeHello(muxLimitDefaults).subarray(0, 10))], 'cut off'],
    'allows nothing': [[frame(frameType.hello, encodeHello({ ...muxLimitDefaults, streamsMax: 0 }))], 'streamsMax is 0'],
    'says hello twice': [[hello, hello], 'second hello'],
    'sends an unknown type': [[hello, frame(99, Buffer.alloc(0))], 'unknown type 99'],
    'sends a frame that is too large': [[hello, frame(frameType.head, Buffer.alloc(300_000)).subarray(0, 20)], 'more than 262144'],
    'sends a reset that is too large': [
      [hello, frame(frameType.reset, Buffer.alloc(2000), { stream: 1 }).subarray(0, 9)],
      'more than 1026',
    ],
    'cuts a head off': [[hello, frame(frameType.head, Buffer.alloc(5), { stream: 1 })], 'a head is cut off'],
    'lies about its fields': [[hello, frame(frameType.head, Buffer.from('ffffffffffffffffffff000502', 'hex'), { stream: 1 })], 'cut off'],
    'sends too many fields': [
      [
        hello,
        headFrame(
          1,
          Array.from({ length: 521 }, () => 'x'),
        ),
      ],
      '521 fields',
    ],
    'sends a head that is too large': [[hello, headFrame(1, ['x'.repeat(140_000)])], 'more than 131072'],
    'sends two heads': [[hello, headFrame(1, ['POST']), headFrame(1, ['POST'])], 'two heads'],
    'sends data of no stream': [[hello, frame(frameType.data, Buffer.from('x'), { stream: 7 })], 'stream 7, which was never opened'],
    'sends data after its end': [
      [hello, headFrame(1, ['POST'], { flags: endFlag }), frame(frameType.data, Buffer.from('x'), { stream: 1 })],
      'data outside',
    ],
    'ends twice': [
      [hello, headFrame(1, ['POST'], { flags: endFlag }), frame(frameType.data, Buffer.alloc(0), { stream: 1, flags: endFlag })],
      'end outside',
    ],
    'ignores the window': [[hello, headFrame(1, ['POST'], { body: Buffer.alloc(20_000) })], 'more data than was granted'],
    'grants too much': [[hello, headFrame(1, ['POST'], { flags: endFlag }), ...grants(3, 0x7fffffff)], 'a window grew beyond'],
    'sends a credit of another size': [[hello, headFrame(1, ['POST']), frame(frameType.credit, Buffer.alloc(3), { stream: 1 })], 'credit'],
    'sends trailers that end nothing': [
      [hello, headFrame(1, ['POST']), frame(frameType.trailers, Buffer.alloc(2), { stream: 1 })],
      'end nothing',
    ],
    'sends half a pair of trailers': [
      [hello, headFrame(1, ['POST']), frame(frameType.trailers, Buffer.from('00010161', 'hex'), { stream: 1, flags: endFlag })],
      'no pairs',
    ],
    'resets without a code': [[hello, headFrame(1, ['POST']), frame(frameType.reset, Buffer.alloc(1), { stream: 1 })], 'without a code'],
    'pings with another size': [[hello, frame(frameType.ping, Buffer.alloc(7))], 'ping of another size'],
    'cuts a goaway off': [[hello, frame(frameType.goaway, Buffer.alloc(3))], 'goaway that is cut off'],
  };
  for (const [what, [parts, reason]] of Object.entries(wrong)) {
    it(`and ${what} is told so, and loses that connection only`, async () => {
      const slow = { length: undefined, pipe: () => {}, discard: () => {} };
      const { connect, broken, server } = await serving((call) =>
        call.stream.send(['200'], { ...slow, pipe: (sink) => sink.open({ credit() {}, cancel() {} }) }),
      );
      const [bad, good] = [await connect(), await connect()];
      for (const part of parts) bad.write(part);
      expect(broken.join()).toContain(reason);
      expect(goawayOf(bad)).toMatchObject({ code: closeCodes.protocol, reason: expect.stringContaining(reason) });
      expect(bad.ended).toBe(true);
      for (const part of [hello, headFrame(1, ['GET'], { flags: endFlag })]) good.write(part);
      await Promise.resolve();
      expect(framesOf(good).some(({ type, stream }) => type === frameType.head && stream === 1)).toBe(true);
      expect(server.connections).toBe(1);
    });
  }

  function grants(count: number, bytes: number): Buffer[] {
    const payload = Buffer.alloc(4);
    payload.writeUInt32BE(bytes);
    return Array.from({ length: count }, () => frame(frameType.credit, payload, { stream: 1 }));
  }
});

describe('a peer that floods', () => {
  it('with streams gets the excess refused, which is safe to repeat', async () => {
    const { connect, server } = await serving(() => {}, { streamsMax: 10 });
    const connection = await connect();
    connection.write(hello);
    for (let id = 1; id <= 15; id++) connection.write(headFrame(id, ['GET'], { flags: endFlag }));
    await turn();
    const refused = framesOf(connection).filter(({ type }) => type === frameType.reset);
    expect(refused.map(({ stream }) => stream)).toEqual([11, 12, 13, 14, 15]);
    expect(refused[0]?.payload.readUInt16BE(0)).toBe(closeCodes.refused);
    expect(server.calls).toBe(10);
  });

  it('with resets loses its connection', async () => {
    let begun = 0;
    const { connect, server } = await serving(() => void begun++, { resetsMax: 100 });
    const connection = await connect();
    connection.write(hello);
    for (let id = 1; id <= 200 && !connection.ended; id++) {
      connection.write(headFrame(id, ['GET'], { flags: endFlag }));
      connection.write(frame(frameType.reset, codePayload(closeCodes.cancelled, ''), { stream: id }));
    }
    expect(goawayOf(connection)).toMatchObject({ code: closeCodes.limit });
    expect(begun).toBe(101);
    expect(server.connections).toBe(0);
  });

  it('with pings loses its connection, unless it takes its time', async () => {
    const { connect, clock } = await serving(() => {}, { pingsMax: 10 });
    const connection = await connect();
    connection.write(hello);
    for (let i = 0; i < 10; i++) connection.write(frame(frameType.ping, Buffer.alloc(8)));
    clock.advance(10_500);
    for (let i = 0; i < 10; i++) connection.write(frame(frameType.ping, Buffer.alloc(8)));
    expect(goawayOf(connection)).toBeUndefined();
    connection.write(frame(frameType.ping, Buffer.alloc(8)));
    expect(goawayOf(connection)).toMatchObject({ code: closeCodes.limit });
  });

  it('with connections is turned away with a reason', async () => {
    const { connect } = await serving(() => {}, { connectionsMax: 2 });
    const connections = [await connect(), await connect(), await connect()];
    expect(connections.map(goawayOf)).toEqual([
      undefined,
      undefined,
      { code: closeCodes.limit, reason: 'more than 2 peers are connected' },
    ]);
  });
});

describe('a peer that is silent', () => {
  it('before its hello is cut off', async () => {
    const { connect, clock, server } = await serving();
    const connection = await connect();
    clock.advance(5_200);
    await turn();
    expect(server.connections).toBe(0);
    expect(connection.destroyed).toBe(true);
  });

  it('is asked, and then given up: half-open TCP, a machine without power', async () => {
    let aborted: ProaError | undefined;
    const { connect, clock, server } = await serving((call) => call.cancel.onCancel((error) => (aborted = error as ProaError)));
    const connection = await connect();
    connection.write(hello);
    connection.write(headFrame(1, ['GET'], { flags: endFlag }));
    clock.advance(10_200);
    expect(framesOf(connection).filter(({ type }) => type === frameType.ping)).toHaveLength(1);
    connection.write(frame(frameType.ping, Buffer.alloc(8), { flags: 1 }));
    clock.advance(10_200);
    expect(server.calls).toBe(1);
    clock.advance(5_200);
    expect(aborted).toMatchObject({ code: 'peer.broken' });
    expect(server.connections).toBe(0);
  });

  it('in the middle of a frame is named so when it vanishes', async () => {
    let aborted: ProaError | undefined;
    const { connect } = await serving((call) => call.cancel.onCancel((error) => (aborted = error as ProaError)));
    const connection = await connect();
    connection.write(hello);
    connection.write(headFrame(1, ['POST']));
    connection.write(frame(frameType.data, Buffer.alloc(1000), { stream: 1 }).subarray(0, 500));
    connection.end();
    expect(aborted?.message).toContain('in the middle of a frame');
  });

  it('and never reads is held back, bounded, and cut off', async () => {
    const big = Buffer.alloc(12_000, 'x');
    const { connect, clock, server } = await serving((call) => call.stream.send(['200'], bytesBody(big)), { queuedBytesMax: 1_000_000 });
    const connection = await connect();
    connection.write(hello);
    connection.pause();
    let asked = 0;
    for (let id = 1; id <= 1_000; id++) {
      connection.write(headFrame(id, ['GET'], { flags: endFlag }));
      asked++;
    }
    expect(asked).toBe(1_000);
    // 64 KB in the network's queue; what came in the chunk that filled it; nothing of the rest was even read.
    expect(server.calls).toBeLessThan(5);
    clock.advance(30_200);
    await turn();
    expect(server.connections).toBe(0);
  });
});

describe('a client', () => {
  const random = nodePorts().random;

  /** A server that a test plays by hand. */
  async function played(limits: Partial<MuxLimits> = {}) {
    const network = createMemoryNetwork();
    const clock = createFakeClock();
    const accepted: Connection[] = [];
    await network.listen(address, (connection) => {
      accepted.push(connection);
      connection.write(hello);
    });
    const client = createMuxClient({ network, clock, random, address, limits });
    return { client, clock, accepted, network };
  }

  it('fails its calls when the peer answers what was never asked', async () => {
    const { client, accepted } = await played();
    const asked = client.request({ fields: ['GET'], body: emptyBody });
    asked.catch(() => {});
    await turn();
    accepted[0]?.write(headFrame(9, ['200'], { flags: endFlag }));
    await expect(asked).rejects.toMatchObject({ code: 'peer.protocol', message: expect.stringContaining('stream 9') });
    expect(client.counts.connections).toBe(0);
  });

  it('goes elsewhere when the peer leaves: what was not begun is safe to repeat, what was begun goes on', async () => {
    const { client, accepted } = await played();
    const [first, second] = [client.request({ fields: ['GET'], body: emptyBody }), client.request({ fields: ['GET'], body: emptyBody })];
    second.catch(() => {});
    await turn();
    accepted[0]?.write(frame(frameType.goaway, codePayload(closeCodes.done, '', everyStream)));
    const third = client.request({ fields: ['GET'], body: emptyBody });
    await turn();
    expect(accepted).toHaveLength(2);
    accepted[0]?.write(frame(frameType.goaway, codePayload(closeCodes.done, '', 1)));
    await expect(second).rejects.toMatchObject({ code: 'unavailable' });
    accepted[0]?.write(headFrame(1, ['201'], { flags: endFlag }));
    expect((await first).fields).toEqual(['201']);
    accepted[1]?.write(headFrame(1, ['203'], { flags: endFlag }));
    expect((await third).fields).toEqual(['203']);
  });

  it('opens more connections when one is full, up to a limit, and then calls wait', async () => {
    const network = createMemoryNetwork();
    const clock = createFakeClock();
    const calls: MuxCall<string>[] = [];
    await serveMux({
      network,
      clock,
      address,
      limits: { streamsMax: 2 },
      identify: ({ remote }) => remote,
      handler: (call) => void calls.push(call),
    });
    const client = createMuxClient({ network, clock, random, address, limits: { connectionsMax: 2, waitersMax: 1 } });
    const answers = Array.from({ length: 6 }, () =>
      client.request({ fields: ['GET'], body: emptyBody }).catch((error: ProaError) => error.code),
    );
    await turn();
    // Before there is any connection a single call may wait.
    expect(client.counts).toEqual({ connections: 1, calls: 1, waiting: 0 });
    for (let i = 0; i < 5; i++) {
      answers.push(client.request({ fields: ['GET'], body: emptyBody }).catch((error: ProaError) => error.code));
      await turn();
    }
    expect(client.counts).toEqual({ connections: 2, calls: 4, waiting: 1 });
    answers.push(client.request({ fields: ['GET'], body: emptyBody }).catch((error: ProaError) => error.code));
    await turn();
    calls[0]?.stream.send(['200'], emptyBody);
    await turn();
    expect(client.counts).toEqual({ connections: 2, calls: 4, waiting: 0 });
    expect(await Promise.all(answers.slice(1, 6))).toEqual(Array.from({ length: 5 }, () => 'overloaded'));
    client.close();
  });

  it('does not hammer a peer that cannot be reached', async () => {
    const network = createMemoryNetwork();
    const clock = createFakeClock();
    const client = createMuxClient({ network, clock, random, address });
    for (let i = 0; i < 50; i++)
      await expect(client.request({ fields: ['GET'], body: emptyBody })).rejects.toMatchObject({ code: 'unavailable' });
    expect(network.dialled).toHaveLength(1);
    clock.advance(2_000);
    await expect(client.request({ fields: ['GET'], body: emptyBody })).rejects.toMatchObject({
      message: expect.stringContaining('ECONNREFUSED'),
    });
    expect(network.dialled).toHaveLength(2);
  });

  it('refuses what it must not send, and the connection lives', async () => {
    const { client, accepted } = await played();
    const bad = [['x'.repeat(200_000)], ['a\u0100'], Array.from({ length: 600 }, () => 'f')];
    for (const fields of bad) await expect(client.request({ fields, body: emptyBody })).rejects.toMatchObject({ code: 'bad-request' });
    expect(client.counts).toEqual({ connections: 1, calls: 0, waiting: 0 });
    expect(accepted).toHaveLength(1);
  });

  it('closes a connection that nobody uses', async () => {
    const { client, accepted, clock } = await played();
    const asked = client.request({ fields: ['GET'], body: emptyBody });
    await turn();
    accepted[0]?.write(headFrame(1, ['200'], { flags: endFlag }));
    await asked;
    for (let i = 0; i < 31; i++) {
      accepted[0]?.write(frame(frameType.ping, Buffer.alloc(8), { flags: 1 }));
      clock.advance(10_000);
    }
    await turn();
    accepted[0]?.end();
    await turn();
    expect(client.counts.connections).toBe(0);
  });
});

describe('fuzzed', () => {
  it('no bytes throw out of a server, and each connection ends in an error or waits', async () => {
    const { connect, server, clock } = await serving((call) => call.stream.send(['200'], call.body));
    const piece = fc.oneof(
      fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
      fc
        .record({
          type: fc.integer({ min: 0, max: 9 }),
          flags: fc.integer({ min: 0, max: 3 }),
          stream: fc.integer({ min: 0, max: 4 }),
          payload: fc.uint8Array({ maxLength: 40 }),
        })
        .map(({ type, payload, ...rest }) => frame(type, payload, rest)),
      fc
        .record({
          stream: fc.integer({ min: 0, max: 5 }),
          flags: fc.integer({ min: 0, max: 1 }),
          fields: fc.array(fc.string({ unit: 'binary-ascii', maxLength: 9 }), { maxLength: 4 }),
        })
        .map(({ stream, flags, fields }) => headFrame(stream, fields, { flags })),
    );
    await fc.assert(
      fc.asyncProperty(fc.boolean(), fc.array(piece, { maxLength: 12 }), fc.integer({ min: 1, max: 64 }), async (greets, pieces, size) => {
        const connection = await connect();
        const bytes = Buffer.concat([...(greets ? [hello] : []), ...pieces]);
        for (let at = 0; at < bytes.length; at += size) connection.write(bytes.subarray(at, at + size));
        connection.destroy();
        await turn();
        clock.advance(20_000);
        expect(server.connections).toBe(0);
      }),
      { numRuns: 500 },
    );
  });

  it('frames mean the same however their bytes are split', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 3_000 }), { minLength: 1, maxLength: 8 }),
        fc.uint8Array({ minLength: 1, maxLength: 5_000 }),
        async (cuts, body) => {
          const heard: Buffer[] = [];
          const { connect } = await serving((call) =>
            call.body.pipe({
              open: (flow) => flow.credit(1e9),
              chunk: (chunk) => void heard.push(Buffer.from(chunk)),
              end: (trailers) => void heard.push(Buffer.from(String(trailers))),
              fail() {},
            }),
          );
          const connection = await connect();
          const bytes = Buffer.concat([
            hello,
            headFrame(1, ['POST', 'x'.repeat(300)]),
            frame(frameType.data, body, { stream: 1 }),
            frame(frameType.trailers, Buffer.concat([Buffer.from([0, 2, 1, 1]), Buffer.from('ab')]), { stream: 1, flags: endFlag }),
          ]);
          for (let at = 0, i = 0; at < bytes.length; i++) {
            const size = cuts[i % cuts.length] as number;
            connection.write(bytes.subarray(at, at + size));
            at += size;
          }
          expect(Buffer.concat(heard).equals(Buffer.concat([body, Buffer.from('a,b')]))).toBe(true);
        },
      ),
      { numRuns: 200 },
    );
  });
});
