import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OrderedMap } from './ordered-map.ts';

/** The same by the simplest means. */
class Model {
  #entries: [string, number][] = [];

  all = (): [string, number][] => this.#entries.toSorted(([a], [b]) => (a < b ? -1 : 1));
  get = (key: string): number | undefined => this.#entries.find(([other]) => other === key)?.[1];

  set(key: string, value: number): number | undefined {
    const before = this.delete(key);
    this.#entries.push([key, value]);
    return before;
  }

  delete(key: string): number | undefined {
    const before = this.get(key);
    this.#entries = this.#entries.filter(([other]) => other !== key);
    return before;
  }

  deleteRange(from: string, to: string): [string, number][] {
    const gone = this.all().filter(([key]) => from <= key && key < to);
    this.#entries = this.#entries.filter(([key]) => !(from <= key && key < to));
    return gone;
  }
}

const keyOf = (n: number): string => `k${n.toString(36)}`;

function expectSame(map: OrderedMap<number>, model: Model, probe: string): void {
  const all = model.all();
  expect([...map.entries()]).toEqual(all);
  expect([...map.entriesReversed()]).toEqual(all.toReversed());
  expect(map.size).toBe(all.length);
  expect([...map.entries(probe)]).toEqual(all.filter(([key]) => key >= probe));
  expect([...map.entriesReversed(probe)]).toEqual(all.filter(([key]) => key < probe).toReversed());
  expect(map.getRange(probe, `${probe}z`)).toEqual(all.filter(([key]) => key >= probe && key < `${probe}z`));
  for (const to of [`${probe}0`, keyOf(3_000), probe, '']) {
    expect(map.holdsBetween(probe, to)).toBe(all.some(([key]) => key >= probe && key < to));
  }
  expect(map.nextKey(probe)).toBe(all.find(([key]) => key >= probe)?.[0]);
  expect([map.get(probe), map.has(probe)]).toEqual([model.get(probe), model.get(probe) !== undefined]);
}

// Runs of operations, so that a few of them make or empty many nodes.
const operation = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('set' as const),
      at: fc.nat(3_000),
      count: fc.nat(300),
      step: fc.integer({ min: -3, max: 7 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('delete' as const),
      at: fc.nat(3_000),
      count: fc.nat(300),
      step: fc.integer({ min: -3, max: 7 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('range' as const), at: fc.nat(3_000), count: fc.nat(600), step: fc.constant(1) }) },
);

type Operation = typeof operation extends fc.Arbitrary<infer Made> ? Made : never;

/** Does it to both; each key has a higher value every time it is set. */
function apply({ kind, at, count, step }: Operation, map: OrderedMap<number>, model: Model, next: () => number): void {
  if (kind === 'range') {
    const [from, to] = [keyOf(at), keyOf(at + count)];
    const gone: [string, number][] = [];
    map.deleteRange(from, to, (key, old) => gone.push([key, old]));
    expect(gone.toSorted(([a], [b]) => (a < b ? -1 : 1))).toEqual(model.deleteRange(from, to));
    return;
  }
  for (let i = 0; i < count; i++) {
    const key = keyOf(Math.abs(at + i * step));
    const value = next();
    if (kind === 'set') expect(map.set(key, value)).toBe(model.set(key, value));
    else expect(map.delete(key)).toBe(model.delete(key));
  }
}

describe('an ordered map', () => {
  it('does what a sorted list would', () => {
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 25 }), (operations) => {
        let value = 0;
        const [map, model] = [new OrderedMap<number>(), new Model()];
        for (const each of operations) {
          apply(each, map, model, () => ++value);
          expectSame(map, model, keyOf(each.at));
        }
      }),
      { numRuns: 40 },
    );
  });

  it('is walked through while it changes: what is there all the time comes once, and nothing that never was', () => {
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 12 }), fc.array(operation, { maxLength: 12 }), fc.nat(400), (before, beside, every) => {
        let value = 0;
        const [map, model] = [new OrderedMap<number>(), new Model()];
        for (const each of before) apply(each, map, model, () => ++value);
        const stayed = new Map(model.all());
        const seen = new Map(model.all().map(([key, first]) => [key, new Set([first])] as const));
        const [met, rest]: [string[], Operation[]] = [[], [...beside]];
        for (const [key, found] of map.steadyEntries()) {
          expect(met.length === 0 || (met.at(-1) as string) < key).toBe(true);
          expect(seen.get(key)).toContain(found);
          met.push(key);
          const each = met.length % (every + 1) === 0 ? rest.shift() : undefined;
          if (each === undefined) continue;
          apply(each, map, model, () => ++value);
          for (const gone of stayed.keys()) if (model.get(gone) === undefined) stayed.delete(gone);
          for (const [other, now] of model.all()) seen.set(other, (seen.get(other) ?? new Set<number>()).add(now));
        }
        for (const key of stayed.keys()) expect(met).toContain(key);
      }),
      { numRuns: 25 },
    );
  });

  it('orders keys as bytes, the empty one first', () => {
    const map = new OrderedMap<number>();
    const keys = ['', '\0', '\0\0', 'a', 'aa', 'b', '\x7f', '\x80', '\xff', '\xff\xff'];
    for (const [i, key] of keys.toReversed().entries()) map.set(key, i);
    expect(Array.from(map.entries(), ([key]) => key)).toEqual(keys);
    expect([map.nextKey(''), map.nextKey('c'), map.nextKey('\xff\xff\xff')]).toEqual(['', '\x7f', undefined]);
    map.deleteRange('b', 'b');
    map.deleteRange('z', 'a');
    expect(map.size).toBe(keys.length);
  });

  it('keeps no nodes for what is gone, and fills them with keys that come in order', () => {
    const map = new OrderedMap<number>();
    const key = (n: number): string => String(n).padStart(7, '0');
    for (let i = 0; i < 100_000; i++) map.set(key(i), i);
    expect(map.nodes).toBeLessThan(1.1 * (100_000 / 64));
    // One key in a hundred stays: without merging there would be as many leaves as before.
    for (let i = 0; i < 100_000; i++) if (i % 100 !== 0) map.delete(key(i));
    expect(Array.from(map.entries(), ([, value]) => value)).toEqual(Array.from({ length: 1_000 }, (_, i) => i * 100));
    expect(map.nodes).toBeLessThan(4 * (1_000 / 64));
    map.deleteRange('', '9');
    expect(map.nodes).toBe(1);
    expect([map.size, [...map.entries()], map.nextKey('')]).toEqual([0, [], undefined]);
    map.set('again', 1);
    expect([...map.entries()]).toEqual([['again', 1]]);
  });
});
