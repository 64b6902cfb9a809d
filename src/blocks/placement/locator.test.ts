import { describe, expect, it } from 'vitest';
import { memoryStage } from '../../../test/fixtures/durable-stages.ts';
import { createPlacementRig, type PlacementRig } from '../../testing/placement-rig.ts';
import { createPlacement } from './index.ts';

const ttlMs = 3_000;
const group = 'actors/default/cart';

function createRig(): PlacementRig {
  return createPlacementRig({ stage: memoryStage(), open: (options) => createPlacement({ ...options, ttlMs }), group });
}

describe('locate', () => {
  it('answers nobody for what nobody joined', async () => {
    expect(await createRig().runtime('a').placement.locate(group, 'x')).toBeUndefined();
  });

  it('tells the owner, here or elsewhere, and its socket only on its own machine', async () => {
    const rig = createRig();
    const [a, near, far] = [rig.runtime('a'), rig.runtime('near'), rig.runtime('far', { machine: 'there' })];
    await a.join();
    expect(await a.placement.locate(group, 'x')).toMatchObject({ here: true, endpoint: { instance: 'a' } });
    expect(await near.placement.locate(group, 'x')).toMatchObject({ here: false, endpoint: { local: { path: '/a' } } });
    const seen = await far.placement.locate(group, 'x');
    expect(seen?.endpoint).toEqual({ appId: 'shop', namespace: 'default', instance: 'a', mesh: { host: 'a', port: 1 } });
  });

  it('answers from memory, also while the engine is down, and reads anew when the owner refused', async () => {
    const rig = createRig();
    const [a, asker] = [rig.runtime('a'), rig.runtime('asker')];
    const membership = await a.join();
    await asker.placement.locate(group, 'x');
    asker.process.down = true;
    expect(await asker.placement.locate(group, 'x')).toMatchObject({ endpoint: { instance: 'a' } });
    asker.placement.refused(group, 'x');
    await expect(asker.placement.locate(group, 'x')).rejects.toThrow('engine down');
    asker.process.down = false;
    expect(await asker.placement.locate(group, 'x')).toMatchObject({ endpoint: { instance: 'a' } });
    await membership.leave();
    const b = rig.runtime('b');
    await b.join();
    asker.placement.refused(group, 'x');
    expect(await asker.placement.locate(group, 'x')).toMatchObject({ endpoint: { instance: 'b' } });
    await b.placement.close();
    asker.placement.refused(group, 'x');
    expect(await asker.placement.locate(group, 'x')).toBeUndefined();
  });

  it('notices a new owner without a refusal, by polling when no hint comes', async () => {
    const rig = createRig();
    const [a, b, asker] = [rig.runtime('a'), rig.runtime('b'), rig.runtime('asker', { deaf: true })];
    const first = await a.join();
    await asker.placement.locate(group, 'x');
    await first.leave();
    await b.join();
    await rig.pass(2 * ttlMs);
    expect(await asker.placement.locate(group, 'x')).toMatchObject({ endpoint: { instance: 'b' } });
  });

  it('ends with the placement', async () => {
    const { placement, join } = createRig().runtime('a');
    await join();
    await placement.close();
    await expect(placement.locate(group, 'x')).rejects.toMatchObject({ code: 'unavailable' });
    await expect(join()).rejects.toMatchObject({ code: 'unavailable' });
  });
});
