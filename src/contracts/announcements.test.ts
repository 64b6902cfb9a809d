import { describe, expect, it } from 'vitest';
import { silentLogger } from '../kernel/log.ts';
import { createFakeClock } from '../testing/fake-clock.ts';
import { settle } from '../testing/test-process.ts';
import { createAnnouncements } from './announcements.ts';
import type { Endpoint } from './resolver.ts';

const intervalMs = 5_000;
const endpoint = (port: number): Endpoint => ({ appId: 'shop', namespace: 'default', instance: 'one', mesh: { host: 'here', port } });

/** A registry that does what it is told when the test lets it, in the order in which it was let. */
function createRig() {
  const clock = createFakeClock();
  const listed = new Map<string, Endpoint>();
  const under: { readonly what: string; readonly go: () => void; readonly fail: () => void }[] = [];
  let slow = false;
  const doing = (what: string, work: () => void): Promise<void> =>
    slow
      ? new Promise((resolve, reject) => {
          const go = (): void => {
            work();
            resolve();
          };
          under.push({ what, go, fail: () => reject(new Error('away')) });
        })
      : Promise.resolve(work());
  const announcements = createAnnouncements({
    clock,
    log: silentLogger,
    source: 'test',
    intervalMs,
    write: (given) => doing('write', () => void listed.set(given.instance, given)),
    remove: ({ instance }) => doing('remove', () => void listed.delete(instance)),
  });
  return { clock, listed, under, announcements, slowDown: () => (slow = true), names: () => under.map(({ what }) => what) };
}

describe('what is announced', () => {
  it('is renewed until it is removed, and then neither renewed nor removed again', async () => {
    const { clock, listed, announcements } = createRig();
    const leave = await announcements.announce(endpoint(1));
    listed.clear();
    clock.advance(intervalMs);
    await settle();
    expect([listed.size, announcements.all().length]).toEqual([1, 1]);
    await leave();
    clock.advance(3 * intervalMs);
    await settle();
    expect([listed.size, announcements.all().length, clock.waiting]).toEqual([0, 0, 0]);
    listed.set('one', endpoint(2));
    await leave();
    expect(listed.size).toBe(1);
  });

  it.each(['go', 'fail'] as const)('stays removed although a renewal was under way, which ends in the end (%s)', async (end) => {
    const { clock, listed, under, announcements, slowDown, names } = createRig();
    const leave = await announcements.announce(endpoint(1));
    slowDown();
    clock.advance(intervalMs);
    const leaving = leave();
    await settle();
    expect(names()).toEqual(['write']);
    under[0]?.[end]();
    await settle();
    expect(names()).toEqual(['write', 'remove']);
    under[1]?.go();
    await leaving;
    await settle();
    expect([listed.size, clock.waiting]).toEqual([0, 0]);
  });

  it('anew is what stays, although a renewal of what was before was under way', async () => {
    const { clock, listed, under, announcements, slowDown, names } = createRig();
    await announcements.announce(endpoint(1));
    slowDown();
    clock.advance(intervalMs);
    const again = announcements.announce(endpoint(2));
    await settle();
    expect(names()).toEqual(['write']);
    under[0]?.go();
    await settle();
    under[1]?.go();
    await again;
    expect(listed.get('one')).toEqual(endpoint(2));
    announcements.close();
  });

  it('is renewed no more after the end, also when the registry is slow', async () => {
    const { clock, under, announcements, slowDown, names } = createRig();
    await announcements.announce(endpoint(1));
    slowDown();
    clock.advance(intervalMs);
    announcements.close();
    under[0]?.go();
    await settle();
    clock.advance(3 * intervalMs);
    await settle();
    expect([names(), clock.waiting]).toEqual([['write'], 0]);
  });

  it('is not there when the registry refused it', async () => {
    const { clock, under, announcements, slowDown } = createRig();
    slowDown();
    const refused = announcements.announce(endpoint(1));
    await settle();
    under[0]?.fail();
    await expect(refused).rejects.toThrow('away');
    expect([announcements.all(), clock.waiting]).toEqual([[], 0]);
  });
});
