import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OrderedMap } from '../../kernel/ordered-map.ts';
import { LeafMemory } from './leaf-memory.ts';
import { KeyEntry } from './operations.ts';
import { PackedLeaf } from './packed-leaf.ts';
import { Segment } from './segment.ts';

const segments = new Map(
  [1, 200, 70_000].map((number) => [number, new Segment('/nowhere', { number, epoch: 1, bytes: 1, sealed: true })] as const),
);

/** The fields of an entry that differ. */
interface Fields {
  readonly version: number;
  readonly expiresAtMs: number;
  readonly length: number;
  readonly crc: number;
  readonly offset: number;
  readonly segment: number;
}

function entryOf({ segment, ...fields }: Fields): KeyEntry {
  return Object.assign(new KeyEntry(fields), { segment: segments.get(segment) });
}

function fieldsOf({ version, expiresAtMs, length, crc, offset, segment }: KeyEntry): Fields {
  return { version, expiresAtMs, length, crc, offset, segment: segment?.number ?? -1 };
}

const whole = (max: number): fc.Arbitrary<number> => fc.oneof(fc.nat(300), fc.nat(20_000), fc.integer({ min: 0, max }));
const fields: fc.Arbitrary<Fields> = fc.record({
  version: whole(Number.MAX_SAFE_INTEGER),
  expiresAtMs: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), fc.constant(1.5)),
  length: whole(1024 * 1024),
  crc: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  offset: whole(2 ** 32 - 1),
  segment: fc.constantFrom(1, 200, 70_000),
});

// Keys of families with long beginnings alike, so that prefixes come and go, and some of up to a kilobyte.
const families = [
  '',
  'a',
  '\x02wf\x00\x02app\x00\x02i\x00\x02',
  'x'.repeat(63),
  'x'.repeat(64),
  'x'.repeat(200),
  'y'.repeat(990),
  '\xff\xff',
];
const keyOf = (n: number): string => {
  const family = families[n % families.length] as string;
  return `${family}${(n * 7_919).toString(n % 3 === 0 ? 2 : 36)}`;
};

type Step =
  | { readonly kind: 'set'; readonly at: number; readonly count: number; readonly step: number; readonly fields: Fields }
  | { readonly kind: 'delete' | 'range'; readonly at: number; readonly count: number; readonly step: number };
const run = { at: fc.nat(4_000), count: fc.nat(250), step: fc.integer({ min: -9, max: 9 }) };
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('set' as const), ...run, fields }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('delete' as const), ...run }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('range' as const), ...run }) },
);

interface Pair {
  readonly map: OrderedMap<KeyEntry, PackedLeaf>;
  readonly model: Map<string, Fields>;
}

const sorted = (model: Map<string, Fields>): [string, Fields][] => [...model].sort(([a], [b]) => (a < b ? -1 : 1));
const content = (entries: Iterable<[string, KeyEntry]>): [string, Fields][] =>
  Array.from(entries, ([key, entry]) => [key, fieldsOf(entry)]);

/** The keys as a snapshot takes them: by the bytes, leaf by leaf. */
function copiedKeys(map: OrderedMap<KeyEntry, PackedLeaf>): string[] {
  const [keys, to]: [string[], Buffer] = [[], Buffer.alloc(2_000)];
  for (const { leaf, first } of map.steadyLeaves()) {
    for (let at = first; at < leaf.size; at++) keys.push(to.toString('latin1', 3, 3 + leaf.copyKey(at, to, 3)));
  }
  return keys;
}

function expectSame({ map, model }: Pair, probe: string): void {
  const all = sorted(model);
  expect(content(map.entries())).toEqual(all);
  expect(content(map.entriesReversed())).toEqual(all.toReversed());
  expect(map.size).toBe(all.length);
  expect(copiedKeys(map)).toEqual(all.map(([key]) => key));
  expect(content(map.entries(probe))).toEqual(all.filter(([key]) => key >= probe));
  expect(content(map.entriesReversed(probe))).toEqual(all.filter(([key]) => key < probe).toReversed());
  expect(map.nextKey(probe)).toBe(all.find(([key]) => key >= probe)?.[0]);
  const found = map.get(probe);
  expect(found === undefined ? undefined : fieldsOf(found)).toEqual(model.get(probe));
}

