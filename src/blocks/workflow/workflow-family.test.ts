import { describe, expect, it, vi } from 'vitest';
import { complete, chain, type RuntimeOptions, type Script, scriptedWorker } from '../../../test/fixtures/workflow-rig.ts';
import { freshEngine } from '../../../test/fixtures/fresh-engine.ts';
import { openedWorkflows } from '../../../test/fixtures/opened-workflows.ts';
import { neverCancelled } from '../../kernel/cancel.ts';
import type { Engine } from '../../contracts/engine.ts';
import type { ActivityTask, PropagatedHistory, WorkflowAction } from '../../contracts/workflow.ts';
import { ProaError } from '../../kernel/errors.ts';
import { changedEngine } from '../../testing/changed-engine.ts';

const running = (script: Script, options: Partial<RuntimeOptions> = {}) => {
  const made = openedWorkflows(options);
  const worker = scriptedWorker(script);
  return { block: made.block, worker, detach: made.block.attach(worker), runtime: made };
};

const parent: NonNullable<Script['workflows']>[string] = ({ all, input }) => {
  const done = all.find(({ type }) => type === 'childCompleted' || type === 'childFailed');
  if (done?.type === 'childCompleted') return [complete(2, done.result)];
  if (done?.type === 'childFailed') return [complete(2, done.failure.errorType)];
  return all.some(({ type }) => type === 'childCreated')
    ? []
    : [{ id: 1, type: 'createChild', name: 'child', ...(input !== undefined && { instanceId: input }) }];
};

