import { describe, expect, it, vi } from 'vitest';
import { KeptReads } from '../../src/drivers/engine-socket/kept-reads.ts';
import { simulate, type Run, type RunOptions } from './run.ts';

// A soak: SIMULATION_FROM=1000 SIMULATION_SEEDS=500 npm run test:simulation
const from = Number(process.env['SIMULATION_FROM'] ?? 1);
const count = Number(process.env['SIMULATION_SEEDS'] ?? 10);
const seeds = Array.from({ length: count }, (_, i) => from + i);

/** What a failing seed leaves for whoever repeats it: `SIMULATION_FROM=<seed> SIMULATION_SEEDS=1`. */
function report({ seed, problems, deeds }: Run): string {
  return problems.length === 0 ? '' : [`seed ${seed}`, ...problems.slice(0, 10), ...deeds].join('\n');
}

/** The first of the seeds that shows a planted bug; undefined when none does. */
async function findBug(options: Omit<RunOptions, 'seed'>, seedsMax: number): Promise<Run | undefined> {
  for (let seed = 1; seed <= seedsMax; seed++) {
    const run = await simulate({ seed, ...options });
    if (run.problems.length > 0) return run;
  }
  return undefined;
}

describe('a cluster over one journal, with crashes, freezes, partitions, resets and power cuts', () => {
  it.each(seeds)('keeps its promises: seed %i', async (seed) => {
    const run = await simulate({ seed });
    expect(report(run)).toBe('');
    // A run in which nothing happened proves nothing.
    const { acknowledged = 0, delivered = 0, appended = 0, kept = 0 } = run.counts;
    expect(Math.min(acknowledged, delivered, appended, kept)).toBeGreaterThan(50);
  });

  it('is a function of its seed', async () => {
    const [first, again, other] = [await simulate({ seed: from }), await simulate({ seed: from }), await simulate({ seed: from + 1 })];
    expect(again).toEqual(first);
    expect(other.trace).not.toBe(first.trace);
  });
});

describe('the simulation finds planted bugs', () => {
  it('a disk that does not sync', async () => {
    const run = await findBug({ syncOff: true, stormMs: 4_000, calmMs: 2_000 }, 5);
    expect(run?.problems.join('\n')).toMatch(/violated|is not in the log|never got/);
  });

  it('an answer before the sync', async () => {
    const run = await findBug({ answerBeforeSync: true, unsynced: 'nothing', deeds: ['power'], stormMs: 4_000, calmMs: 2_000 }, 30);
    expect(run?.problems.join('\n')).toMatch(/violated|was given to|is not in the log|never got/);
  });

  it('a client of the owner that goes on reading what it was told to forget', async () => {
    const forget = vi.spyOn(KeptReads.prototype, 'forget').mockImplementation(() => {});
    try {
      const run = await findBug({ deeds: ['reset'], stormMs: 4_000, calmMs: 2_000 }, 10);
      expect(run?.problems.join('\n')).toMatch(/violated/);
    } finally {
      forget.mockRestore();
    }
  });

  it('a new owner that does not wait until the old one has noticed', async () => {
    const run = await findBug({ othersHidden: true, deeds: ['partition'], stormMs: 6_000 }, 30);
    expect(run?.problems.join('\n')).toMatch(/violated/);
  });
});
