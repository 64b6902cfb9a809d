import { describe, expect, it } from 'vitest';
import type { Endpoint } from '../contracts/resolver.ts';
import { createMemoryEngine } from '../drivers/engine-memory/memory-engine.ts';
import { silentLogger } from '../kernel/log.ts';
import { noPolicies, type PolicyDocument } from '../mesh/policy/model.ts';
import type { DeclaredRollout } from '../mesh/rollout/declared.ts';
import { beginRollout, endRollout, findRollout } from '../mesh/rollout/rollout-store.ts';
import type { RolloutPlan } from '../mesh/rollout/rollout.ts';
import { createMetricsRegistry } from '../telemetry/metrics-registry.ts';
import { createFakeClock } from '../testing/fake-clock.ts';
import { followRollouts } from './rollouts.ts';

const plan: RolloutPlan = {
  app: 'orders',
  namespace: 'default',
  from: 'v1',
  to: 'v2',
  steps: [
    { percent: 10, holdMs: 60_000 },
    { percent: 50, holdMs: 60_000 },
    { percent: 100, holdMs: 30_000 },
  ],
  gates: { successMin: 0.95, latency: { quantile: 0.9, maxMs: 200 }, requestsMin: 20 },
};

const turn = async (): Promise<void> => {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
};

function rig(options: { readonly versions?: readonly string[]; readonly rollouts?: readonly DeclaredRollout[] } = {}) {
  let ids = 0;
  const clock = createFakeClock();
  const engine = createMemoryEngine({ clock });
  const versions = [...(options.versions ?? ['v1', 'v2'])];
  const runtime = (instance: string) => {
    let document: PolicyDocument = noPolicies;
    const metrics = createMetricsRegistry({});
    const endpoints = (): Endpoint[] => versions.map((version) => ({ appId: 'orders', namespace: 'default', instance: version, version }));
    const following = followRollouts({
      clock,
      engine,
      log: silentLogger,
      metrics,
      namespace: 'default',
      instance,
      id: () => `id-${++ids}`,
      document: { ...noPolicies, rollouts: options.rollouts ?? [] },
      resolver: { resolve: () => Promise.resolve({ endpoints: endpoints(), source: 'test' }) },
      turn: (next) => (document = next),
    });
    const split = () => document.rules[0]?.settings.split;
    return {
      following,
      /** Share of the new version, in percent; -1 while nothing splits. */
      percent: () => split()?.targets[1]?.weight ?? -1,
      /** What it tells Prometheus of rollouts, one line each, zeros left out. */
      shown: () =>
        metrics
          .print('prometheus')
          .split('\n')
          .filter((line) => line.startsWith('proa_rollout_') && !line.endsWith(' 0')),
      origin: () => `${document.rules[0]?.resource} ${document.rules[0]?.origins.split}`,
      calls(count: number, how: { readonly status?: number; readonly tookMs?: number; readonly version?: 'v1' | 'v2' } = {}) {
        const { status = 200, tookMs = 20, version = 'v2' } = how;
        for (let i = 0; i < count; i++) split()?.targets[version === 'v1' ? 0 : 1]?.tally?.count({ ok: status < 500, status }, tookMs);
      },
    };
  };
  return {
    engine,
    versions,
    runtime,
    async pass(seconds: number) {
      await turn();
      for (let i = 0; i < seconds; i++) {
        clock.advance(1_000);
        await turn();
      }
    },
    state: async () => (await findRollout(engine, 'default', 'orders'))?.rollout,
  };
}

