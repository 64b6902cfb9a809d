import fc from 'fast-check';
import http2 from 'node:http2';
import net from 'node:net';
import { describe, expect, it } from 'vitest';
import { keptBytes } from '../../testing/kept-memory.ts';
import { HeaderDecoder } from './header-decoder.ts';
import { encodeHeaders } from './header-encoder.ts';
import { huffmanDecode } from './huffman.ts';
import { perList, stableHeaders, translated } from './stable-headers.ts';

const limits = { headerBytesMax: 16_384, headersMax: 100 };
const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

function decode(decoder: HeaderDecoder, block: Uint8Array): readonly string[] | undefined {
  return decoder.decode(Buffer.from(block), 0, block.length)?.headers;
}

describe('the decoder, on the examples of RFC 7541', () => {
  const request = [':method', 'GET', ':scheme', 'http', ':path', '/', ':authority', 'www.example.com'];
  const second = [...request, 'cache-control', 'no-cache'];
  const third = [
    ':method',
    'GET',
    ':scheme',
    'https',
    ':path',
    '/index.html',
    ':authority',
    'www.example.com',
    'custom-key',
    'custom-value',
  ];

  it.each([
    ['C.2.1: literal with indexing', '400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572', ['custom-key', 'custom-header']],
    ['C.2.2: literal without indexing', '040c 2f73 616d 706c 652f 7061 7468', [':path', '/sample/path']],
    ['C.2.3: never indexed', '1008 7061 7373 776f 7264 0673 6563 7265 74', ['password', 'secret']],
    ['C.2.4: indexed', '82', [':method', 'GET']],
  ])('%s', (_name, block, headers) => {
    expect(decode(new HeaderDecoder(limits), hex(block))).toEqual(headers);
  });

  it.each([
    [
      'C.3: without Huffman',
      [
        '8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
        '8286 84be 5808 6e6f 2d63 6163 6865',
        '8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65',
      ],
    ],
    [
      'C.4: with Huffman',
      [
        '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff',
        '8286 84be 5886 a8eb 1064 9cbf',
        '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf',
      ],
    ],
  ])('%s: three requests on one connection', (_name, blocks) => {
    const decoder = new HeaderDecoder(limits);
    expect(blocks.map((block) => decode(decoder, hex(block)))).toEqual([request, second, third]);
  });

  it('C.6.1: a response with Huffman, entries of the static table by name', () => {
    const block = hex(
      '4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3',
    );
    expect(decode(new HeaderDecoder(limits), block)).toEqual([
      ...[':status', '302', 'cache-control', 'private', 'date', 'Mon, 21 Oct 2013 20:13:21 GMT', 'location', 'https://www.example.com'],
    ]);
  });
});

