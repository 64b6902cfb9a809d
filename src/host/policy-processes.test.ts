import { expect, it } from 'vitest';
import type { SharedCounts } from '../contracts/places.ts';
import { createCountingBreaker } from '../filters/breaker/counting-breaker.ts';
import { createSharedBreakers, type SharedBreakers } from '../filters/breaker/shared-breakers.ts';
import { createMemoryEngine } from '../drivers/engine-memory/memory-engine.ts';
import { createWindowBreaker, type WindowBreakerOptions } from '../filters/breaker/window-breaker.ts';
import { createFakeClock, type FakeClock } from '../testing/fake-clock.ts';
import { governTarget, type GovernedOptions, type GovernedTarget } from '../testing/simulator/governed-target.ts';
import { createNewsDesk, type NewsDesk } from './workers/news-desk.ts';
import { BankBook, PlaceBook, type Borrower } from './workers/place-book.ts';
import { createSumsBook } from './workers/sums-book.ts';

const inbound = { operation: 'receive', direction: 'inbound' } as const;

/** Two processes that serve one app, each with the stacks of its own; their messages to the banks and to each other arrive in later turns. */
async function twoProcesses(settings: string, more: Partial<GovernedOptions> = {}): Promise<[GovernedTarget, GovernedTarget]> {
  const banks = new BankBook();
  const engine = createMemoryEngine({ clock: createFakeClock() });
  const desks: NewsDesk[] = [];
  const shared = (clock: FakeClock): SharedCounts => {
    const late = (work: () => void): void => void setImmediate(work);
    const borrower: Borrower = {
      granted: (parcel) => late(() => book.granted(parcel)),
      recalled: (parcel) => late(() => book.recalled(parcel)),
    };
    const book: PlaceBook = new PlaceBook((name) => ({
      want: (count) => late(() => banks.want(borrower, { ...name, count })),
      back: (count) => late(() => banks.back(borrower, { ...name, count })),
    }));
    const desk: NewsDesk = createNewsDesk((parcel) => {
      const plain = structuredClone(parcel);
      for (const other of desks) if (other !== desk) late(() => other.arrived(plain));
    });
    const sums = createSumsBook({ clock, news: desk.news, self: String(desks.push(desk)) });
    return { name: 'orders-1', processes: 2, places: (name, max) => book.of({ name, max }), sums, news: desk.news };
  };
  const yaml = `apiVersion: proa.dev/v1alpha1\nkind: Policy\nmetadata: { name: p }\nspec: { target: { app: orders${more.target === undefined ? ', at: callee' : ''} }, ${settings} }\n`;
  const process = () => {
    const clock = createFakeClock();
    return governTarget({ yaml, target: inbound, engine, clock, shared: shared(clock), ...more });
  };
  return [await process(), await process()];
}

/** Lets time pass for both, step by step. */
async function pass(processes: readonly GovernedTarget[], ms: number): Promise<void> {
  for (let at = 0; at < ms; at += 5) for (const process of processes) await process.pass(5, 5);
}