describe('a rollout', () => {
  it('steps up by itself as long as the new version does well, and is promoted', async () => {
    const { engine, runtime, pass, state } = rig();
    const one = runtime('one');
    await pass(1);
    expect(one.percent()).toBe(-1);
    await beginRollout(engine, plan, 'r1');
    await pass(1);
    expect([one.percent(), one.origin()]).toEqual([10, 'Rollout "orders" step 1 of 3']);
    one.calls(30);
    await pass(50);
    expect(one.percent()).toBe(10);
    await pass(15);
    expect(one.percent()).toBe(50);
    one.calls(30);
    await pass(65);
    expect(one.percent()).toBe(100);
    one.calls(30);
    await pass(35);
    expect([one.percent(), (await state())?.state]).toEqual([100, 'promoted']);
    expect((await state())?.why).toMatch(/^30 calls at 100 %: 100 % good, p90 \d+(\.\d)? ms$/);
  });

  it.each([
    ['too many calls fail', { status: 503 }, 'version v2: 50 % good'],
    ['its calls take too long', { tookMs: 900 }, 'at most 200 ms is asked for'],
  ])('goes back at once when %s, and stays there', async (_name, how, why) => {
    const { engine, runtime, pass, state } = rig();
    const one = runtime('one');
    await beginRollout(engine, plan, 'r1');
    await pass(2);
    one.calls(10);
    one.calls(100, { version: 'v1' });
    one.calls(9, how);
    await pass(3);
    expect(one.percent()).toBe(10);
    one.calls(1, how);
    await pass(3);
    expect([one.percent(), one.origin()]).toEqual([0, 'Rollout "orders" rolled-back']);
    expect((await state())?.why).toContain(why);
    expect((await state())?.why).toContain('(version v1: 100 % good');
    await pass(300);
    expect(one.percent()).toBe(0);
  });

  it('is held to what the old version does: trouble of both is not its fault, more trouble is', async () => {
    const { engine, runtime, pass, state } = rig();
    const one = runtime('one');
    const beside = { errorsAbove: 0.05, latency: { quantile: 0.9, factorMax: 2 } };
    await beginRollout(engine, { ...plan, gates: { successMin: 0, requestsMin: 20, beside } }, 'r1');
    await pass(2);
    one.calls(60, { version: 'v1' });
    one.calls(40, { version: 'v1', status: 503, tookMs: 100 });
    one.calls(12);
    one.calls(9, { status: 503, tookMs: 100 });
    await pass(62);
    expect(one.percent()).toBe(50);
    // Nothing to compare with: neither judged nor passed.
    one.calls(20, { status: 503 });
    await pass(70);
    expect([one.percent(), (await state())?.state]).toEqual([50, 'running']);
    one.calls(40, { version: 'v1' });
    await pass(2);
    expect(one.percent()).toBe(0);
    expect((await state())?.why).toContain(
      'at most 5 percentage points more bad calls than those of the old version is asked for (version v1: 100 % good',
    );
  });

  it('is held to the times of the old version', async () => {
    const { engine, runtime, pass, state } = rig();
    const one = runtime('one');
    const beside = { latency: { quantile: 0.9, factorMax: 2 } };
    await beginRollout(engine, { ...plan, gates: { successMin: 0.9, requestsMin: 20, beside } }, 'r1');
    await pass(2);
    one.calls(20, { version: 'v1', tookMs: 900 });
    one.calls(20, { tookMs: 1_200 });
    await pass(62);
    expect(one.percent()).toBe(50);
    one.calls(20, { version: 'v1', tookMs: 20 });
    one.calls(20, { tookMs: 80 });
    await pass(2);
    expect([one.percent(), (await state())?.why]).toEqual([0, expect.stringContaining('at most 2 times p90 of the old version')]);
  });

  it('passes its last step, which leaves the old version no calls, by its own calls', async () => {
    const { engine, runtime, pass, state } = rig();
    const one = runtime('one');
    const gates = { successMin: 0.9, requestsMin: 20, beside: { errorsAbove: 0 } };
    await beginRollout(engine, { ...plan, steps: [{ percent: 100, holdMs: 10_000 }], gates }, 'r1');
    await pass(2);
    one.calls(20);
    await pass(15);
    expect((await state())?.state).toBe('promoted');
  });

  it('is told in metrics: step, share, state, and the calls of both versions', async () => {
    const { engine, runtime, pass } = rig();
    const one = runtime('one');
    await beginRollout(engine, plan, 'r1');
    await pass(2);
    one.calls(30);
    one.calls(1, { status: 500 });
    one.calls(3, { version: 'v1' });
    expect(one.shown()).toEqual([
      'proa_rollout_step{dst_app_id="orders"} 1',
      'proa_rollout_percent{dst_app_id="orders"} 10',
      'proa_rollout_state{dst_app_id="orders",state="running"} 1',
      'proa_rollout_calls_total{dst_app_id="orders",version="v1",success="true"} 3',
      'proa_rollout_calls_total{dst_app_id="orders",version="v2",success="true"} 30',
      'proa_rollout_calls_total{dst_app_id="orders",version="v2",success="false"} 1',
    ]);
    await pass(65);
    expect(one.shown()).toEqual(
      expect.arrayContaining(['proa_rollout_step{dst_app_id="orders"} 2', 'proa_rollout_percent{dst_app_id="orders"} 50']),
    );
    await endRollout(engine, plan, 'aborted');
    await pass(1);
    expect(one.shown()).toContain('proa_rollout_state{dst_app_id="orders",state="aborted"} 1');
    expect(one.shown().some((line) => line.includes('percent') || line.includes('running'))).toBe(false);
  });

  it('waits while too few calls were seen, and while no instance of the new version is there', async () => {
    const { engine, runtime, pass, versions } = rig();
    const one = runtime('one');
    await beginRollout(engine, plan, 'r1');
    await pass(2);
    one.calls(19);
    await pass(120);
    expect(one.percent()).toBe(10);
    versions.pop();
    one.calls(19);
    await pass(60);
    expect(one.percent()).toBe(10);
    versions.push('v2');
    await pass(2);
    expect(one.percent()).toBe(50);
  });

  it('is driven by one runtime with what all of them count, and goes on when that one is gone', async () => {
    const { engine, runtime, pass, state } = rig();
    const [one, two] = [runtime('one'), runtime('two')];
    await beginRollout(engine, plan, 'r1');
    await pass(2);
    one.calls(10);
    two.calls(10);
    await pass(65);
    expect([one.percent(), two.percent()]).toEqual([50, 50]);
    expect((await state())?.why).toMatch(/^20 calls at 10 %/);
    await one.following.close();
    two.calls(25);
    await pass(80);
    expect(two.percent()).toBe(100);
    const late = runtime('late');
    await pass(1);
    expect(late.percent()).toBe(100);
  });

  it('is ended by hand either way, also against a driver, and may begin anew only then', async () => {
    const { engine, runtime, pass, state } = rig();
    const one = runtime('one');
    await expect(endRollout(engine, plan, 'promoted')).rejects.toMatchObject({ code: 'not-found' });
    await beginRollout(engine, plan, 'r1');
    await expect(beginRollout(engine, plan, 'r2')).rejects.toMatchObject({ code: 'already-exists' });
    await pass(2);
    one.calls(30, { status: 200 });
    await endRollout(engine, plan, 'aborted');
    await pass(100);
    expect([one.percent(), (await state())?.state, (await state())?.why]).toEqual([0, 'aborted', 'by hand']);
    await endRollout(engine, plan, 'promoted');
    await pass(1);
    expect(one.percent()).toBe(100);
    await beginRollout(engine, { ...plan, from: 'v2', to: 'v3' }, 'r2');
    await pass(1);
    expect([one.percent(), (await state())?.id]).toEqual([10, 'r2']);
  });

  it('keeps beside policies of files when those change', async () => {
    const { engine, runtime, pass } = rig();
    const one = runtime('one');
    await beginRollout(engine, plan, 'r1');
    await pass(1);
    one.following.setDocument({ ...noPolicies });
    expect(one.percent()).toBe(10);
  });

  it('leaves everything as it is while the engine cannot be read', async () => {
    const { engine, runtime, pass } = rig();
    const one = runtime('one');
    await beginRollout(engine, plan, 'r1');
    await pass(1);
    await engine.close();
    await pass(120);
    expect(one.percent()).toBe(10);
  });
});
