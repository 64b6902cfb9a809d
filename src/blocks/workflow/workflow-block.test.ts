import { describe, expect, it } from 'vitest';
import { complete, chain, type RuntimeOptions, type Script, scriptedWorker } from '../../../test/fixtures/workflow-rig.ts';
import { freshEngine } from '../../../test/fixtures/fresh-engine.ts';
import { openedWorkflows } from '../../../test/fixtures/opened-workflows.ts';
import { CancelScope, neverCancelled } from '../../kernel/cancel.ts';
import { prefixEnd, tuple } from '../../kernel/tuple.ts';
import type { HistoryEvent } from '../../contracts/workflow.ts';

const running = (script: Script, options: Partial<RuntimeOptions> = {}) => {
  const { block } = openedWorkflows(options);
  const worker = scriptedWorker(script);
  return { block, worker, detach: block.attach(worker) };
};

const typesOf = (events: readonly HistoryEvent[]) => events.map(({ type }) => type);

describe('workflows', () => {
  it('run a chain of activities, and tell what they did', async () => {
    const { block, worker } = running({
      workflows: { chain: chain('add', 5) },
      activities: { add: ({ input }) => String(Number(input) + 1) },
    });
    const id = await block.start({ name: 'chain', input: '0' });
    const state = await block.wait(id, 'completed', neverCancelled);
    expect(state).toMatchObject({ instanceId: id, name: 'chain', status: 'COMPLETED', input: '0', output: '5' });
    const history = await block.history(id);
    expect(typesOf(history)).toEqual([
      'workflowStarted',
      'executionStarted',
      'taskScheduled',
      ...Array.from({ length: 4 }, () => ['workflowStarted', 'taskCompleted', 'taskScheduled']).flat(),
      'workflowStarted',
      'taskCompleted',
      'executionCompleted',
    ]);
    const times = history.map(({ timeMs }) => timeMs);
    expect([...times].sort((a, b) => a - b)).toEqual(times);
    expect(new Set(times).size).toBe(times.length);
    expect(worker.forgotten).toContain(id);
  });

  it('fan out to more activities than run at once, and carry payloads that no record holds', async () => {
    const big = 'x'.repeat(700_000);
    const { block } = running({
      activitiesMax: 3,
      workflows: {
        fan: ({ results }) => {
          if (results.length === 0) {
            return Array.from({ length: 40 }, (_, id) => ({ id, type: 'scheduleTask', name: 'part', input: String(id) }) as const);
          }
          return results.length < 40 ? [] : [complete(40, big)];
        },
      },
      activities: { part: ({ input }) => (input === '7' ? big : input) },
    });
    const id = await block.start({ name: 'fan', input: big });
    expect(await block.wait(id, 'completed', neverCancelled)).toMatchObject({ status: 'COMPLETED', input: big, output: big });
    const results = (await block.history(id)).filter((event) => event.type === 'taskCompleted');
    expect(results.map(({ scheduledId }) => scheduledId).sort((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, i) => i));
    expect(results.find(({ scheduledId }) => scheduledId === 7)?.result).toBe(big);
    expect(await block.get(id, false)).not.toHaveProperty('output');
  });

  it('keep long histories in pieces', async () => {
    const { block } = running({ workflows: { chain: chain('same', 60) }, activities: { same: ({ input }) => input } });
    const id = await block.start({ name: 'chain', input: 'y'.repeat(1_000) });
    await block.wait(id, 'completed', neverCancelled);
    const history = await block.history(id);
    expect(history.length).toBe(3 + 59 * 3 + 3);
    expect((await block.get(id, true))?.historyLength).toBe(history.length);
  });

  it('wait for events that came before, and drop the timer of a wait that was won', async () => {
    const { block } = running({
      workflows: {
        waits: ({ all }) => {
          const raised = all.filter(({ type }) => type === 'eventRaised');
          if (raised.length > 0) return [complete(2, String(raised.length))];
          const fireAtMs = all.at(0)?.timeMs ?? 0;
          return [{ id: 1, type: 'createTimer', fireAtMs: fireAtMs + 86_400_000, origin: { kind: 'externalEvent', name: 'Go' } }];
        },
      },
    });
    const id = await block.start({ name: 'waits' });
    await block.wait(id, 'started', neverCancelled);
    await block.raise(id, 'go', '1');
    expect(await block.wait(id, 'completed', neverCancelled)).toMatchObject({ output: '1' });
    await block.raise(id, 'go', '2');
    expect(typesOf(await block.history(id)).filter((type) => type === 'eventRaised')).toHaveLength(1);
    await expect(block.raise('nobody', 'go', undefined)).rejects.toMatchObject({ code: 'workflow.not-found' });
    await expect(block.raise(id, '', undefined)).rejects.toMatchObject({ code: 'workflow.event-name-missing' });
  });

  it('fire timers, never early', async () => {
    let dueMs = 0;
    let firedMs = 0;
    const { block } = running({
      workflows: {
        sleeps: ({ all, news }) => {
          if (all.some(({ type }) => type === 'timerFired')) {
            firedMs = news[0]?.timeMs ?? 0;
            return [complete(2)];
          }
          dueMs = (news[0]?.timeMs ?? 0) + 120;
          return [{ id: 1, type: 'createTimer', fireAtMs: dueMs }];
        },
      },
    });
    const id = await block.start({ name: 'sleeps' });
    await block.wait(id, 'completed', neverCancelled);
    expect(firedMs).toBeGreaterThanOrEqual(Math.floor(dueMs));
  });

  it('start at a later time, and can be terminated before', async () => {
    const { block } = running({ workflows: { late: () => [complete(1)] } });
    const soon = await block.start({ name: 'late', startAtMs: Date.now() + 200 });
    const never = await block.start({ name: 'late', startAtMs: Date.now() + 3_600_000 });
    expect(await block.get(never, true)).toMatchObject({ status: 'PENDING' });
    const state = await block.wait(soon, 'completed', neverCancelled);
    expect(state.startedMs).toBeGreaterThanOrEqual(state.scheduledStartMs ?? Infinity);
    await block.terminate(never, '"gone"', false);
    expect(await block.get(never, true)).toMatchObject({ status: 'TERMINATED', output: '"gone"' });
  });

  it('continue as new with another execution, the carried events and nothing of the old history', async () => {
    const executions = new Set<string>();
    const { block } = running({
      workflows: {
        loops: ({ input, instance, all }) => {
          executions.add(instance.executionId);
          const count = Number(input);
          const carryover = all.filter(({ type }) => type === 'eventRaised');
          if (count === 30) return [complete(1, String(carryover.length))];
          if (count === 3 && carryover.length === 0) return [];
          return [{ id: 1, type: 'complete', status: 'CONTINUED_AS_NEW', result: String(count + 1), carryover }];
        },
      },
    });
    const id = await block.start({ name: 'loops', input: '0' });
    await block.wait(id, 'started', neverCancelled);
    await block.raise(id, 'keep', undefined);
    expect(await block.wait(id, 'completed', neverCancelled)).toMatchObject({ input: '30', output: '1' });
    expect(executions.size).toBe(31);
    expect(typesOf(await block.history(id))).toEqual(['workflowStarted', 'executionStarted', 'eventRaised', 'executionCompleted']);
  });

  it('are suspended, resumed and terminated, with and without a worker', async () => {
    const { block, detach } = running({ workflows: { waits: () => [] } });
    const id = await block.start({ name: 'waits' });
    await block.wait(id, 'started', neverCancelled);
    await block.suspend(id, 'a reason');
    expect(await block.get(id, true)).toMatchObject({ status: 'SUSPENDED' });
    detach();
    await block.resume(id, undefined);
    expect(await block.get(id, true)).toMatchObject({ status: 'RUNNING' });
    await block.terminate(id, '"over"', false);
    expect(await block.get(id, true)).toMatchObject({ status: 'TERMINATED', output: '"over"' });
    await block.terminate(id, '"again"', false);
    await expect(block.suspend('nobody', undefined)).rejects.toMatchObject({ code: 'workflow.not-found' });
  });

  it('are terminated and suspended although this app never had a worker', async () => {
    const { block } = openedWorkflows();
    const id = await block.start({ name: 'orphan' });
    await block.terminate(id, undefined, true);
    expect(await block.get(id, true)).toMatchObject({ status: 'TERMINATED' });
  });

  it('are held before they began, with nobody there to begin them, and begin when they are resumed', async () => {
    const { block } = openedWorkflows();
    const id = await block.start({ name: 'ends' });
    await block.suspend(id, undefined);
    expect(await block.get(id, true)).toMatchObject({ status: 'SUSPENDED' });
    let turns = 0;
    const worker = scriptedWorker({
      workflows: {
        ends: () => {
          turns++;
          return [complete(1)];
        },
        passes: () => [complete(1)],
      },
    });
    block.attach(worker);
    // Another one of the same shard or not: whatever was to begin has begun by the time that it has ended.
    await block.wait(await block.start({ name: 'passes' }), 'completed', neverCancelled);
    await block.raise(id, 'e', undefined);
    expect(await block.get(id, true)).toMatchObject({ status: 'SUSPENDED' });
    expect(turns).toBe(0);
    await block.resume(id, undefined);
    expect(await block.wait(id, 'completed', neverCancelled)).toMatchObject({ status: 'COMPLETED' });
    expect(typesOf(await block.history(id))).toEqual(['workflowStarted', 'executionStarted', 'eventRaised', 'executionCompleted']);
    await expect(block.suspend(id, 'x'.repeat(5 * 1024 * 1024))).resolves.toBeUndefined();
  });

  it('that are to start later are held and let go before their time, and can be terminated while they are held', async () => {
    const { block } = openedWorkflows();
    const startAtMs = Date.now() + 86_400_000;
    const [one, two] = [await block.start({ name: 'later', startAtMs }), await block.start({ name: 'later' })];
    await expect(block.suspend(one, 'x'.repeat(5 * 1024 * 1024))).rejects.toMatchObject({ code: 'workflow.limit' });
    await block.suspend(one, 'why');
    expect(await block.get(one, true)).toMatchObject({ status: 'SUSPENDED' });
    await block.resume(one, undefined);
    expect(await block.get(one, true)).toMatchObject({ status: 'PENDING' });
    await block.suspend(two, undefined);
    await block.terminate(two, '"over"', false);
    expect(await block.get(two, true)).toMatchObject({ status: 'TERMINATED', output: '"over"' });
  });

  it('refuse ids that are in use, replace finished instances, and generate ids', async () => {
    const { block } = running({ workflows: { waits: () => [], ends: () => [complete(1)] } });
    await block.start({ name: 'waits', instanceId: 'a' });
    await expect(block.start({ name: 'waits', instanceId: 'a' })).rejects.toMatchObject({ code: 'workflow.exists' });
    await block.terminate('a', undefined, false);
    await expect(block.start({ name: 'ends', instanceId: 'a', unique: true })).rejects.toMatchObject({ code: 'workflow.exists' });
    expect(await block.start({ name: 'ends', instanceId: 'a' })).toBe('a');
    expect(await block.wait('a', 'completed', neverCancelled)).toMatchObject({ name: 'ends', status: 'COMPLETED' });
    for (const [request, code] of [
      [{ name: '' }, 'workflow.name-missing'],
      [{ name: 'x'.repeat(300) }, 'workflow.limit'],
      [{ name: 'x', instanceId: 'a\n' }, 'workflow.id-invalid'],
      [{ name: 'x', instanceId: 'a'.repeat(300) }, 'workflow.id-too-long'],
      [{ name: 'x', input: 'x'.repeat(5_000_000) }, 'workflow.limit'],
      [{ name: 'x', startAtMs: Number.NaN }, 'bad-request'],
    ] as const) {
      await expect(block.start(request)).rejects.toMatchObject({ code });
    }
  });

  it('are listed by what they are, page by page, and purged when finished', async () => {
    const { block } = running({ workflows: { waits: () => [], ends: () => ({ actions: [complete(1)], attributes: { team: 'blue' } }) } });
    for (let i = 0; i < 5; i++) await block.start({ name: i < 3 ? 'ends' : 'waits', instanceId: `i${i}` });
    for (let i = 0; i < 3; i++) await block.wait(`i${i}`, 'completed', neverCancelled);
    const first = await block.list({}, { size: 2 });
    expect(first.instances.map(({ instanceId }) => instanceId)).toEqual(['i0', 'i1']);
    const second = await block.list({}, { size: 3, token: first.token ?? '' });
    expect(second).toMatchObject({ instances: [{ instanceId: 'i2' }, { instanceId: 'i3' }, { instanceId: 'i4' }] });
    expect(second.token).toBeUndefined();
    expect((await block.list({ name: 'ends', attributes: { team: 'blue' } }, {})).instances).toHaveLength(3);
    expect((await block.list({ statuses: ['COMPLETED'], createdToMs: 1 }, {})).instances).toHaveLength(0);
    for (const token of ['!', '', 'garbage']) await expect(block.list({}, { token })).rejects.toMatchObject({ code: 'bad-request' });
    await expect(block.purge('i4', { recursive: true, force: false })).rejects.toMatchObject({ code: 'workflow.running' });
    expect(await block.purge('i0', { recursive: true, force: false })).toEqual({ count: 1, complete: true });
    await expect(block.purge('i0', { recursive: true, force: false })).rejects.toMatchObject({ code: 'workflow.not-found' });
    expect(await block.purgeWhere({ statuses: ['COMPLETED'] }, true)).toEqual({ count: 2, complete: true });
    const ended = block.wait('i3', 'completed', neverCancelled).catch((error: unknown) => error);
    // It was there when somebody began to wait.
    await new Promise((resolve) => setImmediate(resolve));
    expect(await block.purge('i3', { recursive: false, force: true })).toEqual({ count: 1, complete: true });
    expect(await ended).toMatchObject({ code: 'workflow.not-found' });
    expect((await block.list({}, {})).instances.map(({ instanceId }) => instanceId)).toEqual(['i4']);
  });

  it('hold no key but their record while they sleep, and none after they are purged', async () => {
    const engine = freshEngine();
    const { block } = running({ workflows: { waits: () => [] } }, { engine });
    await block.start({ name: 'waits', instanceId: 'other' });
    await block.wait('other', 'started', neverCancelled);
    // The statistics of PostgreSQL are estimates. Placement and timers have keys for each shard, whatever sleeps.
    const own = tuple('wf');
    const keys = async (): Promise<number> => (await engine.range({ from: own, to: prefixEnd(own), keysOnly: true })).entries.length;
    // What woke it up goes a moment later.
    const before = 1;
    await expect.poll(keys).toBe(before);
    const id = await block.start({ name: 'waits', input: 'z'.repeat(600_000) });
    await block.wait(id, 'started', neverCancelled);
    await block.raise(id, 'big', 'z'.repeat(600_000));
    await expect.poll(async () => (await block.history(id)).length).toBe(4);
    await expect.poll(keys).toBe(before + 1 + 4);
    await block.purge(id, { recursive: false, force: true });
    expect(await keys()).toBe(before);
  });

  it('give up waiting when the caller does', async () => {
    const { block } = running({ workflows: { waits: () => [] } });
    const scope = new CancelScope();
    const waiting = block.wait('nobody', 'completed', scope);
    scope.cancel(new Error('gone'));
    await expect(waiting).rejects.toMatchObject({ code: 'cancelled' });
  });
});
