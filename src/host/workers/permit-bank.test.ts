import fc from 'fast-check';
import { expect, it } from 'vitest';
import { CancelScope } from '../../kernel/cancel.ts';
import { BorrowedPermits, createPermitBank, type Holder } from './permit-bank.ts';

/** Processes that reach their bank by messages, which arrive in order when `deliver` is called. */
function processes(count: number, max: number) {
  const bank = createPermitBank(max);
  const mail: (() => void)[][] = Array.from({ length: count * 2 }, () => []);
  const all = Array.from({ length: count }, (_, i) => {
    const [up, down] = [mail[2 * i] as (() => void)[], mail[2 * i + 1] as (() => void)[]];
    const seenByBank: Holder = {
      granted: (n) => down.push(() => permits.granted(n)),
      recalled: (n) => down.push(() => permits.recalled(n)),
    };
    const permits: BorrowedPermits = new BorrowedPermits({
      want: (n) => up.push(() => bank.want(seenByBank, n)),
      back: (n) => up.push(() => bank.back(seenByBank, n)),
    });
    return { permits, gone: () => bank.gone(seenByBank) };
  });
  const deliver = (box: number): void => mail[box % mail.length]?.shift()?.();
  const deliverAll = (): void => {
    for (let at = mail.findIndex((box) => box.length > 0); at >= 0; at = mail.findIndex((box) => box.length > 0)) deliver(at);
  };
  return { all, deliver, deliverAll };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

it('never lets more than the limit through, and everybody who waits gets a place, whatever the order of messages', async () => {
  const step = fc.record({ kind: fc.constantFrom('call', 'end', 'deliver', 'give-up'), at: fc.nat(1_000) });
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 5 }),
      fc.array(step, { maxLength: 200 }),
      async (count, max, steps) => {
        const { all, deliver, deliverAll } = processes(count, max);
        const running: (() => void)[] = [];
        const waiting = new Set<CancelScope>();
        let most = 0;
        const call = (at: number): void => {
          const { permits } = all[at % count] as (typeof all)[number];
          const scope = new CancelScope();
          const begin = (): void => {
            waiting.delete(scope);
            running.push(permits.release);
            most = Math.max(most, running.length);
          };
          waiting.add(scope);
          const place = permits.acquire(scope);
          if (place === undefined) begin();
          else place.then(begin, () => waiting.delete(scope));
        };
        for (const { kind, at } of steps) {
          if (kind === 'call') call(at);
          else if (kind === 'end') running.splice(at % Math.max(1, running.length), 1)[0]?.();
          else if (kind === 'deliver') deliver(at);
          else [...waiting][at % Math.max(1, waiting.size)]?.cancel(new Error('enough'));
          await turn();
        }
        expect(most).toBeLessThanOrEqual(max);
        // Whoever still waits gets a place while calls end one after the other.
        for (let rounds = 0; waiting.size + running.length > 0; rounds++) {
          expect(rounds).toBeLessThan(2_000);
          deliverAll();
          await turn();
          running.shift()?.();
        }
        expect(most).toBeLessThanOrEqual(max);
      },
    ),
    { numRuns: 60 },
  );
});

it('frees what a process held that has ended', async () => {
  const { all, deliverAll } = processes(2, 1);
  const [one, two] = all as [(typeof all)[number], (typeof all)[number]];
  const scope = new CancelScope();
  const first = one.permits.acquire(scope);
  deliverAll();
  await first;
  const second = two.permits.acquire(scope);
  deliverAll();
  one.gone();
  deliverAll();
  await expect(second).resolves.toBeUndefined();
});

it('says that no place is free when the bank has said so, and not before', async () => {
  const { all, deliverAll } = processes(2, 2);
  const [one, two] = all as [(typeof all)[number], (typeof all)[number]];
  const none: string[] = [];
  const ask = (from: typeof one, name: string) => from.permits.acquire(new CancelScope(), () => void none.push(name));
  const held = [ask(one, 'a'), ask(one, 'b')];
  deliverAll();
  for (const each of held) await each;
  const late = [ask(two, 'c')];
  expect(none).toEqual([]);
  deliverAll();
  expect(none).toEqual(['c']);
  late.push(ask(two, 'd'));
  expect(none).toEqual(['c', 'd']);
  one.permits.release();
  one.permits.release();
  deliverAll();
  for (const each of late) await each;
  two.permits.release();
  two.permits.release();
  none.length = 0;
  const again = ask(one, 'e');
  expect(none).toEqual([]);
  deliverAll();
  await again;
});
