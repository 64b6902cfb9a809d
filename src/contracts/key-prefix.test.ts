import fc from 'fast-check';
import { expect, it } from 'vitest';
import { keyPrefixOf, originalKey } from './key-prefix.ts';

const anyText = fc.string({ unit: fc.constantFrom('a', 'b', '|', '.') });

it('gives different stored keys for different prefixes and keys, and the key back', () => {
  const stored = (keyPrefix: string, key: string) =>
    keyPrefixOf({ name: 's', properties: { keyPrefix } }, { appId: 'app', namespace: '' }) + key;
  const legal = (keyPrefix: string, key: string) =>
    keyPrefix !== '' && !`${keyPrefix}x`.includes('||') && !keyPrefix.endsWith('|') && !key.includes('||');
  fc.assert(
    fc.property(anyText, anyText, anyText, anyText, (prefix1, key1, prefix2, key2) => {
      fc.pre(legal(prefix1, key1) && legal(prefix2, key2));
      expect(originalKey(stored(prefix1, key1))).toBe(key1);
      if (prefix1 !== prefix2 || key1 !== key2) expect(stored(prefix1, key1)).not.toBe(stored(prefix2, key2));
    }),
  );
});

it('gives the part between the first two separators of keys with more of them', () => {
  expect([originalKey('app||type||id||key'), originalKey('plain'), originalKey('app||')]).toEqual(['type', 'plain', '']);
});
