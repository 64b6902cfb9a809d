import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { plainItems } from './plain-items.ts';

const metadata = { m: '1' };
const read = (text: string) =>
  plainItems(Buffer.from(text), metadata)?.map((item) => ({ ...item, value: Buffer.from(item.value).toString() }));

describe('plain items', () => {
  it('finds keys, values and etags, and leaves the text of values alone', () => {
    expect(
      read(
        ' [ {"key":"a","value": {"n":1.50, "s":"é\\n"} } ,{"etag":"7","value":[1 ,2],"key":"\\u0062"},{"key":"c"},{"key":"d","value":null,"etag":""}]\n',
      ),
    ).toEqual([
      { key: 'a', value: '{"n":1.50, "s":"é\\n"}', metadata },
      { key: 'b', value: '[1 ,2]', etag: '7', metadata },
      { key: 'c', value: 'null', metadata },
      { key: 'd', value: 'null', metadata },
    ]);
  });

  it.each([
    ['no array', '{"key":"a","value":1}'],
    ['an empty array', '[]'],
    ['an element that is no object', '[1]'],
    ['no key', '[{"value":1}]'],
    ['a key that is no text', '[{"key":1}]'],
    ['an etag that is no text', '[{"key":"a","etag":1}]'],
    ['a name in another case', '[{"Key":"a"}]'],
    ['a name that stands twice', '[{"key":"a","value":1,"value":2}]'],
    ['what only the whole format knows', '[{"key":"a","metadata":{"ttlInSeconds":"1"}}]'],
    ['one such element among plain ones', '[{"key":"a"},{"key":"b","options":{}}]'],
    ['a comma too many', '[{"key":"a"},]'],
    ['something behind', '[{"key":"a"}] x'],
    ['a cut text', '[{"key":"a","value":"x'],
    ['nothing', ''],
  ])('leaves %s to the reader of the whole format', (_name, text) => {
    expect(read(text)).toBeUndefined();
  });

  it('leaves what is not UTF-8, and what nests too deep', () => {
    expect(plainItems(Buffer.from([...Buffer.from('[{"key":"'), 0xff, ...Buffer.from('"}]')]), metadata)).toBeUndefined();
    const nested = (depth: number) => read(`[{"key":"a","value":${'['.repeat(depth)}${']'.repeat(depth)}}]`);
    expect([nested(254)?.length, nested(255)]).toEqual([1, undefined]);
  });

  it('agrees with JSON.parse on every list of plain items', () => {
    const item = fc.record({ key: fc.string(), value: fc.jsonValue() });
    fc.assert(
      fc.property(fc.array(item, { minLength: 1 }), fc.constantFrom(undefined, 1, '\t'), (items, indent) => {
        const found = read(JSON.stringify(items, undefined, indent));
        expect(found?.map(({ key, value }) => ({ key, value: JSON.parse(value) as unknown }))).toEqual(
          JSON.parse(JSON.stringify(items)) as unknown,
        );
      }),
    );
  });
});
