import { afterEach, describe, expect, it } from 'vitest';
import { memoryStage } from '../../test/fixtures/durable-stages.ts';
import { silentLogger } from '../kernel/log.ts';
import type { DurableStage } from '../testing/durable-stage.ts';
import { createTestProcess, type TestProcess } from '../testing/test-process.ts';
import { Liveness } from './liveness.ts';

const ttlMs = 3_000;
const open: Liveness[] = [];
afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
});

async function holder(stage: DurableStage, name: string): Promise<TestProcess & { readonly liveness: Liveness }> {
  const process = createTestProcess({ engine: stage.engineOf(name), clock: stage.clock });
  const { engine, clock } = process;
  const liveness = new Liveness({ engine, clock, log: silentLogger, leaseOf: (each) => `lease/${each}`, holder: name, ttlMs });
  await liveness.ensure();
  open.push(liveness);
  return Object.assign(process, { liveness });
}

describe('who judges whether another holder lives', () => {
  it('says so of one whose lease has run out while its own did not', async () => {
    const stage = memoryStage();
    const [a, b] = [await holder(stage, 'a'), await holder(stage, 'b')];
    expect(await b.liveness.expired('a')).toBe(false);
    a.frozen = true;
    await stage.pass(ttlMs - 100);
    expect(await b.liveness.expired('a')).toBe(false);
    await stage.pass(200);
    expect(await b.liveness.expired('a')).toBe(true);
    a.frozen = false;
    await stage.pass(ttlMs / 3);
    expect([a.liveness.alive, a.liveness.lapses, b.liveness.lapses]).toEqual([true, 1, 0]);
  });

  it('judges nobody when its own has run out in the same moment, or did a short while ago', async () => {
    const stage = memoryStage();
    const [, b] = [await holder(stage, 'a'), await holder(stage, 'b')];
    // Nobody has had an opportunity to renew anything.
    await stage.jump(10 * ttlMs);
    expect(await b.liveness.expired('a')).toBe(false);
    expect([b.liveness.alive, b.liveness.lapses]).toEqual([true, 1]);
    await stage.pass(ttlMs - 100);
    expect(await b.liveness.expired('a')).toBe(false);
  });

  it('judges again once others have had the time to come back', async () => {
    const stage = memoryStage();
    const [a, b] = [await holder(stage, 'a'), await holder(stage, 'b')];
    a.down = b.down = true;
    await stage.pass(2 * ttlMs);
    b.down = false;
    await stage.pass(ttlMs / 3);
    expect([b.liveness.alive, await b.liveness.expired('a')]).toEqual([true, false]);
    await stage.pass(ttlMs);
    expect(await b.liveness.expired('a')).toBe(true);
    a.down = false;
  });
});
