import { describe, expect, it } from 'vitest';
import { createMemoryEngine } from '../drivers/engine-memory/memory-engine.ts';
import { silentLogger } from '../kernel/log.ts';
import type { PolicyDocument } from '../mesh/policy/model.ts';
import { beginRollout, endRollout, findRollout } from '../mesh/rollout/rollout-store.ts';
import type { RolloutPlan } from '../mesh/rollout/rollout.ts';
import { nodePorts } from '../ports/node/index.ts';
import { createMetricsRegistry } from '../telemetry/metrics-registry.ts';
import { createFakeClock } from '../testing/fake-clock.ts';
import { createMemoryDisk } from '../testing/memory-disk.ts';
import { loadResources } from './config/load-resources.ts';
import { renderProblem } from './config/problem.ts';
import { configuredResources } from './configured.ts';
import { explainCall } from './explain.ts';
import { followRollouts } from './rollouts.ts';

const resource = (spec: string, name = 'orders-v2'): string =>
  `apiVersion: proa.dev/v1alpha1\nkind: Rollout\nmetadata: { name: ${name} }\nspec: ${spec}\n`;
const plain = '{ app: orders, from: v1, to: v2, steps: [{ percent: 10, hold: 1m }, { percent: 100, hold: 30s }] }';
const load = (yaml: string, knownApps?: readonly string[]) =>
  loadResources({
    disk: createMemoryDisk({ '/r/rollout.yaml': yaml }),
    paths: ['/r'],
    appId: 'web',
    drivers: {},
    ...(knownApps !== undefined && { knownApps }),
  });

