import { describe, expect, it } from 'vitest';
import { nodeClock } from '../ports/node/clock.ts';
import { createMetricsRegistry } from './metrics-registry.ts';
import { printInTurns } from './print-in-turns.ts';

function registryOf(series: number) {
  const registry = createMetricsRegistry({ app_id: 'shop' });
  for (let i = 0; i < series; i++) {
    registry.counter('dapr_x_total', { path: `/p${i}` }).add(i);
    registry.histogram('dapr_x_latency', { path: `/p${i}` }).record(i);
  }
  return registry;
}

describe('printing in turns', () => {
  it.each(['prometheus', 'openmetrics'] as const)('prints the same as at once: %s', async (format) => {
    for (const series of [0, 1, 31, 32, 33, 200]) {
      const registry = registryOf(series);
      expect(await printInTurns(registry, format, nodeClock)).toBe(registry.print(format));
    }
  });

  it('lets other work of the loop come between some dozen series', async () => {
    const registry = registryOf(2_000);
    let turns = 0;
    const text = await printInTurns(registry, 'prometheus', {
      soon(callback) {
        turns++;
        nodeClock.soon(callback);
      },
    });
    expect(turns).toBeGreaterThan(100);
    expect(text).toBe(registry.print('prometheus'));
  });

  it('fails with what a gauge that is asked for its value fails with', async () => {
    const registry = registryOf(1);
    registry.onPrint(() => {
      throw new Error('not to be had');
    });
    await expect(printInTurns(registry, 'prometheus', nodeClock)).rejects.toThrow('not to be had');
  });
});
