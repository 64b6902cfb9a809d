import { describe, expect, it } from 'vitest';
import { collect } from '../kernel/body.ts';
import { ProaError } from '../kernel/errors.ts';
import { onceBody } from '../testing/once-body.ts';
import { governTarget, loadYaml, type GovernedOptions } from '../testing/simulator/governed-target.ts';

const resiliency = (policies: string, targets: string, name = 'r'): string =>
  `apiVersion: dapr.io/v1alpha1\nkind: Resiliency\nmetadata: { name: ${name} }\nspec:\n  policies: ${policies}\n  targets: ${targets}\n---\n`;
const orders = (policies: string, use: string): string => resiliency(policies, `{ apps: { orders: ${use} } }`);
const unavailable = (): ProaError => new ProaError('invoke.unreachable', 'not there');

async function transcriptOf(options: GovernedOptions, ms: number): Promise<string> {
  const target = await governTarget(options);
  target.call();
  await target.pass(ms, 50);
  return target.transcript();
}

describe('Resiliency, compiled', () => {
  it('repeats at a constant pace and gives the last answer to the caller', async () => {
    const yaml = orders('{ retries: { r: { policy: constant, duration: 200ms, maxRetries: 2 } } }', '{ retry: r }');
    expect(await transcriptOf({ yaml, answer: () => ({ status: 503 }) }, 1_000)).toMatchInlineSnapshot(`
      "     0 attempt 1
         200 attempt 2
         400 attempt 3
         400 call 1: 503"
    `);
  });

  it('takes numbers without a unit for milliseconds, as daprd does', async () => {
    const policies = '{ timeouts: { t: "300" }, retries: { r: { duration: 200, maxRetries: 1 } } }';
    const yaml = orders(policies, '{ timeout: t, retry: r }');
    expect(await transcriptOf({ yaml, answer: () => ({ silent: true }) }, 1_000)).toMatch(
      /^ +0 attempt 1\n +300 attempt 1 cancelled.*\n +500 attempt 2\n +800 attempt 2 cancelled/,
    );
  });

  it('grows an exponential pace by half, with jitter around the step, up to the cap', async () => {
    const yaml = orders('{ retries: { r: { policy: exponential, maxInterval: 1s, maxRetries: 5 } } }', '{ retry: r }');
    expect(await transcriptOf({ yaml, answer: () => ({ status: 500 }) }, 6_000)).toMatchInlineSnapshot(`
      "     0 attempt 1
         500 attempt 2
        1250 attempt 3
        2250 attempt 4
        3250 attempt 5
        4250 attempt 6
        4250 call 1: 500"
    `);
    const low = await transcriptOf({ yaml, drawn: [0], answer: () => ({ status: 500 }) }, 300);
    expect(low).toContain('   250 attempt 2');
  });

  it('holds the timeout of an app for each run of its jobs, and neither its retries nor its breaker', async () => {
    const policies =
      '{ timeouts: { t: 300ms }, retries: { r: { duration: 10ms, maxRetries: 5 } }, circuitBreakers: { b: { maxRequests: 1, timeout: 1m, trip: consecutiveFailures > 1 } } }';
    const yaml = orders(policies, '{ timeout: t, retry: r, circuitBreaker: b }');
    const target = await governTarget({
      yaml,
      target: { block: 'jobs', operation: 'run', direction: 'inbound' },
      answer: () => ({ silent: true }),
    });
    expect(target.layers.map(({ role }) => role)).toEqual(['trace', 'record', 'attempt']);
    target.call();
    await target.pass(1_000, 50);
    expect(target.transcript()).toMatch(/^ +0 attempt 1\n +300 attempt 1 cancelled.*\n +300 call 1: .*deadline/i);
  });

  it('gives an exponential pace up after a quarter of an hour', async () => {
    const yaml = orders('{ retries: { r: { policy: exponential, maxInterval: 5m, maxRetries: -1 } } }', '{ retry: r }');
    const target = await governTarget({ yaml, answer: () => ({ status: 500 }) });
    target.call();
    await target.pass(40 * 60_000, 1_000);
    expect(target.lines.at(-1)).toContain('call 1: 500');
    expect(Number.parseInt(target.lines.at(-1) as string, 10)).toBeLessThanOrEqual(15 * 60_000);
  });

  it('repeats only listed codes; an error code of gRPC has a list of its own', async () => {
    const yaml = orders(
      '{ retries: { r: { duration: 100ms, maxRetries: 3, matching: { httpStatusCodes: "429,500-503", gRPCStatusCodes: "4" } } } }',
      '{ retry: r }',
    );
    const answers = [{ status: 502 }, { status: 404 }];
    expect(await transcriptOf({ yaml, answer: ({ number }) => answers[number - 1] ?? {} }, 500)).toMatchInlineSnapshot(`
      "     0 attempt 1
         100 attempt 2
         100 call 1: 404"
    `);
    expect(await transcriptOf({ yaml, answer: () => ({ error: unavailable() }) }, 500)).toMatchInlineSnapshot(`
      "     0 attempt 1
           0 call 1: invoke.unreachable"
    `);
  });

  it('nests retry around breaker around timeout: each attempt has its time, each counts, an open breaker ends the retries', async () => {
    const yaml = orders(
      '{ timeouts: { t: 300ms }, retries: { r: { duration: 100ms, maxRetries: 9 } }, circuitBreakers: { b: { maxRequests: 1, timeout: 2s, trip: consecutiveFailures >= 3 } } }',
      '{ timeout: t, retry: r, circuitBreaker: b }',
    );
    expect(await transcriptOf({ yaml, answer: () => ({ silent: true }) }, 3_000)).toMatchInlineSnapshot(`
      "     0 attempt 1
         300 attempt 1 cancelled
         400 attempt 2
         700 attempt 2 cancelled
         800 attempt 3
        1100 attempt 3 cancelled
        1200 call 1: circuit-open"
    `);
  });

  it('lets `maxRequests` calls through while half-open, and as many successes close the breaker', async () => {
    const yaml = orders(
      '{ circuitBreakers: { b: { maxRequests: 2, timeout: 1s, trip: totalFailures > 1 && requests > 1 } } }',
      '{ circuitBreaker: b }',
    );
    const target = await governTarget({ yaml, answer: ({ number }) => (number <= 2 ? { status: 500 } : { afterMs: 100 }) });
    const outcomes = async (count: number): Promise<string[]> => {
      const calls = Array.from({ length: count }, () => target.call().done);
      await target.pass(200);
      return Promise.all(calls);
    };
    expect(await outcomes(1)).toEqual(['500']);
    expect(await outcomes(1)).toEqual(['500']);
    expect(await outcomes(1)).toEqual(['circuit-open']);
    await target.pass(1_000);
    expect(await outcomes(3)).toEqual(['200', '200', 'circuit-open']);
    expect(await outcomes(3)).toEqual(['200', '200', '200']);
  });

  it('keeps one breaker per method of an app', async () => {
    const yaml = orders('{ circuitBreakers: { b: { trip: consecutiveFailures > 0 } } }', '{ circuitBreaker: b }');
    const target = await governTarget({ yaml, answer: ({ call }) => ({ status: call.input.path === 'bad' ? 500 : 200 }) });
    expect(await target.call({ path: 'bad' }).done).toBe('500');
    expect(await target.call({ path: 'bad' }).done).toBe('circuit-open');
    expect(await target.call({ path: 'good' }).done).toBe('200');
  });

  it('has built-in retries for apps without a target of their own, and none for the others', async () => {
    const answer = (): { error: ProaError } => ({ error: unavailable() });
    expect(await transcriptOf({ yaml: '', answer }, 4_000)).toMatchInlineSnapshot(`
      "     0 attempt 1
        1000 attempt 2
        2000 attempt 3
        3000 attempt 4
        3000 call 1: invoke.unreachable"
    `);
    expect(await transcriptOf({ yaml: orders('{ timeouts: { t: 9s } }', '{ timeout: t }'), answer }, 4_000)).toMatchInlineSnapshot(`
      "     0 attempt 1
           0 call 1: invoke.unreachable"
    `);
    expect((await transcriptOf({ yaml: '', answer: () => ({ status: 503 }) }, 4_000)).split('\n')).toHaveLength(2);
    const overridden = resiliency('{ retries: { DaprBuiltInServiceRetries: { duration: 10ms, maxRetries: 1 } } }', '{}');
    expect(await transcriptOf({ yaml: overridden, answer }, 500)).toContain('call 1');
    expect((await transcriptOf({ yaml: overridden, answer }, 500)).match(/attempt/g)).toHaveLength(4);
  });

  it('takes the most special default policy, and none where a target is named', async () => {
    const policies =
      '{ retries: { DefaultRetryPolicy: { duration: 10ms, maxRetries: 1 }, DefaultAppRetryPolicy: { duration: 10ms, maxRetries: 2 } }, timeouts: { t: 1s } }';
    const attempts = async (targets: string): Promise<number> =>
      ((await transcriptOf({ yaml: resiliency(policies, targets), answer: () => ({ status: 500 }) }, 500)).match(/attempt/g) ?? []).length;
    expect(await attempts('{}')).toBe(3);
    expect(await attempts('{ apps: { orders: { timeout: t } } }')).toBe(1);
    expect(await attempts('{ apps: { others: { timeout: t } } }')).toBe(3);
  });

  it('governs components per direction; levels of defaults go from the most special to the most general', async () => {
    const policies =
      '{ retries: { two: { duration: 10ms, maxRetries: 2 }, DefaultStatestoreComponentOutboundRetryPolicy: { duration: 10ms, maxRetries: 4 }, DefaultComponentRetryPolicy: { duration: 10ms, maxRetries: 3 } } }';
    const yaml = resiliency(policies, '{ components: { store: { outbound: { retry: two } }, bus: { inbound: { retry: two } } } }');
    const attempts = async (block: string, name: string, direction: 'inbound' | 'outbound'): Promise<number> => {
      const target = { block, name, operation: 'x', direction };
      const error = new ProaError('state.save', 'the store is away');
      return ((await transcriptOf({ yaml, target, answer: () => ({ error }) }, 500)).match(/attempt/g) ?? []).length;
    };
    expect(await attempts('state', 'store', 'outbound')).toBe(3);
    expect(await attempts('state', 'other', 'outbound')).toBe(5);
    expect(await attempts('pubsub', 'bus', 'inbound')).toBe(3);
    expect(await attempts('pubsub', 'bus', 'outbound')).toBe(4);
  });

  it('repeats an event whose app answered with a listed status, and never what repeating cannot change', async () => {
    const yaml = resiliency(
      '{ retries: { r: { duration: 10ms, maxRetries: 2, matching: { httpStatusCodes: "500-599" } } } }',
      '{ components: { bus: { inbound: { retry: r } } } }',
    );
    const target = { block: 'pubsub', name: 'bus', operation: 'deliver', direction: 'inbound' } as const;
    const failing = (status: string) => ({ error: new ProaError('pubsub.delivery', 'no', { details: { metadata: { status } } }) });
    const count = async (error: { error: ProaError }): Promise<number> =>
      ((await transcriptOf({ yaml, target, answer: () => error }, 500)).match(/attempt/g) ?? []).length;
    expect(await count(failing('503'))).toBe(3);
    expect(await count(failing('429'))).toBe(1);
    expect(await count({ error: new ProaError('state.save-etag-mismatch', 'other') })).toBe(1);
  });

  it('stops between two attempts when the caller goes away or its deadline would pass', async () => {
    const yaml = orders('{ retries: { r: { duration: 500ms, maxRetries: 9 } } }', '{ retry: r }');
    const target = await governTarget({ yaml, answer: () => ({ status: 503 }) });
    const call = target.call();
    await target.pass(600);
    call.cancel();
    target.call({ deadlineMs: 900 });
    await target.pass(3_000);
    expect(target.transcript()).toMatchInlineSnapshot(`
      "     0 attempt 1
         500 attempt 2
         600 attempt 3
         600 call 1: cancelled
        1100 attempt 4
        1100 call 2: 503"
    `);
  });

  it('sends a small body again as it was, and never repeats one that it cannot keep', async () => {
    const yaml = orders('{ retries: { r: { duration: 10ms, maxRetries: 2 } } }', '{ retry: r }');
    const seen: string[] = [];
    const target = await governTarget({
      yaml,
      answer({ call }) {
        void collect(call.input.body, 1e6).then((bytes) => seen.push(Buffer.from(bytes).toString('utf8').slice(0, 5)));
        return { status: 503 };
      },
    });
    for (const [text, length] of [
      ['small', 5],
      ['x'.repeat(65_537), 65_537],
      ['later', undefined],
    ] as const) {
      target.call({ method: 'POST', body: onceBody(Buffer.from(text), length) });
      await target.pass(100);
    }
    expect(seen).toEqual(['small', 'small', 'small', 'xxxxx', 'later']);
  });

  it('prints its layers with where each value came from', async () => {
    const yaml = orders('{ timeouts: { t: 1s }, retries: { r: { maxRetries: 1 } } }', '{ timeout: t, retry: r }');
    const { layers } = await governTarget({ yaml });
    expect(layers.map(({ role, parameters }) => [role, parameters?.['from'] ?? ''])).toEqual([
      ['metrics', ''],
      ['deadline', 'built in'],
      ['retry', 'Resiliency "r", /r/all.yaml:6'],
      ['attempt', 'Resiliency "r", /r/all.yaml:6'],
    ]);
  });
});

