import { describe, expect, it, vi } from 'vitest';
import { openedWorkflows } from '../../../test/fixtures/opened-workflows.ts';
import { scriptedWorker } from '../../../test/fixtures/workflow-rig.ts';
import type { Located, Placement } from '../../contracts/placement.ts';
import type { Endpoint } from '../../contracts/resolver.ts';
import { recordingLogger } from '../../testing/driver-context.ts';
import { createFakeClock } from '../../testing/fake-clock.ts';
import { AbsentApps } from './absent-apps.ts';
import type { Core } from './core.ts';

const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

function rig(apps: readonly string[] = []) {
  const clock = createFakeClock();
  const lines: string[] = [];
  const located = new Set<string>();
  const asked: string[] = [];
  let away = false;
  const placement: Pick<Placement, 'locate' | 'ttlMs'> = {
    ttlMs: 3_000,
    async locate(group) {
      asked.push(group);
      if (away) throw new Error('engine down');
      return located.has(group) ? ({} as Located) : undefined;
    },
  };
  const core = { clock, log: recordingLogger(lines), self: { namespace: 'default', appId: 'web' } } as unknown as Core;
  const announced = async (): Promise<Endpoint[]> => apps.map((appId) => ({ appId, namespace: 'default', instance: appId }));
  const absent = new AbsentApps({ core, placement: placement as Placement, announced });
  const ask = async (appId: string, namespace = 'default'): Promise<void> => {
    absent.waitedFor({ appId, namespace, instanceId: 'i' });
    await turn();
  };
  const pass = async (ms: number): Promise<void> => {
    clock.advance(ms);
    await turn();
  };
  return { lines, located, asked, ask, pass, away: (is: boolean) => void (away = is) };
}

describe('an app that nobody runs', () => {
  it('is told once, with the name that was probably meant', async () => {
    const { lines, ask, pass, asked } = rig(['orders', 'web']);
    for (let times = 0; times < 3; times++) await ask('odrers');
    expect(asked).toHaveLength(1);
    await pass(3_000);
    await ask('odrers');
    await pass(3_000);
    expect(lines).toEqual([
      'warn no runtime of app "odrers" takes workflows or activities; what is asked of it waits {"hint":"did you mean orders?"}',
    ]);
    await ask('orders');
    await ask('stock', 'other');
    await pass(3_000);
    expect(lines.slice(1)).toEqual([
      'warn no runtime of app "orders" takes workflows or activities; what is asked of it waits {"hint":"the app runs, but has no worker for workflows"}',
      'warn no runtime of app "stock" in namespace "other" takes workflows or activities; what is asked of it waits {"hint":"is it running? `proa list` shows the apps that are"}',
    ]);
  });

  it('is not told when it comes within the time that a runtime may be silent', async () => {
    const { lines, located, ask, pass } = rig();
    await ask('orders');
    located.add('workflows/default/orders');
    await pass(3_000);
    expect(lines).toEqual([]);
    located.clear();
    await ask('orders');
    await pass(3_000);
    expect(lines).toHaveLength(1);
  });

  it('is not looked for with each turn while it is there', async () => {
    const { located, asked, ask, pass } = rig();
    located.add('workflows/default/orders');
    for (let turns = 0; turns < 5; turns++) await ask('orders');
    expect(asked).toHaveLength(1);
    await pass(3_000);
    await ask('orders');
    expect(asked).toHaveLength(2);
  });

  it('is looked for again when the engine could not be asked', async () => {
    const { lines, ask, pass, away } = rig();
    away(true);
    await ask('orders');
    away(false);
    await ask('orders');
    await pass(3_000);
    expect(lines.filter((line) => line.startsWith('warn'))).toHaveLength(1);
  });

  it.each([
    ['an activity', { id: 1, type: 'scheduleTask', name: 'pay', router: { targetAppId: 'nowhere' } }],
    ['a child', { id: 1, type: 'createChild', name: 'pay', router: { targetAppId: 'nowhere' } }],
  ] as const)('is told when a workflow asks it for %s', async (_what, action) => {
    const lines: string[] = [];
    const { block } = openedWorkflows({ log: recordingLogger(lines), ttlMs: 300 });
    block.attach(scriptedWorker({ workflows: { asks: () => [action] } }));
    await block.start({ name: 'asks', instanceId: 'secret-id' });
    const told = (): string | undefined => lines.find((line) => line.startsWith('warn no runtime of app "nowhere"'));
    await vi.waitFor(() => expect(told()).toBeDefined(), { timeout: 10_000 });
    expect(told()).not.toContain('secret-id');
  });
});
