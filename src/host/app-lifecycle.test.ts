import { describe, expect, it } from 'vitest';
import type { AppChannel } from '../contracts/app-channel.ts';
import { silentLogger } from '../kernel/log.ts';
import { createFakeClock } from '../testing/fake-clock.ts';
import { settle } from '../testing/test-process.ts';
import { followApp } from './app-lifecycle.ts';

function rig() {
  const clock = createFakeClock();
  const warnings: unknown[] = [];
  const app = { there: true, refuses: undefined as string | undefined, asked: 0, downs: 0 };
  const channel = { address: '127.0.0.1:1', reachable: () => Promise.resolve(app.there) } as AppChannel;
  const lifecycle = followApp({
    clock,
    log: { ...silentLogger, warn: (_message, fields) => void warnings.push(fields?.['error']) },
    channel,
    up: () => {
      app.asked++;
      return app.refuses === undefined ? Promise.resolve() : Promise.reject(new Error(app.refuses));
    },
    down: () => Promise.resolve(void app.downs++),
  });
  const pass = async (ms: number): Promise<void> => {
    for (let at = 0; at < ms; at += 10) {
      clock.advance(10);
      await settle();
    }
  };
  return { app, lifecycle, warnings, pass };
}

describe('an app that is there and cannot say what it wants', () => {
  it('is asked less and less often, and told of once', async () => {
    const { app, lifecycle, warnings, pass } = rig();
    app.refuses = 'no';
    await pass(10_000);
    expect(app.asked).toBeGreaterThan(8);
    expect(app.asked).toBeLessThan(20);
    expect(warnings).toEqual(['no']);
    app.refuses = 'something else';
    await pass(2_000);
    expect(warnings).toEqual(['no', 'something else']);
    app.refuses = undefined;
    await pass(2_000);
    expect(lifecycle.ready).toBe(true);
    // It went and came back with the old trouble: that is news again.
    [app.there, app.refuses] = [false, 'something else'];
    await pass(2_000);
    app.there = true;
    await pass(2_000);
    expect([app.downs, warnings.slice(2)]).toEqual([1, [undefined, 'something else']]);
    await lifecycle.close();
  });
});
