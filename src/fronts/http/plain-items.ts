import type { SaveItem } from '../../blocks/state/index.ts';
import { type JsonMember, jsonObjects, stringMember } from '../../kernel/json-scan.ts';
import { limits } from '../../kernel/limits.ts';

interface PlainItem {
  readonly key: string;
  readonly value: Uint8Array;
  readonly etag: string | undefined;
}

const nullValue = Buffer.from('null');

/**
 * The items of a list that holds only keys, values and etags, as most do: found in the bytes, of which the values stay parts. Undefined for
 * every other list, and for what is no list at all: read that with `JsonFields`, which knows the rest of the format and says what is wrong.
 */
export function plainItems(bytes: Uint8Array, metadata: SaveItem['metadata']): SaveItem[] | undefined {
  const items: SaveItem[] = [];
  for (const members of jsonObjects(bytes, limits.jsonDepth) ?? []) {
    const item = plainItem(bytes, members);
    if (item === undefined) return undefined;
    const { key, value, etag } = item;
    items.push(etag === undefined || etag === '' ? { key, value, metadata } : { key, value, etag, metadata });
  }
  return items.length === 0 ? undefined : items;
}

function plainItem(bytes: Uint8Array, members: readonly JsonMember[]): PlainItem | undefined {
  let key: string | undefined;
  let value: Uint8Array | undefined;
  let etag: string | undefined;
  for (const member of members) {
    if (member.name === 'key' && key === undefined) {
      key = stringMember(bytes, member);
      if (key === undefined) return undefined;
    } else if (member.name === 'value' && value === undefined) value = bytes.subarray(member.from, member.to);
    else if (member.name === 'etag' && etag === undefined) {
      etag = stringMember(bytes, member);
      if (etag === undefined) return undefined;
    } else return undefined;
  }
  return key === undefined ? undefined : { key, value: value ?? nullValue, etag };
}
