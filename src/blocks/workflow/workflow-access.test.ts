import { afterEach, describe, expect, it } from 'vitest';
import { memoryEngine, openWorkflows, scriptedWorker, type Script, type WorkflowRuntime } from '../../../test/fixtures/workflow-rig.ts';
import type { Engine } from '../../contracts/engine.ts';
import type { WorkflowAction } from '../../contracts/workflow.ts';
import type { WorkflowAccessRule, WorkflowOperation } from '../../contracts/workflow-access.ts';
import { CancelScope, neverCancelled } from '../../kernel/cancel.ts';

const open: WorkflowRuntime[] = [];
afterEach(async () => {
  for (const made of open.splice(0)) await made.close();
});

const app = (engine: Engine, appId: string, script: Script = {}) => {
  const runtime = openWorkflows({ engine, appId });
  open.push(runtime);
  runtime.block.attach(scriptedWorker(script));
  return runtime.block;
};
const rule = (callers: readonly string[], more: Partial<WorkflowAccessRule>): WorkflowAccessRule => ({
  callers,
  workflows: [],
  activities: [],
  ...more,
});
const may = (name: string, ...operations: readonly WorkflowOperation[]) => rule(['one'], { workflows: [{ name, operations }] });
const complete = (id: number, result?: string): WorkflowAction => ({
  ...{ id, type: 'complete', status: 'COMPLETED' },
  ...(result !== undefined && { result }),
});
const denied = { code: 'permission-denied', message: 'access denied by workflow access policy' };

describe('what another app may do with workflows, through its clients', () => {
  it('is everything without a policy, nothing that no rule allows, and always everything for the app itself', async () => {
    const engine = memoryEngine();
    const target = app(engine, 'target', { workflows: { order: () => [], other: () => [] } });
    const guest = app(engine, 'one').of('target', undefined);
    await guest.start({ name: 'order', instanceId: 'free' });
    await target.setAccess([]);
    await expect(guest.start({ name: 'order' })).rejects.toMatchObject(denied);
    await expect(guest.get('free', false)).rejects.toMatchObject(denied);
    await target.setAccess([may('ord*', 'schedule', 'get'), may('nothing', 'raise')]);
    await guest.start({ name: 'order', instanceId: 'new' });
    expect(await guest.get('new', false)).toMatchObject({ name: 'order' });
    await expect(guest.start({ name: 'other' })).rejects.toMatchObject(denied);
    await target.start({ name: 'other', instanceId: 'other' });
    await expect(guest.get('other', false)).rejects.toMatchObject(denied);
    expect(await target.get('other', false)).toMatchObject({ name: 'other' });
    // Who may do it with some workflow learns that there is none.
    expect(await guest.get('nobody', false)).toBeUndefined();
    expect((await guest.list({}, {})).instances.map(({ instanceId }) => instanceId).sort()).toEqual(['free', 'new']);
    await target.setAccess(undefined);
    await guest.terminate('other', undefined, false);
    expect(await target.get('other', false)).toMatchObject({ status: 'TERMINATED' });
  });

  it('is decided per operation', async () => {
    const engine = memoryEngine();
    const target = app(engine, 'target', { workflows: { order: () => [] } });
    const guest = app(engine, 'one').of('target', undefined);
    await target.start({ name: 'order', instanceId: 'i' });
    const operations: readonly (readonly [WorkflowOperation, () => Promise<unknown>])[] = [
      ['get', () => guest.get('i', false)],
      ['get', () => guest.history('i')],
      ['get', () => guest.wait('i', 'started', neverCancelled)],
      ['get', () => guest.list({ name: 'order' }, {})],
      ['raise', () => guest.raise('i', 'e', undefined)],
      ['pause', () => guest.suspend('i', undefined)],
      ['resume', () => guest.resume('i', undefined)],
      ['terminate', () => guest.terminate('i', undefined, false)],
      [
        'rerun',
        () => guest.rerun('i', 1, {}).catch((error: { code: string }) => error.code !== 'permission-denied' || Promise.reject(error)),
      ],
      ['purge', () => guest.purge('i', { recursive: true, force: false })],
      ['purge', () => guest.purgeWhere({ name: 'order' }, false)],
    ];
    for (const [operation, run] of operations) {
      const others = (['schedule', 'terminate', 'raise', 'pause', 'resume', 'purge', 'get', 'rerun'] as const).filter(
        (each) => each !== operation,
      );
      await target.setAccess([may('order', ...others), may('else', operation)]);
      // Of an instance that is gone only the operation counts.
      if ((await target.get('i', false)) !== undefined) await expect(run()).rejects.toMatchObject(denied);
      await target.setAccess([may('*', operation)]);
      await run();
    }
    await target.setAccess([may('o*', 'purge')]);
    await expect(guest.purgeWhere({}, false)).rejects.toMatchObject(denied);
    const scope = new CancelScope();
    scope.cancel(new Error('enough'));
    await target.setAccess([may('x', 'purge')]);
    await expect(guest.wait('i', 'completed', scope)).rejects.toMatchObject(denied);
  });

  it('refuses more rules than one value of the engine holds', async () => {
    const target = app(memoryEngine(), 'target');
    await expect(target.setAccess([may('x'.repeat(600_000), 'get')])).rejects.toMatchObject({ code: 'config.invalid' });
  });
});