describe('a Rollout in a file', () => {
  it('is the plan of the command, with its defaults', async () => {
    const { policies, problems } = await load(resource(plain));
    expect(problems).toEqual([]);
    expect(policies.rollouts).toEqual([
      {
        name: 'orders-v2',
        plan: {
          app: 'orders',
          from: 'v1',
          to: 'v2',
          steps: [
            { percent: 10, holdMs: 60_000 },
            { percent: 100, holdMs: 30_000 },
          ],
          gates: { successMin: 0.99, requestsMin: 50 },
        },
        attempt: 1,
        state: 'running',
        origin: '/r/rollout.yaml:4',
      },
    ]);
    const gates =
      'gates: { success: 95, latency: { quantile: 99, max: 500ms }, errorsAbove: 0.5, latencyFactor: { quantile: 90, max: 1.5 }, minRequests: 10 }';
    const full = await load(resource(`${plain.slice(0, -1)}, ${gates}, sticky: { header: X-User }, attempt: 2, state: promoted }`));
    expect(full.problems).toEqual([]);
    expect(full.policies.rollouts[0]).toMatchObject({
      plan: {
        gates: {
          successMin: 0.95,
          requestsMin: 10,
          latency: { quantile: 0.99, maxMs: 500 },
          beside: { errorsAbove: 0.005, latency: { quantile: 0.9, factorMax: 1.5 } },
        },
        sticky: { from: 'header', name: 'x-user' },
      },
      attempt: 2,
      state: 'promoted',
    });
  });

  const steps = (written: string) => resource(`{ app: orders, from: v1, to: v2, steps: ${written} }`);
  const gated = (gates: string) => resource(`${plain.slice(0, -1)}, gates: ${gates} }`);
  it.each([
    ['the same version twice', resource(plain.replace('v2', 'v1')), /the two versions are the same/],
    ['a version that is no name', resource(plain.replace('v2', '"v 2"')), /spec.to is no name of an app or version/],
    ['no steps', steps('[]'), /end at 100/],
    ['percents that fall', steps('[{ percent: 50, hold: 1m }, { percent: 20, hold: 1m }, { percent: 100, hold: 1m }]'), /must rise/],
    ['no percent', steps('[{ percent: 0, hold: 1m }, { percent: 100, hold: 1m }]'), /must rise/],
    ['a step without a time', steps('[{ percent: 100 }]'), /hold/],
    ['a step with a time that is none', steps('[{ percent: 100, hold: soon }]'), /hold/],
    [
      'too many steps',
      steps(`[${Array.from({ length: 21 }, (_, i) => `{ percent: ${i === 20 ? 100 : i + 1}, hold: 1m }`).join()}]`),
      /20 at most/,
    ],
    ['a share above all', gated('{ success: 101 }'), /success must be a number from 0 to 100/],
    ['a quantile of nobody', gated('{ latency: { quantile: 0, max: 1s } }'), /quantile/],
    ['a factor that is finer than what is counted', gated('{ latencyFactor: { quantile: 99, max: 1.1 } }'), /from 1.2 to 100/],
    ['no call', gated('{ minRequests: 0 }'), /minRequests/],
    ['a key that nobody knows', resource(`${plain.slice(0, -1)}, step: 1 }`), /unknown key `step`/],
    ['a state of another kind', resource(`${plain.slice(0, -1)}, state: paused }`), /running, promoted, aborted/],
    ['an apiVersion of the future', resource(plain).replace('v1alpha1', 'v9'), /Rollout has no apiVersion proa.dev\/v9/],
    ['a kind of another spelling', resource(plain).replace('Rollout', 'Rolout'), /unknown kind Rolout of proa.dev\/v1alpha1/],
  ])('is refused with %s', async (_name, yaml, message) => {
    const { problems, policies } = await load(yaml);
    expect(problems.map((problem) => problem.message).join('\n')).toMatch(message);
    expect(problems.every(({ severity, at }) => severity === 'error' && at !== undefined)).toBe(true);
    expect(policies.rollouts).toEqual([]);
  });

  it('is refused beside another one of the app, with both places, and warned about when nobody has the app', async () => {
    const { problems } = await load(`${resource(plain, 'one')}---\n${resource(plain, 'two')}`);
    expect(problems).toEqual([
      expect.objectContaining({
        code: 'config.policy-conflict',
        message: 'Rollout "two" is of app "orders", of which Rollout "one" is too',
        notes: ['the other is in /r/rollout.yaml:4'],
      }),
    ]);
    expect(problems.map(renderProblem).join()).toContain('/r/rollout.yaml:9:');
    const unknown = (await load(resource(plain), ['order', 'web'])).problems;
    expect(unknown).toEqual([
      expect.objectContaining({
        severity: 'warning',
        code: 'config.unknown-target',
        message: 'Rollout "orders-v2": there is no app named "orders"',
      }),
    ]);
  });

  it('is shown by explain and by the configuration, with its place', async () => {
    const { caller } = await explainCall({
      ports: { ...nodePorts(), disk: createMemoryDisk({ '/r/rollout.yaml': resource(plain) }) },
      paths: ['/r'],
      configPaths: [],
      namespace: '',
      caller: 'web',
      app: 'orders',
      httpMethod: 'GET',
      path: 'x',
      headers: [],
    });
    expect(caller.find(({ role }) => role === 'split')).toMatchObject({
      parameters: { targets: 'version v1 90 %, version v2 10 %', from: 'Rollout "orders", /r/rollout.yaml:4, step 1 of 2' },
    });
    const shown = configuredResources(await load(resource(plain))).find(({ kind }) => kind === 'Rollout');
    expect(shown).toMatchObject({
      name: 'orders-v2',
      values: expect.arrayContaining([expect.objectContaining({ name: 'to', value: 'v2' })]) as unknown,
    });
  });
});

const turn = async (): Promise<void> => {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
};

async function documentOf(spec: string): Promise<PolicyDocument> {
  const { policies, problems } = await load(resource(spec));
  expect(problems).toEqual([]);
  return policies;
}