describe('workflows that create others', () => {
  it('get the results of children, whose ids follow from theirs', async () => {
    const { block } = running({ workflows: { parent, child: ({ instance }) => [complete(1, instance.instanceId)] } });
    await block.start({ name: 'parent', instanceId: 'p' });
    expect(await block.wait('p', 'completed', neverCancelled)).toMatchObject({ output: 'p:0001' });
    expect(await block.get('p:0001', true)).toMatchObject({ parent: { instanceId: 'p', taskScheduledId: 1, name: 'parent' } });
    expect(await block.purge('p', { recursive: true, force: false })).toEqual({ count: 2, complete: true });
  });

  it('are told when a child failed, was terminated, or could not be created', async () => {
    const child = () => [{ id: 1, type: 'complete', status: 'FAILED', failure: { errorType: 'Boom', errorMessage: 'x' } }] as const;
    const { block } = running({ workflows: { parent, child, stays: () => [], waitsForChild: parent } });
    await block.start({ name: 'parent', instanceId: 'failed' });
    expect(await block.wait('failed', 'completed', neverCancelled)).toMatchObject({ output: 'Boom' });
    await block.start({ name: 'stays', instanceId: 'taken' });
    await block.start({ name: 'parent', instanceId: 'refused', input: 'taken' });
    expect(await block.wait('refused', 'completed', neverCancelled)).toMatchObject({ output: 'WorkflowInstanceAlreadyExists' });
  });

  it('terminate their children when asked to, after their own end', async () => {
    const { block } = running({ workflows: { parent, child: () => [] } });
    await block.start({ name: 'parent', instanceId: 'p' });
    await block.wait('p:0001', 'started', neverCancelled);
    await expect(block.purge('p', { recursive: true, force: false })).rejects.toMatchObject({
      code: 'workflow.running',
      message: expect.stringMatching(/: orchestration has not yet completed$/),
    });
    await block.terminate('p', undefined, true);
    expect(await block.wait('p:0001', 'completed', neverCancelled)).toMatchObject({ status: 'TERMINATED' });
  });

  it('terminate what runs below a child that has finished, with the same reason', async () => {
    const { block } = running({
      workflows: {
        root: ({ all }) => (all.some(({ type }) => type === 'childCreated') ? [] : [{ id: 1, type: 'createChild', name: 'middle' }]),
        middle: () => [{ id: 1, type: 'createChild', name: 'leaf' }, complete(2)],
        leaf: ({ all }) => (all.some(({ type }) => type === 'childCreated') ? [] : [{ id: 1, type: 'createChild', name: 'last' }]),
        last: () => [],
      },
    });
    const [middle, leaf, last] = ['r:0001', 'r:0001:0001', 'r:0001:0001:0001'] as const;
    await block.start({ name: 'root', instanceId: 'r' });
    await block.wait(middle, 'completed', neverCancelled);
    await block.wait(last, 'started', neverCancelled);
    await block.terminate('r', '"enough"', true);
    for (const id of [leaf, last])
      expect(await block.wait(id, 'completed', neverCancelled)).toMatchObject({ status: 'TERMINATED', output: '"enough"' });
    expect(await block.get(middle, false)).toMatchObject({ status: 'COMPLETED' });
  });

  it('that have finished pass a termination on as well, when it is to reach all below', async () => {
    const { block } = running({
      workflows: {
        root: () => [{ id: 1, type: 'createChild', name: 'middle' }, complete(2)],
        middle: () => [{ id: 1, type: 'createChild', name: 'leaf' }, complete(2)],
        leaf: () => [],
      },
    });
    await block.start({ name: 'root', instanceId: 'r' });
    await block.wait('r', 'completed', neverCancelled);
    const leaf = 'r:0001:0001';
    await vi.waitFor(async () => expect(await block.get(leaf, false)).toMatchObject({ status: 'RUNNING' }));
    await block.terminate('r', '"late"', false);
    expect(await block.get(leaf, false)).toMatchObject({ status: 'RUNNING' });
    await block.terminate('r', '"late"', true);
    expect(await block.get(leaf, true)).toMatchObject({ status: 'TERMINATED', output: '"late"' });
    expect(await block.get('r', false)).toMatchObject({ status: 'COMPLETED' });
    await block.terminate('r', '"again"', true);
  });

  it('cannot be replaced while a child runs on', async () => {
    const { block } = running({ workflows: { parent, child: () => [] } });
    await block.start({ name: 'parent', instanceId: 'p' });
    await block.wait('p:0001', 'started', neverCancelled);
    await block.terminate('p', undefined, false);
    await expect(block.start({ name: 'parent', instanceId: 'p' })).rejects.toMatchObject({ code: 'workflow.exists' });
    await block.terminate('p:0001', undefined, false);
    expect(await block.start({ name: 'parent', instanceId: 'p' })).toBe('p');
    await block.wait('p:0001', 'started', neverCancelled);
  });

  it('create more of them in one turn than a commit has room for', async () => {
    const { block } = running({
      workflows: {
        many: ({ all }) => {
          const done = all.filter(({ type }) => type === 'childCompleted').length;
          if (done === 350) return [complete(400, String(done))];
          if (all.some(({ type }) => type === 'childCreated')) return [];
          return Array.from({ length: 350 }, (_, id) => ({ id, type: 'createChild', name: 'child' }) as const);
        },
        child: () => [complete(1)],
      },
    });
    const id = await block.start({ name: 'many' });
    expect(await block.wait(id, 'completed', neverCancelled)).toMatchObject({ output: '350' });
  });

  it('send events to others, end them, and create detached ones', async () => {
    const { block } = running({
      workflows: {
        boss: () => [
          { id: 1, type: 'createDetached', instanceId: 'free', name: 'waits', tags: { by: 'boss' } },
          { id: 2, type: 'sendEvent', instanceId: 'free', name: 'go', input: '7' },
          { id: 3, type: 'terminate', instanceId: 'victim', recurse: false, reason: '"fired"' },
          { id: 4, type: 'sendEvent', instanceId: 'nobody', name: 'go' },
          complete(5),
        ],
        waits: ({ all }) => {
          const raised = all.find((event) => event.type === 'eventRaised');
          return raised?.type === 'eventRaised' ? [complete(1, raised.input)] : [];
        },
      },
    });
    await block.start({ name: 'waits', instanceId: 'victim' });
    await block.start({ name: 'boss', instanceId: 'boss' });
    expect(await block.wait('free', 'completed', neverCancelled)).toMatchObject({ output: '7', tags: { by: 'boss' } });
    expect((await block.get('free', false))?.parent).toBeUndefined();
    expect(await block.wait('victim', 'completed', neverCancelled)).toMatchObject({ status: 'TERMINATED', output: '"fired"' });
    expect(await block.purge('boss', { recursive: true, force: false })).toEqual({ count: 1, complete: true });
  });

  it('reach workflows and activities of other apps on the same engine', async () => {
    const engine = freshEngine();
    const other = running(
      {
        workflows: { child: chain('twice', 1) },
        activities: { twice: ({ input }) => `${input}${input}`, remote: ({ input }) => `remote ${input}` },
      },
      { engine, appId: 'other' },
    );
    const { block } = running(
      {
        workflows: {
          across: ({ all }) => {
            const child = all.find((event) => event.type === 'childCompleted');
            const task = all.find((event) => event.type === 'taskCompleted');
            if (child?.type === 'childCompleted' && task?.type === 'taskCompleted') return [complete(3, `${child.result}, ${task.result}`)];
            if (all.some(({ type }) => type === 'childCreated')) return [];
            const router = { targetAppId: 'other' };
            return [
              { id: 1, type: 'createChild', name: 'child', input: 'ab', router },
              { id: 2, type: 'scheduleTask', name: 'remote', input: 'x'.repeat(20_000), router },
            ];
          },
        },
      },
      { engine, appId: 'one' },
    );
    await block.start({ name: 'across', instanceId: 'a' });
    const { output } = await block.wait('a', 'completed', neverCancelled);
    expect(output).toBe(`abab, remote ${'x'.repeat(20_000)}`);
    expect(await other.block.get('a:0001', false)).toMatchObject({ status: 'COMPLETED', parent: { appId: 'one' } });
    expect(await block.purge('a', { recursive: true, force: false })).toEqual({ count: 2, complete: true });
  });

  it('that have finished pass a termination on to what runs in another app', async () => {
    const engine = freshEngine();
    const other = running({ workflows: { child: () => [] } }, { engine, appId: 'other' });
    const root = (): WorkflowAction[] => [{ id: 1, type: 'createChild', name: 'child', router: { targetAppId: 'other' } }, complete(2)];
    const { block } = running({ workflows: { root } }, { engine, appId: 'one' });
    await block.start({ name: 'root', instanceId: 'r' });
    await block.wait('r', 'completed', neverCancelled);
    await vi.waitFor(async () => expect(await other.block.get('r:0001', false)).toMatchObject({ status: 'RUNNING' }));
    await block.terminate('r', '"late"', true);
    expect(await other.block.wait('r:0001', 'completed', neverCancelled)).toMatchObject({ status: 'TERMINATED', output: '"late"' });
  });

  it('reach an activity of another app also when what was asked of it could not be read at first', async () => {
    const engine = freshEngine();
    let failures = 0;
    // Only what is large is read by itself.
    const getMany: Engine['getMany'] = (keys) =>
      failures++ === 0 ? Promise.reject(new ProaError('engine.unavailable', 'the owner is gone')) : engine.getMany(keys);
    running(
      { activities: { remote: ({ input }) => `remote ${input?.length}` } },
      { engine: changedEngine(engine, { getMany }), appId: 'other' },
    );
    const { block } = running(
      {
        workflows: {
          across: ({ all }) => {
            const task = all.find((event) => event.type === 'taskCompleted');
            if (task?.type === 'taskCompleted') return [complete(2, task.result)];
            if (all.some(({ type }) => type === 'taskScheduled')) return [];
            return [{ id: 1, type: 'scheduleTask', name: 'remote', input: 'x'.repeat(20_000), router: { targetAppId: 'other' } }];
          },
        },
      },
      { engine, appId: 'one' },
    );
    await block.start({ name: 'across', instanceId: 'a' });
    expect(await block.wait('a', 'completed', neverCancelled)).toMatchObject({ output: 'remote 20000' });
    expect(failures).toBeGreaterThan(1);
  });

  it('run again from a step with another input, and without what came after it', async () => {
    const seen: string[] = [];
    let finish = (): void => {};
    const unfinished = new Promise<void>((resolve) => (finish = resolve));
    const { block } = running({
      workflows: { chain: chain('note', 3), parent, child: () => [complete(1, '"c"')] },
      activities: {
        note: async ({ input }) => {
          await unfinished;
          seen.push(input ?? '');
          return `${input}+`;
        },
      },
    });
    await block.start({ name: 'chain', instanceId: 'source', input: 'a' });
    await expect(block.rerun('source', 2, {})).rejects.toMatchObject({ code: 'workflow.unfinished' });
    finish();
    await block.wait('source', 'completed', neverCancelled);
    const again = await block.rerun('source', 2, { instanceId: 'again', input: { value: 'edited' } });
    expect(await block.wait(again, 'completed', neverCancelled)).toMatchObject({ output: 'edited++', input: 'a' });
    expect(seen).toEqual(['a', 'a+', 'a++', 'edited', 'edited+']);
    const scheduled = (await block.history(again)).filter((event) => event.type === 'taskScheduled');
    expect(scheduled[0]).toMatchObject({ rerunParent: 'source' });
    for (const [source, eventId, options, code] of [
      ['nobody', 1, {}, 'workflow.not-found'],
      ['source', 9, {}, 'workflow.event-not-found'],
      ['source', 1, { instanceId: 'source' }, 'bad-request'],
      ['source', 1, { instanceId: 'again' }, 'workflow.exists'],
    ] as const) {
      await expect(block.rerun(source, eventId, options)).rejects.toMatchObject({ code });
    }
    await block.start({ name: 'parent', instanceId: 'p' });
    await block.wait('p', 'completed', neverCancelled);
    await expect(block.rerun('p:0001', 1, {})).rejects.toMatchObject({ code: 'bad-request' });
    const child = await block.rerun('p', 1, { childInstanceId: 'other child' });
    expect(await block.wait(child, 'completed', neverCancelled)).toMatchObject({ output: '"c"' });
    expect(await block.get('other child', false)).toMatchObject({ status: 'COMPLETED' });
  });

  it('are purged when their retention is over', async () => {
    const { block } = running(
      {
        workflows: {
          ends: () => [complete(1)],
          audited: () => [complete(1)],
          fails: () => [{ id: 1, type: 'complete', status: 'FAILED' }],
        },
      },
      {
        deps: {
          retention: {
            anyTerminalMs: 50,
            failedMs: 3_600_000,
            names: new Map([
              ['audited', { anyTerminalMs: 3_600_000 }],
              // It says nothing of instances that failed: those are kept as others are.
              ['fails', { completedMs: 50 }],
            ]),
          },
        },
      },
    );
    const audited = await block.start({ name: 'audited' });
    await block.wait(audited, 'completed', neverCancelled);
    const kept = await block.start({ name: 'fails' });
    await block.wait(kept, 'completed', neverCancelled);
    const gone = await block.start({ name: 'ends' });
    await expect.poll(() => block.get(gone, false)).toBeUndefined();
    expect(await block.get(audited, false)).toMatchObject({ status: 'COMPLETED' });
    expect(await block.get(kept, false)).toMatchObject({ status: 'FAILED' });
  });
});

