import { describe, expect, it } from 'vitest';
import { block, clientMagic, data, frame, getHead, headers, postHead, settings, u32 } from '../../../test/fixtures/http2-peer.ts';
import { serverRig, turns } from '../../../test/fixtures/http2-server.ts';
import { createFakeClock } from '../../testing/fake-clock.ts';
import { frameFlags as flags, frameTypes as types } from './frames.ts';
import { http2Codes as codes, type Http2Stream } from './http2.ts';

// Peers that mean harm (the CVE classes of HTTP/2): each is cut off with a code, within bounds, and others are served.

const many = (count: number, make: (i: number) => readonly Uint8Array[] | Uint8Array): Buffer =>
  Buffer.concat(Array.from({ length: count }, (_, i) => make(i)).flat());
const openPost = (id: number): Buffer => headers(id, postHead, flags.endHeaders);
const rst = (id: number, code: number = codes.cancel): Buffer => frame(types.rstStream, 0, id, u32(code));
const window = (id: number, bytes: number): Buffer => frame(types.windowUpdate, 0, id, u32(bytes));
const odd = (i: number): number => i * 2 + 1;
const silence = (stream: Http2Stream): void => void stream;

/** Sends in pieces, as a socket would, until the server has had enough; answers how many were taken. */
async function flood(
  rig: Awaited<ReturnType<typeof serverRig>>,
  pieces: readonly Uint8Array[],
  own: readonly (readonly [number, number])[] = [],
) {
  const peer = rig.peer(...own);
  let sent = 0;
  for (const piece of pieces) {
    if (peer.goaway !== undefined) break;
    peer.send(piece);
    sent++;
    if (sent % 50 === 0) await turns(1);
  }
  await turns();
  return { peer, sent };
}

async function alive(rig: Awaited<ReturnType<typeof serverRig>>): Promise<void> {
  const peer = rig.peer().send(headers(1));
  await turns();
  expect(peer.body(1)).toBe('hello');
  rig.server.destroy();
  await turns();
  expect(rig.server.streams).toBe(0);
}

describe('floods of frames that carry nothing end the connection', () => {
  it.each([
    ['rapid reset (CVE-2023-44487)', (i: number) => [openPost(odd(i)), rst(odd(i))]],
    ['PING', () => frame(types.ping, 0, 0, new Uint8Array(8))],
    ['SETTINGS', () => settings([4, 65_535])],
    ['SETTINGS without a setting', () => settings()],
    ['PRIORITY', () => frame(types.priority, 0, 1, new Uint8Array(5))],
    ['frames of unknown types', () => frame(0xee, 0, 0, [1])],
    ['RST_STREAM of a stream that is gone', (i: number) => (i === 0 ? [openPost(1), rst(1)] : rst(1))],
    ['empty DATA', (i: number) => (i === 0 ? openPost(1) : data(1, '', 0))],
    ['DATA that is only padding', (i: number) => (i === 0 ? openPost(1) : frame(types.data, flags.padded, 1, [3, 0, 0, 0]))],
    ['WINDOW_UPDATE that no data explains', () => window(0, 1)],
    ['resets that it provokes from us (CVE-2025-8671)', (i: number) => [openPost(odd(i)), window(odd(i), 0)]],
    ['messages that are malformed', (i: number) => headers(odd(i), [':method', 'GET'])],
    ['GOAWAY', () => frame(types.goaway, 0, 0, u32(0, 0))],
    ['acknowledgements', () => frame(types.settings, flags.ack, 0)],
    ['PING answers that nobody asked for', () => frame(types.ping, flags.ack, 0, new Uint8Array(8))],
  ])('%s', async (_name, make) => {
    const rig = await serverRig({ answer: silence });
    const pieces = Array.from({ length: 4_000 }, (_, i) => Buffer.concat([make(i)].flat()));
    const { peer, sent } = await flood(rig, pieces);
    expect(peer.goaway).toBe(codes.enhanceYourCalm);
    // Updates of the window have an allowance of their own.
    expect(sent).toBeLessThan(2_200);
    expect(rig.seen.every((stream) => stream.closed !== undefined)).toBe(true);
    rig.server.destroy();
  });

  it('crumbs that a tiny window asks for', async () => {
    const rig = await serverRig({
      answer(stream) {
        stream.sendHeaders([':status', '200']);
        stream.write(Buffer.alloc(100_000, 1));
      },
    });
    const { peer } = await flood(rig, [headers(1), ...Array.from({ length: 4_000 }, () => window(1, 1))], [[4, 0]]);
    expect(peer.goaway).toBe(codes.enhanceYourCalm);
    expect(peer.body(1).length).toBeLessThan(1_100);
    rig.server.destroy();
  });

  it('but not resets, pings and updates beside work that gets done', async () => {
    const rig = await serverRig();
    const peer = rig.peer();
    for (let i = 0; i < 3_000; i++) {
      peer.send(headers(i * 4 + 1), openPost(i * 4 + 3), rst(i * 4 + 3), frame(types.ping, 0, 0, new Uint8Array(8)), window(0, 5));
      if (i % 10 === 0) await turns(1);
    }
    await turns();
    expect(peer.goaway).toBeUndefined();
    expect(peer.of('ping').length).toBe(3_000);
    await alive(rig);
  });

  it('and time forgives', async () => {
    const clock = createFakeClock();
    const rig = await serverRig({ clock, keepAlive: { intervalMs: 1e9, timeoutMs: 1e9 } });
    const peer = rig.peer();
    for (let round = 0; round < 5; round++) {
      peer.send(many(900, () => settings()));
      await turns();
      clock.advance(11_000);
    }
    expect(peer.goaway).toBeUndefined();
    rig.server.destroy();
  });
});

