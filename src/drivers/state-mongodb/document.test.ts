import fc from 'fast-check';
import { BSON, Binary, BSONRegExp, Decimal128, Double, Int32, Long, MaxKey, MinKey, ObjectId, Timestamp } from 'mongodb';
import { describe, expect, it } from 'vitest';
import { anyJson } from '../../testing/any-json.ts';
import { bsonElements, bsonTypes, stringBytes } from './bson-elements.ts';
import { documentOf, readDocument } from './document.ts';

const stored = (data: Uint8Array, etag = 'e') => Buffer.from(BSON.serialize({ _id: 'k', ...documentOf({ key: 'k', data }, etag, null) }));
const read = (raw: Buffer): Uint8Array => readDocument(raw, BSON).value.data;

describe('a document', () => {
  it('gives back every text as it was', () => {
    fc.assert(
      fc.property(anyJson, (json) => {
        expect(Buffer.from(read(stored(Buffer.from(json)))).toString()).toBe(json);
      }),
      { numRuns: 2_000 },
    );
  });

  it('gives back all bytes as they were', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (data) => {
        expect(Buffer.from(read(stored(data))).equals(data)).toBe(true);
      }),
    );
  });

  it('reads texts that are no UTF-8, which is how Dapr writes bytes', () => {
    const raw = stored(Buffer.from('xyz'));
    raw.set([0xff, 0x00, 0x80], raw.indexOf('xyz'));
    expect([...read(raw)]).toEqual([0xff, 0x00, 0x80]);
  });

  it('keeps nested values as documents as deep as a server takes them', () => {
    const nested = (depth: number) => Buffer.from(`${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`);
    expect(typeof documentOf({ key: 'k', data: nested(80) }, 'e', null).value).toBe('object');
    expect(typeof documentOf({ key: 'k', data: nested(81) }, 'e', null).value).toBe('string');
  });

  it('does not keep the reply alive that it was read from', () => {
    const raw = stored(Buffer.from('text'));
    const data = read(raw);
    raw.fill(0);
    expect(Buffer.from(data).toString()).toBe('text');
  });

  it('is read around values of every type, and up to one without a size', () => {
    const raw = Buffer.from(
      BSON.serialize({
        a: new Double(1),
        b: 'x',
        c: { d: 1 },
        e: [1],
        f: new Binary(Buffer.from([1])),
        g: new ObjectId(),
        h: true,
        i: new Date(7),
        j: null,
        k: new BSON.Code('x', { y: 1 }),
        l: new BSON.BSONSymbol('x'),
        m: new BSON.Code('x'),
        n: new Int32(1),
        o: new Timestamp({ t: 1, i: 1 }),
        p: Long.fromNumber(1),
        q: Decimal128.fromString('1'),
        r: new MinKey(),
        s: new MaxKey(),
        t: 'last',
        u: new BSONRegExp('x', 'i'),
        v: 'never',
      }),
    );
    const elements = bsonElements(raw);
    expect([...elements.keys()].join('')).toBe('abcefghijklmnopqrst');
    const last = elements.get('t');
    expect(last?.type).toBe(bsonTypes.string);
    expect(last && stringBytes(last).toString()).toBe('last');
  });

  it('that is cut short is read as far as it goes', () => {
    const raw = stored(Buffer.from('text'));
    for (let length = 5; length < raw.length; length++) expect(() => bsonElements(raw.subarray(0, length))).not.toThrow();
  });
});
