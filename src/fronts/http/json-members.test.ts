import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isProaError } from '../../kernel/errors.ts';
import { JsonFields } from './json-fields.ts';
import { arrayElements, objectMembers, parseJson } from './json-members.ts';

describe('JSON taken apart', () => {
  it('gives members and elements that say what JSON.parse says, whatever the white space', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.constantFrom(undefined, 1, '\t', '\r\n '), (object, space) => {
        const text = JSON.stringify(object, undefined, space);
        const members = objectMembers(text);
        expect(Object.fromEntries([...members].map(([name, raw]) => [name, JSON.parse(raw) as unknown]))).toEqual(JSON.parse(text));
        const list = JSON.stringify(Object.values(object), undefined, space);
        expect(arrayElements(list).map((raw) => JSON.parse(raw) as unknown)).toEqual(JSON.parse(list));
      }),
    );
  });

  it('keeps a value as it was written: numbers lose no digit', () => {
    expect(objectMembers('{"value": 12345678901234567890.50 , "b":"}"}').get('value')).toBe('12345678901234567890.50');
  });

  it.each(['', '{', '[1', '{"a":1,}', '[1,]', '{"a" 1}', 'nul', '{"a":01}', '"\u0001"'])('refuses %j', (text) => {
    expect(() => objectMembers(text)).toThrow();
    expect(() => arrayElements(text)).toThrow();
  });

  it('refuses deep documents before it parses them (T20)', () => {
    const deep = '['.repeat(100_000) + ']'.repeat(100_000);
    try {
      parseJson(deep);
      expect.unreachable();
    } catch (error) {
      expect(isProaError(error) && error.code).toBe('malformed-request');
    }
  });

  it('keeps __proto__ an ordinary name (T19)', () => {
    expect(objectMembers('{"__proto__":{"x":1}}').get('__proto__')).toBe('{"x":1}');
    const texts = new JsonFields('{"metadata":{"__proto__":"y"}}').texts('metadata');
    expect(Object.keys(texts ?? {})).toEqual(['__proto__']);
    expect(({} as Record<string, unknown>)['y']).toBeUndefined();
  });
});

describe('fields', () => {
  it('is strict about types: a numeric etag is an error, null is absent', () => {
    const fields = new JsonFields('{"etag":5,"name":"x","none":null,"metadata":{"a":1}}');
    expect(() => fields.text('etag')).toThrow('must be a string');
    expect(() => fields.texts('metadata')).toThrow('must be a string');
    expect(fields.text('name')).toBe('x');
    expect(fields.text('none')).toBeUndefined();
    expect(new JsonFields('{"entryID":"a","entryId":"b"}').text('entryId')).toBe('b');
    expect(new JsonFields('{"ENTRYID":"a"}').text('entryId')).toBe('a');
  });
});