describe('what workflows of another app may do', () => {
  it('fails the tasks of those who may not, whatever they ask for', async () => {
    const engine = memoryEngine();
    const target = app(engine, 'target', {
      workflows: { child: () => [complete(1, '"done"')], open: () => [complete(1, '"open"')] },
      activities: { free: () => '"free"', secret: () => '"secret"' },
    });
    const router = { targetAppId: 'target' };
    const one = app(engine, 'one', {
      workflows: {
        asks: ({ all, pastCount }) => {
          if (pastCount === 0) {
            return [
              { id: 1, type: 'createChild', name: 'child', router },
              { id: 2, type: 'createChild', name: 'open', router },
              { id: 3, type: 'scheduleTask', name: 'secret', router },
              { id: 4, type: 'scheduleTask', name: 'free', router },
              { id: 5, type: 'createDetached', name: 'child', instanceId: 'detached', router },
            ];
          }
          const told = all.flatMap((event) => {
            if (event.type === 'childCompleted' || event.type === 'taskCompleted') return [`${event.scheduledId} ${event.result}`];
            if (event.type !== 'childFailed' && event.type !== 'taskFailed') return [];
            return [`${event.scheduledId} ${event.failure.errorType}: ${event.failure.errorMessage}`];
          });
          return told.length < 4 ? [] : [complete(9, told.sort().join('\n'))];
        },
      },
    });
    await target.setAccess([may('open', 'schedule'), rule(['one'], { activities: ['f*'] }), rule(['two'], { activities: ['*'] })]);
    await one.start({ name: 'asks', instanceId: 'a' });
    const { output } = await one.wait('a', 'completed', neverCancelled);
    expect(output?.split('\n')).toEqual([
      '1 WorkflowAccessDenied: access denied by workflow access policy',
      '2 "open"',
      '3 WorkflowAccessDenied: access denied by workflow access policy',
      '4 "free"',
    ]);
    expect(await target.get('detached', false)).toBeUndefined();
    expect(await target.get('a:0001', false)).toBeUndefined();
  });

  it('drops their events and terminations, and keeps those of the app itself', async () => {
    const engine = memoryEngine();
    const raised = (all: readonly { readonly type: string }[]) => all.filter(({ type }) => type === 'eventRaised').length;
    const sends = (router: object) => () =>
      [
        { id: 1, type: 'sendEvent', instanceId: 'w', name: 'e', ...router },
        { id: 2, type: 'terminate', instanceId: 'w', recurse: false, ...router },
        complete(3),
      ] as readonly WorkflowAction[];
    const target = app(engine, 'target', {
      workflows: {
        waits: ({ all }) => (raised(all) === 2 ? [complete(1)] : []),
        own: () => [sends({})()[0] as WorkflowAction, complete(3)],
      },
    });
    const one = app(engine, 'one', { workflows: { sends: sends({ router: { targetAppId: 'target' } }) } });
    await target.start({ name: 'waits', instanceId: 'w' });
    await target.setAccess([may('waits', 'get')]);
    await one.wait(await one.start({ name: 'sends' }), 'completed', neverCancelled);
    await target.wait(await target.start({ name: 'own' }), 'completed', neverCancelled);
    await expect.poll(async () => (await target.history('w')).filter(({ type }) => type === 'eventRaised').length).toBe(1);
    await target.setAccess([may('waits', 'raise')]);
    await one.wait(await one.start({ name: 'sends' }), 'completed', neverCancelled);
    expect(await target.wait('w', 'completed', neverCancelled)).toMatchObject({ status: 'COMPLETED' });
  });
});
