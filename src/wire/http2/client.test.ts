import { describe, expect, it } from 'vitest';
import { data, frame, headers, RawPeer, settings, u32 } from '../../../test/fixtures/http2-peer.ts';
import { settingsAck, turns } from '../../../test/fixtures/http2-server.ts';
import { nodeClock } from '../../ports/node/clock.ts';
import { createMemoryNetwork } from '../../testing/memory-network.ts';
import { frameFlags as flags, frameTypes as types } from './frames.ts';
import {
  defaultHttp2Limits,
  http2Codes as codes,
  type HeaderList,
  type Http2Limits,
  type Http2Session,
  type Http2StreamHandlers,
} from './http2.ts';
import { createOwnHttp2 } from './own-http2.ts';

const head = [':method', 'POST', ':scheme', 'http', ':path', '/x', ':authority', 'test'];
const ok = [':status', '200'];
const open = flags.endHeaders;

class Seen implements Http2StreamHandlers {
  readonly log: string[] = [];
  code: number | undefined = undefined;
  list: HeaderList = [];

  headers(list: HeaderList): void {
    this.list = list;
    this.log.push(`headers ${list[1]}`);
  }

  data(chunk: Uint8Array): void {
    this.log.push(`data ${Buffer.from(chunk).toString()}`);
  }

  end(trailers: HeaderList): void {
    this.log.push(`end ${trailers.join(' ')}`.trim());
  }

  drain(): void {
    this.log.push('drain');
  }

  close(code: number): void {
    this.code = code;
    this.log.push(`close ${code}`);
  }
}

/** Our client, and the raw peer that it talks to. */
async function rig(own: readonly (readonly [number, number])[] = [], limits: Partial<Http2Limits> = {}) {
  const network = createMemoryNetwork();
  let peer: RawPeer | undefined;
  await network.listen({ host: 'peer', port: 1 }, (connection) => {
    peer = new RawPeer(connection, true);
    // Once the client listens.
    queueMicrotask(() => peer?.send(settings(...own), settingsAck));
  });
  const ended = { closed: 0 };
  const session = await createOwnHttp2({ clock: nodeClock, network }).connect({
    address: { host: 'peer', port: 1 },
    limits: { ...defaultHttp2Limits, ...limits },
    keepAlive: { intervalMs: 60_000, timeoutMs: 20_000 },
    timeoutMs: 60_000,
    closed: () => {
      ended.closed++;
    },
  });
  const ask = (end = true): Seen => {
    const seen = new Seen();
    session.request(head, seen, end);
    return seen;
  };
  return { session, peer: peer as RawPeer, ended, ask, network };
}