async function answersOf(process: GovernedTarget, calls: number): Promise<string[]> {
  const answers: string[] = [];
  for (let i = 0; i < calls; i++) answers.push(await process.call().done);
  return answers;
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

const outbound = { operation: 'call', direction: 'outbound' } as const;
const per = { target: outbound };

it('failures in several processes add up, and a breaker that opens in one is open in all', async () => {
  const both = await twoProcesses('breaker: { per: target, consecutive: 4, open: 1s }', { ...per, answer: () => ({ status: 500 }) });
  const [one, two] = both;
  expect(await answersOf(one, 2)).toEqual(['500', '500']);
  await pass(both, 30);
  // The fourth in a row, of which two were elsewhere.
  expect(await answersOf(two, 3)).toEqual(['500', '500', 'circuit-open']);
  await pass(both, 5);
  expect(await answersOf(one, 1)).toEqual(['circuit-open']);
});

it('a share of failures is that of all calls, the good ones of other processes included', async () => {
  const statuses = new Map<string, number>();
  const both = await twoProcesses('breaker: { per: target, consecutive: 0, errorRatio: 0.5, minRequests: 10, window: 10s }', {
    ...per,
    answer: ({ call }) => ({ status: statuses.get(call.input.path) ?? 200 }),
  });
  const [one, two] = both;
  await answersOf(one, 12);
  await pass(both, 30);
  statuses.set('bad', 500);
  const bad = async (): Promise<string> => two.call({ path: 'bad' }).done;
  for (let i = 0; i < 11; i++) expect(await bad()).toBe('500');
  // Twelve good ones and the twelfth bad one.
  expect([await bad(), await bad()]).toEqual(['500', 'circuit-open']);
  await pass(both, 5);
  expect(await one.call().done).toBe('circuit-open');
});

const resiliency = (circuitBreaker: string): string =>
  `apiVersion: dapr.io/v1alpha1\nkind: Resiliency\nmetadata: { name: r }\nspec: { policies: { circuitBreakers: { b: ${circuitBreaker} } }, targets: { apps: { orders: { circuitBreaker: b } } } }\n`;

it("lets as many calls through a half-open breaker of Dapr's as its parameters say, in all processes together, and closes in all", async () => {
  let status = 500;
  const yaml = resiliency('{ maxRequests: 1, timeout: 1s, trip: consecutiveFailures >= 2 }');
  const both = await twoProcesses('', { ...per, yaml, answer: () => ({ status, afterMs: 20 }) });
  const [one, two] = both;
  const failing = [one.call().done, two.call().done];
  await pass(both, 60);
  expect(await Promise.all(failing)).toEqual(['500', '500']);
  expect([await one.call().done, await two.call().done]).toEqual(['circuit-open', 'circuit-open']);
  await pass(both, 1_000);
  status = 200;
  const probe = one.call().done;
  await pass(both, 5);
  expect(await two.call().done).toBe('circuit-open');
  await pass(both, 30);
  expect(await probe).toBe('200');
  const closed = two.call().done;
  await pass(both, 30);
  expect(await closed).toBe('200');
});

it('a half-open breaker whose probe ended with its process lets another call through after a while', async () => {
  const yaml = resiliency('{ maxRequests: 1, timeout: 1s, trip: consecutiveFailures >= 1 }');
  let silent = false;
  const both = await twoProcesses('', { ...per, yaml, answer: () => (silent ? { silent } : { status: 500 }) });
  const [one, two] = both;
  await answersOf(one, 1);
  await pass(both, 1_010);
  silent = true;
  one.call();
  await pass(both, 10);
  expect(await two.call().done).toBe('circuit-open');
  // From here on the first process is gone, and with it the probe.
  silent = false;
  await two.pass(1_000);
  expect(await two.call().done).toBe('500');
});

it('a process that begins later is told what is open', async () => {
  const clock = createFakeClock();
  const desks: NewsDesk[] = [];
  const breakersOf = (): SharedBreakers => {
    const desk: NewsDesk = createNewsDesk((parcel) => desks.forEach((other) => other !== desk && other.arrived(parcel)));
    desks.push(desk);
    return createSharedBreakers({ clock, news: desk.news, name: 'orders-1' });
  };
  const make = () =>
    createCountingBreaker({ requestsMax: 1, intervalMs: 0, openMs: 5_000, trips: ({ consecutiveFailures }) => consecutiveFailures > 0 });
  const early = breakersOf().share('b', make());
  early.leave(early.enter(0), 'bad', 0);
  const late = breakersOf();
  expect(late.share('b', make()).state(clock.mono())).toBe('open');
  expect(late.share('c', make()).state(clock.mono())).toBe('closed');
});

it('a breaker that ramps up tells of its calls in portions, not one by one', () => {
  const clock = createFakeClock();
  let told = 0;
  const desk = createNewsDesk(() => void told++);
  const options = { random: { u32: () => 0 }, consecutive: 1, errorRatio: 0, slowRatio: 0, slowMs: 1, requestsMin: 1 };
  const times = { windowMs: 10_000, openMs: 1_000, openMaxMs: 1_000, rampMs: 10_000 };
  const inner = createWindowBreaker({ ...options, ...times } as WindowBreakerOptions);
  const breaker = createSharedBreakers({ clock, news: desk.news, name: 'orders-1' }).share('b', inner);
  breaker.leave(breaker.enter(0), 'bad', 0);
  clock.advance(1_100);
  told = 0;
  for (let i = 0; i < 1_000; i++) breaker.leave(breaker.enter(clock.mono()), 'good', clock.mono());
  expect([breaker.state(clock.mono()), told]).toEqual(['half-open', 0]);
  clock.advance(30);
  expect(told).toBe(1);
});

it('bounds of admission hold for all processes together, and go to those that have the calls', async () => {
  let [busy, most] = [0, 0];
  const answer = () => {
    most = Math.max(most, ++busy);
    return { afterMs: 400 };
  };
  const both = await twoProcesses('admission: { initial: 8, min: 8, max: 8, queue: 0, shares: { default: 1, sheddable: 1 } }', { answer });
  const [one] = both;
  // All calls come to the first: it has all places.
  for (let i = 0; i < 10; i++) one.call();
  await pass(both, 150);
  expect(most).toBeGreaterThanOrEqual(4);
  expect(most).toBeLessThanOrEqual(8);
  await pass(both, 400);
  [busy, most] = [0, 0];
  // Both have calls all the time: together they stay at the limit, but for what a tenth of a second hides.
  const running = new Set<Promise<unknown>>();
  for (let round = 0; round < 40; round++) {
    for (const process of both) {
      const done = process.call().done.then((end) => {
        if (end === '200') busy--;
        running.delete(done);
      });
      running.add(done);
    }
    await pass(both, 50);
    if (round === 10) most = busy;
  }
  expect(most).toBeLessThanOrEqual(9);
  expect(most).toBeGreaterThanOrEqual(6);
});

it('calls per second of `system` are those of all processes together', async () => {
  const both = await twoProcesses('system: { maxRequests: 40 }');
  const admitted = { one: 0, two: 0 };
  for (let at = 0; at < 5_000; at += 25) {
    for (const [name, process] of [
      ['one', both[0]],
      ['two', both[1]],
    ] as const)
      if ((await process.call().done) === '200') admitted[name]++;
    await pass(both, 25);
    // The first second shares nothing yet.
    if (at === 2_000) admitted.one = admitted.two = 0;
  }
  const perSecond = (admitted.one + admitted.two) / 2.975;
  expect(perSecond).toBeGreaterThan(36);
  expect(perSecond).toBeLessThanOrEqual(44);
  expect(Math.abs(admitted.one - admitted.two)).toBeLessThan(10);
});

it('the floor of a retry budget is that of all processes together', async () => {
  const retry = 'retry: { maxRetries: 1, backoff: { initial: 1ms, factor: 1 }, budget: { percent: 0, perSecond: 1 } }';
  const both = await twoProcesses(retry, { ...per, answer: () => ({ status: 503 }) });
  for (const process of both) {
    for (let i = 0; i < 20; i++) process.call();
    await pass(both, 50);
    // Ten repetitions in ten seconds, five of them here.
    expect(process.lines.filter((line) => line.includes('attempt'))).toHaveLength(25);
  }
});
