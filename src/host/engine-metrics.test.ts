import { describe, expect, it } from 'vitest';
import { type EngineStats, noStats } from '../contracts/engine.ts';
import { nodeClock } from '../ports/node/clock.ts';
import { createMetricsRegistry, type Exposition } from '../telemetry/metrics-registry.ts';
import { registerEngineMetrics } from './telemetry.ts';
import type { Machine } from './machine.ts';
import { additiveGauges, mergeExpositions } from './workers/merge-metrics.ts';

/** One process of an app; `stats` is what its engine says. */
function processWith(stats: () => EngineStats, engineCounted: boolean): (format: Exposition) => string {
  const registry = createMetricsRegistry({ app_id: 'a' });
  registerEngineMetrics(registry, { engine: { stats } as Machine['engine'], engineCounted });
  return (format) => registry.print(format);
}

const merged = (texts: readonly string[]): Promise<string> => mergeExpositions(texts, additiveGauges, nodeClock);

describe('what the engine counted', () => {
  const stats: EngineStats = { ...noStats, keys: 3, commits: 40, syncs: 7 };

  it('is counters, of the right name in both formats', () => {
    const print = processWith(() => stats, true);
    expect(print('prometheus')).toContain('# TYPE proa_engine_commits_total counter\nproa_engine_commits_total{app_id="a"} 40\n');
    expect(print('prometheus')).toContain('# TYPE proa_engine_syncs_total counter\nproa_engine_syncs_total{app_id="a"} 7\n');
    expect(print('openmetrics')).toContain('# TYPE proa_engine_commits counter\nproa_engine_commits_total{app_id="a"} 40\n');
  });

  it('is told once by processes that share one engine, and added up where each has its own', async () => {
    const first = processWith(() => stats, true)('prometheus');
    const beside = processWith(() => stats, false)('prometheus');
    expect(await merged([first, beside, beside])).toBe(first);
    const own = processWith(() => ({ ...stats, commits: 2 }), true)('prometheus');
    const sum = await merged([first, own]);
    expect(sum).toContain('proa_engine_commits_total{app_id="a"} 42\n');
    expect(sum).toContain('proa_engine_keys{app_id="a"} 3\n');
  });

  it('does not fall while there is no engine to ask', () => {
    let now = stats;
    const print = processWith(() => now, true);
    print('prometheus');
    now = noStats;
    expect(print('prometheus')).toContain('proa_engine_commits_total{app_id="a"} 40\n');
    now = { ...stats, commits: 1 };
    expect(print('prometheus')).toContain('proa_engine_commits_total{app_id="a"} 1\n');
  });
});
