import { describe, expect, it } from 'vitest';
import { bytesBody, collect } from '../kernel/body.ts';
import { createMemoryEngine } from '../drivers/engine-memory/memory-engine.ts';
import { createFakeClock } from '../testing/fake-clock.ts';
import { onceBody } from '../testing/once-body.ts';
import { ProaError } from '../kernel/errors.ts';
import { governTarget, loadYaml, type GovernedOptions, type GovernedTarget } from '../testing/simulator/governed-target.ts';

const policy = (name: string, spec: string): string =>
  `apiVersion: proa.dev/v1alpha1\nkind: Policy\nmetadata: { name: ${name} }\nspec: ${spec}\n---\n`;
const own = (settings: string): string => policy('p', `{ target: { app: orders, at: callee }, ${settings} }`);
const calls = (settings: string): string => policy('p', `{ target: { app: orders }, ${settings} }`);
const inbound = { operation: 'receive', direction: 'inbound' } as const;
const governed = (settings: string, more: Partial<GovernedOptions> = {}): Promise<GovernedTarget> =>
  governTarget({ yaml: own(settings), target: inbound, ...more });

describe('limits', () => {
  it('refuse what is beyond a rate, per caller, with limits of their own for some', async () => {
    const target = await governed('limits: [{ requests: 2, by: { caller: true }, items: [{ value: batch, limit: 1 }] }]');
    const ends = async (caller: string): Promise<string[]> => [
      await target.call({ caller }).done,
      await target.call({ caller }).done,
      await target.call({ caller }).done,
    ];
    expect(await ends('web')).toEqual(['200', '200', 'overloaded']);
    expect(await ends('batch')).toEqual(['200', 'overloaded', 'overloaded']);
    await target.pass(1_100);
    expect((await ends('web'))[0]).toBe('200');
  });

  it('count hot parameters one by one, and calls without the parameter not at all', async () => {
    const target = await governed('limits: [{ requests: 1, by: { header: tenant } }]');
    const call = (...headers: string[]): Promise<string> => target.call({ headers }).done;
    expect([await call('tenant', 'a'), await call('tenant', 'a'), await call('tenant', 'b'), await call(), await call()]).toEqual([
      '200',
      'overloaded',
      '200',
      '200',
      '200',
    ]);
  });

  it('queue, evenly spaced, up to a time', async () => {
    const target = await governed('limits: [{ requests: 10, mode: queue, maxWait: 200ms }]');
    for (let i = 0; i < 4; i++) target.call();
    const gone = target.call();
    await target.pass(500);
    gone.cancel();
    expect(target.transcript()).toMatchInlineSnapshot(`
      "     0 attempt 1
           0 call 1: 200
           0 call 4: overloaded
           0 call 5: overloaded
         100 attempt 2
         100 call 2: 200
         200 attempt 3
         200 call 3: 200"
    `);
  });

  it('count calls under way until their last byte', async () => {
    const target = await governed('limits: [{ concurrent: 2 }]', { answer: () => ({ afterMs: 100 }) });
    for (let i = 0; i < 3; i++) target.call();
    await target.pass(150);
    target.call();
    await target.pass(150);
    expect(target.lines.filter((line) => line.includes('call'))).toEqual([
      '     0 call 3: overloaded',
      '   100 call 1: 200',
      '   100 call 2: 200',
      '   250 call 4: 200',
    ]);
  });

  it('hold some calls back while others are busy', async () => {
    const yaml = policy(
      'p',
      '{ target: { app: orders, at: callee }, match: { path: /report }, limits: [{ requests: 3, whileBusy: /pay/** }] }',
    );
    const target = await governTarget({ yaml, target: inbound });
    expect(await target.call({ path: 'report' }).done).toBe('200');
    for (let i = 0; i < 3; i++) await target.call({ path: `pay/${i}` }).done;
    expect(await target.call({ path: 'report' }).done).toBe('overloaded');
    expect(await target.call({ path: 'pay/9' }).done).toBe('200');
    await target.pass(1_100);
    expect(await target.call({ path: 'report' }).done).toBe('200');
  });

  it('concern some callers, or all but some', async () => {
    const target = await governed('limits: [{ requests: 0, callers: [bad] }, { requests: 1, exceptCallers: [good] }]');
    expect(await target.call({ caller: 'bad' }).done).toBe('overloaded');
    expect([await target.call({ caller: 'x' }).done, await target.call({ caller: 'x' }).done]).toEqual(['200', 'overloaded']);
    expect([await target.call({ caller: 'good' }).done, await target.call({ caller: 'good' }).done]).toEqual(['200', '200']);
  });

  it('count over all runtimes of an engine', async () => {
    const engine = createMemoryEngine({ clock: createFakeClock() });
    const settings = 'limits: [{ requests: 3, per: 1m, quota: shared }]';
    const [one, other] = [await governed(settings, { engine }), await governed(settings, { engine })];
    const ends: string[] = [];
    for (let i = 0; i < 3; i++) ends.push(await one.call().done, await other.call().done);
    expect(ends.filter((end) => end === '200')).toHaveLength(3);
    expect(ends.filter((end) => end === 'overloaded')).toHaveLength(3);
  });

  it('keep their counts through a reload of something else', async () => {
    const yaml = (more: string): string => own(`limits: [{ requests: 1, per: 1m }]${more}`);
    const target = await governTarget({ yaml: yaml(''), target: inbound });
    expect(await target.call().done).toBe('200');
    await target.reload(yaml(', deadline: 9s'));
    expect(await target.call().done).toBe('overloaded');
  });
});