function rig() {
  const clock = createFakeClock();
  const engine = createMemoryEngine({ clock });
  let ids = 0;
  const versions = ['v1', 'v2', 'v3'];
  const warnings: string[] = [];
  return {
    engine,
    warnings,
    runtime(instance: string, document: PolicyDocument) {
      let effective = document;
      const following = followRollouts({
        clock,
        engine,
        metrics: createMetricsRegistry({}),
        log: { ...silentLogger, warn: (message) => warnings.push(message) },
        namespace: 'default',
        instance,
        id: () => `id-${++ids}`,
        document,
        resolver: {
          resolve: () =>
            Promise.resolve({
              endpoints: versions.map((version) => ({ appId: 'orders', namespace: 'default', instance: version, version })),
              source: 'test',
            }),
        },
        turn: (next) => (effective = next),
      });
      const split = () => effective.rules[0]?.settings.split;
      return {
        following,
        percent: () => split()?.targets[1]?.weight ?? -1,
        origin: () => effective.rules[0]?.origins.split,
        calls(count: number, status = 200) {
          for (let i = 0; i < count; i++) split()?.targets[1]?.tally?.count({ ok: status < 500, status }, 5);
        },
      };
    },
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

const manual: RolloutPlan = {
  app: 'orders',
  namespace: 'default',
  from: 'v1',
  to: 'v3',
  steps: [{ percent: 100, holdMs: 600_000 }],
  gates: { successMin: 0, requestsMin: 1 },
};

describe('what a file asks for', () => {
  it('is begun once, by whichever runtime reads it first, and goes its way', async () => {
    const { runtime, pass, state } = rig();
    const one = runtime('one', await documentOf(plain));
    const two = runtime('two', await documentOf(plain));
    await pass(2);
    const begun = await state();
    expect(begun).toMatchObject({ state: 'running', step: 0, why: 'declared in /r/rollout.yaml:4' });
    expect([one.percent(), two.percent()]).toEqual([10, 10]);
    expect(one.origin()).toBe('/r/rollout.yaml:4, step 1 of 2');
    one.calls(60);
    await pass(65);
    expect(two.percent()).toBe(100);
    // A runtime that starts later, and the same file read again, begin nothing.
    runtime('three', await documentOf(plain));
    one.following.setDocument(await documentOf(plain));
    await pass(2);
    expect(await state()).toMatchObject({ id: begun?.id, step: 1 });
  });

  it('is not begun again after it was rolled back; another attempt is', async () => {
    const { runtime, pass, state } = rig();
    const one = runtime('one', await documentOf(plain));
    await pass(2);
    one.calls(60, 500);
    await pass(5);
    expect((await state())?.state).toBe('rolled-back');
    runtime('two', await documentOf(plain));
    await pass(60);
    expect((await state())?.state).toBe('rolled-back');
    one.following.setDocument(await documentOf(`${plain.slice(0, -1)}, attempt: 2 }`));
    await pass(2);
    expect(await state()).toMatchObject({ state: 'running', step: 0 });
  });

  it('changes under way: other gates go on where it is, another version begins anew, and a file of yesterday does nothing', async () => {
    const { runtime, pass, state, warnings } = rig();
    const one = runtime('one', await documentOf(plain));
    await pass(2);
    one.calls(60);
    await pass(65);
    expect((await state())?.step).toBe(1);
    one.following.setDocument(await documentOf(`${plain.slice(0, -1)}, gates: { success: 50 } }`));
    await pass(2);
    expect(await state()).toMatchObject({ state: 'running', step: 1, gates: { successMin: 0.5 } });
    one.following.setDocument(await documentOf(plain.replace('v2', 'v3')));
    await pass(2);
    expect(await state()).toMatchObject({ state: 'running', step: 0, to: 'v3' });
    expect(one.percent()).toBe(10);
    runtime('stale', await documentOf(plain));
    await pass(2);
    expect(await state()).toMatchObject({ to: 'v3' });
    expect(warnings.filter((text) => text.includes('is not begun'))).toEqual([
      'Rollout "orders-v2" of orders is not begun: the app has had it, and another one since; another `attempt` begins it again',
    ]);
  });

  it('ends where the file says, and what was ended by hand stays so', async () => {
    const { engine, runtime, pass, state } = rig();
    const one = runtime('one', await documentOf(plain));
    await pass(2);
    one.following.setDocument(await documentOf(`${plain.slice(0, -1)}, state: promoted }`));
    await pass(2);
    expect(await state()).toMatchObject({ state: 'promoted', why: '/r/rollout.yaml:4 says so' });
    expect(one.percent()).toBe(100);
    await endRollout(engine, manual, 'aborted');
    await pass(20);
    expect(await state()).toMatchObject({ state: 'aborted', why: 'by hand' });
  });

  it('waits for a rollout that was begun by hand, and does not take over from a later one', async () => {
    const { engine, runtime, pass, state, warnings } = rig();
    await beginRollout(engine, manual, 'by-hand');
    runtime('one', await documentOf(plain));
    await pass(3);
    expect(await state()).toMatchObject({ id: 'by-hand', state: 'running' });
    expect(warnings).toEqual([
      'Rollout "orders-v2" of orders is not begun: one that was begun by hand is running; it follows when that has ended',
    ]);
    await endRollout(engine, manual, 'promoted');
    await pass(3);
    expect(await state()).toMatchObject({ to: 'v2', state: 'running' });
    await endRollout(engine, manual, 'aborted');
    await beginRollout(engine, manual, 'again');
    runtime('two', await documentOf(plain));
    await pass(3);
    expect(await state()).toMatchObject({ id: 'again' });
  });
});
