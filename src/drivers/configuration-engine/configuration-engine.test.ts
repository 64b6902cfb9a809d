import { expect, it, vi } from 'vitest';
import { silentLogger } from '../../kernel/log.ts';
import { createFakeClock } from '../../testing/fake-clock.ts';
import { configurationSuite } from '../../testing/configuration-suite.ts';
import { createMemoryContents, createMemoryEngine } from '../engine-memory/memory-engine.ts';
import { createEngineConfiguration } from './engine-configuration.ts';

const rig = () => {
  const clock = createFakeClock();
  const engine = createMemoryEngine({ clock, contents: createMemoryContents() });
  const store = createEngineConfiguration({ engine, clock, log: silentLogger, namespace: '', space: 's' });
  const settle = async (ms = 20) => {
    for (let step = 0; step < 5; step++) {
      clock.advance(ms / 5);
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  return { clock, engine, store, settle };
};

configurationSuite({
  name: 'configuration.proa',
  async open() {
    const { engine, store, settle } = rig();
    const write = async (items: Readonly<Record<string, string | undefined>>) => {
      const entries = Object.entries(items);
      await store.put?.(Object.fromEntries(entries.flatMap(([key, value]) => (value === undefined ? [] : [[key, { value }]]))));
      await store.remove?.(entries.flatMap(([key, value]) => (value === undefined ? [key] : [])));
    };
    return { store, settle: () => settle(), write, destroy: () => engine.close() };
  },
});

it('hears of changes by polling when every hint is lost, and survives a failing read', async () => {
  const { engine, store, settle } = rig();
  engine.watch = () => () => {};
  const changed = vi.fn<(items: unknown) => void>();
  await store.subscribe([], {}, changed);
  const range = engine.range.bind(engine);
  engine.range = () => Promise.reject(new Error('down'));
  await store.put?.({ k: { value: 'v', metadata: { m: '1' } } });
  await settle(6_000);
  expect(changed).not.toHaveBeenCalled();
  engine.range = range;
  await settle(6_000);
  expect(changed.mock.calls).toEqual([[expect.objectContaining({ k: expect.objectContaining({ value: 'v', metadata: { m: '1' } }) })]]);
  await store.close();
});