describe('protection of the process', () => {
  it('refuses by event-loop utilisation only when more runs than the best of the last seconds could carry', async () => {
    const target = await governed('system: { maxUtilisation: 0.8 }', { answer: () => ({ afterMs: 100 }) });
    for (let i = 0; i < 5; i++) target.call();
    await target.pass(600);
    target.loop.activeMs += 590;
    target.loop.idleMs += 10;
    const many = Array.from({ length: 8 }, () => target.call());
    await target.pass(200);
    const ends = await Promise.all(many.map(({ done }) => done));
    expect(ends).toContain('overloaded');
    expect(ends).toContain('200');
    target.loop.idleMs += 5_000;
    await target.pass(600);
    const calm = Array.from({ length: 8 }, () => target.call());
    await target.pass(200);
    expect(await Promise.all(calm.map(({ done }) => done))).toEqual(Array.from({ length: 8 }, () => '200'));
  });

  it('has plain limits for rate and calls under way', async () => {
    const target = await governed('system: { maxConcurrent: 1, maxRequests: 3 }', { answer: () => ({ afterMs: 10 }) });
    const pair = [target.call(), target.call()];
    await target.pass(20);
    expect(await Promise.all(pair.map(({ done }) => done))).toEqual(['200', 'overloaded']);
    const ends: string[] = [];
    for (let i = 0; i < 4; i++) {
      const { done } = target.call();
      await target.pass(20);
      ends.push(await done);
    }
    expect(ends).toEqual(['200', '200', 'overloaded', 'overloaded']);
  });
});

describe('a fallback', () => {
  it('answers in place of an open breaker, an expired time, or a target that is away, and never of a refusal', async () => {
    const errors = [
      new ProaError('unavailable', 'x'),
      new ProaError('deadline-exceeded', 'x'),
      new ProaError('circuit-open', 'x'),
      new ProaError('invoke.denied', 'x'),
      new ProaError('invoke.failed', 'x'),
    ];
    const target = await governed('fallback: { answer: { status: 203, headers: { X-Why: none }, body: "[]" } }', {
      answer: ({ number }) => ({ error: errors[number - 1] as ProaError }),
    });
    const ends: string[] = [];
    for (let i = 0; i < 5; i++) ends.push(await target.call().done);
    expect(ends).toEqual(['203', '203', '203', 'invoke.denied', 'invoke.failed']);
  });

  it('gives the last good answer of a read, while it is not too old', async () => {
    let up = true;
    const target = await governed('fallback: { cached: { maxAge: 10s } }', {
      answer: ({ call }) =>
        up
          ? { headers: ['path', call.input.path], body: bytesBody(Buffer.from(`of ${call.input.path}`)) }
          : { error: new ProaError('unavailable', 'x') },
    });
    for (const path of ['a', 'b']) await target.call({ path }).done;
    await target.call({ path: 'c', method: 'POST' }).done;
    await target.call({ path: 'd', headers: ['authorization', 'me'] }).done;
    up = false;
    expect(await target.answer({ path: 'b' })).toEqual({ status: 200, headers: ['path', 'b', 'proa-fallback', 'true'], text: 'of b' });
    for (const [path, method, headers] of [
      ['c', 'POST', []],
      ['d', 'GET', ['authorization', 'me']],
      ['e', 'GET', []],
    ] as const)
      expect(await target.call({ path, method, headers }).done).toBe('unavailable');
    await target.pass(11_000, 1_000);
    expect(await target.call({ path: 'b' }).done).toBe('unavailable');
  });

  it('asks another app', async () => {
    const target = await governTarget({ yaml: calls('fallback: { app: orders-lite, on: [failed] }'), answer: () => ({ status: 502 }) });
    expect((await target.answer({})).headers).toEqual(['by', 'orders-lite']);
    const once = onceBody(Buffer.from('x'), 1);
    expect(await target.call({ method: 'POST', body: once }).done).toBe('502');
    expect(Buffer.from(await collect(once, 10)).toString()).toBe('x');
  });
});

describe('flow control, read', () => {
  it.each([
    ['limits: []', /must hold 1 to 50 limits/],
    ['limits: [{}]', /needs either requests or concurrent/],
    ['limits: [{ concurrent: 1, mode: queue }]', /a bulkhead has a queue/],
    ['limits: [{ requests: 1, items: [{ value: a, limit: 1 }] }]', /has items but no key/],
    ['limits: [{ requests: 1, by: { header: a, path: true } }]', /needs one of header, cookie, query/],
    ['limits: [{ requests: 1, callers: [a], exceptCallers: [b] }]', /has callers and exceptCallers/],
    ['limits: [{ requests: 1, mode: queue, whileBusy: /x }]', /whileBusy is a plain rate/],
    ['limits: [{ requests: 1, quota: q, mode: queue }]', /with a quota is a plain rate/],
    ['limits: [{ requests: 1, coldFactor: 1 }]', /must be a number from 1.1 to 100/],
    ['system: {}', /sets no limit/],
    ['fallback: {}', /needs one of answer, cached, app/],
    ['fallback: { app: a, cached: {} }', /needs one of answer, cached, app/],
    ['fallback: { app: a, on: [] }', /must not be empty/],
    ['fallback: { answer: { headers: { "a b": c } } }', /cannot stand in a header/],
  ])('%s is refused', async (settings, expected) => {
    const { problems } = await loadYaml(own(settings));
    expect(problems.map(({ message }) => message)).toEqual([expect.stringMatching(expected)]);
  });
});
