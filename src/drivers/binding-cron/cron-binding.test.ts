import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import type { BindingEvent } from '../../contracts/binding.ts';
import { bindingSuite } from '../../testing/binding-suite.ts';
import { recordingLogger, testDriverContext } from '../../testing/driver-context.ts';
import { createFakeClock } from '../../testing/fake-clock.ts';
import { config } from './config.ts';
import driver from './index.ts';

const start = Date.UTC(2026, 0, 1, 12, 0, 0);

async function rig(schedule: string, handle: () => Promise<object> = async () => ({})) {
  const clock = createFakeClock(start);
  const lines: string[] = [];
  const events: BindingEvent[] = [];
  const times: number[] = [];
  const binding = await driver.open(v.parse(config, { schedule }), testDriverContext({ clock, log: recordingLogger(lines), name: 'tick' }));
  const stop = await binding.input?.read(async (event) => {
    events.push(event);
    times.push((clock.now() - start) / 1000);
    return handle();
  });
  return { clock, lines, events, times, binding, stop: stop as () => Promise<void> };
}

describe('schedules that are none', () => {
  it.each([
    '',
    '* * * *',
    '* * * * * * 2030',
    '@every',
    '@every 5',
    '@every -1s',
    '@every soon',
    '@fortnightly',
    '61 * * * * *',
    'CRON_TZ=Mars/Olympus * * * * *',
    '0 0 0 31 2 *',
  ])('refuses "%s"', async (schedule) => {
    const opened = driver.open({ schedule }, testDriverContext({ clock: createFakeClock(start), name: 'tick' }));
    await expect(opened).rejects.toMatchObject({
      code: 'component.init-failed',
      message: expect.stringContaining(`binding tick: invalid schedule format '${schedule}'`),
    });
  });
});

describe('bindings.cron', () => {
  it('delivers an empty event at every instant, with the times that Dapr sends', async () => {
    const { clock, events, times, stop } = await rig('@every 2s');
    clock.advance(7_000);
    expect(times).toEqual([2, 4, 6]);
    expect(events[0]).toEqual({
      data: new Uint8Array(0),
      metadata: { timeZone: 'Local', readTimeUTC: '2026-01-01 12:00:02.000 +0000 UTC' },
    });
    await stop();
    clock.advance(10_000);
    expect(times).toHaveLength(3);
    expect(clock.waiting).toBe(0);
  });

  it('waits for far instants and follows a clock that is set', async () => {
    const { clock, times, stop } = await rig('CRON_TZ=UTC 0 0 15 * * *');
    clock.advance(3 * 3_600_000 - 1);
    expect(times).toEqual([]);
    clock.advance(1);
    expect(times).toEqual([3 * 3600]);
    clock.jump(86_400_000 * 3);
    clock.advance(60_000);
    expect(times).toHaveLength(2);
    clock.jump(-86_400_000 * 30);
    clock.advance(86_400_000);
    expect(times).toHaveLength(3);
    await stop();
  });

  it('outlives failing handlers, bounds overlapping ones, and waits for them when it stops', async () => {
    let release = (): void => {};
    const gate = new Promise<void>((resolve) => (release = resolve));
    const { clock, lines, events, binding } = await rig('@every 1s', () => gate.then(() => Promise.reject(new Error('app says no'))));
    clock.advance(20_000);
    expect(events).toHaveLength(16);
    expect(lines.filter((line) => line.includes('left out'))).toHaveLength(4);
    let closed = false;
    const closing = binding.close().then(() => (closed = true));
    await Promise.resolve();
    expect(closed).toBe(false);
    release();
    await closing;
    expect(lines.filter((line) => line.includes('app says no'))).toHaveLength(16);
  });
});

let current = createFakeClock(start);
bindingSuite({
  name: 'bindings.cron',
  open() {
    current = createFakeClock(start);
    return driver.open({ schedule: '@every 1s' }, testDriverContext({ clock: current }));
  },
  cause: () => current.advance(1_000),
});
