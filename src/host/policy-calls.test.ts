import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import type { DriverDefinition } from '../contracts/driver.ts';
import { ProaError } from '../kernel/errors.ts';
import { keptBytes } from '../testing/kept-memory.ts';
import { createMemoryDisk } from '../testing/memory-disk.ts';
import type { DriverIndex } from './config/check-component.ts';
import { loadResources } from './config/load-resources.ts';
import { governTarget, loadYaml } from '../testing/simulator/governed-target.ts';

const policy = (name: string, spec: string): string =>
  `apiVersion: proa.dev/v1alpha1\nkind: Policy\nmetadata: { name: ${name} }\nspec: ${spec}\n---\n`;
const orders = (settings: string, match = ''): string =>
  policy('p', `{ target: { app: orders }, ${match === '' ? '' : `match: ${match}, `}${settings} }`);

describe('a Policy, compiled', () => {
  it('repeats with full jitter, and only what may happen twice', async () => {
    const yaml = orders('retry: { maxRetries: 3, backoff: { initial: 100ms, factor: 2, max: 300ms } }');
    const target = await governTarget({ yaml, drawn: [0.5], answer: () => ({ status: 503 }) });
    target.call();
    await target.pass(1_000);
    target.call({ method: 'POST' });
    target.call({ method: 'POST', headers: ['idempotency-key', '7'] });
    await target.pass(1_000);
    expect(target.transcript()).toMatchInlineSnapshot(`
      "     0 attempt 1
          50 attempt 2
         150 attempt 3
         300 attempt 4
         300 call 1: 503
        1000 attempt 5
        1000 attempt 6
        1000 call 2: 503
        1050 attempt 7
        1150 attempt 8
        1300 attempt 9
        1300 call 3: 503"
    `);
  });

  it('repeats an overload only when the target says when, and waits that long', async () => {
    const yaml = orders('retry: { maxRetries: 2, pushbackMax: 5s }');
    const answers = [
      { status: 429 },
      { status: 429, headers: ['retry-after', '2'] },
      { status: 200 },
      { status: 429, headers: ['retry-after', '60'] },
      { status: 503, headers: ['grpc-retry-pushback-ms', '-1'] },
    ];
    const target = await governTarget({ yaml, answer: ({ number }) => answers[number - 1] ?? {} });
    for (let i = 0; i < 4; i++) {
      target.call();
      await target.pass(3_000, 50);
    }
    expect(target.transcript()).toMatchInlineSnapshot(`
      "     0 attempt 1
           0 call 1: 429
        3000 attempt 2
        5000 attempt 3
        5000 call 2: 200
        6000 attempt 4
        6000 call 3: 429
        9000 attempt 5
        9000 call 4: 503"
    `);
  });

  it('spends no more repetitions than the budget: a dead target is called at most 1.2 times as often', async () => {
    const yaml = orders('retry: { maxRetries: 5, budget: { percent: 20, perSecond: 1 }, backoff: { initial: 1ms, max: 2ms } }');
    const target = await governTarget({ yaml, answer: () => ({ status: 503 }) });
    for (let i = 0; i < 1_000; i++) {
      target.call();
      await target.pass(10);
    }
    const attempts = target.lines.filter((line) => line.includes('attempt')).length;
    expect(attempts).toBeGreaterThan(1_150);
    expect(attempts).toBeLessThanOrEqual(1_000 * 1.2 + 20);
  });

  it('takes the rule with the most special match for each class by itself', async () => {
    const yaml =
      policy('all', '{ target: { app: "*" }, timeout: 9s, deadline: 9s }') +
      policy('app', '{ target: { app: orders }, timeout: 5s }') +
      policy('path', '{ target: { app: orders }, match: { path: /pay/** }, timeout: 3s, retry: { maxRetries: 1 } }') +
      policy('post', '{ target: { app: orders }, match: { path: "/pay/{id}", methods: [post], callers: [web] }, timeout: 1s }');
    const target = await governTarget({ yaml, answer: () => ({ silent: true }) });
    const took = async (call: Parameters<typeof target.call>[0]): Promise<number> => {
      const begun = target.clock.mono();
      let ended = 0;
      void target.call(call).done.then(() => (ended = target.clock.mono()));
      await target.pass(12_000, 100);
      return ended - begun;
    };
    expect(await took({ path: 'x' })).toBe(5_000);
    expect(await took({ path: 'pay/1', method: 'POST' })).toBe(1_000);
    expect(await took({ path: 'pay/1', method: 'POST', caller: 'other' })).toBe(3_000);
    // The repetition of the GET is cut off by the deadline of the widest rule.
    expect(await took({ path: 'pay/1' })).toBeGreaterThan(6_000);
    expect(target.layers.find(({ role }) => role === 'attempt')?.parameters).toEqual({
      timeout: '5s',
      from: 'Policy "app", /r/all.yaml:9',
    });
  });

  it('matches headers and cookies', async () => {
    const yaml =
      orders(
        'timeout: 1s',
        '{ headers: [{ name: X-Canary, prefix: y }, { name: x-no, present: false }], cookies: [{ name: plan, exact: gold }] }',
      ) + policy('q', '{ target: { app: orders }, timeout: 4s }');
    const target = await governTarget({ yaml, answer: () => ({ silent: true }) });
    const both = ['x-canary', 'yes', 'cookie', 'a=b; plan=gold; c=d'];
    target.call({ headers: both });
    target.call({ headers: [...both, 'x-no', ''] });
    target.call({ headers: ['x-canary', 'yes', 'cookie', 'plan=golden'] });
    await target.pass(5_000, 100);
    expect(target.lines.filter((line) => line.includes('call'))).toEqual([
      '  1000 call 1: deadline-exceeded',
      '  4000 call 2: deadline-exceeded',
      '  4000 call 3: deadline-exceeded',
    ]);
  });

  it('refuses what comes after its deadline before any work, and ends what runs into it', async () => {
    const target = await governTarget({ yaml: orders('deadline: 1s'), answer: () => ({ silent: true }) });
    target.call({ deadlineMs: 0 });
    target.call({ deadlineMs: 400 });
    target.call({ deadlineMs: 5_000 });
    await target.pass(2_000);
    expect(target.transcript()).toMatchInlineSnapshot(`
      "     0 attempt 1
           0 attempt 2
           0 call 1: deadline-exceeded
         400 attempt 1 cancelled
         400 call 2: deadline-exceeded
        1000 attempt 2 cancelled
        1000 call 3: deadline-exceeded"
    `);
    expect(target.clock.waiting).toBe(0);
  });
});

