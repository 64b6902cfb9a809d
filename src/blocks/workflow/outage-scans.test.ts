import { describe, expect, it } from 'vitest';
import { createFakeClock, type FakeClock } from '../../testing/fake-clock.ts';
import { OutageScans } from './outage-scans.ts';

function rig(during: (scans: OutageScans) => void = () => {}) {
  const clock = createFakeClock();
  const startedMs = clock.mono();
  const looks: number[] = [];
  const scans: OutageScans = new OutageScans({
    clock,
    scan: async () => {
      looks.push(clock.mono() - startedMs);
      during(scans);
    },
  });
  return { clock, looks, scans };
}

/** A look ends in a turn of its own. */
async function pass(clock: FakeClock, ms: number): Promise<void> {
  for (let passedMs = 0; passedMs < ms; passedMs += 100) {
    clock.advance(100);
    await Promise.resolve();
    await Promise.resolve();
  }
}

describe('looks after an outage', () => {
  it('are none while nothing fails', async () => {
    const { clock, looks } = rig();
    await pass(clock, 600_000);
    expect(looks).toEqual([]);
  });

  it('are few for many failures, the last one after every statement has ended', async () => {
    const { clock, looks, scans } = rig();
    for (let i = 0; i < 100; i++) scans.noted();
    await pass(clock, 600_000);
    expect(looks).toEqual([1_000, 11_000, 51_000]);
  });

  it('go on at the same pace while the outage does, and are not put off by it', async () => {
    const { clock, looks, scans } = rig();
    for (let i = 0; i < 30; i++) {
      scans.noted();
      await pass(clock, 100);
    }
    expect(looks).toEqual([1_000, 2_000, 3_000]);
  });

  it('begin anew for what fails during a look, or between two', async () => {
    let failures = 1;
    const { clock, looks, scans } = rig((each) => failures-- > 0 && each.noted());
    scans.noted();
    await pass(clock, 5_000);
    expect(looks).toEqual([1_000, 2_000]);
    scans.noted();
    await pass(clock, 600_000);
    expect(looks).toEqual([1_000, 2_000, 6_000, 16_000, 56_000]);
  });

  it('end when they are closed', async () => {
    const { clock, looks, scans } = rig();
    scans.noted();
    scans.close();
    scans.noted();
    await pass(clock, 600_000);
    expect(looks).toEqual([]);
  });
});
