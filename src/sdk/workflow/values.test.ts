import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeValue, encodeValue } from './values.ts';

const back = (value: unknown): unknown => decodeValue(encodeValue(value, 'it'));

describe('values', () => {
  it('come back as they went in', () => {
    fc.assert(
      fc.property(
        fc.anything({
          withBigInt: true,
          withDate: true,
          withMap: true,
          withSet: true,
          withNullPrototype: false,
          withSparseArray: false,
          key: fc.oneof(fc.string(), fc.constantFrom('$date', '$map', '$object', '$undefined', '__proto__', 'toJSON', 'constructor')),
        }),
        (value) => {
          expect(back(value)).toEqual(value);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('are taken for no word of ours when all but one field is undefined', () => {
    expect(back({ $undefined: true, a: undefined })).toEqual({ $undefined: true });
  });

  it('keep what JSON loses', () => {
    const bytes = new Uint8Array([0, 255, 1]);
    expect(back(bytes)).toEqual(bytes);
    expect(back({ a: Buffer.from('ü') })).toEqual({ a: new Uint8Array([195, 188]) });
    expect(Object.is((back({ n: -0 }) as { n: number }).n, -0)).toBe(true);
    expect(back([undefined, NaN, Infinity, -Infinity, 12n, new Date(NaN)])).toEqual([
      undefined,
      NaN,
      Infinity,
      -Infinity,
      12n,
      new Date(NaN),
    ]);
    expect(back({ $date: 'mine' })).toEqual({ $date: 'mine' });
    expect(back({ $object: { $set: [1] } })).toEqual({ $object: { $set: [1] } });
    expect(encodeValue(undefined, 'it')).toBeUndefined();
    expect(back(undefined)).toBeUndefined();
  });

  it('are plain JSON when JSON is enough, and texts of others stay what they are', () => {
    expect(encodeValue({ a: [1, 'b', null], c: undefined }, 'it')).toBe('{"a":[1,"b",null]}');
    expect(decodeValue('no JSON')).toBe('no JSON');
    expect(decodeValue('{"$unknown":1}')).toEqual({ $unknown: 1 });
    expect(decodeValue('{"$map":"none","$set":1}')).toEqual({ $map: 'none', $set: 1 });
    expect(decodeValue('{"$bigint":"1e3"}')).toEqual({ $bigint: '1e3' });
    expect(decodeValue('{"$map":[[1]]}')).toEqual({ $map: [[1]] });
  });

  it('never change a prototype', () => {
    const read = decodeValue('{"__proto__":{"polluted":true},"x":{"$number":"1"}}') as Record<string, unknown>;
    expect(Object.getPrototypeOf(read)).toBe(Object.prototype);
    expect(Object.keys(read)).toEqual(['__proto__', 'x']);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  it('are refused with their path when nobody could read them', () => {
    class Money {
      amount = 1;
    }
    const refused: readonly (readonly [unknown, string])[] = [
      [{ items: [{ price: new Money() }] }, 'the result cannot be recorded: value.items[0].price is an instance of Money'],
      [() => 1, 'the result cannot be recorded: it is a function'],
      [{ 'a b': Symbol('s') }, 'the result cannot be recorded: value["a b"] is a symbol'],
      [new Map([[{}, new Set([new WeakMap()])]]), 'the result cannot be recorded: value.value(0).item(0) is an instance of WeakMap'],
      [Promise.resolve(1), 'the result cannot be recorded: it is an instance of Promise'],
    ];
    for (const [value, message] of refused) expect(() => encodeValue(value, 'the result')).toThrow(message);
    const loop: unknown[] = [];
    loop.push(loop);
    expect(() => encodeValue(loop, 'the result')).toThrow(/nested more than 256 deep, or part of itself/);
    expect(() => encodeValue('x'.repeat(5 * 1024 * 1024), 'the result')).toThrow('the result has more than 4194304 bytes');
  });
});
