import { describe, expect, it } from 'vitest';
import { block, data, frame, getHead, headers, postHead, settings, u32, type RawPeer } from '../../../test/fixtures/http2-peer.ts';
import { serverRig, turns } from '../../../test/fixtures/http2-server.ts';
import { frameFlags as flags, frameTypes as types } from './frames.ts';
import { http2Codes as codes } from './http2.ts';

// What RFC 9113 and RFC 7541 say that an endpoint does with frames, one vector a statement; the section stands in its name.

type Outcome =
  | { readonly goaway: number }
  | { readonly reset: readonly [id: number, code: number] }
  | { readonly answered: readonly number[] };
type Vector = readonly [name: string, bytes: readonly Uint8Array[], outcome: Outcome];

const goaway = (code: keyof typeof codes): Outcome => ({ goaway: codes[code] });
const reset = (id: number, code: keyof typeof codes): Outcome => ({ reset: [id, codes[code]] });
const answered = (...ids: number[]): Outcome => ({ answered: ids });
const openEnd = flags.endHeaders | flags.endStream;
const post = (id: number, more: readonly string[] = []): Buffer => headers(id, [...postHead, ...more], flags.endHeaders);
const raw = (id: number, payload: Uint8Array | readonly number[], flag: number = openEnd): Buffer =>
  frame(types.headers, flag, id, payload);
const without = (name: string): string[] => getHead.filter((_, i) => getHead[i - (i % 2)] !== name);
const ping = (flag = 0): Buffer => frame(types.ping, flag, 0, [1, 2, 3, 4, 5, 6, 7, 8]);

function check(peer: RawPeer, outcome: Outcome): void {
  if ('goaway' in outcome) {
    expect(peer.goaway).toBe(outcome.goaway);
    expect(peer.ended).toBe(true);
  } else if ('reset' in outcome) {
    const [id, code] = outcome.reset;
    expect({ reset: peer.reset(id), goaway: peer.goaway, closed: peer.closed }).toEqual({ reset: code, goaway: undefined, closed: false });
  } else {
    expect(peer.goaway).toBeUndefined();
    for (const id of outcome.answered) {
      expect(peer.heads.get(id)?.[0]?.slice(0, 2)).toEqual([':status', '200']);
      expect(peer.body(id)).toBe('hello');
      expect(peer.of('data', id).at(-1)?.flag).toBe(flags.endStream);
    }
  }
}

async function run([, bytes, outcome]: Vector): Promise<void> {
  const { peer: open, server } = await serverRig();
  const peer = open();
  peer.send(...bytes);
  await turns();
  check(peer, outcome);
  if ('reset' in outcome) {
    // The connection lives on, and its header table is still in step.
    peer.send(settings([4, 65_535]), headers(99, [...getHead, 'x-after', 'yes']));
    await turns();
    check(peer, answered(99));
  }
  server.destroy();
}