describe('an answer', () => {
  it.each<[string, Uint8Array[], string[]]>([
    ['with a body', [headers(1, ok, open), data(1, 'hi')], ['headers 200', 'data hi', 'end', 'close 0']],
    ['with trailers', [headers(1, ok, open), data(1, 'hi', 0), headers(1, ['x', 'y'])], ['headers 200', 'data hi', 'end x y', 'close 0']],
    ['of headers alone', [headers(1, [...ok, 'grpc-status', '0'])], ['headers 200', 'end', 'close 0']],
    [
      'after informational ones',
      [headers(1, [':status', '103', 'link', 'x'], open), headers(1, [':status', '100'], open), headers(1, ok)],
      ['headers 200', 'end', 'close 0'],
    ],
    ['that is informational and ends', [headers(1, [':status', '103'])], ['close 1']],
    ['with 101', [headers(1, [':status', '101'], open)], ['close 1']],
    ['without a status', [headers(1, ['x', 'y'])], ['close 1']],
    ['with a status of two digits', [headers(1, [':status', '20'])], ['close 1']],
    ['with two statuses', [headers(1, [...ok, ...ok])], ['close 1']],
    ['with a pseudo field of a request', [headers(1, [...ok, ':path', '/'])], ['close 1']],
    ['with a field of another hop', [headers(1, [...ok, 'connection', 'close'])], ['close 1']],
    ['whose body comes first', [data(1, 'x')], ['close 1']],
    ['whose trailers do not end it', [headers(1, ok, open), headers(1, ['x', 'y'], open)], ['headers 200', 'close 1']],
    [
      'shorter than its content-length',
      [headers(1, [...ok, 'content-length', '3'], open), data(1, 'hi')],
      ['headers 200', 'data hi', 'close 1'],
    ],
    ['longer than its content-length', [headers(1, [...ok, 'content-length', '1'], open), data(1, 'hi')], ['headers 200', 'close 1']],
    ['too large', [headers(1, [...ok, ...Array.from({ length: 200 }, () => ['x', 'y']).flat()])], ['close 11']],
    ['that is reset', [headers(1, ok, open), frame(types.rstStream, 0, 1, u32(codes.internalError))], ['headers 200', 'close 2']],
    ['that is refused', [frame(types.rstStream, 0, 1, u32(codes.refusedStream))], ['close 7']],
    ['that ends and is reset in one go', [headers(1, ok), frame(types.rstStream, 0, 1, u32(codes.cancel))], ['headers 200', 'close 8']],
  ])('%s', async (_name, bytes, log) => {
    const { peer, ask, session } = await rig();
    const seen = ask(false);
    const after = ask();
    peer.send(...bytes);
    await turns();
    // A request that is still open ends with its answer only when its user ends it.
    const finished = log.at(-1) === 'close 0' ? log.slice(0, -1) : log;
    expect(seen.log).toEqual(finished);
    peer.send(headers(3, ok));
    await turns();
    expect(after.log).toEqual(['headers 200', 'end', 'close 0']);
    expect(peer.goaway).toBeUndefined();
    session.destroy();
  });

  it('that is complete is read to its end although the server wants no more of the request', async () => {
    const { peer, session } = await rig();
    const seen = new Seen();
    const stream = session.request(head, seen);
    stream.pause();
    peer.send(headers(1, ok, open), data(1, 'hi', 0), headers(1, ['x', 'y']), frame(types.rstStream, 0, 1, u32(codes.noError)));
    await turns();
    expect(seen.log).toEqual(['headers 200']);
    stream.resume();
    await turns();
    expect(seen.log).toEqual(['headers 200', 'data hi', 'end x y', 'close 0']);
    session.destroy();
  });

  it('is never told within a call of its reader', async () => {
    const { peer, session } = await rig();
    let inside = false;
    const seen = new (class extends Seen {
      override data(chunk: Uint8Array): void {
        expect(inside).toBe(false);
        super.data(chunk);
      }

      override close(code: number): void {
        expect(inside).toBe(false);
        super.close(code);
      }
    })();
    const stream = session.request(head, seen);
    stream.pause();
    peer.send(headers(1, ok, open), data(1, 'hi', 0));
    inside = true;
    stream.resume();
    inside = false;
    await turns();
    expect(seen.log.at(-1)).toBe('data hi');
    inside = true;
    stream.reset(codes.cancel);
    inside = false;
    expect(seen.code).toBeUndefined();
    await turns();
    expect(seen.code).toBe(codes.cancel);
    expect(peer.reset(1)).toBe(codes.cancel);
    session.destroy();
  });
});

describe('a server that breaks the protocol loses the connection', () => {
  it.each<[string, Uint8Array, number]>([
    ['PUSH_PROMISE', frame(types.pushPromise, flags.endHeaders, 1, u32(2)), codes.protocolError],
    ['ENABLE_PUSH', settings([2, 1]), codes.protocolError],
    ['an answer to nothing', headers(5, ok), codes.protocolError],
    ['a stream of its own', headers(2, ok), codes.protocolError],
    [
      'more data than the window',
      Buffer.concat([headers(1, ok, open), ...Array.from({ length: 70 }, () => data(1, new Uint8Array(16_384), 0))]),
      -1,
    ],
    ['garbage', Buffer.alloc(100, 0xff), codes.frameSizeError],
  ])('%s', async (_name, bytes, code) => {
    const { peer, session, ended } = await rig();
    const seen = new Seen();
    session.request(head, seen, true).pause();
    peer.send(bytes);
    await turns();
    if (code === -1) {
      // The stream's window is the first that is full.
      expect(seen.code).toBe(codes.flowControlError);
      expect(session.usable).toBe(true);
      session.destroy();
      return;
    }
    expect(peer.goaway).toBe(code);
    expect(seen.code).toBe(codes.lost);
    expect(session.usable).toBe(false);
    peer.connection.end();
    await turns();
    expect(ended.closed).toBe(1);
  });
});

