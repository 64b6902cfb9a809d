import { engineLimits } from '../../contracts/engine.ts';
import { ProaError } from '../../kernel/errors.ts';
import { TextMemo } from '../../kernel/text-memo.ts';
import { type Key, prefixEnd, tuple, untuple } from '../../kernel/tuple.ts';

/** A half-open range of engine keys. */
export interface KeyRange {
  readonly from: Key;
  readonly to: Key;
}

/** Where one store keeps its things in the engine. */
export interface Layout {
  /** The record of a state key. Fails with `engine.limit` when the key is too long for this store. */
  record(key: string): Key;
  /** The state key of a record's key. */
  stateKey(record: Key): string;
  /** All records whose state key begins with `prefix`. */
  records(prefix: string): KeyRange;
  chunk(key: string, write: string, index: number): Key;
  /** All chunks of a state key, whoever wrote them. */
  chunks(key: string): KeyRange;
  /** The chunks of one write. */
  chunksOf(key: string, write: string): KeyRange;
  /** The chunks of a state key but for those of one write. */
  otherChunks(key: string, write: string): KeyRange[];
  /** The chunks of all state keys that begin with `prefix`. */
  chunksWith(prefix: string): KeyRange;
  /** Marks a write whose chunks are on their way; gone with the commit that makes them visible. */
  staging(key: string, write: string): Key;
  readonly allStaging: KeyRange;
  /** Key and write of a staging mark. */
  staged(mark: Key): readonly [key: string, write: string];
}

/** An element of text ends with this byte; without it a tuple is the prefix of all texts that continue it. */
const terminator = '\x00';
/** A chunk's key adds the write's id (16 characters) and an index to the state key. */
const chunkSuffixChars = tuple('0123456789abcdef', 0).length;

/** Keys are tuples: space name, namespace, store, state key, and for chunks the write's id and an index. */
export function createLayout(namespace: string, space: string): Layout {
  const records = tuple('state', namespace, space);
  const chunks = tuple('state-chunk', namespace, space);
  const staging = tuple('state-staging', namespace, space);
  const keyCharsMax = engineLimits.keyBytesMax - Math.max(staging.length, chunks.length) - chunkSuffixChars;
  const below = (prefix: Key): KeyRange => ({ from: prefix, to: prefixEnd(prefix) });
  const startingWith = (base: Key, prefix: string): KeyRange =>
    below(prefix === '' ? base : base + tuple(prefix).slice(0, -terminator.length));
  const chunkBase = (key: string): Key => chunks + tuple(key);
  // From the tag of a text to the next tag: `prefixEnd` would reach into keys that continue this one with a zero byte.
  const chunkRanges = new TextMemo((key): KeyRange => {
    const base = chunkBase(key);
    return { from: `${base}\x02`, to: `${base}\x03` };
  });
  const allChunks = (key: string): KeyRange => chunkRanges.of(key);
  const elements = (base: Key, key: Key) => untuple(key.slice(base.length));
  const encodedRecords = new TextMemo((key): Key => {
    const encoded = tuple(key);
    if (encoded.length > keyCharsMax)
      throw new ProaError('engine.limit', `the state key has ${encoded.length - 2} bytes; this store takes ${keyCharsMax - 2}`);
    return records + encoded;
  });
  return {
    record: (key) => encodedRecords.of(key),
    stateKey: (record) => String(elements(records, record)[0]),
    records: (prefix) => startingWith(records, prefix),
    chunk: (key, write, index) => chunkBase(key) + tuple(write, index),
    chunks: allChunks,
    chunksOf: (key, write) => below(chunkBase(key) + tuple(write)),
    otherChunks(key, write) {
      const all = allChunks(key);
      const own = below(chunkBase(key) + tuple(write));
      return [
        { from: all.from, to: own.from },
        { from: own.to, to: all.to },
      ];
    },
    chunksWith: (prefix) => startingWith(chunks, prefix),
    staging: (key, write) => staging + tuple(key, write),
    allStaging: below(staging),
    staged(mark) {
      const [key, write] = elements(staging, mark);
      return [String(key), String(write)];
    },
  };
}