const vectors: readonly (readonly [section: string, vectors: readonly Vector[]])[] = [
  [
    'RFC 9113, 4.1: frame format',
    [
      ['frames of unknown types are ignored', [frame(0xbb, 0xff, 0, [1, 2, 3]), frame(0xbb, 0, 7, [1]), headers(1)], answered(1)],
      ['undefined flags are ignored', [frame(types.ping, 0xfe, 0, new Uint8Array(8)), headers(1)], answered(1)],
      [
        'the reserved bit of a stream id is ignored',
        [frame(types.headers, openEnd, 0x8000_0001, block(getHead)), headers(3)],
        answered(1, 3),
      ],
    ],
  ],
  [
    'RFC 9113, 4.2: frame size',
    [
      ['DATA of 16384 bytes is taken', [post(1), data(1, new Uint8Array(16_384))], answered(1)],
      ['DATA that is larger ends the connection', [post(1), data(1, new Uint8Array(16_385))], goaway('frameSizeError')],
      ['HEADERS that are larger end the connection', [raw(1, new Uint8Array(16_385))], goaway('frameSizeError')],
    ],
  ],
  [
    'RFC 9113, 4.3: header blocks',
    [
      ['a block that cannot be decoded ends the connection', [raw(1, [0x40])], goaway('compressionError')],
      [
        'a block is not interrupted by another frame',
        [headers(1, getHead, flags.endStream), frame(types.priority, 0, 1, new Uint8Array(5))],
        goaway('protocolError'),
      ],
      ['nor by an unknown one', [headers(1, getHead, flags.endStream), frame(0xbb, 0, 0, [1])], goaway('protocolError')],
      ['nor by DATA', [headers(1, getHead, 0), data(1, 'x')], goaway('protocolError')],
      [
        'nor by a block of another stream',
        [headers(1, getHead, flags.endStream), frame(types.continuation, flags.endHeaders, 3, [])],
        goaway('protocolError'),
      ],
    ],
  ],
  [
    'RFC 9113, 5.1: stream states',
    [
      ['idle: DATA', [data(1, 'x')], goaway('protocolError')],
      ['idle: RST_STREAM', [frame(types.rstStream, 0, 1, u32(8))], goaway('protocolError')],
      ['idle: WINDOW_UPDATE', [frame(types.windowUpdate, 0, 1, u32(100))], goaway('protocolError')],
      ['idle: CONTINUATION', [frame(types.continuation, flags.endHeaders, 1, block(getHead))], goaway('protocolError')],
      ['closed by both: DATA', [headers(1), headers(3), data(1, 'x')], goaway('streamClosed')],
      ['closed by both: HEADERS', [headers(1), headers(3), headers(1)], goaway('streamClosed')],
      [
        'closed by both: WINDOW_UPDATE is late, no error',
        [headers(1), frame(types.windowUpdate, 0, 1, u32(1)), headers(3)],
        answered(1, 3),
      ],
      ['closed by both: RST_STREAM is late, no error', [headers(1), frame(types.rstStream, 0, 1, u32(8)), headers(3)], answered(3)],
      ['closed by their RST_STREAM: DATA', [post(1), frame(types.rstStream, 0, 1, u32(8)), data(1, 'x')], goaway('streamClosed')],
      ['closed by their RST_STREAM: HEADERS', [post(1), frame(types.rstStream, 0, 1, u32(8)), headers(1)], goaway('streamClosed')],
    ],
  ],
  [
    'RFC 9113, 5.1.1: stream identifiers',
    [
      ['an even id', [headers(2)], goaway('protocolError')],
      ['an id that decreases', [headers(5), headers(3)], goaway('streamClosed')],
      ['ids may leave gaps', [headers(5), headers(11), headers(2 ** 31 - 1)], answered(5, 11, 2 ** 31 - 1)],
    ],
  ],
  [
    'RFC 9113, 5.5: extensions',
    [
      ['unknown settings are ignored', [settings([0xff, 7], [0x1234, 2 ** 32 - 1]), headers(1)], answered(1)],
      ['PRIORITY_UPDATE and other extension frames are ignored', [frame(0x10, 0, 0, u32(1)), headers(1)], answered(1)],
    ],
  ],
  [
    'RFC 9113, 6.1: DATA',
    [
      ['on stream 0', [data(0, 'x')], goaway('protocolError')],
      ['padding counts and is dropped', [post(1), frame(types.data, flags.padded | flags.endStream, 1, [3, 0x61, 0, 0, 0])], answered(1)],
      ['nothing but padding', [post(1), frame(types.data, flags.padded | flags.endStream, 1, [2, 0, 0])], answered(1)],
      ['more padding than payload', [post(1), frame(types.data, flags.padded, 1, [5, 1, 1])], goaway('protocolError')],
      ['PADDED without a length', [post(1), frame(types.data, flags.padded, 1, [])], goaway('frameSizeError')],
    ],
  ],
  [
    'RFC 9113, 6.2: HEADERS',
    [
      ['on stream 0', [headers(0)], goaway('protocolError')],
      ['padded', [raw(1, [2, ...block(getHead), 0, 0], openEnd | flags.padded)], answered(1)],
      ['with priority fields', [raw(1, [...u32(0), 16, ...block(getHead)], openEnd | flags.priority)], answered(1)],
      ['with both', [raw(1, [1, ...u32(0), 16, ...block(getHead), 0], openEnd | flags.priority | flags.padded)], answered(1)],
      ['more padding than payload', [raw(1, [200, ...block(getHead)], openEnd | flags.padded)], goaway('protocolError')],
      ['too short for its flags', [raw(1, [0, 0], openEnd | flags.priority)], goaway('frameSizeError')],
      ['without anything is malformed', [raw(1, [])], reset(1, 'protocolError')],
    ],
  ],
  [
    'RFC 9113, 6.3: PRIORITY',
    [
      ['is ignored on any stream', [frame(types.priority, 0, 9, new Uint8Array(5)), headers(1)], answered(1)],
      ['on stream 0', [frame(types.priority, 0, 0, new Uint8Array(5))], goaway('protocolError')],
      ['of another length', [frame(types.priority, 0, 1, new Uint8Array(4))], goaway('frameSizeError')],
    ],
  ],
  [
    'RFC 9113, 6.4: RST_STREAM',
    [
      ['on stream 0', [frame(types.rstStream, 0, 0, u32(8))], goaway('protocolError')],
      ['of another length', [post(1), frame(types.rstStream, 0, 1, [0, 0, 0])], goaway('frameSizeError')],
      ['with an unknown code', [post(1), frame(types.rstStream, 0, 1, u32(0xffff)), headers(3)], answered(3)],
    ],
  ],
  [
    'RFC 9113, 6.5: SETTINGS',
    [
      ['on a stream', [frame(types.settings, 0, 1, [])], goaway('protocolError')],
      ['of a length that is no multiple of six', [frame(types.settings, 0, 0, [0, 1, 0, 0, 0])], goaway('frameSizeError')],
      ['an acknowledgement with a payload', [frame(types.settings, flags.ack, 0, [0, 1, 0, 0, 0, 0])], goaway('frameSizeError')],
      ['ENABLE_PUSH above 1', [settings([2, 2])], goaway('protocolError')],
      ['INITIAL_WINDOW_SIZE above 2^31-1', [settings([4, 2 ** 31])], goaway('flowControlError')],
      ['MAX_FRAME_SIZE below 2^14', [settings([5, 16_383])], goaway('protocolError')],
      ['MAX_FRAME_SIZE above 2^24-1', [settings([5, 2 ** 24])], goaway('protocolError')],
      ['values are applied in order, the last one counts', [settings([4, 1], [4, 100]), headers(1)], answered(1)],
      ['any HEADER_TABLE_SIZE', [settings([1, 0]), headers(1), settings([1, 2 ** 32 - 1]), headers(3)], answered(1, 3)],
    ],
  ],
  ['RFC 9113, 6.6: PUSH_PROMISE', [['from a client', [frame(types.pushPromise, flags.endHeaders, 1, u32(2))], goaway('protocolError')]]],
  [
    'RFC 9113, 6.7: PING',
    [
      ['on a stream', [frame(types.ping, 0, 1, new Uint8Array(8))], goaway('protocolError')],
      ['of another length', [frame(types.ping, 0, 0, new Uint8Array(7))], goaway('frameSizeError')],
      ['an acknowledgement of nothing is ignored', [ping(flags.ack), headers(1)], answered(1)],
    ],
  ],
  [
    'RFC 9113, 6.8: GOAWAY',
    [
      ['on a stream', [frame(types.goaway, 0, 1, u32(0, 0))], goaway('protocolError')],
      ['too short', [frame(types.goaway, 0, 0, u32(0))], goaway('frameSizeError')],
      ['of a client says nothing about its own streams', [frame(types.goaway, 0, 0, u32(0, 0)), headers(1)], answered(1)],
    ],
  ],
  [
    'RFC 9113, 6.9: WINDOW_UPDATE',
    [
      ['by 0 on the connection', [frame(types.windowUpdate, 0, 0, u32(0))], goaway('protocolError')],
      ['by 0 on a stream', [post(1), frame(types.windowUpdate, 0, 1, u32(0))], reset(1, 'protocolError')],
      ['of another length', [frame(types.windowUpdate, 0, 0, [0, 0, 1])], goaway('frameSizeError')],
      ['beyond 2^31-1 on the connection', [frame(types.windowUpdate, 0, 0, u32(2 ** 31 - 1))], goaway('flowControlError')],
      ['beyond 2^31-1 on a stream', [post(1), frame(types.windowUpdate, 0, 1, u32(2 ** 31 - 1))], reset(1, 'flowControlError')],
      [
        'a window that SETTINGS carry beyond 2^31-1',
        [post(1), frame(types.windowUpdate, 0, 1, u32(2 ** 30)), settings([4, 2 ** 31 - 1])],
        goaway('flowControlError'),
      ],
    ],
  ],
  [
    'RFC 9113, 6.10: CONTINUATION',
    [
      ['in many pieces', [headers(1, getHead.slice(0, 2), flags.endStream), ...pieces(1, block(getHead.slice(2)), 5)], answered(1)],
      ['after a block that has ended', [headers(1), frame(types.continuation, flags.endHeaders, 1, [])], goaway('protocolError')],
      ['on stream 0', [headers(1, getHead, flags.endStream), frame(types.continuation, flags.endHeaders, 0, [])], goaway('protocolError')],
      ['without HEADERS before it', [frame(types.continuation, flags.endHeaders, 0, [])], goaway('protocolError')],
    ],
  ],
  [
    'RFC 9113, 8.1: messages',
    [
      ['DATA and trailers', [post(1), data(1, 'x', 0), headers(1, ['x-sum', '1'])], answered(1)],
      ['trailers that do not end the stream', [post(1), headers(1, ['x-sum', '1'], flags.endHeaders)], reset(1, 'protocolError')],
      ['trailers with a pseudo field', [post(1), headers(1, [':path', '/'])], reset(1, 'protocolError')],
      ['DATA behind the end', [headersAndWait(1), data(1, 'x')], reset(1, 'streamClosed')],
      ['HEADERS behind the end', [headersAndWait(1), headers(1)], reset(1, 'streamClosed')],
      ['a content-length that fits', [post(1, ['content-length', '3']), data(1, 'abc')], answered(1)],
      ['in two frames', [post(1, ['content-length', '3']), data(1, 'ab', 0), data(1, 'c')], answered(1)],
      ['one that is too small', [post(1, ['content-length', '2']), data(1, 'abc')], reset(1, 'protocolError')],
      ['one that is too large', [post(1, ['content-length', '4']), data(1, 'abc')], reset(1, 'protocolError')],
      ['one of a request without a body', [headers(1, [...postHead, 'content-length', '4'])], reset(1, 'protocolError')],
      ['two that differ', [post(1, ['content-length', '3', 'content-length', '4']), data(1, 'abc')], reset(1, 'protocolError')],
      ['one that is no number', [post(1, ['content-length', '+3']), data(1, 'abc')], reset(1, 'protocolError')],
    ],
  ],
  [
    'RFC 9113, 8.2: fields',
    [
      ['a name in upper case', [raw(1, literal(getHead, 'X-Upper', '1'))], reset(1, 'protocolError')],
      ['an empty name', [raw(1, literal(getHead, '', '1'))], reset(1, 'protocolError')],
      ['a space in a name', [raw(1, literal(getHead, 'x y', '1'))], reset(1, 'protocolError')],
      ['a colon within a name', [raw(1, literal(getHead, 'x:y', '1'))], reset(1, 'protocolError')],
      ['a byte above ASCII in a name', [raw(1, literal(getHead, 'x\xe9', '1'))], reset(1, 'protocolError')],
      ['a carriage return in a value', [raw(1, literal(getHead, 'x', 'a\rb'))], reset(1, 'protocolError')],
      ['a line feed in a value', [raw(1, literal(getHead, 'x', 'a\nb'))], reset(1, 'protocolError')],
      ['a NUL in a value', [raw(1, literal(getHead, 'x', 'a\0b'))], reset(1, 'protocolError')],
      ['a space before a value', [raw(1, literal(getHead, 'x', ' a'))], reset(1, 'protocolError')],
      ['a tab behind a value', [raw(1, literal(getHead, 'x', 'a\t'))], reset(1, 'protocolError')],
      ['an empty value', [raw(1, literal(getHead, 'x', ''))], answered(1)],
      ['bytes above ASCII in a value', [raw(1, literal(getHead, 'x', 'caf\xe9'))], answered(1)],
      ['spaces within a value', [raw(1, literal(getHead, 'x', 'a b\tc'))], answered(1)],
      ...['connection', 'proxy-connection', 'keep-alive', 'transfer-encoding', 'upgrade'].map((name): Vector => [
        `the field ${name} of another hop`,
        [headers(1, [...getHead, name, 'x'])],
        reset(1, 'protocolError'),
      ]),
      ['te: trailers', [headers(1, [...getHead, 'te', 'trailers'])], answered(1)],
      ['te with anything else', [headers(1, [...getHead, 'te', 'trailers, deflate'])], reset(1, 'protocolError')],
    ],
  ],
  [
    'RFC 9113, 8.3: pseudo fields',
    [
      ...[':method', ':scheme', ':path'].map((name): Vector => [`${name} missing`, [headers(1, without(name))], reset(1, 'protocolError')]),
      ...[':method', ':scheme', ':path', ':authority'].map((name): Vector => [
        `${name} twice`,
        [headers(1, [name, 'GET', ...getHead])],
        reset(1, 'protocolError'),
      ]),
      ['an empty :path', [headers(1, [...without(':path'), ':path', ''])], reset(1, 'protocolError')],
      ['behind a regular field', [headers(1, [...without(':path'), 'x', 'y', ':path', '/'])], reset(1, 'protocolError')],
      ['of a response', [headers(1, [...getHead, ':status', '200'])], reset(1, 'protocolError')],
      ['unknown', [headers(1, [...getHead, ':extra', 'x'])], reset(1, 'protocolError')],
      ['no :authority', [headers(1, without(':authority'))], answered(1)],
      ['a host that says the same', [headers(1, [...getHead, 'host', 'test'])], answered(1)],
      ['a host that says something else', [headers(1, [...getHead, 'host', 'other'])], reset(1, 'protocolError')],
      ['two hosts', [headers(1, [...without(':authority'), 'host', 'a', 'host', 'b'])], reset(1, 'protocolError')],
      ['CONNECT with a path', [headers(1, [':method', 'CONNECT', ':authority', 'a:1', ':path', '/'])], reset(1, 'protocolError')],
      ['CONNECT without an authority', [headers(1, [':method', 'CONNECT'])], reset(1, 'protocolError')],
    ],
  ],
  [
    'RFC 7541, 2.3.3: index space',
    [
      ['index 0', [raw(1, [0x80])], goaway('compressionError')],
      ['an index beyond both tables', [raw(1, [0xff, 0x80, 0x01])], goaway('compressionError')],
      ['a name index beyond both tables', [raw(1, [0x7f, 0x20, 0x01, 0x61])], goaway('compressionError')],
    ],
  ],
  [
    'RFC 7541, 4.2: table size',
    [
      ['an update at the beginning', [raw(1, [0x20, ...block(getHead)])], answered(1)],
      ['two updates at the beginning', [raw(1, [0x20, 0x3f, 0xe1, 0x1f, ...block(getHead)])], answered(1)],
      ['an update at the end', [raw(1, [...block(getHead), 0x20])], goaway('compressionError')],
      ['an update beyond the setting', [raw(1, [0x3f, 0xe2, 0x1f, ...block(getHead)])], goaway('compressionError')],
    ],
  ],
  [
    'RFC 7541, 5: integers and strings',
    [
      ['an integer that does not end', [raw(1, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff])], goaway('compressionError')],
      ['a string that is longer than the block', [raw(1, [0x00, 0x05, 0x61])], goaway('compressionError')],
      ['no value', [raw(1, [0x00, 0x01, 0x61])], goaway('compressionError')],
      ['Huffman padding of a byte', [raw(1, [...block(getHead), 0x00, 0x01, 0x78, 0x82, 0x1f, 0xff])], goaway('compressionError')],
      ['Huffman padding with zeros', [raw(1, [...block(getHead), 0x00, 0x01, 0x78, 0x81, 0x18])], goaway('compressionError')],
      [
        'the end-of-string symbol',
        [raw(1, [...block(getHead), 0x00, 0x01, 0x78, 0x84, 0xff, 0xff, 0xff, 0xff])],
        goaway('compressionError'),
      ],
    ],
  ],
];

/** A request whose answer waits, because its window is closed: the stream stays half-closed. */
function headersAndWait(id: number): Buffer {
  return Buffer.concat([settings([4, 0]), headers(id)]);
}

function pieces(id: number, bytes: Buffer, size: number): Buffer[] {
  const all: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += size)
    all.push(frame(types.continuation, at + size >= bytes.length ? flags.endHeaders : 0, id, bytes.subarray(at, at + size)));
  return all;
}

function literal(list: readonly string[], name: string, value: string): Buffer {
  return Buffer.concat([
    block(list),
    Buffer.from([0, name.length]),
    Buffer.from(name, 'latin1'),
    Buffer.from([value.length]),
    Buffer.from(value, 'latin1'),
  ]);
}

describe.each(vectors)('%s', (_section, list) => {
  it.each(list.map((vector) => [vector[0], vector] as const))('%s', (_name, vector) => run(vector));
});
