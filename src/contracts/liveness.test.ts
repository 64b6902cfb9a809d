import { afterEach, describe, expect, it } from 'vitest';
import { memoryStage } from '../../test/fixtures/durable-stages.ts';
import { createMemoryEngine } from '../drivers/engine-memory/memory-engine.ts';
import { ProaError } from '../kernel/errors.ts';
import { silentLogger } from '../kernel/log.ts';
import { tuple } from '../kernel/tuple.ts';
import { changedEngine } from '../testing/changed-engine.ts';
import type { DurableStage } from '../testing/durable-stage.ts';
import { createFakeClock } from '../testing/fake-clock.ts';
import { createTestProcess, settle, type TestProcess } from '../testing/test-process.ts';
import type { Engine } from './engine.ts';
import { Liveness } from './liveness.ts';

const ttlMs = 3_000;
const leaseOf = (holder: string): string => tuple('lease', holder);

function createRig() {
  const clock = createFakeClock();
  const memory = createMemoryEngine({ clock });
  const holder = (name: string, engine: Engine = memory): Liveness =>
    new Liveness({ engine, clock, log: silentLogger, leaseOf, holder: name, ttlMs });
  const pass = async (ms: number): Promise<void> => {
    for (let left = ms; left > 0; left -= 100) {
      clock.advance(100);
      await settle();
    }
  };
  return { clock, memory, holder, pass };
}

describe('a holder', () => {
  it('is alive while it renews, stops at two thirds of the TTL, and is alive again when it can renew', async () => {
    const { memory, holder, pass } = createRig();
    let slow: Promise<void> | undefined;
    const late = async (...lease: Parameters<Engine['renewLease']>) => (await slow, memory.renewLease(...lease));
    const a = holder('a', changedEngine(memory, { renewLease: late }));
    expect(a.alive).toBe(false);
    const changes: boolean[] = [];
    a.onChange((alive) => changes.push(alive));
    await a.ensure();
    await pass(10 * ttlMs);
    expect([a.alive, a.lapses, changes]).toEqual([true, 0, [true]]);
    let go: () => void = () => {};
    slow = new Promise((resolve) => (go = resolve));
    await pass((2 * ttlMs) / 3);
    expect(a.alive).toBe(false);
    slow = undefined;
    go();
    await settle();
    expect([a.alive, a.lapses, changes]).toEqual([true, 0, [true, false, true]]);
    await a.close();
    expect(a.alive).toBe(false);
  });

  it('ends although the engine is away: its lease runs out by itself, and so does one that it took from another', async () => {
    const { memory, holder, pass } = createRig();
    let away = false;
    const release = async (...lease: Parameters<Engine['releaseLease']>) => {
      if (away) throw new ProaError('engine.unavailable', 'away');
      await memory.releaseLease(...lease);
    };
    const a = holder('a', changedEngine(memory, { releaseLease: release }));
    await a.ensure();
    away = true;
    let worked = false;
    expect(await a.fencing('dead', async () => void (worked = true))).toBe(true);
    expect(worked).toBe(true);
    await a.close();
    expect(a.alive).toBe(false);
    const b = holder('b');
    await b.ensure();
    expect([await b.expired('a'), await b.expired('dead')]).toEqual([false, false]);
    await pass(ttlMs);
    expect([await b.expired('a'), await b.expired('dead')]).toEqual([true, true]);
    await b.close();
  });

  it('is not alive from the moment when it hears that its lease was lost, although its own clock says that it holds', async () => {
    const { clock, memory, holder, pass } = createRig();
    const a = holder('a');
    await a.ensure();
    await pass(ttlMs / 3 - 100);
    // The engine's clock is set forward, so that another finds the lease run out.
    clock.jump(2 * ttlMs);
    expect(await memory.acquireLease(leaseOf('a'), 'b', ttlMs)).toMatchObject({ held: true });
    expect(a.alive).toBe(true);
    await pass(100);
    expect(a.alive).toBe(false);
    await pass(ttlMs + 100);
    expect([a.alive, a.lapses]).toEqual([true, 1]);
    await a.close();
  });
});

