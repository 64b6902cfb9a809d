import fc from 'fast-check';
import { expect, it } from 'vitest';
import { DueHeap } from './due-heap.ts';
import { decodeTimer, dueOf, encodeTimer } from './entry.ts';

it('gives what was put into it in order of time, whatever came between', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.nat(50), fc.constant('pop' as const))), (steps) => {
      const heap = new DueHeap<{ readonly dueMs: number }>();
      const model: number[] = [];
      for (const step of steps) {
        if (step === 'pop') expect(heap.pop()?.dueMs).toBe(model.shift());
        else {
          heap.push({ dueMs: step });
          model.push(step);
          model.sort((a, b) => a - b);
        }
        expect([heap.size, heap.first?.dueMs]).toEqual([model.length, model[0]]);
      }
    }),
  );
});

it('writes a timer and reads it again; bytes that are none have no time', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'grapheme' }),
      fc.integer(),
      fc.option(fc.string({ minLength: 1 }), { nil: undefined }),
      (id, dueMs, data) => {
        const timer = { id, dueMs, ...(data !== undefined && { data }) };
        const bytes = encodeTimer(timer);
        expect(decodeTimer(bytes)).toEqual(timer);
        expect(dueOf(bytes)).toBe(dueMs);
      },
    ),
  );
  expect(dueOf(Buffer.from('short'))).toBeUndefined();
  expect(dueOf(Buffer.alloc(20, 0xff))).toBeUndefined();
});

it('refuses texts beyond the limit, and times that are none', () => {
  expect(() => encodeTimer({ id: 'a'.repeat(1_000), dueMs: 1, data: 'ü'.repeat(525) })).toThrow('2050');
  expect(encodeTimer({ id: 'a'.repeat(1_000), dueMs: 1, data: 'ü'.repeat(524) }).length).toBe(2_058);
  for (const dueMs of [Number.NaN, Infinity, -Infinity]) expect(() => encodeTimer({ id: 'a', dueMs })).toThrow('due at a time');
});
