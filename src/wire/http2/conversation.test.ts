import { describe, expect, it } from 'vitest';
import { clientMagic, data, frame, headers, postHead, settings, u32, type RawPeer } from '../../../test/fixtures/http2-peer.ts';
import { serverRig, settingsAck, turns } from '../../../test/fixtures/http2-server.ts';
import { frameFlags as flags, frameTypes as types } from './frames.ts';
import { http2Codes as codes, type Http2Stream } from './http2.ts';

// What RFC 9113 says of a conversation: how it begins, what is acknowledged, and how much may be on its way.

const post = (id: number): Buffer => headers(id, postHead, flags.endHeaders);
const ping = (): Buffer => frame(types.ping, 0, 0, [1, 2, 3, 4, 5, 6, 7, 8]);

function lost(peer: RawPeer, code: keyof typeof codes): void {
  expect(peer.goaway).toBe(codes[code]);
  expect(peer.ended).toBe(true);
}

function answered(peer: RawPeer, id: number): void {
  expect(peer.heads.get(id)?.[0]?.slice(0, 2)).toEqual([':status', '200']);
  expect(peer.body(id)).toBe('hello');
  expect(peer.of('data', id).at(-1)?.flag).toBe(flags.endStream);
}

describe('RFC 9113, 3.4: the preface', () => {
  it.each([
    ['another preface', [Buffer.from('PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n')]],
    ['a first frame that is not SETTINGS', [clientMagic, ping()]],
    ['DATA first', [clientMagic, data(1, 'x')]],
    ['an acknowledgement first', [clientMagic, settingsAck]],
  ])('refuses %s', async (_name, bytes) => {
    const { silent, server } = await serverRig();
    const peer = silent().send(...bytes);
    await turns();
    lost(peer, 'protocolError');
    server.destroy();
  });

  it('is taken in single bytes, as is everything behind it', async () => {
    const { silent, server, seen } = await serverRig();
    const peer = silent();
    for (const byte of Buffer.concat([clientMagic, settings(), settingsAck, post(1), data(1, 'abc', 0), data(1, 'def'), headers(3)]))
      peer.send(Buffer.from([byte]));
    await turns();
    answered(peer, 1);
    answered(peer, 3);
    expect(seen[0]?.body).toBe('abcdef');
    server.destroy();
  });

  it('tells a speaker of HTTP/1.1 in its own language', async () => {
    const { silent, server } = await serverRig();
    const peer = silent().send(Buffer.from('GET / HTTP/1.1\r\nhost: x\r\n\r\n'));
    await turns();
    expect(peer.text).toContain('HTTP/1.1 400');
    expect(peer.ended).toBe(true);
    server.destroy();
  });
});

describe('RFC 9113, 6.5.3 and 6.7: acknowledgements', () => {
  it('answers SETTINGS and PING', async () => {
    const { peer: open, server } = await serverRig();
    const peer = open();
    peer.send(settings([3, 100]), ping());
    await turns();
    expect(peer.of('settings').filter((found) => found.flag === flags.ack).length).toBe(2);
    expect(peer.of('ping')).toMatchObject([{ flag: flags.ack, payload: Buffer.from([1, 2, 3, 4, 5, 6, 7, 8]) }]);
    server.destroy();
  });
});

