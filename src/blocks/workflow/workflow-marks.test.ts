import { describe, expect, it } from 'vitest';
import { complete, memoryEngine, scriptedWorker } from '../../../test/fixtures/workflow-rig.ts';
import { freshEngine } from '../../../test/fixtures/fresh-engine.ts';
import { openedWorkflows } from '../../../test/fixtures/opened-workflows.ts';
import type { Engine } from '../../contracts/engine.ts';
import type { OwnedShard } from '../../contracts/placement.ts';
import { neverCancelled } from '../../kernel/cancel.ts';
import { silentLogger } from '../../kernel/log.ts';
import { nodePorts } from '../../ports/node/index.ts';
import { changedEngine } from '../../testing/changed-engine.ts';
import { shardOf } from '../placement/index.ts';
import { workflowShards, type Core } from './core.ts';
import { InstanceCommits } from './instance-commits.ts';
import { workflowKeys } from './keys.ts';
import { LiveInstance } from './live-instance.ts';
import { Postman } from './postman.ts';

const keys = workflowKeys({ namespace: '', appId: 'app' });
const nothing = new Uint8Array(0);

describe('the mark of work under way', () => {
  it('is there for mail that came while the commit that ends the work before it lingered', async () => {
    const inner = freshEngine();
    const other = openedWorkflows({ engine: inner }).block;
    const id = 'waits-1';
    const shard = shardOf(id, workflowShards);
    const ready = keys.ready(shard, id);
    let lingered = 0;
    let unmarked = 0;
    const engine = changedEngine(inner, {
      commit: async (commit) => {
        const ends = commit.delete?.includes(ready) === true && commit.put?.some(({ key }) => key === keys.record(id)) === true;
        if (ends && lingered === 0) {
          lingered++;
          await other.raise(id, 'go', undefined);
          // Mail of another runtime has come, and its bell has been exchanged.
          await expect.poll(() => inner.get(keys.bell(shard, id))).toBeUndefined();
        }
        const result = await inner.commit(commit);
        const { entries: mail } = await inner.range({ from: keys.inboxes(id), to: `${keys.inboxes(id)}\xff`, limit: 1 });
        if (ends && mail.length > 0 && (await inner.get(ready)) === undefined) unmarked++;
        return result;
      },
    });
    const { block } = openedWorkflows({ engine });
    block.attach(
      scriptedWorker({ workflows: { waits: ({ all }) => (all.some(({ type }) => type === 'eventRaised') ? [complete(1, '1')] : []) } }),
    );
    await block.start({ name: 'waits', instanceId: id });
    expect(await block.wait(id, 'completed', neverCancelled)).toMatchObject({ output: '1' });
    expect({ lingered, unmarked }).toEqual({ lingered: 1, unmarked: 0 });
    // And none stays behind.
    await expect.poll(() => inner.get(ready)).toBeUndefined();
  });
});

describe('an instance of which nothing is kept', () => {
  const home: OwnedShard = {
    group: 'g',
    index: 3,
    epoch: 1,
    condition: { kind: 'version', key: 'shard', version: 0 },
    alive: true,
    lapses: 0,
  };

  function rig(interfere: (engine: Engine) => Promise<unknown>) {
    const inner = memoryEngine();
    let once = true;
    const engine = changedEngine(inner, {
      commit: async (commit) => {
        if (once) {
          once = false;
          await interfere(inner);
        }
        return inner.commit(commit);
      },
    });
    const { clock, random } = nodePorts();
    const core = {
      engine,
      clock,
      random,
      log: silentLogger,
      keys,
      self: { namespace: '', appId: 'app' },
      holds: () => true,
    } as unknown as Core;
    const said: string[] = [];
    const live = new LiveInstance('x', home);
    Object.assign(live, { ready: true, unread: false });
    const commits = new InstanceCommits({
      core,
      postman: new Postman(core),
      timers: () => undefined,
      changed: () => {},
      wake: () => {},
      drop: () => said.push('drop'),
      reload: () => said.push('reload'),
    });
    return { inner, commits, live, said };
  }
  const mark = keys.ready(home.index, 'x');

  it('is read again when another runtime created it at this very moment: nothing that belongs to it is deleted', async () => {
    const { inner, commits, live, said } = rig((engine) => engine.commit({ put: [{ key: keys.record('x'), value: nothing }] }));
    await inner.commit({ put: [{ key: mark, value: nothing }] });
    expect(await commits.discardAll(live)).toBe(false);
    expect(said).toEqual(['reload']);
    expect(await inner.get(mark)).toBeDefined();
  });

  it('is dropped when its shard is gone, and when nothing is there; a mark that came meanwhile stays', async () => {
    const lost = rig((engine) => engine.commit({ put: [{ key: 'shard', value: nothing }] }));
    expect(await lost.commits.discardAll(lost.live)).toBe(false);
    expect(lost.said).toEqual(['drop']);
    const gone = rig(() => Promise.resolve());
    await gone.inner.commit({ put: [{ key: mark, value: nothing }] });
    expect(await gone.commits.discardAll(gone.live)).toBe(false);
    expect([gone.said, await gone.inner.get(mark)]).toEqual([['drop'], undefined]);
    const rung = rig((engine) => engine.commit({ put: [{ key: mark, value: nothing }] }));
    await rung.inner.commit({ put: [{ key: mark, value: nothing }] });
    expect(await rung.commits.discardAll(rung.live)).toBe(false);
    expect(rung.said).toEqual(['reload']);
    expect(await rung.inner.get(mark)).toBeDefined();
  });

  it('loses its mark when there is nothing to do, under the version that was looked at and no other', async () => {
    const quiet = rig(() => Promise.resolve());
    await quiet.inner.commit({ put: [{ key: mark, value: nothing }] });
    // The first look finds the version, the second one deletes it.
    expect([await quiet.commits.settleMark(quiet.live, false), await quiet.commits.settleMark(quiet.live, false)]).toEqual([true, false]);
    expect([await quiet.inner.get(mark), quiet.live.ready]).toEqual([undefined, false]);
    const rung = rig((engine) => engine.commit({ put: [{ key: mark, value: nothing }] }));
    await rung.inner.commit({ put: [{ key: mark, value: nothing }] });
    expect([await rung.commits.settleMark(rung.live, false), await rung.commits.settleMark(rung.live, false)]).toEqual([true, false]);
    expect([await rung.inner.get(mark), rung.live.ready]).toEqual([expect.anything(), true]);
  });
});