describe('headers', () => {
  it('in endless CONTINUATION (CVE-2024-27316) end the connection, empty ones too', async () => {
    const rig = await serverRig();
    for (const part of [new Uint8Array(0), block(['x-a', 'b']), new Uint8Array(16_000)]) {
      const peer = rig.peer();
      peer.send(headers(1, getHead, flags.endStream));
      for (let i = 0; i < 100 && peer.goaway === undefined; i++) peer.send(frame(types.continuation, 0, 1, part));
      await turns();
      expect(peer.goaway).toBe(codes.enhanceYourCalm);
    }
    expect(rig.seen).toEqual([]);
    await alive(rig);
  });

  it('that are too large or too many are answered 431, also a bomb of indexes', async () => {
    const rig = await serverRig({ limits: { headerBytesMax: 8_192 } });
    const peer = rig.peer();
    const large = block([...getHead, 'x-large', 'x'.repeat(9_000)]);
    const plenty = block([...getHead, ...Array.from({ length: 129 }, () => ['x', 'y']).flat()]);
    // One entry of the dynamic table, then a thousand references to it.
    const bomb = Buffer.concat([
      block(getHead),
      Buffer.from([0x40, 1, 0x78, 0x7f, 0x81, 0x1e]),
      Buffer.alloc(4_000, 0x61),
      Buffer.alloc(1_000, 0xbe),
    ]);
    for (const [i, list] of [large, plenty, bomb].entries())
      peer.send(frame(types.headers, flags.endHeaders | flags.endStream, odd(i), list));
    peer.send(headers(7));
    await turns();
    expect([1, 3, 5, 7].map((id) => peer.heads.get(id)?.[0]?.[1])).toEqual(['431', '431', '431', '200']);
    expect(rig.seen.length).toBe(1);
    await alive(rig);
  });

  it('that are too large as trailers cost their stream', async () => {
    const rig = await serverRig();
    const peer = rig.peer();
    peer.send(
      openPost(1),
      frame(types.headers, flags.endHeaders | flags.endStream, 1, block(Array.from({ length: 200 }, () => ['x', 'y']).flat())),
    );
    await turns();
    expect(peer.reset(1)).toBe(codes.enhanceYourCalm);
    expect(rig.seen[0]?.closed).toBe(codes.enhanceYourCalm);
    await alive(rig);
  });
});

