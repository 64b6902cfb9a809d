import { describe, expect, it } from 'vitest';
import { createNodeRandom } from '../../ports/node/random.ts';
import { createFakeClock } from '../../testing/fake-clock.ts';
import { keptBytes } from '../../testing/kept-memory.ts';
import { stateSuite } from '../../testing/state-suite.ts';
import { memoryCapabilities, MemoryStore } from './memory-store.ts';

const open = (bytesMax = 64 * 1024 * 1024) => {
  const clock = createFakeClock();
  return { clock, store: new MemoryStore({ name: 'mem', bytesMax, clock, random: createNodeRandom() }) };
};

stateSuite({
  name: 'state.in-memory',
  capabilities: memoryCapabilities,
  async open() {
    const { clock, store } = open();
    return { store, advance: clock.advance, destroy: () => store.close() };
  },
});

describe('memory store', () => {
  it('refuses writes beyond its limit, and takes them again when room is made', async () => {
    const { store } = open(2_000);
    await store.set({ key: 'a', data: new Uint8Array(1_000) });
    await expect(store.set({ key: 'b', data: new Uint8Array(1_000) })).rejects.toMatchObject({ code: 'overloaded' });
    await store.set({ key: 'a', data: new Uint8Array(1_200) });
    await store.delete({ key: 'a' });
    await store.set({ key: 'b', data: new Uint8Array(1_000) });
  });

  it('frees expired values that nobody reads, and then lets its timer go', async () => {
    const { store, clock } = open(2_000);
    await store.set({ key: 'a', data: new Uint8Array(1_000), ttlSeconds: 1 });
    expect(clock.waiting).toBe(1);
    clock.advance(3_000);
    expect(clock.waiting).toBe(0);
    await store.set({ key: 'b', data: new Uint8Array(1_000) });
  });

  it('gives no etag that another process gave', async () => {
    const [one, two] = [open().store, open().store];
    await one.set({ key: 'k', data: new Uint8Array(1) });
    await two.set({ key: 'k', data: new Uint8Array(1) });
    const etag = (await one.get({ key: 'k' }))?.etag ?? '';
    await expect(two.set({ key: 'k', data: new Uint8Array(1), etag })).rejects.toMatchObject({ kind: 'mismatch' });
  });

  it('takes no more memory than its limit says, nearly: small values cost several times their bytes', async () => {
    const bytes = await keptBytes(async () => {
      const { store } = open(16_000_000);
      for (let i = 0; ; i++) {
        const written = await store.set({ key: `shop||customer-${i}`, data: Buffer.from('a small value') }).catch(() => 'full');
        if (written === 'full') return store;
      }
    });
    expect(bytes).toBeGreaterThan(8_000_000);
    expect(bytes).toBeLessThan(24_000_000);
  });
});
