import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { block, clientMagic, data, frame, getHead, headers, postHead, settings, u32 } from '../../../test/fixtures/http2-peer.ts';
import { serverRig, settingsAck, turns } from '../../../test/fixtures/http2-server.ts';
import { nodeClock } from '../../ports/node/clock.ts';
import type { Address, Connection, ConnectionHandlers, Network } from '../../kernel/ports.ts';
import { createMemoryNetwork } from '../../testing/memory-network.ts';
import { frameFlags as flags, frameTypes as types } from './frames.ts';
import { defaultHttp2Limits, http2Codes, type Http2Stream } from './http2.ts';
import { createOwnHttp2 } from './own-http2.ts';

const id = fc.oneof(fc.constantFrom(0, 1, 3, 5, 7, 2, 4), fc.nat(40), fc.nat(2 ** 31 - 1));
const payload = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc.constant(block(getHead)),
  fc.constant(block(postHead)),
  fc.constant(new Uint8Array(16_384)),
);

// Frames that are nearly right, so that much of the state machine is reached.
const anyFrame = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(1, 3, 5, 7, 9, 11).map((stream) => headers(stream)) },
  { weight: 4, arbitrary: fc.constantFrom(1, 3, 5, 7, 9, 11).map((stream) => headers(stream, postHead, flags.endHeaders)) },
  {
    weight: 4,
    arbitrary: fc
      .tuple(fc.constantFrom(1, 3, 5, 7), fc.uint8Array({ maxLength: 300 }), fc.constantFrom(0, 1))
      .map(([stream, bytes, flag]) => data(stream, bytes, flag)),
  },
  { weight: 2, arbitrary: fc.tuple(id, fc.nat(2 ** 31 - 1)).map(([stream, by]) => frame(types.windowUpdate, 0, stream, u32(by))) },
  { weight: 2, arbitrary: fc.array(fc.tuple(fc.nat(7), fc.nat(2 ** 31 - 1)), { maxLength: 3 }).map((pairs) => settings(...pairs)) },
  { weight: 2, arbitrary: fc.tuple(id, fc.nat(15)).map(([stream, code]) => frame(types.rstStream, 0, stream, u32(code))) },
  { weight: 1, arbitrary: fc.constantFrom(1, 3, 5).map((stream) => headers(stream, ['x-trailer', 'y'])) },
  {
    weight: 3,
    arbitrary: fc.tuple(fc.nat(12), fc.nat(255), id, payload).map(([type, flag, stream, bytes]) => frame(type, flag, stream, bytes)),
  },
);

interface Split {
  readonly bytes: Buffer;
  readonly cuts: readonly number[];
}

function chunksOf({ bytes, cuts }: Split): Buffer[] {
  const at = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].toSorted((a, b) => a - b);
  return [0, ...at].map((from, i) => bytes.subarray(from, [...at, bytes.length][i])).filter((chunk) => chunk.length > 0);
}

/** Sends bytes to a server and leaves; what the server told its user, and that nothing is left of it. */
async function survive(split: Split, answers = true): Promise<unknown> {
  const { silent, server, seen } = await serverRig(answers ? {} : { answer() {} });
  const peer = silent();
  for (const chunk of chunksOf(split)) peer.connection.write(chunk);
  await turns(3);
  const told = seen.map(({ headers: list, body, trailers, closed }) => ({ list, body, trailers, closed }));
  const code = peer.goaway;
  peer.connection.destroy();
  await turns(3);
  expect(server.streams).toBe(0);
  expect(seen.every((stream) => stream.closed !== undefined)).toBe(true);
  server.destroy();
  return { told, code };
}

describe('a server that is sent anything', () => {
  it('survives frames in any order, and reads them alike however they are cut', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyFrame, { maxLength: 25 }), fc.array(fc.nat(), { maxLength: 20 }), async (frames, cuts) => {
        const bytes = Buffer.concat([clientMagic, settings(), settingsAck, ...frames]);
        await survive({ bytes, cuts });
        // Whether an answer came before a frame depends on the cutting; without answers nothing does.
        const whole = (await survive({ bytes, cuts: [] }, false)) as { told: { body: string }[]; code: number | undefined };
        const cut = (await survive({ bytes, cuts }, false)) as typeof whole;
        expect(cut.code).toBe(whole.code);
        expect(cut.told.length).toBe(whole.told.length);
      }),
      { numRuns: 400 },
    );
  });

  it('survives bytes that were changed, dropped or doubled', async () => {
    const good = Buffer.concat([
      ...[
        clientMagic,
        settings([4, 100]),
        settingsAck,
        headers(1),
        headers(3, postHead, flags.endHeaders),
        data(3, 'abc', 0),
        data(3, 'def'),
      ],
      ...[frame(types.ping, 0, 0, new Uint8Array(8)), headers(5, [...getHead, 'x-a', 'b']), frame(types.windowUpdate, 0, 0, u32(1000))],
      ...[
        frame(types.rstStream, 0, 5, u32(8)),
        headers(7, getHead, flags.endStream),
        frame(types.continuation, flags.endHeaders, 7, block(['x', 'y'])),
      ],
    ]);
    const change = fc.record({ at: fc.nat(good.length - 1), to: fc.nat(255), kind: fc.constantFrom('set', 'drop', 'double') });
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 6 }), fc.array(fc.nat(), { maxLength: 5 }), async (changes, cuts) => {
        let bytes = Buffer.from(good);
        for (const { at, to, kind } of changes) {
          if (kind === 'set') bytes[at % bytes.length] = to;
          else if (kind === 'drop') bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1)]);
          else bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(Math.max(0, at - 20))]);
        }
        await survive({ bytes, cuts });
      }),
      { numRuns: 800 },
    );
  });
});

