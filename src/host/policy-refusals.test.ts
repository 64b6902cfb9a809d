import { describe, expect, it } from 'vitest';
import { ProaError } from '../kernel/errors.ts';
import { governTarget, type GovernedTarget } from '../testing/simulator/governed-target.ts';

// What a runtime refuses says nothing about the target: no breaker opens by it, no hedge follows it, and the retry budget neither earns nor pays by it.

const orders = (settings: string): string =>
  `apiVersion: proa.dev/v1alpha1\nkind: Policy\nmetadata: { name: p }\nspec: { target: { app: orders }, ${settings} }\n`;
const resiliency = `---
apiVersion: dapr.io/v1alpha1
kind: Resiliency
metadata: { name: r }
spec:
  policies: { circuitBreakers: { usual: { timeout: 5s, trip: consecutiveFailures >= 3 } } }
  targets: { apps: { orders: { circuitBreaker: usual } } }
`;
const breakers = [
  ['of a Policy', 'bulkhead: { maxConcurrent: 1 }, breaker: { per: target, consecutive: 3 }', ''],
  ['of a Resiliency', 'bulkhead: { maxConcurrent: 1 }', resiliency],
] as const;

async function ends(target: GovernedTarget, count: number): Promise<string[]> {
  const all: string[] = [];
  for (let i = 0; i < count; i++) all.push(await target.call().done);
  return all;
}

describe.each(breakers)('a breaker %s', (_of, settings, more) => {
  it('does not count what the bulkhead beside it refuses', async () => {
    const target = await governTarget({ yaml: orders(settings) + more, answer: () => ({ afterMs: 100 }) });
    const first = target.call();
    expect(new Set(await ends(target, 10))).toEqual(new Set(['overloaded']));
    await target.pass(150);
    expect(await first.done).toBe('200');
    const next = target.call();
    await target.pass(150);
    expect(await next.done).toBe('200');
  });

  it.each(['overloaded', 'shed', 'invoke.denied'] as const)('does not count `%s` of a runtime that did not ask the app', async (code) => {
    const target = await governTarget({
      yaml: orders(settings) + more,
      answer: () => ({ error: new ProaError(code, 'no', { refusedAt: 'callee' }) }),
    });
    expect(new Set(await ends(target, 10))).toEqual(new Set([code]));
  });

  it('counts the same error when the target itself failed with it', async () => {
    const target = await governTarget({ yaml: orders(settings) + more, answer: () => ({ error: new ProaError('overloaded', 'no') }) });
    expect(await ends(target, 4)).toEqual(['overloaded', 'overloaded', 'overloaded', 'circuit-open']);
  });
});

describe('a wait for a place of the own bulkhead', () => {
  const guarded = 'breaker: { per: target, consecutive: 2 }, bulkhead: { maxConcurrent: 1, maxQueue: 10, maxWait: 5s }, timeout: 50ms';

  it('that outlasts the timeout is no failure of the target', async () => {
    const target = await governTarget({ yaml: orders(`${guarded}, retry: { maxRetries: 0 }`), answer: () => ({ silent: true }) });
    const all = Array.from({ length: 4 }, () => target.call({ method: 'POST' }));
    await target.pass(60);
    expect(await Promise.all(all.map(({ done }) => done))).toEqual(Array.from({ length: 4 }, () => 'deadline-exceeded'));
    // One of them was sent and got no answer; the next one that is sent opens the breaker.
    const next = target.call({ method: 'POST' });
    await target.pass(60);
    expect(await next.done).toBe('deadline-exceeded');
    expect(await target.call().done).toBe('circuit-open');
  });

  it('that outlasts the deadline is none either', async () => {
    const yaml = orders('breaker: { per: target, consecutive: 1 }, bulkhead: { maxConcurrent: 1, maxQueue: 10, maxWait: 5s }');
    const target = await governTarget({ yaml, answer: () => ({ afterMs: 200 }) });
    const first = target.call();
    const late = target.call({ deadlineMs: 50 });
    await target.pass(250);
    expect([await first.done, await late.done]).toEqual(['200', 'deadline-exceeded']);
    const next = target.call();
    await target.pass(250);
    expect(await next.done).toBe('200');
  });

  it('does not make the target slow', async () => {
    const slow = 'breaker: { per: target, consecutive: 0, slowRatio: 0.5, slow: 60ms, minRequests: 2 }';
    const target = await governTarget({
      yaml: orders(`${slow}, bulkhead: { maxConcurrent: 1, maxQueue: 10, maxWait: 5s }`),
      answer: () => ({ afterMs: 50 }),
    });
    const all = Array.from({ length: 6 }, () => target.call());
    await target.pass(400);
    expect(new Set(await Promise.all(all.map(({ done }) => done)))).toEqual(new Set(['200']));
    const next = target.call();
    await target.pass(60);
    expect(await next.done).toBe('200');
  });

  it('gets no hedge beside it, and neither does a refusal', async () => {
    const yaml = orders('hedge: { after: 20ms, maxAttempts: 3 }, bulkhead: { maxConcurrent: 1, maxQueue: 1, maxWait: 5s }');
    const target = await governTarget({ yaml, answer: ({ number }) => ({ afterMs: number === 1 ? 100 : 10 }) });
    // A call that may not happen twice holds the place.
    target.call({ method: 'POST' });
    target.call();
    target.call();
    await target.pass(200);
    expect(target.transcript()).toMatchInlineSnapshot(`
      "     0 attempt 1
           0 call 3: overloaded
         100 call 1: 200
         100 attempt 2
         110 call 2: 200"
    `);
  });
});

describe('the retry budget', () => {
  const budget = (percent: number, more: string): string =>
    orders(`retry: { maxRetries: 9, backoff: { initial: 1ms, factor: 1 }, budget: { percent: ${percent}, perSecond: 0 } }, ${more}`);

  it('earns nothing by calls that were refused here', async () => {
    const target = await governTarget({
      yaml: budget(50, 'bulkhead: { maxConcurrent: 1 }'),
      answer: ({ number }) => (number === 1 ? { afterMs: 100 } : { status: 503 }),
    });
    target.call();
    await ends(target, 20);
    await target.pass(120);
    target.lines.length = 0;
    target.call();
    await target.pass(100);
    // Two calls reached the target: they earned one repetition.
    expect(target.lines.filter((line) => line.includes('attempt'))).toHaveLength(2);
  });

  it('does not pay for attempts that never reached the target', async () => {
    const reads = `---
apiVersion: proa.dev/v1alpha1
kind: Policy
metadata: { name: reads }
spec: { target: { app: orders }, match: { methods: [GET] }, timeout: 20ms }
`;
    const target = await governTarget({
      yaml: budget(0, 'bulkhead: { maxConcurrent: 1, maxQueue: 1, maxWait: 1s }') + reads,
      answer: ({ number }) => (number === 1 ? { afterMs: 50 } : { error: new ProaError('unavailable', 'away') }),
    });
    target.call({ method: 'POST' });
    target.call();
    await target.pass(200, 1);
    // It was given up twice while it waited, and repeated without a budget; what reached the target and failed there was not.
    expect(target.transcript()).toMatchInlineSnapshot(`
      "     0 attempt 1
          50 call 1: 200
          50 attempt 2
          50 call 2: unavailable"
    `);
  });
});
