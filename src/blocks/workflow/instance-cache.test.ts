import { expect, it } from 'vitest';
import { keptBytes } from '../../testing/kept-memory.ts';
import type { Header } from './header.ts';
import { InstanceCache } from './instance-cache.ts';
import { LiveInstance } from './live-instance.ts';
import { decodeRecord, encodeRecord } from './record.ts';

const home = { group: 'g', index: 0, epoch: 1, condition: { kind: 'version', key: 'k', version: 1 }, alive: true, lapses: 0 } as const;
const blank = { execution: 'e', name: 'n', status: 'RUNNING', createdMs: 0, updatedMs: 0, lastMs: 0, events: 3, chunks: 0 } as const;

/** An instance as it is read from its record. */
function instance(id: string, more: Partial<Header>, lines: readonly string[]): LiveInstance {
  const live = new LiveInstance(id, home);
  const value = encodeRecord({ ...blank, historyChars: 0, ids: [], open: {}, ...more }, lines);
  const { header, tail } = decodeRecord({ key: id, value, version: 1 });
  Object.assign(live, { header, tail, unread: false });
  return live;
}

it.each([
  ['a large custom status', (i: number) => instance(`i-${i}`, { customStatus: `${i} `.repeat(5_000) }, ['{"type":"timerFired"}'])],
  ['events that wait for the first turn', (i: number) => instance(`i-${i}`, { pending: [`"${`${i} `.repeat(5_000)}"`] }, [])],
  [
    'many new events',
    (i: number) =>
      instance(
        `i-${i}`,
        {},
        Array.from({ length: 100 }, (_, at) => `{"i":${i},"at":${at},"text":"${'x'.repeat(200)}"}`),
      ),
  ],
])('holds no more than its bound, whatever its instances hold: %s', async (_, make) => {
  const cache = new InstanceCache(4_000_000);
  const bytes = await keptBytes(() => {
    for (let i = 0; i < 1_200; i++) cache.add(make(i));
  });
  // All of them would be 20 MB and more.
  expect(bytes).toBeLessThan(10_000_000);
  expect(cache.size).toBeGreaterThan(50);
});

it('lets the instances go that were not used for longest, and none with work under way', () => {
  const cache = new InstanceCache(20_000);
  const busy = instance('busy', {}, []);
  busy.driving = true;
  cache.add(busy);
  for (let i = 0; i < 30; i++) cache.add(instance(`i-${i}`, {}, []));
  expect([cache.get('busy') === busy, cache.get('i-0'), cache.get('i-29') !== undefined]).toEqual([true, undefined, true]);
  expect(cache.size).toBeLessThanOrEqual(10);
});