describe('guards of a target', () => {
  it('breaks per target, by slow calls, and comes back over a ramp', async () => {
    const yaml = orders('breaker: { per: target, slowRatio: 0.5, slow: 100ms, minRequests: 4, consecutive: 0, open: 1s, ramp: 2s }');
    let slow = true;
    const target = await governTarget({ yaml, answer: () => ({ afterMs: slow ? 200 : 10 }) });
    for (let i = 0; i < 4; i++) target.call();
    await target.pass(250);
    expect(await target.call().done).toBe('circuit-open');
    await target.pass(1_000);
    slow = false;
    for (let i = 0; i < 30; i++) {
      target.call();
      await target.pass(100);
    }
    expect(target.lines.at(-1)).toContain('200');
    const { layers } = target;
    expect(layers.map(({ role }) => role)).toEqual(['metrics', 'deadline', 'retry', 'breaker']);
    expect(layers[3]?.parameters).toMatchObject({ trip: '50 % slower than 100ms', per: 'target', from: 'Policy "p", /r/all.yaml:4' });
  });

  it('has places for so many attempts, and a queue with an end', async () => {
    const yaml = orders('bulkhead: { maxConcurrent: 1, maxQueue: 1, maxWait: 150ms }');
    const target = await governTarget({ yaml, answer: () => ({ afterMs: 100 }) });
    target.call();
    target.call();
    target.call();
    await target.pass(400);
    expect(target.transcript()).toMatchInlineSnapshot(`
      "     0 attempt 1
           0 call 3: overloaded
         100 call 1: 200
         100 attempt 2
         200 call 2: 200"
    `);
  });

  it('gives the place of an attempt back before the next one: retries cannot lock themselves out', async () => {
    const yaml = orders('bulkhead: { maxConcurrent: 1 }, retry: { maxRetries: 2 }');
    const target = await governTarget({ yaml, answer: ({ number }) => ({ status: number < 3 ? 503 : 200 }) });
    target.call();
    await target.pass(300);
    expect(target.lines.at(-1)).toContain('call 1: 200');
  });

  it('puts the breakers of endpoints into balancing', async () => {
    const { layers } = await governTarget({
      yaml: orders('breaker: { errorRatio: 0.5 }, balance: { policy: ring-hash, key: { cookie: session } }'),
    });
    expect(layers.at(-1)).toMatchObject({
      role: 'balance',
      parameters: { policy: 'ring-hash', key: 'cookie session', breakerPerEndpoint: '5 failures in a row or 50 % failures' },
    });
  });
});