describe('streams', () => {
  it('beyond the limit are refused, until one ends', async () => {
    const held: Http2Stream[] = [];
    const rig = await serverRig({ limits: { streamsMax: 3 }, answer: (stream) => void held.push(stream) });
    const peer = rig.peer();
    peer.send(many(4, (i) => headers(odd(i))));
    await turns();
    expect(peer.reset(7)).toBe(codes.refusedStream);
    expect(rig.server.streams).toBe(3);
    held[0]?.sendHeaders([':status', '204'], true);
    peer.send(headers(9));
    await turns();
    expect(peer.reset(9)).toBeUndefined();
    expect(held.length).toBe(4);
    rig.server.destroy();
  });

  it('are refused while too much waits for readers', async () => {
    const rig = await serverRig({
      answer(stream) {
        stream.sendHeaders([':status', '200']);
        stream.write(Buffer.alloc(6 * 1024 * 1024));
        stream.end();
      },
    });
    const peer = rig.peer([4, 0]);
    for (let i = 0; i < 4; i++) {
      peer.send(headers(odd(i)));
      await turns();
    }
    expect(peer.reset(5)).toBeUndefined();
    expect(peer.reset(7)).toBe(codes.refusedStream);
    // Giving up frees what waited.
    peer.send(rst(1), rst(3), headers(9));
    await turns();
    expect(peer.reset(9)).toBeUndefined();
    rig.server.destroy();
  });

  it('that are paused hold at most two windows of a connection', async () => {
    const rig = await serverRig({ opened: (stream) => stream.pause(), limits: { connectionWindowBytes: 128 * 1024 } });
    const peer = rig.peer();
    const chunk = new Uint8Array(16_384);
    let taken = 0;
    for (let i = 0; i < 40 && peer.goaway === undefined; i++) {
      peer.send(openPost(odd(i)), data(odd(i), chunk, 0));
      await turns(1);
      taken++;
    }
    expect(peer.goaway).toBe(codes.flowControlError);
    expect(taken * 16_384).toBeLessThanOrEqual(3 * 128 * 1024);
    rig.server.destroy();
  });

  it('give the window back when they are read on', async () => {
    const rig = await serverRig({ opened: (stream) => stream.pause() });
    const peer = rig.peer();
    peer.send(
      openPost(1),
      many(3, () => data(1, new Uint8Array(16_384), 0)),
      data(1, 'end'),
    );
    await turns();
    expect(rig.seen[0]).toMatchObject({ body: '', trailers: undefined });
    expect(peer.of('windowUpdate', 1)).toEqual([]);
    rig.seen[0]?.stream.resume();
    await turns();
    expect(rig.seen[0]?.body.length).toBe(3 * 16_384 + 3);
    expect(peer.body(1)).toBe('hello');
    rig.server.destroy();
  });
});

