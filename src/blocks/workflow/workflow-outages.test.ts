import { describe, expect, it } from 'vitest';
import { complete, chain, scriptedWorker } from '../../../test/fixtures/workflow-rig.ts';
import { freshEngine } from '../../../test/fixtures/fresh-engine.ts';
import { openedWorkflows } from '../../../test/fixtures/opened-workflows.ts';
import type { Engine } from '../../contracts/engine.ts';
import { neverCancelled } from '../../kernel/cancel.ts';
import { ProaError } from '../../kernel/errors.ts';
import { changedEngine } from '../../testing/changed-engine.ts';

describe('workflows whose engine takes no writes for a while', () => {
  it.each(['engine.read-only', 'engine.limit'] as const)('go on when it does again, after %s: timers are not forgotten', async (code) => {
    const inner = freshEngine();
    let full = false;
    // Late answers: whatever tries again meets what is still under way.
    let refusals = 0;
    const refused = async () => {
      refusals++;
      await new Promise((resolve) => setTimeout(resolve, 40));
      throw new ProaError(code, 'not now');
    };
    const engine = changedEngine(inner, { commit: (commit) => (full ? refused() : inner.commit(commit)) });
    const { block } = openedWorkflows({ engine });
    let sleepMs = 200;
    block.attach(
      scriptedWorker({
        workflows: {
          sleeps: ({ all }) => {
            if (all.some(({ type }) => type === 'timerFired')) return [complete(2, '1')];
            return [{ id: 1, type: 'createTimer', fireAtMs: (all[0]?.timeMs ?? 0) + sleepMs }];
          },
        },
      }),
    );
    let ids: string[];
    let beganMs: number;
    do {
      // All of them must sleep before the first one wakes up: on a busy machine that takes longer.
      sleepMs *= 2;
      beganMs = inner.now();
      ids = await Promise.all(Array.from({ length: 40 }, () => block.start({ name: 'sleeps' })));
      await Promise.all(ids.map((id) => expect.poll(async () => (await block.history(id)).length).toBeGreaterThan(2)));
    } while (inner.now() >= beganMs + sleepMs);
    full = true;
    await expect.poll(() => refusals).toBeGreaterThan(100);
    full = false;
    const states = await Promise.all(ids.map((id) => block.wait(id, 'completed', neverCancelled)));
    expect(states.map(({ output }) => output)).toEqual(ids.map(() => '1'));
  });

  it('execute nothing again that was done while its disk was full', async () => {
    const inner = freshEngine();
    let full = false;
    const noSpace = new ProaError('engine.read-only', 'no space left on device');
    const engine = changedEngine(inner, { commit: (commit) => (full ? Promise.reject(noSpace) : inner.commit(commit)) });
    const { block } = openedWorkflows({ engine });
    let executed = 0;
    let release: () => void = () => {};
    const begun = new Promise<void>((resolve) => (release = resolve));
    block.attach(
      scriptedWorker({
        workflows: { chain: chain('work', 1) },
        activities: {
          work: () => {
            executed++;
            full = true;
            release();
            return 'done';
          },
        },
      }),
    );
    const id = await block.start({ name: 'chain', input: '1' });
    await begun;
    await expect.poll(() => block.get(id, false)).toMatchObject({ status: 'RUNNING' });
    full = false;
    expect(await block.wait(id, 'completed', neverCancelled)).toMatchObject({ output: 'done' });
    expect(executed).toBe(1);
  });
});

describe('workflows whose engine was away for a moment', () => {
  it('begin although the answer to the commit that woke them was lost', async () => {
    const inner = freshEngine();
    const other = openedWorkflows({ engine: inner }).block;
    let lost = 0;
    // A bell that is exchanged for a mark.
    const engine = changedEngine(inner, {
      commit: async (commit) => {
        const result = await inner.commit(commit);
        const exchanged = commit.delete?.length === 1 && commit.put?.length === 1 && commit.put[0]?.value.length === 0;
        if (!exchanged || lost > 0) return result;
        lost++;
        return { status: 'unknown', cause: new Error('the connection is lost') };
      },
    });
    const { block } = openedWorkflows({ engine });
    block.attach(scriptedWorker({ workflows: { short: () => [complete(1, '1')] } }));
    await block.wait(await block.start({ name: 'short' }), 'completed', neverCancelled);
    const id = await other.start({ name: 'short' });
    expect(await other.wait(id, 'completed', neverCancelled)).toMatchObject({ output: '1' });
    expect(lost).toBe(1);
  });

  it('begin although whoever started them was not told that they exist', async () => {
    const inner = freshEngine();
    let away = false;
    const engine = changedEngine(inner, {
      commit: async (commit) => {
        const result = await inner.commit(commit);
        return away ? { status: 'unknown', cause: new Error('the connection is lost') } : result;
      },
      get: async (key) => {
        if (away) throw new ProaError('engine.unavailable', 'not now');
        return inner.get(key);
      },
    });
    const { block } = openedWorkflows({ engine });
    block.attach(scriptedWorker({ workflows: { short: () => [complete(1, '1')] } }));
    await block.wait(await block.start({ name: 'short' }), 'completed', neverCancelled);
    away = true;
    await expect(block.start({ name: 'short', instanceId: 'one' })).rejects.toMatchObject({ code: 'engine.unavailable' });
    away = false;
    expect(await block.wait('one', 'completed', neverCancelled)).toMatchObject({ output: '1' });
  });

  it('all complete, with their children, when every operation may fail or succeed unheard', async () => {
    const inner = freshEngine();
    let calls = 0;
    const faults = { left: 150 };
    const fails = (): boolean => faults.left > 0 && ++calls % 3 === 0 && faults.left-- > 0;
    const unavailable = (): never => {
      throw new ProaError('engine.unavailable', 'not now');
    };
    const away: Partial<Engine> = {
      commit: async (commit) => {
        const fault = fails();
        if (fault && faults.left % 2 === 0) return unavailable();
        const result = await inner.commit(commit);
        return fault && result.status === 'done' ? { status: 'unknown', cause: new Error('the connection is lost') } : result;
      },
      get: async (key) => (fails() ? unavailable() : inner.get(key)),
      range: async (query) => (fails() ? unavailable() : inner.range(query)),
    };
    const script = scriptedWorker({
      workflows: {
        parent: ({ all, input }) => {
          if (all.some(({ type }) => type === 'childCompleted')) return [complete(2, '1')];
          return all.some(({ type }) => type === 'childCreated')
            ? []
            : [{ id: 1, type: 'createChild', name: 'child', instanceId: `${input}-child` }];
        },
        child: () => [complete(1, '1')],
      },
    });
    const calm = openedWorkflows({ engine: inner }).block;
    const pair = [
      openedWorkflows({ engine: changedEngine(inner, away) }).block,
      openedWorkflows({ engine: changedEngine(inner, away) }).block,
    ];
    for (const block of pair) block.attach(script);
    const ids = Array.from({ length: 60 }, (_, i) => `p${i}`);
    await Promise.all(ids.map((id) => calm.start({ name: 'parent', instanceId: id, input: id })));
    const states = await Promise.all(ids.map((id) => calm.wait(id, 'completed', neverCancelled)));
    expect(states.map(({ output }) => output)).toEqual(ids.map(() => '1'));
    expect(faults.left).toBe(0);
  });
});
