import { expect, it } from 'vitest';
import type { SharedCounts } from '../contracts/places.ts';
import { createMemoryEngine } from '../drivers/engine-memory/memory-engine.ts';
import { createFakeClock } from '../testing/fake-clock.ts';
import { governTarget, type GovernedOptions, type GovernedTarget } from '../testing/simulator/governed-target.ts';
import { BankBook, PlaceBook, type Borrower } from './workers/place-book.ts';

const inbound = { operation: 'receive', direction: 'inbound' } as const;

/** Two processes that serve one app, each with the stacks of its own; their messages to the banks arrive in later turns. */
async function twoProcesses(settings: string, more: Partial<GovernedOptions> = {}): Promise<[GovernedTarget, GovernedTarget]> {
  const banks = new BankBook();
  const engine = createMemoryEngine({ clock: createFakeClock() });
  const shared = (): SharedCounts => {
    const late = (work: () => void): void => void setImmediate(work);
    const borrower: Borrower = {
      granted: (parcel) => late(() => book.granted(parcel)),
      recalled: (parcel) => late(() => book.recalled(parcel)),
    };
    const book: PlaceBook = new PlaceBook((name) => ({
      want: (count) => late(() => banks.want(borrower, { ...name, count })),
      back: (count) => late(() => banks.back(borrower, { ...name, count })),
    }));
    return { name: 'orders-1', processes: 2, places: (name, max) => book.of({ name, max }) };
  };
  const yaml = `apiVersion: proa.dev/v1alpha1\nkind: Policy\nmetadata: { name: p }\nspec: { target: { app: orders, at: callee }, ${settings} }\n`;
  const process = () => governTarget({ yaml, target: inbound, engine, shared: shared(), ...more });
  return [await process(), await process()];
}

const passed = (answers: readonly string[]): number => answers.filter((answer) => answer === '200').length;

it('a rate is that of all processes together', async () => {
  const [one, two] = await twoProcesses('limits: [{ requests: 5, per: 1m }]');
  const answers = await Promise.all([
    ...Array.from({ length: 6 }, () => one.call().done),
    ...Array.from({ length: 6 }, () => two.call().done),
  ]);
  expect(passed(answers)).toBe(5);
});

it('a rate per key is that of all processes together, for each key', async () => {
  const [one, two] = await twoProcesses('limits: [{ requests: 2, per: 1m, by: { caller: true } }]');
  const of = (caller: string) => [one, two, one, two].map((process) => process.call({ caller }).done);
  expect(passed(await Promise.all(of('a')))).toBe(2);
  expect(passed(await Promise.all(of('b')))).toBe(2);
});

it('calls that wait for their turn are spaced so that both processes keep to the rate together', async () => {
  const [one, two] = await twoProcesses('limits: [{ requests: 10, mode: queue, maxWait: 1s }]');
  for (const process of [one, two]) for (let i = 0; i < 3; i++) process.call();
  for (const process of [one, two]) {
    await process.pass(500);
    expect(process.lines.filter((line) => line.includes('attempt'))).toEqual(['     0 attempt 1', '   200 attempt 2', '   400 attempt 3']);
  }
});

it.each(['limits: [{ concurrent: 2 }]', 'bulkhead: { maxConcurrent: 2 }'])(
  'places are lent from process to process, and never more than there are: %s',
  async (settings) => {
    let busy = 0;
    let most = 0;
    const [one, two] = await twoProcesses(settings, { answer: () => ((most = Math.max(most, ++busy)), { afterMs: 100 }) });
    const both = async (ms: number): Promise<void> => {
      for (let at = 0; at < ms; at += 10) await Promise.all([one.pass(10, 1), two.pass(10, 1)]);
    };
    const first = [one.call(), one.call(), one.call()];
    await both(50);
    expect(await first[2]?.done).toBe('overloaded');
    await both(100);
    busy = 0;
    // What the first process held and does not need comes over.
    const second = [two.call(), two.call(), two.call()];
    await both(200);
    expect(await Promise.all(second.map(({ done }) => done))).toEqual(['200', '200', 'overloaded']);
    expect(most).toBe(2);
  },
);

it('a place is free again when the call that waited for it was given up', async () => {
  const [one, two] = await twoProcesses('bulkhead: { maxConcurrent: 1, maxQueue: 5, maxWait: 1s }', { answer: () => ({ afterMs: 50 }) });
  const both = async (ms: number): Promise<void> => {
    for (let at = 0; at < ms; at += 10) await Promise.all([one.pass(10, 1), two.pass(10, 1)]);
  };
  const held = one.call();
  await both(20);
  const waits = two.call();
  await both(10);
  waits.cancel();
  expect(await waits.done).toBe('cancelled');
  await both(60);
  expect(await held.done).toBe('200');
  const next = one.call();
  await both(100);
  expect(await next.done).toBe('200');
});
