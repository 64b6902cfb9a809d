import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createCall, type Call } from '../../kernel/call.ts';
import { CancelScope } from '../../kernel/cancel.ts';
import { ProaError } from '../../kernel/errors.ts';
import { createFakeClock } from '../../testing/fake-clock.ts';
import { bulkhead, createBulkhead } from './bulkhead.ts';

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function rig(concurrencyMax: number, queueMax: number) {
  const clock = createFakeClock();
  const places = createBulkhead({ clock, target: 'it', concurrencyMax, queueMax, waitMaxMs: 1_000, side: 'callee' });
  const running: Call<string>[] = [];
  const service = bulkhead<string, string>(
    places,
    clock,
  )((call) => {
    running.push(call);
    return Promise.resolve(call.input);
  });
  const ends: Record<string, string> = {};
  const start = (name: string): { call: Call<string>; scope: CancelScope } => {
    const scope = new CancelScope();
    const call = createCall({ block: 'x', name: 'x', idempotent: true }, name, { cancel: scope });
    service(call).then(
      () => (ends[name] = 'ran'),
      (error: unknown) => {
        ends[name] = ProaError.from(error).code;
        call.end.fire({ ok: false, error });
      },
    );
    return { call, scope };
  };
  return { clock, places, running, ends, start };
}

describe('a bulkhead', () => {
  it('lets so many run, so many wait in order, and refuses the rest at once', async () => {
    const { running, ends, start } = rig(2, 2);
    const calls = ['a', 'b', 'c', 'd', 'e'].map(start);
    await settle();
    expect(ends).toEqual({ a: 'ran', b: 'ran', e: 'overloaded' });
    calls[1]?.call.end.fire({ ok: true });
    await settle();
    expect(running.map(({ input }) => input)).toEqual(['a', 'b', 'c']);
  });

  it('ends a wait that takes too long or whose caller goes away, and leaks nothing', async () => {
    const { clock, places, ends, start } = rig(1, 5);
    const [first, , third] = ['a', 'b', 'c'].map(start);
    third?.scope.cancel('gone');
    await settle();
    clock.advance(1_000);
    await settle();
    expect(ends).toEqual({ a: 'ran', b: 'overloaded', c: 'cancelled' });
    first?.call.end.fire({ ok: true });
    expect([places.taken, places.waiting, clock.waiting]).toEqual([0, 0, 0]);
  });

  it('never runs more than it may, and gives every place back, whatever happens in which order', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom('start', 'end', 'cancel', 'wait'), { maxLength: 60 }), async (steps) => {
        const { clock, places, running, start } = rig(3, 4);
        const open = new Set<ReturnType<typeof start>>();
        for (const [i, step] of steps.entries()) {
          const [some] = open;
          if (step === 'start') open.add(start(String(i)));
          else if (step === 'wait') clock.advance(400);
          else if (some !== undefined) {
            if (step === 'cancel') some.scope.cancel('x');
            else some.call.end.fire({ ok: true });
            if (step === 'end') open.delete(some);
          }
          await settle();
          const active = running.filter((call) => call.end.outcome === undefined).length;
          expect(active).toBeLessThanOrEqual(3);
          expect(places.taken).toBe(active);
        }
        for (const { call } of open) call.end.fire({ ok: true });
        await settle();
        clock.advance(2_000);
        await settle();
        for (const call of running) call.end.fire({ ok: true });
        expect([places.taken, places.waiting]).toEqual([0, 0]);
      }),
      { numRuns: 40 },
    );
  });
});