describe('RFC 9113, 6.9: flow control', () => {
  it('sends one byte when the window is one byte', async () => {
    const { peer: open, server } = await serverRig();
    const peer = open([4, 1]);
    peer.send(headers(1));
    await turns();
    expect(peer.body(1)).toBe('h');
    peer.send(frame(types.windowUpdate, 0, 1, u32(2)));
    await turns();
    expect(peer.body(1)).toBe('hel');
    peer.send(frame(types.windowUpdate, 0, 1, u32(100)));
    await turns();
    answered(peer, 1);
    server.destroy();
  });

  it('lets SETTINGS take back a window, below zero', async () => {
    const { peer: open, server } = await serverRig();
    const peer = open([4, 3]);
    peer.send(headers(1));
    await turns();
    expect(peer.body(1)).toBe('hel');
    peer.send(settings([4, 0]), frame(types.windowUpdate, 0, 1, u32(3)));
    await turns();
    // Three were sent and the window began with none: three more granted are three below zero made good.
    expect(peer.body(1)).toBe('hel');
    peer.send(frame(types.windowUpdate, 0, 1, u32(1)));
    await turns();
    expect(peer.body(1)).toBe('hell');
    peer.send(settings([4, 10]));
    await turns();
    const last = peer.frames.slice(-2).map(({ type, flag }) => [type, flag]);
    expect(last).toEqual([
      [types.settings, flags.ack],
      [types.data, flags.endStream],
    ]);
    answered(peer, 1);
    server.destroy();
  });

  it('keeps the window of the connection', async () => {
    const big = Buffer.alloc(100_000, 0x61);
    const { peer: open, server } = await serverRig({
      answer(stream) {
        stream.sendHeaders([':status', '200']);
        stream.write(big);
        stream.end(['x-done', 'yes']);
      },
    });
    const peer = open([4, 1_000_000]);
    peer.send(headers(1), headers(3));
    await turns();
    const sent = (): number => peer.body(1).length + peer.body(3).length;
    expect(sent()).toBe(65_535);
    peer.send(frame(types.windowUpdate, 0, 0, u32(200_000)));
    await turns();
    expect(sent()).toBe(200_000);
    expect(peer.heads.get(1)).toEqual([
      [':status', '200'],
      ['x-done', 'yes'],
    ]);
    server.destroy();
  });

  it('refuses more than it granted', async () => {
    const { peer: open, server } = await serverRig({ limits: { streamWindowBytes: 65_535 }, opened: (stream) => stream.pause() });
    const peer = open();
    peer.send(post(1), ...Array.from({ length: 4 }, () => data(1, new Uint8Array(16_384), 0)));
    await turns();
    expect(peer.reset(1)).toBe(codes.flowControlError);
    const greedy = open();
    greedy.send(
      ...Array.from({ length: 40 }, (_, i) => [
        post(i * 2 + 1),
        ...Array.from({ length: 3 }, () => data(i * 2 + 1, new Uint8Array(16_384), 0)),
      ]).flat(),
    );
    await turns();
    expect(greedy.goaway).toBeUndefined();
    greedy.send(
      ...Array.from({ length: 50 }, (_, i) => [
        post(i * 2 + 101),
        ...Array.from({ length: 3 }, () => data(i * 2 + 101, new Uint8Array(16_384), 0)),
      ]).flat(),
    );
    await turns();
    lost(greedy, 'flowControlError');
    server.destroy();
  });
});

describe('answers of one turn', () => {
  /** Asks `count` times, answers everything at once later, and tells in how many pieces the answers came. */
  async function pieces(count: number): Promise<number> {
    const waiting: (() => void)[] = [];
    const answer = (stream: Http2Stream): void =>
      void waiting.push(() => {
        stream.sendHeaders([':status', '200', 'content-type', 'text/plain']);
        stream.write(Buffer.from('hello'));
        stream.end();
      });
    const { peer: open, server } = await serverRig({ answer });
    const peer = open();
    await turns();
    const ids = Array.from({ length: count }, (_, i) => 2 * i + 1);
    peer.send(...ids.map((id) => headers(id)));
    await turns();
    let came = 0;
    const { handlers } = peer.connection;
    const { data: take } = handlers;
    handlers.data = (chunk) => {
      came++;
      take.call(handlers, chunk);
    };
    for (const send of waiting) send();
    await turns();
    for (const id of ids) answered(peer, id);
    server.destroy();
    return came;
  }

  it('leave together where there are many, the last ones too, and at once where there are few', async () => {
    expect(await pieces(8)).toBe(1);
    expect(await pieces(2)).toBe(2);
  });
});