function apply({ map, model }: Pair, step: Step): void {
  if (step.kind === 'range') {
    const [from, to] = [keyOf(step.at), keyOf(step.at + step.count)].sort() as [string, string];
    const doomed = sorted(model).filter(([key]) => from <= key && key < to);
    const gone: [string, Fields][] = [];
    map.deleteRange(from, to, (key, entry) => gone.push([key, fieldsOf(entry)]));
    expect(gone.sort(([a], [b]) => (a < b ? -1 : 1))).toEqual(doomed);
    for (const [key] of doomed) model.delete(key);
    return;
  }
  for (let i = 0; i < step.count; i++) {
    const key = keyOf(Math.abs(step.at + i * step.step));
    const before = model.get(key);
    // Some grow and some shrink, in bytes, when they are set again.
    const made =
      step.kind === 'set'
        ? { ...step.fields, version: step.fields.version === 0 ? i : Math.floor(step.fields.version / (i + 1)) }
        : undefined;
    const displaced = made === undefined ? map.delete(key) : map.set(key, entryOf(made));
    expect(displaced === undefined ? undefined : fieldsOf(displaced)).toEqual(before);
    if (made === undefined) model.delete(key);
    else model.set(key, made);
  }
}

function emptyMap(): { readonly memory: LeafMemory; readonly map: OrderedMap<KeyEntry, PackedLeaf> } {
  const memory = new LeafMemory((number) => segments.get(number));
  return { memory, map: new OrderedMap(() => new PackedLeaf(memory)) };
}

describe('an index of packed leaves', () => {
  it('does what a sorted list would', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
        const pair: Pair = { map: emptyMap().map, model: new Map() };
        for (const each of steps) {
          apply(pair, each);
          expectSame(pair, keyOf(each.at));
        }
      }),
      { numRuns: 60 },
    );
  });

  it('counts what its leaves take, and nothing once they are empty', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
        const { memory, map } = emptyMap();
        const empty = memory.bytes;
        const pair: Pair = { map, model: new Map() };
        for (const each of steps) {
          apply(pair, each);
          expect(memory.bytes).toBe([...map.leaves()].reduce((sum, leaf) => sum + leaf.bytes, 0));
        }
        map.deleteRange('', '\xff'.repeat(1025));
        expect([map.size, memory.bytes - empty]).toEqual([0, expect.toSatisfy((bytes: number) => bytes <= 9 * 1024)]);
      }),
      { numRuns: 60 },
    );
  });

  it('knows when its single key expires, whatever stood there before', () => {
    const { map } = emptyMap();
    for (const expiresAtMs of [0, 1]) map.set('k', entryOf({ version: 1, expiresAtMs, length: 1, crc: 0, offset: 0, segment: 1 }));
    expect(Array.from(map.leaves(), ({ soonestMs }) => soonestMs)).toEqual([1]);
  });

  it('says when something may have expired, and what has', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ n: fc.nat(500), at: fc.nat(100) }), { maxLength: 300 }), fc.nat(100), (puts, now) => {
        const { map } = emptyMap();
        const model = new Map<string, number>();
        for (const { n, at } of puts) {
          model.set(keyOf(n), at);
          map.set(keyOf(n), entryOf({ version: 1, expiresAtMs: at, length: 1, crc: 0, offset: 0, segment: 1 }));
        }
        const doomed = sorted(model as never).filter(([, at]) => (at as never) > 0 && (at as never) <= now);
        const leaves = [...map.leaves()];
        expect(leaves.filter((leaf) => leaf.soonestMs <= now).flatMap((leaf) => leaf.expired(now))).toEqual(doomed.map(([key]) => key));
        for (const [key] of doomed) map.delete(key);
        for (const leaf of map.leaves()) expect(leaf.expired(now)).toEqual([]);
        for (const leaf of map.leaves()) expect(leaf.soonestMs).toBeGreaterThan(now);
      }),
    );
  });

  it('takes 70 bytes or less for a key of a workflow, in whatever order it comes, and 60 for one that came in order', () => {
    const hex = (n: number): string => (Math.imul(n, 2_654_435_761) >>> 0).toString(16).padStart(8, '0');
    const ids = Array.from(
      { length: 60_000 },
      (_, i) => `${hex(i)}-${hex(i * 3).slice(4)}-4${hex(i * 5).slice(5)}-a${hex(i * 7).slice(5)}-${hex(i * 11)}${hex(i * 13).slice(4)}`,
    );
    for (const [keys, most] of [
      [ids, 70],
      [ids.toSorted(), 60],
    ] as const) {
      const { memory, map } = emptyMap();
      const put = (id: string, i: number) =>
        map.set(
          `\x02wf\x00\x02\x00\x02app\x00\x02i\x00\x02${id}\x00`,
          entryOf({ version: 1_000_000 + i, expiresAtMs: 0, length: 700, crc: -i, offset: 700 * i, segment: 200 }),
        );
      keys.forEach(put);
      // As a first turn does: the record is written anew.
      keys.forEach(put);
      expect(map.size).toBe(ids.length);
      expect(memory.bytes / map.size).toBeLessThan(most);
    }
  });
});