describe('a reload', () => {
  it('does not change a call under way: its attempts follow the policies with which it began', async () => {
    const pace = (ms: number): string => orders(`{ retries: { r: { duration: ${ms}ms, maxRetries: 3 } } }`, '{ retry: r }');
    const target = await governTarget({ yaml: pace(100), answer: () => ({ status: 503 }) });
    target.call();
    await target.pass(50);
    await target.reload(pace(1_000));
    target.call();
    await target.pass(3_500);
    expect(target.lines.map((line) => Number.parseInt(line, 10))).toEqual([0, 50, 100, 200, 300, 300, 1_050, 2_050, 3_050, 3_050]);
  });

  it('keeps the breakers whose parameters stayed the same, through unrelated reloads, and no others', async () => {
    const yaml = (trip: string, more = ''): string =>
      orders(
        `{ timeouts: { t: ${more || '1s'} }, circuitBreakers: { b: { trip: ${trip}, timeout: 60s } } }`,
        '{ circuitBreaker: b, timeout: t }',
      );
    const target = await governTarget({ yaml: yaml('consecutiveFailures > 0'), answer: () => ({ status: 500 }) });
    expect(await target.call().done).toBe('500');
    for (const more of ['2s', '3s', '4s']) await target.reload(yaml('consecutiveFailures > 0', more));
    expect(await target.call().done).toBe('circuit-open');
    await target.reload(yaml('consecutiveFailures > 1'));
    expect(await target.call().done).toBe('500');
  });
});

