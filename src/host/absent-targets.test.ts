import { describe, expect, it } from 'vitest';
import type { Endpoint } from '../contracts/resolver.ts';
import { silentLogger } from '../kernel/log.ts';
import { noPolicies, type PolicyRule } from '../mesh/policy/model.ts';
import { createFakeClock } from '../testing/fake-clock.ts';
import { AbsentTargets } from './absent-targets.ts';

const rule = (app: string, resource = `Policy "${app}"`): PolicyRule => ({
  resource,
  target: { kind: 'app', app, at: 'caller' },
  settings: {},
  origins: {},
  rank: 'named',
});
const named = (...apps: string[]) => ({ policies: { ...noPolicies, rules: apps.map((app) => rule(app)) }, httpEndpoints: [] });
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function rig({ known = [], fails = false }: { readonly known?: readonly string[]; readonly fails?: boolean } = {}) {
  const clock = createFakeClock();
  const warnings: string[] = [];
  const apps = [...known];
  const targets = new AbsentTargets({
    clock,
    log: { ...silentLogger, warn: (message) => void warnings.push(message) },
    namespace: 'default',
    resolver: {
      async resolve(appId, namespace) {
        if (fails) throw new Error('no answer');
        const endpoints: Endpoint[] = apps.includes(appId) ? [{ appId, namespace, instance: 'i' }] : [];
        return { endpoints, source: 'test' };
      },
    },
    announced: async () => apps,
  });
  const look = async (): Promise<void> => {
    clock.advance(30_000);
    await settled();
  };
  return { clock, warnings, apps, targets, look };
}

describe('policies for apps that nobody has announced', () => {
  it('are told once, some time after they were read, with a guess at what was meant', async () => {
    const { clock, warnings, apps, targets, look } = rig({ known: ['orders'] });
    targets.read(named('ordres', 'late', 'orders', '*', 'pay.shop', 'https://pay.example'));
    clock.advance(29_999);
    await settled();
    expect(warnings).toEqual([]);
    apps.push('late');
    await look();
    expect(warnings).toEqual(['Policy "ordres": no instance of app "ordres" is known; did you mean "orders"?']);
    targets.read(named('ordres', 'zebra'));
    await look();
    expect(warnings.slice(1)).toEqual(['Policy "zebra": no instance of app "zebra" is known']);
  });

  it('are those of the newest files, rollouts among them, and not of HTTP endpoints', async () => {
    const { warnings, targets, look } = rig();
    targets.read(named('gone'));
    const plan = { app: 'canary' } as (typeof noPolicies.rollouts)[number]['plan'];
    const rollouts = [{ name: 'r', plan, attempt: 1, state: 'running', origin: 'r.yaml:1' }] as const;
    const endpoint = { name: 'pay' } as Parameters<typeof targets.read>[0]['httpEndpoints'][number];
    targets.read({ policies: { ...named('pay').policies, rollouts }, httpEndpoints: [endpoint] });
    await look();
    expect(warnings).toEqual(['Rollout "r": no instance of app "canary" is known']);
  });

  it('are not looked for where there are none, after the end, or when nobody can say', async () => {
    const { clock, targets } = rig();
    targets.read(named('*'));
    expect(clock.waiting).toBe(0);
    targets.read(named('gone'));
    targets.close();
    expect(clock.waiting).toBe(0);
    const unanswered = rig({ fails: true });
    unanswered.targets.read(named('gone'));
    await unanswered.look();
    expect(unanswered.warnings).toEqual([]);
  });
});