describe('the dynamic table', () => {
  it('evicts the oldest, empties for an entry that is too large, and keeps to a smaller size', () => {
    const decoder = new HeaderDecoder(limits);
    const add = (name: string, value: string): Buffer =>
      Buffer.concat([Buffer.from([0x40, name.length]), Buffer.from(name), textOf(value)]);
    const newest = hex('be');
    decode(decoder, add('a', '1'));
    expect(decode(decoder, newest)).toEqual(['a', '1']);
    decode(decoder, add('b', '2'));
    expect(decode(decoder, hex('be bf'))).toEqual(['b', '2', 'a', '1']);
    decode(decoder, add('big', 'x'.repeat(4000)));
    expect(decode(decoder, hex('bf'))).toEqual(['b', '2']);
    expect(decode(decoder, hex('c0'))).toBeUndefined();
    const other = new HeaderDecoder(limits);
    decode(other, add('a', '1'));
    decode(other, add('huge', 'x'.repeat(5000)));
    expect(decode(other, newest)).toBeUndefined();
    const small = new HeaderDecoder(limits);
    decode(small, Buffer.concat([hex('3f 22'), add('a', '1'), add('b', '2')]));
    expect(decode(small, hex('be'))).toEqual(['b', '2']);
    decode(small, hex('20'));
    expect(decode(small, hex('be'))).toBeUndefined();
  });

  it('remembers a block only while its indexes mean the same', () => {
    const decoder = new HeaderDecoder(limits);
    decode(decoder, hex('40 01 61 01 31'));
    const block = hex('be');
    const first = decode(decoder, block);
    expect(decode(decoder, block)).toBe(first);
    decode(decoder, hex('40 01 62 01 32'));
    expect(decode(decoder, block)).toEqual(['b', '2']);
  });

  it('is a model of itself over thousands of blocks', () => {
    const field = fc.record({
      name: fc.constantFrom('a', 'bb', 'x-long-name', ':path'),
      value: fc.string({ maxLength: 600, unit: 'grapheme-ascii' }),
      add: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(fc.array(field, { minLength: 1, maxLength: 4 }), { maxLength: 40 }), (blocks) => {
        const decoder = new HeaderDecoder({ headerBytesMax: 1e9, headersMax: 1e9 });
        let table: { name: string; value: string }[] = [];
        for (const fields of blocks) {
          const parts: Buffer[] = [];
          const wanted: string[] = [];
          for (const { name, value, add } of fields) {
            const at = table.findIndex((entry) => entry.name === name && entry.value === value);
            wanted.push(name, value);
            if (at >= 0) parts.push(integer(0x80, 127, 62 + at));
            else parts.push(Buffer.from([add ? 0x40 : 0, name.length]), Buffer.from(name), textOf(value));
            if (at >= 0 || !add) continue;
            table.unshift({ name, value });
            for (let bytes = 0, i = 0; i < table.length; i++) {
              bytes += (table[i]?.name.length ?? 0) + (table[i]?.value.length ?? 0) + 32;
              if (bytes > 4096) table = table.slice(0, i);
            }
          }
          expect(decode(decoder, Buffer.concat(parts))).toEqual(wanted);
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('Huffman', () => {
  it('decodes every byte as nghttp2 encodes it', async () => {
    // What Node sends is the referee: values of every character that a header may hold.
    const blocks: Buffer[] = [];
    const server = net.createServer((socket) => socket.on('data', (chunk: Buffer) => blocks.push(chunk)).on('error', () => {}));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const session = http2.connect(`http://127.0.0.1:${(server.address() as net.AddressInfo).port}`).on('error', () => {});
    const allowed = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code)).filter((char) =>
      /[\t\x20-\x7e\x80-\xff]/.test(char),
    );
    // Enough of the frequent letters that Huffman is shorter even with those that cost 28 bits.
    const values = allowed.map((char) => `${'e'.repeat(30)}${char}${'o'.repeat(30)}`);
    const request = session.request(Object.fromEntries([[':path', '/'], ...values.map((value, i) => [`x-${i}`, value])]) as never);
    request.on('error', () => {});
    await new Promise((resolve) => setTimeout(resolve, 0));
    const wanted = values.flatMap((value, i) => [`x-${i}`, value]);
    const found = (): readonly string[] | undefined =>
      decode(new HeaderDecoder({ headerBytesMax: 1e6, headersMax: 1000 }), headerBlock(Buffer.concat(blocks)));
    while (Buffer.concat(blocks).length < 2000 || (found()?.length ?? 0) < wanted.length)
      await new Promise((resolve) => setTimeout(resolve, 5));
    expect(found()?.slice(-wanted.length)).toEqual(wanted);
    session.destroy();
    server.close();
  });

  it('never throws, never returns more than eight fifths of its bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        const text = huffmanDecode(bytes, 0, bytes.length);
        expect(text === undefined || text.length <= Math.ceil((bytes.length * 8) / 5)).toBe(true);
      }),
      { numRuns: 5000 },
    );
  });
});

describe('the decoder, on bytes that nobody sent on purpose', () => {
  it('gives an answer to any block, and the same twice', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 6 }), (blocks) => {
        const [one, two] = [new HeaderDecoder(limits), new HeaderDecoder(limits)];
        for (const block of blocks) {
          const first = one.decode(Buffer.from(block), 0, block.length);
          expect(two.decode(Buffer.concat([Buffer.alloc(3), block]), 3, block.length + 3)).toEqual(first);
          if (first === undefined) return;
        }
      }),
      { numRuns: 5000 },
    );
  });

  it('counts a bomb instead of unfolding it', () => {
    const decoder = new HeaderDecoder(limits);
    decode(decoder, Buffer.concat([hex('40 01 61'), textOf('x'.repeat(4000))]));
    const block = decoder.decode(Buffer.alloc(16_000, 0xbe), 0, 16_000);
    expect(block?.tooLarge).toBe(true);
    expect(block?.headers.length).toBeLessThan(20);
    const many = decoder.decode(Buffer.alloc(300, 0x82), 0, 300);
    expect(many?.tooLarge).toBe(true);
    // The connection goes on, its table in step.
    expect(decode(decoder, hex('be'))?.[0]).toBe('a');
  });
});