describe('the limit of streams that a server sets', () => {
  it('is kept: calls wait for a place, in order, and may be given up while they wait', async () => {
    const { peer, session, ask } = await rig([[3, 1]]);
    const first = ask();
    const given = new Seen();
    const waiting = session.request(head, given);
    expect(waiting.write(Buffer.from('early'))).toBe(false);
    const second = new Seen();
    const stream = session.request(head, second);
    stream.write(Buffer.from('body'));
    stream.end();
    await turns();
    expect(peer.heads.size).toBe(1);
    expect(session.streams).toBe(3);
    waiting.reset(codes.cancel);
    peer.send(headers(1, ok));
    await turns();
    expect(first.log).toEqual(['headers 200', 'end', 'close 0']);
    expect(given.log).toEqual(['close 8']);
    expect(peer.body(3)).toBe('body');
    expect(peer.of('data', 3).at(-1)?.flag).toBe(flags.endStream);
    peer.send(settings([3, 5]), headers(3, ok));
    await turns();
    expect(second.log).toEqual(['headers 200', 'end', 'close 0']);
    session.destroy();
  });

  it('may be nothing for a while', async () => {
    const { peer, ask, session } = await rig([[3, 0]]);
    const seen = ask();
    await turns();
    expect(peer.heads.size).toBe(0);
    peer.send(settings([3, 10]));
    await turns();
    peer.send(headers(1, ok));
    await turns();
    expect(seen.log.at(-1)).toBe('close 0');
    session.destroy();
  });
});

describe('GOAWAY of a server', () => {
  it('refuses what it has not begun, lets the rest end, and closes', async () => {
    const { peer, session, ask, ended } = await rig([[3, 2]]);
    const [one, two, three] = [ask(), ask(), ask()];
    peer.send(frame(types.goaway, 0, 0, u32(2 ** 31 - 1, 0)));
    await turns();
    expect(session.usable).toBe(false);
    // What waited for a place cannot have been begun.
    expect(three.code).toBe(codes.refusedStream);
    peer.send(frame(types.goaway, 0, 0, u32(1, 0)));
    await turns();
    expect([one.code, two.code]).toEqual([undefined, codes.refusedStream]);
    expect(() => session.request(head, new Seen())).toThrow(/goes away/);
    peer.send(headers(1, ok, open), data(1, 'hi'));
    await turns();
    expect(one.log).toEqual(['headers 200', 'data hi', 'end', 'close 0']);
    expect(peer.ended).toBe(true);
    peer.connection.end();
    await turns();
    expect(ended.closed).toBe(1);
  });
});

describe('a client', () => {
  it('closes when its last call has ended, and at once when it is destroyed', async () => {
    const { peer, session, ask } = await rig();
    const seen = ask();
    session.close();
    await turns();
    expect(peer.ended).toBe(false);
    peer.send(headers(1, ok));
    await turns();
    expect(seen.code).toBe(0);
    expect(peer.ended).toBe(true);
    const other = await rig();
    const lost = other.ask();
    other.session.destroy();
    await turns();
    expect(lost.code).toBe(codes.lost);
    expect(other.ended.closed).toBe(1);
  });

  it('refuses headers that HTTP/2 does not allow, and lives on', async () => {
    const { session, ask, peer } = await rig();
    expect(() => session.request([...head, 'x', 'a\r\nb: c'], new Seen())).toThrow(/not allow/);
    const seen = ask();
    peer.send(headers(1, ok));
    await turns();
    expect(seen.code).toBe(0);
    session.destroy();
  });

  it('ignores what comes late for a stream that it reset, and keeps its window', async () => {
    const { session, peer, ask } = await rig();
    for (let i = 0; i < 300; i++) {
      const stream = session.request(head, new Seen(), true);
      stream.reset(codes.cancel);
      peer.send(headers(i * 2 + 1, ok, open), data(i * 2 + 1, new Uint8Array(10_000)));
      await turns(1);
    }
    const seen = ask();
    peer.send(headers(601, ok));
    await turns();
    expect(peer.goaway).toBeUndefined();
    expect(seen.code).toBe(0);
    const returned = peer.of('windowUpdate', 0).reduce((sum, found) => sum + found.payload.readUInt32BE(0), 0);
    expect(returned).toBeGreaterThan(2_000_000);
    session.destroy();
  });

  it('fails to connect to silence, to garbage and to nobody', async () => {
    const network = createMemoryNetwork();
    const peers: RawPeer[] = [];
    await network.listen({ host: 'silent', port: 1 }, (connection) => void peers.push(new RawPeer(connection)));
    await network.listen({ host: 'garbage', port: 1 }, (connection) => {
      const peer = new RawPeer(connection);
      queueMicrotask(() => peer.send(Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')));
    });
    const connect = (host: string, timeoutMs = 20_000): Promise<Http2Session> =>
      createOwnHttp2({ clock: nodeClock, network }).connect({
        address: { host, port: 1 },
        limits: defaultHttp2Limits,
        keepAlive: { intervalMs: 60_000, timeoutMs: 20_000 },
        timeoutMs,
        closed() {},
      });
    await expect(connect('silent', 30)).rejects.toThrow(/within 30 ms/);
    await expect(connect('garbage')).rejects.toThrow(/16384/);
    await expect(connect('nobody')).rejects.toThrow(/ECONNREFUSED/);
  });
});