describe('time', () => {
  const slow = { intervalMs: 1e9, timeoutMs: 1e9 };

  async function timed(limits = {}, keepAlive = slow) {
    const clock = createFakeClock();
    const rig = await serverRig({ clock, limits, keepAlive });
    return { clock, ...rig };
  }

  it('ends for a preface that does not come, and for SETTINGS that do not', async () => {
    const { clock, silent } = await timed();
    const peers = [silent(), silent().send(clientMagic.subarray(0, 10)), silent().send(clientMagic)];
    clock.advance(9_000);
    await turns();
    expect(peers.map((peer) => peer.ended)).toEqual([false, false, false]);
    clock.advance(1_500);
    await turns();
    expect(peers.map((peer) => peer.goaway)).toEqual([1, 1, 1]);
    clock.advance(2_000);
    await turns();
    // They were given up: nothing is timed any more.
    expect(clock.waiting).toBe(0);
  });

  it('ends for SETTINGS that are not acknowledged', async () => {
    const { clock, silent } = await timed();
    const peer = silent().send(clientMagic, settings(), headers(1));
    await turns();
    expect(peer.body(1)).toBe('hello');
    clock.advance(11_000);
    await turns();
    expect(peer.goaway).toBe(codes.settingsTimeout);
  });

  it('ends for a header block that is not finished', async () => {
    const { clock, peer: open } = await timed();
    const peer = open().send(headers(1, getHead, flags.endStream));
    for (let i = 0; i < 4; i++) {
      clock.advance(3_000);
      peer.send(frame(types.continuation, 0, 1, []));
    }
    await turns();
    expect(peer.goaway).toBe(codes.enhanceYourCalm);
  });

  it('ends for a peer that answers no PING, and goes on for one that does', async () => {
    const { clock, peer: open } = await timed({}, { intervalMs: 1_000, timeoutMs: 500 });
    const [deaf, good] = [open(), open()];
    clock.advance(1_100);
    await turns();
    good.send(frame(types.ping, flags.ack, 0, good.of('ping')[0]?.payload));
    clock.advance(700);
    await turns();
    expect([deaf.ended, good.ended]).toEqual([true, false]);
    clock.advance(1_000);
    await turns();
    expect(good.of('ping').length).toBe(2);
  });

  it('ends for a peer that reads nothing of what it asked for, which meanwhile is not read either', async () => {
    const { clock, peer: open, seen } = await timed({ controlFramesMax: 1e6 });
    const peer = open();
    await turns();
    peer.connection.pause();
    for (let i = 0; i < 40_000; i++) {
      peer.connection.write(headers(odd(i)));
      if (i % 50 === 0) await turns(1);
    }
    await turns();
    expect(seen.length).toBeLessThan(30_000);
    clock.advance(31_000);
    await turns();
    expect(peer.closed).toBe(true);
    expect(seen.length).toBeLessThan(30_000);
  });

  it('ends for a complete answer that nobody takes, and not for a stream that is still open', async () => {
    const clock = createFakeClock();
    const rig = await serverRig({
      clock,
      keepAlive: slow,
      answer(stream, { headers: list }) {
        stream.sendHeaders([':status', '200']);
        stream.write(Buffer.alloc(100));
        if (!list.includes('stay')) stream.end();
      },
    });
    const peer = rig.peer([4, 10]);
    peer.send(headers(1), headers(3, [...getHead, 'x', 'stay']));
    await turns();
    clock.advance(29_000);
    await turns();
    expect(peer.reset(1)).toBeUndefined();
    clock.advance(40_000);
    await turns();
    expect(peer.reset(1)).toBe(codes.cancel);
    expect(rig.seen[0]?.closed).toBe(codes.cancel);
    expect(peer.reset(3)).toBeUndefined();
    peer.send(window(3, 1_000));
    await turns();
    expect(peer.body(3).length).toBe(100);
    rig.server.destroy();
  });
});

describe('connections', () => {
  it('are lost to a handler that throws, others are not', async () => {
    const rig = await serverRig({
      answer(stream, { headers: list }) {
        if (list.includes('boom')) throw new Error('a bug of a handler');
        stream.sendHeaders([':status', '200']);
        stream.write(Buffer.from('hello'));
        stream.end();
      },
    });
    const [bad, good] = [rig.peer(), rig.peer()];
    bad.send(openPost(1), headers(3, [...getHead, 'x', 'boom']));
    await turns();
    expect(bad.goaway).toBe(codes.internalError);
    expect(rig.failures).toMatchObject([{ message: 'a bug of a handler' }]);
    expect(rig.seen.map((stream) => stream.closed)).toEqual([codes.lost, codes.lost]);
    good.send(headers(1));
    await turns();
    expect(good.body(1)).toBe('hello');
    await alive(rig);
  });

  it('beyond the limit are closed at once', async () => {
    const rig = await serverRig({ limits: { connectionsMax: 2 } });
    const peers = [rig.peer(), rig.peer(), rig.silent()];
    await turns();
    expect(peers.map((peer) => peer.closed)).toEqual([false, false, true]);
    rig.server.destroy();
  });

  it('end with their peer, in the middle of anything', async () => {
    const rig = await serverRig({ answer: silence });
    const cut = rig.peer().send(openPost(1), data(1, 'abc', 0).subarray(0, 10));
    const left = rig.peer().send(headers(1));
    await turns();
    cut.connection.destroy();
    left.connection.end();
    await turns();
    expect(rig.seen.map((stream) => stream.closed)).toEqual([codes.lost, codes.lost]);
    expect(rig.server.streams).toBe(0);
  });
});