describe('histories that are handed on', () => {
  const scopes = { none: 0, own: 1, lineage: 2 } as const;
  const names = (history: PropagatedHistory | undefined) =>
    history?.chunks.map(({ appId, instanceId, workflowName, events }) => `${appId} ${instanceId} ${workflowName} ${events.at(-1)?.type}`);

  it('reach activities and children of this and other apps, as far as each call says', async () => {
    const engine = freshEngine();
    const seen: Record<string, PropagatedHistory | undefined> = {};
    const activities = Object.fromEntries(
      ['none', 'own', 'lineage', 'far'].map((name) => [name, ({ propagated }: ActivityTask) => void (seen[name] = propagated)]),
    ) as never;
    const child: Script['workflows'] = {
      child: ({ all, pastCount }) => {
        const started = all.find((event) => event.type === 'executionStarted');
        seen['child'] = started?.type === 'executionStarted' ? started.propagated : undefined;
        if (pastCount > 0) return all.filter(({ type }) => type === 'taskCompleted').length === 3 ? [complete(9)] : [];
        return (['none', 'own', 'lineage'] as const).map(
          (name, i) => ({ id: i + 1, type: 'scheduleTask', name, propagation: scopes[name] }) as const,
        );
      },
    };
    running({ workflows: child, activities }, { engine, appId: 'other' });
    const { block } = running(
      {
        workflows: {
          root: ({ all, pastCount }) => {
            const router = { targetAppId: 'other' };
            if (pastCount > 0) return all.filter(({ type }) => /^(child|task)Completed$/.test(type)).length === 2 ? [complete(9)] : [];
            return [
              { id: 1, type: 'createChild', name: 'child', instanceId: 'c', propagation: 2, router },
              { id: 2, type: 'scheduleTask', name: 'far', propagation: 1, router },
            ];
          },
        },
      },
      { engine, appId: 'one' },
    );
    await block.start({ name: 'root', instanceId: 'r', input: '"secret"' });
    await block.wait('r', 'completed', neverCancelled);
    expect(seen['none']).toBeUndefined();
    expect(names(seen['child'])).toEqual(['one r root childCreated']);
    expect(names(seen['own'])).toEqual(['other c child taskScheduled']);
    expect(names(seen['lineage'])).toEqual(['one r root childCreated', 'other c child taskScheduled']);
    expect(names(seen['far'])).toEqual(['one r root taskScheduled']);
    expect(seen['lineage']?.scope).toBe(2);
    // What was handed on stands once, in its own chunk.
    expect(JSON.stringify(seen['lineage']).split('secret')).toHaveLength(2);
  });

  it('go with a workflow that continues as new, and are handed on again by a rerun', async () => {
    const seen: (readonly string[] | undefined)[] = [];
    const { block } = running({
      workflows: {
        root: ({ pastCount, all }) => {
          if (pastCount === 0) return [{ id: 1, type: 'createChild', name: 'loops', propagation: 2, input: '0' }];
          return all.some(({ type }) => type === 'childCompleted') ? [complete(2)] : [];
        },
        loops: ({ all, input }) => {
          const started = all.find((event) => event.type === 'executionStarted');
          seen.push(started?.type === 'executionStarted' ? names(started.propagated) : undefined);
          return input === '0' ? [{ id: 1, type: 'complete', status: 'CONTINUED_AS_NEW', result: '1' }] : [complete(1)];
        },
      },
    });
    await block.start({ name: 'root', instanceId: 'r' });
    await block.wait('r', 'completed', neverCancelled);
    expect(seen).toEqual([['app r root childCreated'], ['app r root childCreated']]);
    await block.rerun('r', 1, { instanceId: 'again' });
    await block.wait('again', 'completed', neverCancelled);
    expect(seen[2]).toEqual(['app again root childCreated']);
  });

  it('that are too large hold the workflow', async () => {
    const { block } = running({
      workflows: { root: () => [{ id: 1, type: 'scheduleTask', name: 'a', propagation: 1 }] },
    });
    await block.start({ name: 'root', instanceId: 'r', input: 'x'.repeat(2_500_000) });
    await expect.poll(async () => (await block.get('r', false))?.stall?.description).toContain('the history that it hands on takes');
  });
});
