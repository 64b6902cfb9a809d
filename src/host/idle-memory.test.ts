import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { appSpec } from '../../test/fixtures/app-spec.ts';
import { nodePorts } from '../ports/node/index.ts';
import { createFakeClock } from '../testing/fake-clock.ts';
import { startHost } from './host.ts';
import { IdleMemory } from './idle-memory.ts';

const mb = 1024 * 1024;

/** A process of 20 MB that is told what it holds; `look` lets it work for a part of the ten seconds to the next look. */
function rig() {
  const clock = createFakeClock();
  let cpuUs = 0;
  const saved: boolean[] = [];
  const state = { heapHeld: 20 * mb };
  const memory = new IdleMemory({
    clock,
    process: {
      cpuUs: () => cpuUs,
      memoryBytes: () => ({ rss: 0, heapUsed: 0, heapHeld: state.heapHeld }),
      saveMemory: (on) => void saved.push(on),
    },
  });
  const look = (activeShare = 0): void => {
    cpuUs += 10_000_000 * activeShare;
    clock.advance(10_000);
  };
  return { clock, memory, saved, state, look };
}

describe('memory of an idle process', () => {
  it('is given back after a burst, for half a minute, and once', () => {
    const { saved, state, look } = rig();
    for (let i = 0; i < 10; i++) look();
    state.heapHeld = 500 * mb;
    look(0.8);
    look(0.3);
    expect(saved).toEqual([]);
    look(0.05);
    expect(saved).toEqual([true]);
    look(0.2);
    look();
    expect(saved).toEqual([true]);
    state.heapHeld = 100 * mb;
    look();
    expect(saved).toEqual([true, false]);
    // It was needed.
    for (let i = 0; i < 10; i++) look();
    expect(saved).toEqual([true, false]);
  });

  it('is asked for again when it grew by a quarter and 32 MB, also after it had shrunk by itself', () => {
    const { saved, state, look } = rig();
    const saves = (heapHeld: number): boolean => {
      const before = saved.length;
      state.heapHeld = heapHeld * mb;
      for (let i = 0; i < 4; i++) look();
      return saved.length > before;
    };
    expect(saves(32)).toBe(false);
    expect(saves(100)).toBe(true);
    expect(saves(157)).toBe(false);
    expect(saves(158)).toBe(true);
    expect(saves(60)).toBe(false);
    expect(saves(107)).toBe(false);
    expect(saves(108)).toBe(true);
  });

  it('is left alone when work comes back meanwhile, and given back after that', () => {
    const { saved, state, look } = rig();
    state.heapHeld = 500 * mb;
    look();
    look(0.6);
    expect(saved).toEqual([true, false]);
    look(0.6);
    look();
    expect(saved).toEqual([true, false, true]);
  });

  it('is as usual again when the process closes, and looked at no more', () => {
    const { clock, memory, saved, state, look } = rig();
    state.heapHeld = 500 * mb;
    look();
    memory.close();
    expect(saved).toEqual([true, false]);
    expect(clock.waiting).toBe(0);
    memory.close();
    expect(saved).toEqual([true, false]);
  });

  it('is given back by a host, whose looks come at once here', async () => {
    const ports = nodePorts();
    const saved: boolean[] = [];
    const dataDirectory = mkdtempSync(join(tmpdir(), 'proa-memory-'));
    const host = await startHost({
      ports: {
        ...ports,
        // Not what waits so long for something to close.
        clock: {
          ...ports.clock,
          timer: (ms, callback, background) => ports.clock.timer(ms === 10_000 && background === true ? 1 : ms, callback, background),
        },
        process: {
          ...ports.process,
          cpuUs: () => 0,
          memoryBytes: () => ({ rss: 0, heapUsed: 0, heapHeld: 500 * mb }),
          saveMemory: (on) => void saved.push(on),
        },
      },
      apps: [appSpec('app')],
      shared: { dataDirectory, logLevel: 'error', logFormat: 'json', graceMs: 5_000, mode: 'run' },
      events: () => {},
    });
    try {
      await host.apps[0]?.ready;
      await expect.poll(() => saved, { timeout: 60_000 }).toEqual([true, false]);
    } finally {
      await host.stop('end of the test');
      rmSync(dataDirectory, { recursive: true, force: true });
    }
  });
});