describe('Resiliency, read', () => {
  it('reports trip conditions that are none, with their place', async () => {
    const { problems } = await loadYaml(
      orders('{ circuitBreakers: { b: { trip: consecutiveFailure > 3 }, c: { trip: requests + 1 } } }', '{ circuitBreaker: b }'),
    );
    expect(problems.map(({ severity, message }) => `${severity}: ${message}`)).toEqual([
      'error: spec.policies.circuitBreakers.b.trip is no condition over the counters: Unknown variable: consecutiveFailure',
      'error: spec.policies.circuitBreakers.c.trip is no condition over the counters: its result is not true or false',
    ]);
    expect(problems.every(({ at }) => at !== undefined)).toBe(true);
  });

  it('warns when two resources name one target, with both places', async () => {
    const yaml =
      resiliency('{ timeouts: { t: 1s } }', '{ apps: { orders: { timeout: t } } }', 'a') +
      resiliency('{}', '{ apps: { orders: { timeout: t } } }', 'b');
    const { problems } = await loadYaml(yaml);
    expect(problems).toMatchObject([
      {
        severity: 'warning',
        code: 'config.policy-conflict',
        message: 'Resiliency "b" names the target apps.orders again',
        notes: [expect.stringContaining('/r/all.yaml:6')],
      },
    ]);
  });
});
