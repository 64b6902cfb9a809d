import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LaneProgress } from './lane-progress.ts';
import { decodeLane, encodeLane } from './records.ts';

type Step = { readonly kind: 'read' } | { readonly kind: 'settle'; readonly which: number } | { readonly kind: 'handover' };

const step = fc.oneof<[fc.Arbitrary<Step>, fc.Arbitrary<Step>, fc.Arbitrary<Step>]>(
  fc.constant<Step>({ kind: 'read' }),
  fc.nat(10).map((which): Step => ({ kind: 'settle', which })),
  fc.constant<Step>({ kind: 'handover' }),
);

describe('lane progress', () => {
  it('neither repeats what was settled before a handover nor loses anything, and its floor is exact', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 1, max: 300 }), { maxLength: 60 }), fc.array(step, { maxLength: 200 }), (all, steps) => {
        const lane = all.toSorted((a, b) => a - b);
        const settled = new Set<number>();
        let progress = new LaneProgress({ position: 0, pending: [] });
        let outstanding: number[] = [];
        const read = (): void => {
          const next = lane.find((sequence) => sequence > progress.readAfter);
          if (next === undefined) progress.advance(300);
          else if (progress.offer(next)) {
            expect(settled.has(next)).toBe(false);
            outstanding.push(next);
          } else expect(settled.has(next)).toBe(true);
        };
        for (const each of steps) {
          if (each.kind === 'read') read();
          else if (each.kind === 'settle' && outstanding.length > 0) {
            const [sequence] = outstanding.splice(each.which % outstanding.length, 1) as [number];
            progress.settle(sequence);
            settled.add(sequence);
          } else if (each.kind === 'handover') {
            progress = new LaneProgress(decodeLane(encodeLane({ owner: 'x', ...progress.snapshot() })));
            outstanding = [];
          }
          const open = lane.filter((sequence) => !settled.has(sequence) && sequence <= progress.snapshot().position);
          expect(progress.snapshot().pending).toEqual(open);
          expect(lane.every((sequence) => sequence > progress.floor || settled.has(sequence))).toBe(true);
        }
        for (let i = 0; i <= lane.length + 1; i++) read();
        for (const sequence of outstanding) settled.add(sequence);
        expect(settled.size).toBe(lane.length);
      }),
    );
  });

  it('forgets pending entries that were trimmed away', () => {
    const progress = new LaneProgress({ position: 20, pending: [3, 8, 15] });
    progress.advance(10);
    expect(progress.snapshot()).toEqual({ position: 20, pending: [15] });
    expect([progress.offer(15), progress.offer(18), progress.offer(21)]).toEqual([true, false, true]);
  });

  it('refuses records that are none', () => {
    for (const text of ['', '[]x', '{}', '{"owner":1,"position":1,"pending":[]}']) {
      expect(() => decodeLane(Buffer.from(text))).toThrow(expect.objectContaining({ code: 'engine.corrupt' }) as Error);
    }
  });
});