/** A network whose connections deliver in pieces of the given sizes, over and over. */
function cutting(network: Network, sizes: readonly number[]): Network {
  let turn = 0;
  const wrap = (connection: Connection): Connection => ({
    remote: connection.remote,
    get handlers() {
      return connection.handlers;
    },
    set handlers(handlers: ConnectionHandlers) {
      connection.handlers = {
        data(chunk) {
          for (let at = 0; at < chunk.length;) {
            const size = sizes[turn++ % sizes.length] as number;
            handlers.data(Buffer.from(chunk.subarray(at, at + size)));
            at += size;
          }
        },
        end: () => handlers.end(),
        drain: () => handlers.drain(),
        close: (error) => handlers.close(error),
      };
    },
    write: (bytes) => connection.write(bytes),
    cork: () => connection.cork(),
    uncork: () => connection.uncork(),
    pause: () => connection.pause(),
    resume: () => connection.resume(),
    end: () => connection.end(),
    destroy: (error) => connection.destroy(error),
  });
  return {
    listen: (address, accept) => network.listen(address, (connection) => accept(wrap(connection))),
    connect: (address: Address) => wrap(network.connect(address)),
    resolve: network.resolve,
  };
}

interface CallPlan {
  readonly sizes: readonly number[];
  readonly pauses: number;
  readonly resetAfter: number;
  readonly trailers: boolean;
}

describe('our client and our server', () => {
  it('carry any mixture of streams, whole and in order, over any cutting', async () => {
    const plan = fc.record({
      sizes: fc.array(fc.oneof(fc.nat(200), fc.nat(70_000)), { maxLength: 6 }),
      pauses: fc.nat(3),
      resetAfter: fc.oneof(fc.constant(-1), fc.constant(-1), fc.nat(5)),
      trailers: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(plan, { minLength: 1, maxLength: 8 }),
        fc.array(fc.integer({ min: 20, max: 40_000 }), { minLength: 1, maxLength: 5 }),
        async (plans, sizes) => {
          const network = cutting(createMemoryNetwork(), sizes);
          const transport = createOwnHttp2({ clock: nodeClock, network });
          const shared = { limits: { ...defaultHttp2Limits, streamsMax: 3 }, keepAlive: { intervalMs: 60_000, timeoutMs: 20_000 } };
          const server = await transport.serve({ ...shared, address: { host: 's', port: 1 }, stream: (stream) => echoing(stream) });
          const session = await transport.connect({ ...shared, address: { host: 's', port: 1 }, timeoutMs: 5_000, closed() {} });
          const results = await Promise.all(plans.map((each) => run(session, each)));
          for (const [i, { code, body, trailers }] of results.entries()) {
            const each = plans[i] as CallPlan;
            const wanted = Buffer.concat(each.sizes.map((size, n) => Buffer.alloc(size, n + 1)));
            if (each.resetAfter >= 0 && each.resetAfter < each.sizes.length) expect(code).toBe(http2Codes.cancel);
            else {
              expect(code).toBe(http2Codes.noError);
              expect(body.equals(wanted)).toBe(true);
              expect(trailers).toEqual(['x-bytes', String(wanted.length)]);
            }
          }
          await turns(5);
          expect([server.streams, session.streams]).toEqual([0, 0]);
          session.close();
          await server.drain();
        },
      ),
      { numRuns: 100 },
    );
  });
});

function echoing(stream: Http2Stream) {
  let bytes = 0;
  stream.sendHeaders([':status', '200']);
  return {
    headers() {},
    data(chunk: Uint8Array) {
      bytes += chunk.length;
      if (!stream.write(chunk)) stream.pause();
    },
    end: () => stream.end(['x-bytes', String(bytes)]),
    drain: () => stream.resume(),
    close() {},
  };
}

function run(session: { request: Awaited<ReturnType<ReturnType<typeof createOwnHttp2>['connect']>>['request'] }, plan: CallPlan) {
  return new Promise<{ code: number; body: Buffer; trailers: readonly string[] }>((resolve) => {
    const parts: Buffer[] = [];
    let trailers: readonly string[] = [];
    let next = 0;
    let pausesLeft = plan.pauses;
    const more = (): void => {
      while (next < plan.sizes.length) {
        if (next === plan.resetAfter) {
          stream.reset(http2Codes.cancel);
          return;
        }
        const chunk = Buffer.alloc(plan.sizes[next] as number, next + 1);
        next++;
        const room = stream.write(chunk);
        chunk.fill(0xff);
        if (!room) return;
      }
      stream.end(plan.trailers ? ['x-sent', 'all'] : []);
    };
    const stream = session.request([':method', 'POST', ':scheme', 'http', ':authority', 's', ':path', '/'], {
      headers() {},
      data(chunk) {
        parts.push(Buffer.from(chunk));
        if (pausesLeft-- <= 0) return;
        stream.pause();
        setImmediate(() => setImmediate(() => stream.resume()));
      },
      end(list) {
        trailers = list;
      },
      drain: more,
      close: (code) => resolve({ code, body: Buffer.concat(parts), trailers }),
    });
    more();
  });
}
