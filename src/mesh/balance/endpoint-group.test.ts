import { describe, expect, it } from 'vitest';
import type { InvokeRequest, InvokeResponse } from '../../contracts/app-channel.ts';
import { balancePlanKey } from '../../contracts/balancing.ts';
import type { News } from '../../contracts/news.ts';
import type { Endpoint } from '../../contracts/resolver.ts';
import { createWindowBreaker } from '../../filters/breaker/window-breaker.ts';
import { attemptKey } from '../../kernel/attempt.ts';
import { emptyBody } from '../../kernel/body.ts';
import { createCall } from '../../kernel/call.ts';
import { emptyContext, withValue } from '../../kernel/context.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Random } from '../../kernel/ports.ts';
import { createFakeClock } from '../../testing/fake-clock.ts';
import { EndpointGroup } from './endpoint-group.ts';
import { createSharedEjections, type Ejection, type EjectionsOf } from './shared-ejections.ts';
import { defaultBalance, type BalancePlan, type BalanceSettings } from './plan.ts';

// A small generator with a fixed seed: the tests are the same every time.
function seeded(): Random {
  let state = 42;
  const u32 = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return (state ^ (state >>> 13)) >>> 0;
  };
  return { u32, bytes: (count) => new Uint8Array(count), hex: () => '', uuid: () => '' };
}
const endpoint = (instance: string, more: Partial<Endpoint> = {}): Endpoint => ({ appId: 'a', namespace: '', instance, ...more });
const planOf = (settings: Partial<BalanceSettings>, breakers?: BalancePlan['breakers']): BalancePlan => ({
  settings: { ...defaultBalance, ...settings },
  ...(breakers !== undefined && { breakers }),
});

interface Behaviour {
  readonly ms?: number;
  readonly status?: number;
  readonly error?: ProaError;
}

function rig(behaviour: (instance: string) => Behaviour, plan?: BalancePlan, zone = '', shared?: EjectionsOf) {
  const clock = createFakeClock();
  const random = seeded();
  const group = new EndpointGroup({ clock, random, appId: 'a', zone, shared });
  const counts: Record<string, number> = {};
  const send = async (more: { headers?: string[]; attempt?: number; hold?: boolean } = {}): Promise<string> => {
    let context = plan === undefined ? emptyContext : withValue(emptyContext, balancePlanKey, plan);
    if (more.attempt !== undefined) context = withValue(context, attemptKey, more.attempt);
    const input: InvokeRequest = {
      appId: 'a',
      namespace: '',
      httpMethod: 'GET',
      path: 'x',
      query: '',
      headers: more.headers ?? [],
      body: emptyBody,
      replayable: true,
    };
    const call = createCall({ block: 'invoke', name: 'call', idempotent: false }, input, { context });
    let went = '';
    const answer = await group
      .send(call, (to) => {
        went = to.instance;
        counts[went] = (counts[went] ?? 0) + 1;
        const { status = 200 } = behaviour(went);
        return Promise.resolve<InvokeResponse>({ status, headers: [], body: emptyBody });
      })
      .catch((thrown: unknown) => ProaError.from(thrown));
    if (answer instanceof ProaError) return answer.code;
    if (more.hold !== true) {
      const { ms = 1, error } = behaviour(went);
      clock.advance(ms);
      call.end.fire(error === undefined ? { ok: answer.status < 500, status: answer.status } : { ok: false, error });
    }
    return went;
  };
  return { clock, group, counts, send };
}