describe('the encoder', () => {
  it('writes what the decoder reads', () => {
    const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,20}$/);
    const value = fc.stringMatching(/^[!-~]([ -~]{0,300}[!-~])?$/);
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(
            fc.oneof(name, fc.constantFrom(':status', 'authorization', 'grpc-status')),
            fc.oneof(value, fc.constantFrom('', '200', '0')),
          ),
          { maxLength: 30 },
        ),
        (pairs) => {
          const headers = pairs.flat();
          expect(decode(new HeaderDecoder({ headerBytesMax: 1e6, headersMax: 1000 }), encodeHeaders(headers))).toEqual(headers);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('encodes a stable list once, and a translation of it too', () => {
    const headers = stableHeaders([':status', '200', 'content-type', 'application/grpc']);
    expect(encodeHeaders(headers)).toBe(encodeHeaders(headers));
    let translations = 0;
    const translate = translated((list) => {
      translations++;
      return [...list, 'x-more', '1'];
    });
    expect(translate(headers)).toBe(translate(headers));
    expect(translations).toBe(1);
    expect(encodeHeaders(translate(headers))).toBe(encodeHeaders(translate(headers)));
    translate([':status', '200']);
    translate([':status', '200']);
    expect(translations).toBe(3);
  });

  it('finds something out about a list once when it is stable, and else not twice in a row', () => {
    const asked: string[] = [];
    const statusOf = perList((list) => {
      asked.push(list[1] as string);
      return { status: list[1] };
    });
    const [stable, other] = [stableHeaders([':status', '200']), [':status', '404']];
    for (const list of [stable, stable, other, other, stable, other]) expect(statusOf(list)).toEqual({ status: list[1] });
    expect(asked).toEqual(['200', '404', '404']);
    const failing = perList(() => {
      throw new Error('no');
    });
    expect(() => failing(stable)).toThrow('no');
    expect(() => failing(stable)).toThrow('no');
  });

  it('marks what nobody may keep, and refuses what HTTP/2 does not allow', () => {
    expect(encodeHeaders(['authorization', 'x'])[0]).toBe(0x1f);
    expect(encodeHeaders(['dapr-api-token', 'x'])[0]).toBe(0x10);
    for (const [name, value] of [
      ['X-Upper', '1'],
      ['', '1'],
      ['a b', '1'],
      ['a', 'x\r\ny: z'],
      ['a', '\0'],
      ['a', 'snow☃'],
    ] as const)
      expect(() => encodeHeaders([name, value])).toThrow(/HTTP\/2/);
  });
});

function integer(flags: number, mask: number, value: number): Buffer {
  if (value < mask) return Buffer.from([flags | value]);
  const bytes = [flags | mask];
  let rest = value - mask;
  for (; rest >= 128; rest >>>= 7) bytes.push((rest & 127) | 128);
  return Buffer.from([...bytes, rest]);
}

function textOf(value: string): Buffer {
  return Buffer.concat([integer(0, 127, value.length), Buffer.from(value)]);
}

/** The header block in what a client sent: after the preface, all HEADERS and CONTINUATION frames. */
function headerBlock(bytes: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 24; at + 9 <= bytes.length; at += 9 + bytes.readUIntBE(at, 3)) {
    const [type, flag] = [bytes[at + 3], bytes[at + 4] as number];
    if (type === 1) parts.push(bytes.subarray(at + 9 + ((flag & 0x20) !== 0 ? 5 : 0), at + 9 + bytes.readUIntBE(at, 3)));
    if (type === 9) parts.push(bytes.subarray(at + 9, at + 9 + bytes.readUIntBE(at, 3)));
  }
  return Buffer.concat(parts);
}

describe('the blocks that a decoder knows again', () => {
  /** Literals that leave the table alone: x-n and a number. */
  const plain = (n: number): Buffer => {
    const value = `value ${n}`;
    return Buffer.concat([Buffer.from([0x00, 3]), Buffer.from('x-n'), Buffer.from([value.length]), Buffer.from(value)]);
  };

  it('are the last eight, byte for byte, until the table changes', () => {
    const decoder = new HeaderDecoder(limits);
    const block = (n: number) => decoder.decode(plain(n), 0, plain(n).length);
    const first = Array.from({ length: 8 }, (_, n) => block(n));
    expect(first.map((each, n) => [each === block(n), each?.headers])).toEqual(first.map((_, n) => [true, ['x-n', `value ${n}`]]));
    // The ninth takes the place of the first.
    block(8);
    expect([block(1) === first[1], block(0) === first[0]]).toEqual([true, false]);
    expect([block(88)?.headers, block(1) === first[1]]).toEqual([['x-n', 'value 88'], false]);
    const seven = block(7);
    const adds = Buffer.concat([Buffer.from([0x40, 1]), Buffer.from('a'), Buffer.from([1]), Buffer.from('b')]);
    expect(decoder.decode(adds, 0, adds.length)?.headers).toEqual(['a', 'b']);
    expect([block(7) === seven, block(7)?.headers]).toEqual([false, ['x-n', 'value 7']]);
  });

  it('take a kilobyte each, and nothing of what was received beside them', async () => {
    const received = Buffer.allocUnsafeSlow(1_024);
    const bytes = await keptBytes(() =>
      Array.from({ length: 200 }, () => {
        const decoder = new HeaderDecoder(limits);
        for (let n = 0; n < 8; n++) {
          // All connections are read into the same memory.
          const length = plain(n).copy(received);
          decoder.decode(received, 0, length);
          for (let i = 0; i < 100; i++) Buffer.from('x'.repeat(100));
        }
        return decoder;
      }),
    );
    // With the pool of buffers it would be 13 MB and more.
    expect(bytes).toBeLessThan(9_000_000);
  });
});