describe('hedging', () => {
  const yaml = orders('hedge: { after: 50ms, maxAttempts: 3 }');

  it('starts another attempt beside a slow one, takes the first good answer and cancels the rest', async () => {
    const times = [500, 100, 100];
    const target = await governTarget({ yaml, answer: ({ number }) => ({ afterMs: times[number - 1] ?? 0 }) });
    target.call();
    await target.pass(600);
    expect(target.transcript()).toMatchInlineSnapshot(`
      "     0 attempt 1
          50 attempt 2
         100 attempt 3
         150 attempt 1 cancelled
         150 attempt 3 cancelled
         150 call 1: 200"
    `);
    expect(target.clock.waiting).toBeLessThanOrEqual(3);
  });

  it('goes on at once when an attempt fails, gives the last failure, and leaves calls alone that may not happen twice', async () => {
    const target = await governTarget({
      yaml,
      answer: ({ number }) => (number < 4 ? { error: new ProaError('unknown', 'broken') } : { afterMs: 200 }),
    });
    target.call();
    await target.pass(100);
    target.call({ method: 'POST' });
    await target.pass(300);
    expect(target.transcript()).toMatchInlineSnapshot(`
      "     0 attempt 1
           0 attempt 2
           0 attempt 3
           0 call 1: unknown
         100 attempt 4
         300 call 2: 200"
    `);
  });

  it('prefers a good answer that is still to come over a bad one that is there', async () => {
    const target = await governTarget({ yaml, answer: ({ number }) => (number === 1 ? { afterMs: 120 } : { status: 500, afterMs: 10 }) });
    target.call();
    await target.pass(300);
    expect(target.lines.at(-1)).toBe('   120 call 1: 200');
  });

  it('ends with its caller', async () => {
    const target = await governTarget({ yaml, answer: () => ({ silent: true }) });
    const call = target.call();
    await target.pass(70);
    call.cancel();
    await target.pass(200);
    expect(target.transcript()).toMatchInlineSnapshot(`
      "     0 attempt 1
          50 attempt 2
          70 attempt 1 cancelled
          70 attempt 2 cancelled
          70 call 1: cancelled"
    `);
  });
});

