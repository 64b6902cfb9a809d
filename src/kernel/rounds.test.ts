import { describe, expect, it } from 'vitest';
import { Rounds } from './rounds.ts';

/** Work whose rounds end when the test says so. */
function steered() {
  const begun: { end: () => void; fail: (error: Error) => void }[] = [];
  let underWay = 0;
  let mostUnderWay = 0;
  const rounds = new Rounds(async () => {
    mostUnderWay = Math.max(mostUnderWay, ++underWay);
    try {
      await new Promise<void>((end, fail) => begun.push({ end, fail }));
    } finally {
      underWay--;
    }
  });
  return { rounds, begun, mostUnderWay: () => mostUnderWay };
}

const never = (error: unknown): void => expect.unreachable(String(error));

async function microtasks(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await Promise.resolve();
}

describe('Rounds', () => {
  it('begins at once, and one follows for all who ask meanwhile', async () => {
    const { rounds, begun, mostUnderWay } = steered();
    const first = rounds.round();
    const [second, third] = [rounds.round(), rounds.round()];
    rounds.ask(never);
    expect(begun).toHaveLength(1);
    expect(third).toBe(second);
    begun[0]?.end();
    await first;
    await microtasks(5);
    expect(begun).toHaveLength(2);
    begun[1]?.end();
    await second;
    await microtasks(5);
    expect([begun.length, mostUnderWay()]).toEqual([2, 1]);
  });

  it('overhears nobody, however close to the end of a round the question comes', async () => {
    for (let late = 0; late < 12; late++) {
      const { rounds, begun, mostUnderWay } = steered();
      rounds.ask(never);
      rounds.ask(never);
      begun[0]?.end();
      await microtasks(late);
      const before = begun.length;
      const answered = rounds.round();
      await microtasks(12);
      for (const { end } of begun) end();
      await microtasks(12);
      for (const { end } of begun) end();
      await answered;
      expect(begun.length, `asked ${late} turns after the end`).toBeGreaterThan(before);
      expect(mostUnderWay()).toBe(1);
    }
  });

  it('tells the failure of a round once to those who do not wait, and to each who waits; the next round begins all the same', async () => {
    const { rounds, begun } = steered();
    const told: unknown[] = [];
    rounds.ask(never);
    for (let i = 0; i < 3; i++) rounds.ask((error) => told.push(error));
    const waits = rounds.round();
    begun[0]?.end();
    await microtasks(5);
    rounds.ask(never);
    begun[1]?.fail(new Error('torn'));
    await expect(waits).rejects.toThrow('torn');
    await microtasks(5);
    expect(told).toEqual([new Error('torn')]);
    expect(begun).toHaveLength(3);
    begun[2]?.end();
    await microtasks(5);
    rounds.ask(never);
    expect(begun).toHaveLength(4);
  });

  it('lets a round ask for the next one', async () => {
    let left = 3;
    const rounds: Rounds = new Rounds(async () => {
      if (--left > 0) rounds.ask(never);
    });
    rounds.ask(never);
    await microtasks(20);
    expect(left).toBe(0);
  });

  it('begins none after it was closed, and closing waits for the one under way even when that fails', async () => {
    const { rounds, begun } = steered();
    rounds.ask(() => {});
    const next = rounds.round();
    let over = false;
    const closing = rounds.close().then(() => (over = true));
    await microtasks(5);
    expect([rounds.closed, over]).toEqual([true, false]);
    begun[0]?.fail(new Error('torn'));
    await closing;
    await next;
    await rounds.round();
    rounds.ask(never);
    expect(begun).toHaveLength(1);
  });
});
