import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { MuxStream } from './stream.ts';
import { StreamTable } from './stream-table.ts';

const stream = (id: number): MuxStream => ({ id }) as MuxStream;

it('holds what a map would, also when old streams stay for very long', () => {
  fc.assert(
    fc.property(fc.array(fc.record({ skip: fc.constantFrom(0, 0, 0, 63, 65_535), close: fc.nat(20) }), { maxLength: 200 }), (steps) => {
      const table = new StreamTable();
      const model = new Map<number, MuxStream>();
      let id = 0;
      for (const { skip, close } of steps) {
        id += 1 + skip;
        const opened = stream(id);
        table.add(opened);
        model.set(id, opened);
        const closed = [...model.values()][close];
        if (closed !== undefined) {
          table.delete(closed);
          table.delete(closed);
          model.delete(closed.id);
        }
        expect(table.size).toBe(model.size);
      }
      expect(table.all()).toEqual([...model.values()]);
      for (const [known, value] of model) expect(table.get(known)).toBe(value);
      expect(table.get(id + 1)).toBeUndefined();
    }),
    { numRuns: 200 },
  );
});