describe('balancing', () => {
  it('goes to fast instances more than to slow ones, and hardly to one that fails fast', async () => {
    const { group, counts, send } = rig(
      (instance) => (instance === 'slow' ? { ms: 50 } : instance === 'broken' ? { status: 500 } : { ms: 5 }),
      planOf({ outlier: { ...defaultBalance.outlier, consecutive: 0 } }),
    );
    group.update(['fast', 'slow', 'broken'].map((name) => endpoint(name)));
    for (let i = 0; i < 300; i++) await send();
    expect(counts['fast']).toBeGreaterThan(180);
    expect(counts['broken']).toBeLessThan(20);
  });

  it('counts what is under way', async () => {
    const { group, counts, send } = rig(() => ({}), planOf({ policy: 'least-request' }));
    group.update(['a', 'b'].map((name) => endpoint(name)));
    for (let i = 0; i < 20; i++) await send({ hold: true });
    expect(counts).toEqual({ a: 10, b: 10 });
  });

  it('gives turns: in order, or by weight', async () => {
    const plain = rig(() => ({}), planOf({ policy: 'round-robin' }));
    plain.group.update(['a', 'b', 'c'].map((name) => endpoint(name)));
    expect([await plain.send(), await plain.send(), await plain.send(), await plain.send()]).toEqual(['a', 'b', 'c', 'a']);
    const heavy = rig(() => ({}), planOf({ policy: 'weighted' }));
    heavy.group.update([endpoint('a', { weight: 5 }), endpoint('b'), endpoint('c')]);
    const turns: string[] = [];
    for (let i = 0; i < 7; i++) turns.push(await heavy.send());
    expect(turns).toEqual(['a', 'a', 'b', 'a', 'c', 'a', 'a']);
  });

  it('keeps the calls of one key at one instance, and balances those without a key', async () => {
    const { group, counts, send } = rig(() => ({}), planOf({ policy: 'maglev', key: { from: 'header', name: 'user' } }));
    group.update(['a', 'b', 'c', 'd'].map((name) => endpoint(name)));
    const homes = new Set<string>();
    for (let i = 0; i < 20; i++) homes.add(await send({ headers: ['user', 'ann'] }));
    expect(homes.size).toBe(1);
    for (let i = 0; i < 40; i++) await send();
    expect(Object.keys(counts).length).toBeGreaterThan(2);
    const [home] = homes;
    expect(await send({ headers: ['user', 'ann'], attempt: 1 })).not.toBe(home);
  });

  it('stays in its zone while enough of it is usable, and spills over when not', async () => {
    let down = false;
    const { group, counts, send } = rig(
      (instance) => ({ status: down && instance.startsWith('near') ? 500 : 200 }),
      planOf({ zoneShareMin: 0.7, panicShare: 0 }),
      'z1',
    );
    group.update([
      endpoint('near1', { zone: 'z1' }),
      endpoint('near2', { zone: 'z1' }),
      endpoint('far1', { zone: 'z2' }),
      endpoint('far2', { zone: 'z2' }),
    ]);
    for (let i = 0; i < 20; i++) await send();
    expect(Object.keys(counts).toSorted()).toEqual(['near1', 'near2']);
    down = true;
    for (let i = 0; i < 60; i++) await send();
    expect(counts['far1']).toBeGreaterThan(3);
  });

  it('brings a new instance up slowly', async () => {
    const { clock, group, counts, send } = rig(() => ({}), planOf({ policy: 'weighted', slowStartMs: 10_000 }));
    group.update([endpoint('old')]);
    await send();
    group.update([endpoint('old'), endpoint('new')]);
    for (let i = 0; i < 110; i++) await send();
    expect(counts['new']).toBeLessThan(15);
    clock.advance(20_000);
    for (let i = 0; i < 100; i++) await send();
    expect(counts['new']).toBeGreaterThan(55);
  });

  it('ejects an instance that fails again and again, tries it later, and never ejects more than its share', async () => {
    let broken = new Set(['a']);
    const { clock, group, counts, send } = rig(
      (instance) => ({ status: broken.has(instance) ? 500 : 200 }),
      planOf({ policy: 'round-robin' }),
    );
    group.update(['a', 'b', 'c', 'd'].map((name) => endpoint(name)));
    for (let i = 0; i < 100; i++) await send();
    expect(counts['a']).toBe(5);
    clock.advance(11_000);
    for (let i = 0; i < 100; i++) await send();
    expect(counts['a']).toBe(10);
    clock.advance(15_000);
    await send();
    expect(counts['a']).toBe(10);
    broken = new Set(['a', 'b', 'c', 'd']);
    clock.advance(30_000);
    for (let i = 0; i < 200; i++) await send();
    expect(group.members().filter(({ ejectedUntilMs }) => ejectedUntilMs > clock.mono())).toHaveLength(2);
  });

  it('uses all when too few are left: it is then likelier that the judgement is wrong', async () => {
    let bad = true;
    const { group, counts, send } = rig(
      (instance) => ({ status: bad && instance !== 'd' ? 500 : 200 }),
      planOf({ policy: 'round-robin', panicShare: 0.5, outlier: { ...defaultBalance.outlier, ejectedShareMax: 1 } }),
    );
    group.update(['a', 'b', 'c', 'd'].map((name) => endpoint(name)));
    for (let i = 0; i < 40; i++) await send();
    bad = false;
    for (const name of Object.keys(counts)) counts[name] = 0;
    for (let i = 0; i < 40; i++) await send();
    expect(Object.values(counts)).toEqual([10, 10, 10, 10]);
  });

  it('ejects what another process ejected, while its own share allows it', () => {
    let hear: ((message: unknown) => void) | undefined;
    const hearing: News = {
      tell() {},
      listen(_topic, heard) {
        hear = heard;
        return () => (hear = undefined);
      },
    };
    const here = createSharedEjections(hearing, 'web-1');
    const elsewhere = createSharedEjections(
      { tell: (_topic, message) => hear?.(structuredClone(message)), listen: () => () => {} },
      'web-1',
    );
    const clock = createFakeClock();
    const group = new EndpointGroup({ clock, random: seeded(), appId: 'a', zone: '', shared: here.of('/a') });
    group.update(['a', 'b', 'c'].map((name) => endpoint(name)));
    const ejected = (): string[] =>
      group.members().flatMap(({ ejectedUntilMs, endpoint: { instance } }) => (ejectedUntilMs > clock.mono() ? [instance] : []));
    elsewhere.of('/other').tell({ instance: 'a', forMs: 10_000, count: 1 });
    elsewhere.of('/a').tell({ instance: 'gone', forMs: 10_000, count: 1 });
    expect(ejected()).toEqual([]);
    elsewhere.of('/a').tell({ instance: 'b', forMs: 1e9, count: 3 });
    // Two of three would be more than half.
    elsewhere.of('/a').tell({ instance: 'c', forMs: 10_000, count: 1 });
    expect(ejected()).toEqual(['b']);
    expect(group.members()[1]?.ejections).toBe(3);
    // No longer than its own settings say.
    clock.advance(5 * 60_000);
    expect(ejected()).toEqual([]);
    here.close();
    elsewhere.of('/a').tell({ instance: 'b', forMs: 10_000, count: 4 });
    expect(ejected()).toEqual([]);
  });

  it('tells other processes what it ejects', async () => {
    const told: Ejection[] = [];
    const { group, send } = rig((instance) => ({ status: instance === 'a' ? 500 : 200 }), planOf({ policy: 'round-robin' }), '', {
      join() {},
      tell: (ejection) => void told.push(ejection),
    });
    group.update(['a', 'b', 'c'].map((name) => endpoint(name)));
    for (let i = 0; i < 40; i++) await send();
    expect(told).toEqual([{ instance: 'a', forMs: 10_000, count: 1 }]);
  });

  it('does not eject an instance that sheds, but sends it fewer calls', async () => {
    const shed = new ProaError('shed', 'too much', { refusedAt: 'callee' });
    const { group, counts, send } = rig((instance) => (instance === 'a' ? { error: shed } : {}), planOf({}));
    group.update(['a', 'b', 'c'].map((name) => endpoint(name)));
    for (let i = 0; i < 200; i++) await send();
    expect(counts['a']).toBeLessThan(20);
    expect(group.members().map(({ ejections, failures }) => [ejections, failures])).toEqual([
      [0, 0],
      [0, 0],
      [0, 0],
    ]);
  });

  it('learns nothing about instances by what this runtime refuses', async () => {
    const refused = new ProaError('overloaded', 'full', { refusedAt: 'caller' });
    const { clock, group, send } = rig(
      (instance) => (instance === 'a' ? { error: refused } : { ms: 5 }),
      planOf({ policy: 'round-robin' }),
    );
    group.update(['a', 'b'].map((name) => endpoint(name)));
    for (let i = 0; i < 40; i++) await send();
    const [a, b] = group.members();
    expect([a?.ejections, a?.cost(clock.mono(), 0)]).toEqual([0, 1e-6]);
    expect(b?.cost(clock.mono(), 0)).toBeGreaterThan(1);
  });

  it('sends a repetition elsewhere', async () => {
    const { group, send } = rig((instance) => ({ status: instance === 'a' ? 500 : 200 }), planOf({ policy: 'round-robin' }));
    group.update(['a', 'b'].map((name) => endpoint(name)));
    expect(await send()).toBe('a');
    expect([await send({ attempt: 1 }), await send({ attempt: 1 }), await send({ attempt: 1 })]).toEqual(['b', 'b', 'b']);
  });

  it('goes around open breakers, and refuses at once when all are open', async () => {
    const broken = new Set(['a']);
    const options = {
      random: seeded(),
      consecutive: 2,
      errorRatio: 0,
      slowRatio: 0,
      slowMs: 1,
      requestsMin: 1,
      windowMs: 10_000,
      openMs: 5_000,
      openMaxMs: 60_000,
      rampMs: 1_000,
    };
    const plan = planOf(
      { policy: 'round-robin', outlier: { ...defaultBalance.outlier, consecutive: 0 } },
      { key: 'k', make: () => createWindowBreaker(options), badFrom: 500 },
    );
    const { clock, group, counts, send } = rig((instance) => ({ status: broken.has(instance) ? 500 : 200 }), plan);
    group.update(['a', 'b'].map((name) => endpoint(name)));
    for (let i = 0; i < 20; i++) await send();
    expect(counts).toEqual({ a: 2, b: 18 });
    broken.add('b');
    for (let i = 0; i < 3; i++) await send();
    expect(await send()).toBe('circuit-open');
    clock.advance(6_000);
    broken.clear();
    expect(['a', 'b']).toContain(await send());
    group.update([]);
    expect(await send()).toBe('invoke.unreachable');
  });

  it('keeps what it learnt about instances that stay when others come and go', async () => {
    const { clock, group, counts, send } = rig((instance) => ({ status: instance === 'a' ? 500 : 200 }), planOf({ policy: 'round-robin' }));
    group.update(['a', 'b', 'c'].map((name) => endpoint(name)));
    for (let i = 0; i < 30; i++) await send();
    const before = counts['a'];
    group.update(['a', 'b', 'c', 'd'].map((name) => endpoint(name)));
    clock.advance(1_000);
    for (let i = 0; i < 30; i++) await send();
    expect(counts['a']).toBe(before);
  });

  it('loses no call while endpoints flap, and a sick one that comes and goes stays out', async () => {
    const { clock, group, counts, send } = rig(
      (instance) => ({ status: instance === 'sick' ? 500 : 200 }),
      planOf({ policy: 'round-robin' }),
    );
    const all = ['a', 'b', 'sick'].map((name) => endpoint(name));
    group.update(all);
    for (let i = 0; i < 30; i++) await send();
    expect(counts['sick']).toBe(5);
    const failed: string[] = [];
    for (let i = 0; i < 500; i++) {
      // Each time somebody else is missing, and now and then nobody is.
      const listed = i % 7 === 0 ? all : all.filter((_, at) => at !== i % 3);
      group.update(listed);
      const went = await send();
      if (!listed.some(({ instance }) => instance === went)) failed.push(`${i}: ${went}`);
    }
    expect(failed).toEqual([]);
    // Half a second passed: the ejection of ten lasts, however often it was listed anew.
    expect(counts['sick']).toBe(5);
    expect(group.members().every(({ inFlight }) => inFlight === 0)).toBe(true);
    clock.advance(61_000);
    group.update([endpoint('a')]);
    clock.advance(61_000);
    group.update(all);
    // It was away for long: what was learnt about it is old.
    for (let i = 0; i < 30; i++) await send();
    expect(counts['sick']).toBe(10);
  });

  it('lets a call end well at an endpoint that vanished meanwhile', async () => {
    const { group, send } = rig(() => ({}));
    group.update([endpoint('a'), endpoint('b')]);
    const held = await Promise.all([send({ hold: true }), send({ hold: true })]);
    expect(held.toSorted()).toEqual(['a', 'b']);
    group.update([endpoint('b')]);
    for (let i = 0; i < 5; i++) expect(await send()).toBe('b');
    expect(group.members().map(({ inFlight }) => inFlight)).toEqual([1]);
  });
});