describe('a Policy, read', () => {
  const messages = async (yaml: string): Promise<string[]> =>
    (await loadYaml(yaml)).problems.map(({ message, help }) => (help === undefined ? message : `${message} (${help})`));

  it.each([
    ['{ target: { app: orders } }', /spec sets no policy; there are deadline, timeout, retry/],
    ['{ target: { app: orders, component: x }, timeout: 1s }', /needs either app or component/],
    ['{ target: { app: orders, direction: inbound }, timeout: 1s }', /direction belongs to components/],
    ['{ target: { component: s, at: callee }, timeout: 1s }', /at belongs to apps/],
    ['{ target: { app: orders, at: callee }, retry: {} }', /spec.retry does not act at this target; it does at: app at caller/],
    ['{ target: { component: s }, hedge: {} }', /spec.hedge does not act at this target/],
    ['{ target: { component: s }, match: { path: /x }, timeout: 1s }', /spec.match of components has operations only/],
    ['{ target: { app: orders }, match: { operations: [get] }, timeout: 1s }', /spec.match of apps has no operations/],
    ['{ target: { app: orders }, match: {}, timeout: 1s }', /spec.match is empty/],
    ['{ target: { app: orders }, match: { path: orders }, timeout: 1s }', /no path template: it must begin with \//],
    ['{ target: { app: orders }, match: { methods: ["G T"] }, timeout: 1s }', /"G T" is no HTTP method/],
    ['{ target: { app: orders }, match: { headers: [{ name: x }] }, timeout: 1s }', /needs one of exact, prefix, present/],
    ['{ target: { app: orders }, timeout: 0s }', /spec.timeout must be longer than 0s/],
    ['{ target: { app: orders }, timeout: 800 }', /spec.timeout needs a unit: 800ms or 800s/],
    ['{ target: { app: orders }, breaker: { window: "10" } }', /spec.breaker.window needs a unit: 10ms or 10s/],
    ['{ target: { app: orders }, retry: { maxRetrys: 3 } }', /unknown key `maxRetrys` \(did you mean `maxRetries`\?\)/],
    ['{ target: { app: orders }, retry: { backoff: { initial: 2s, max: 1s } } }', /max must not be less than initial/],
    ['{ target: { app: orders }, retry: { budget: { percent: 101 } } }', /must be a number from 0 to 100/],
    ['{ target: { app: orders }, hedge: { maxAttempts: 9 } }', /whole number from 2 to 5/],
    ['{ target: { app: orders }, breaker: { consecutive: 0 } }', /spec.breaker can never open/],
    ['{ target: { app: orders }, breaker: { open: 5s, maxOpen: 1s } }', /maxOpen must not be less than open/],
    ['{ target: { app: orders }, bulkhead: { maxConcurrent: 0 } }', /whole number from 1 to/],
    ['{ target: { app: orders }, balance: { policy: maglev } }', /maglev needs a key/],
    ['{ target: { app: orders }, balance: { key: { header: a } } }', /key belongs to ring-hash and maglev/],
    ['{ target: { app: orders }, balance: { policy: maglev, key: { header: a, path: true } } }', /needs one of header, cookie/],
    ['{ target: { app: orders }, balance: { policy: robin } }', /must be one of p2c-ewma, round-robin/],
    ['{ target: { component: s }, balance: {} }', /spec.balance does not act at this target/],
    ['{ target: { app: orders }, timeuot: 1s }', /unknown key `timeuot` \(did you mean `timeout`\?\)/],
  ])('%s is refused', async (spec, expected) => {
    const found = await messages(policy('p', spec));
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(expected);
    expect((await loadYaml(policy('p', spec))).problems[0]?.at).toBeDefined();
  });

  it('refuses other versions and kinds', async () => {
    expect(await messages('apiVersion: proa.dev/v2\nkind: Policy\nmetadata: { name: a }\n')).toEqual([
      'Policy has no apiVersion proa.dev/v2',
    ]);
    expect(await messages('apiVersion: proa.dev/v1alpha1\nkind: Polcy\nmetadata: { name: a }\n')).toEqual([
      'unknown kind Polcy of proa.dev/v1alpha1 (did you mean `Policy`?)',
    ]);
  });

  it('refuses two that set one class for the same calls, and names both places', async () => {
    const yaml =
      policy('a', '{ target: { app: orders }, match: { methods: [GET, PUT] }, timeout: 1s }') +
      policy('b', '{ target: { app: orders }, match: { methods: [put, get] }, timeout: 2s, retry: {} }') +
      policy('c', '{ target: { app: orders }, timeout: 2s }') +
      'apiVersion: dapr.io/v1alpha1\nkind: Resiliency\nmetadata: { name: r }\nspec: { policies: { timeouts: { t: 1s } }, targets: { apps: { orders: { timeout: t } } } }\n';
    const { problems } = await loadYaml(yaml);
    expect(problems.map(({ severity, code, message, notes }) => [severity, code, message, notes?.[0]])).toEqual([
      [
        'error',
        'config.policy-conflict',
        'Policy "b" sets `timeout` for calls for which Policy "a" sets it too',
        'the other is in /r/all.yaml:4',
      ],
      [
        'error',
        'config.policy-conflict',
        'Policy "c" sets `timeout` for calls for which Resiliency "r" sets it too',
        'the other is in /r/all.yaml:19',
      ],
    ]);
  });

  it('are exchanged whole: under load no call sees a half of the old ones and a half of the new', async () => {
    // Old: one repetition after a second, 3 s for each attempt. New: two repetitions after a tenth, half a second for each. A mixture would show in the number of
    // attempts, in their distance, or in when an attempt is given up.
    const old = orders('retry: { maxRetries: 1, backoff: { initial: 1s, factor: 1, max: 1s }, budget: { perSecond: 1000 } }, timeout: 3s');
    const next = orders(
      'retry: { maxRetries: 2, backoff: { initial: 100ms, factor: 1, max: 100ms }, budget: { perSecond: 1000 } }, timeout: 500ms',
    );
    const attempts = new Map<string, number[]>();
    const target = await governTarget({
      yaml: old,
      drawn: [0.999999],
      answer: ({ atMs, call }) => {
        const id = call.input.headers[1] ?? '';
        attempts.set(id, [...(attempts.get(id) ?? []), Math.round(atMs)]);
        return { silent: true };
      },
    });
    const ends: Promise<string>[] = [];
    for (let i = 0; i < 60; i++) {
      ends.push(target.call({ headers: ['x-id', String(i)] }).done);
      await target.pass(50);
      if (i % 5 === 4) await target.reload(i % 10 === 4 ? next : old);
    }
    await target.pass(10_000, 50);
    expect(new Set(await Promise.all(ends))).toEqual(new Set(['deadline-exceeded']));
    const near = (ms: number | undefined, wanted: number): boolean => Math.abs((ms ?? 0) - wanted) <= 60;
    const seen = new Set<string>();
    for (const times of attempts.values()) {
      const gaps = times.slice(1).map((time, i) => time - (times[i] as number));
      if (gaps.length === 1 && near(gaps[0], 4_000)) seen.add('old');
      else if (gaps.length === 2 && gaps.every((gap) => near(gap, 600))) seen.add('new');
      else seen.add(`a mixture: ${times.join()}`);
    }
    expect([...seen].toSorted()).toEqual(['new', 'old']);
  });

  it('warns about apps that nobody runs, where all apps are known, and proposes the one that is meant', async () => {
    const disk = createMemoryDisk({ '/r/all.yaml': policy('p', '{ target: { app: order }, timeout: 1s }') });
    const load = (knownApps?: readonly string[]) =>
      loadResources({ disk, paths: ['/r'], appId: 'web', drivers: {}, ...(knownApps !== undefined && { knownApps }) });
    const { problems, policies } = await load(['orders', 'web']);
    expect(problems).toMatchObject([
      {
        severity: 'warning',
        code: 'config.unknown-target',
        message: 'Policy "p": there is no app named "order"',
        help: 'did you mean `orders`?',
      },
    ]);
    // It is a warning: the policy holds when such an app comes.
    expect(policies.rules).toHaveLength(1);
    expect((await load()).problems).toEqual([]);
  });

  it('warns about operations that a component does not have, and proposes the one that is meant', async () => {
    const definition = {
      kind: 'state',
      types: ['state.x'],
      versions: ['v1'],
      status: 'stable',
      capabilities: [],
      config: v.looseObject({}),
    };
    const drivers: DriverIndex = { 'state.x': { kind: 'state', load: () => Promise.resolve(definition as unknown as DriverDefinition) } };
    const store = 'apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: { name: store }\nspec: { type: state.x, version: v1 }\n---\n';
    const told = async (direction: string, operations: string): Promise<string[]> => {
      const spec = `{ target: { component: store, direction: ${direction} }, match: { operations: [${operations}] }, timeout: 1s }`;
      const disk = createMemoryDisk({ '/r/all.yaml': `${store}${policy('p', spec)}` });
      const { problems } = await loadResources({ disk, paths: ['/r'], appId: 'web', drivers });
      return problems.map(({ message, help }) => `${message}; ${help}`);
    };
    expect(await told('outbound', 'get, bulk_get, transaction')).toEqual([]);
    expect(await told('outbound', 'get, delte')).toEqual([
      'Policy "p": component "store" has no operation "delte" outbound; did you mean `delete`?',
    ]);
    expect(await told('inbound', 'get')).toEqual(['Policy "p": component "store" has no operation "get" inbound; undefined']);
  });

  it('warns about components that are not there', async () => {
    expect(await messages(policy('p', '{ target: { component: stor }, timeout: 1s }'))).toEqual([
      'Policy "p": there is no component named "stor"',
    ]);
  });
});

it('compiles a stack for each combination of rules that calls meet, and keeps a bounded number of them', async () => {
  const names = Array.from({ length: 12 }, (_, i) => `x-rule-${i}`);
  const rules = names.map((name, i) =>
    policy(name, `{ target: { app: orders }, match: { headers: [{ name: ${name}, exact: "1" }] }, timeout: ${i + 1}s }`),
  );
  const target = await governTarget({ yaml: rules.join('') });
  const call = (mask: number): Promise<string> =>
    target.call({ headers: names.flatMap((name, i) => ((mask & (1 << i)) === 0 ? [] : [name, '1'])) }).done;
  await call(0);
  const bytes = await keptBytes(async () => {
    for (let mask = 0; mask < 2 ** names.length; mask++) expect(await call(mask)).toBe('200');
    target.lines.length = 0;
  });
  // All 4,096 would be 15 MB.
  expect(bytes).toBeLessThan(6_000_000);
  expect(await call(1)).toBe('200');
});