describe('another holder', () => {
  it('has run out when it no longer renews, and begins anew then', async () => {
    const { memory, holder, pass } = createRig();
    let cut = false;
    const stuck = (): Promise<never> => new Promise(() => {});
    const a = holder('a', changedEngine(memory, { renewLease: (...lease) => (cut ? stuck() : memory.renewLease(...lease)) }));
    const b = holder('b');
    await a.ensure();
    await pass(2 * ttlMs);
    expect(await b.expired('a')).toBe(false);
    cut = true;
    await pass(ttlMs);
    expect(await b.expired('a')).toBe(true);
    expect(await memory.acquireLease(leaseOf('a'), 'a', ttlMs)).toMatchObject({ held: true });
    expect(await b.expired('a')).toBe(false);
  });

  it('stays fenced until the last of those who need it has ended', async () => {
    const { memory, holder } = createRig();
    const b = holder('b');
    let end: () => void = () => {};
    const long = new Promise<void>((resolve) => (end = resolve));
    const counted: string[] = [];
    const first = b.fencing('a', async (gone) => {
      await long;
      counted.push((await memory.commit({ if: [gone] })).status);
    });
    const second = b.fencing('a', async (gone) => void counted.push((await memory.commit({ if: [gone] })).status));
    expect(await second).toBe(true);
    expect(await b.expired('a')).toBe(true);
    expect(await memory.acquireLease(leaseOf('a'), 'a', ttlMs)).toMatchObject({ held: false });
    end();
    expect(await first).toBe(true);
    expect(counted).toEqual(['done', 'done']);
    expect(await memory.acquireLease(leaseOf('a'), 'a', ttlMs)).toMatchObject({ held: true });
    let ran = false;
    expect(await b.fencing('a', async () => void (ran = true))).toBe(false);
    expect(ran).toBe(false);
  });

  it('is fenced no more after work that failed, and a commit of one that comes too late does not count', async () => {
    const { clock, memory, holder } = createRig();
    const b = holder('b');
    await expect(b.fencing('a', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    const late = b.fencing('a', async (gone) => {
      clock.advance(ttlMs + 1);
      expect(await memory.acquireLease(leaseOf('a'), 'a', ttlMs)).toMatchObject({ held: true });
      expect(await memory.commit({ if: [gone] })).toMatchObject({ status: 'conflict' });
    });
    expect(await late).toBe(true);
    expect(await b.expired('a')).toBe(false);
  });
});

const open: Liveness[] = [];
afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
});

async function holderOn(stage: DurableStage, name: string): Promise<TestProcess & { readonly liveness: Liveness }> {
  const process = createTestProcess({ engine: stage.engineOf(name), clock: stage.clock });
  const { engine, clock } = process;
  const liveness = new Liveness({ engine, clock, log: silentLogger, leaseOf, holder: name, ttlMs });
  await liveness.ensure();
  open.push(liveness);
  return Object.assign(process, { liveness });
}

describe('who judges whether another holder lives', () => {
  it('says so of one whose lease has run out while its own did not', async () => {
    const stage = memoryStage();
    const [a, b] = [await holderOn(stage, 'a'), await holderOn(stage, 'b')];
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
    const [, b] = [await holderOn(stage, 'a'), await holderOn(stage, 'b')];
    // Nobody has had an opportunity to renew anything.
    await stage.jump(10 * ttlMs);
    expect(await b.liveness.expired('a')).toBe(false);
    expect([b.liveness.alive, b.liveness.lapses]).toEqual([true, 1]);
    await stage.pass(ttlMs - 100);
    expect(await b.liveness.expired('a')).toBe(false);
  });

  it('judges nobody while another, whom it judges, holds its lease for the same reason', async () => {
    const stage = memoryStage();
    const [a, b] = [await holderOn(stage, 'a'), await holderOn(stage, 'b')];
    await stage.jump(10 * ttlMs);
    // Each holds the lease of the other before either looks at its own.
    expect(await Promise.all([a.liveness.expired('b'), b.liveness.expired('a')])).toEqual([false, false]);
    expect(await Promise.all([a.liveness.expired('b'), b.liveness.expired('a')])).toEqual([false, false]);
    await stage.pass(ttlMs);
    expect([a.liveness.alive, b.liveness.alive]).toEqual([true, true]);
  });

  it('judges again once others have had the time to come back', async () => {
    const stage = memoryStage();
    const [a, b] = [await holderOn(stage, 'a'), await holderOn(stage, 'b')];
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
