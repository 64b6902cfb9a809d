import fc from 'fast-check';
import { expect, it } from 'vitest';
import { StreamTable, type Numbered } from './stream-table.ts';

it.each([0, 1] as const)('holds what a map would, also when old streams stay for very long (ids shifted by %i)', (shift) => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ skip: fc.constantFrom(0, 0, 0, 15, 63, 65_535), close: fc.nat(40) }), { maxLength: 200 }),
      fc.boolean(),
      (steps, clears) => {
        const table = new StreamTable<Numbered>(shift);
        const model = new Map<number, Numbered>();
        let id = 0;
        for (const { skip, close } of steps) {
          id += (1 + skip) << shift;
          const opened = { id };
          table.add(opened);
          model.set(id, opened);
          const closed = [...model.values()][close];
          if (closed !== undefined) {
            table.delete(closed);
            table.delete(closed);
            model.delete(closed.id);
          }
          expect(table.size).toBe(model.size);
          for (const [known, value] of model) expect(table.get(known)).toBe(value);
        }
        expect(table.all()).toEqual([...model.values()]);
        expect(table.get(id + 2)).toBeUndefined();
        if (clears) table.clear();
        expect(table.all()).toEqual(clears ? [] : [...model.values()]);
        expect(table.size).toBe(clears ? 0 : model.size);
      },
    ),
    { numRuns: 200 },
  );
});
