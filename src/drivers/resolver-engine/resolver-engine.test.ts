import { describe, expect, it } from 'vitest';
import type { Endpoint } from '../../contracts/resolver.ts';
import { silentLogger } from '../../kernel/log.ts';
import { changedEngine } from '../../testing/changed-engine.ts';
import { createFakeClock } from '../../testing/fake-clock.ts';
import { resolverSuite } from '../../testing/resolver-suite.ts';
import { createMemoryContents, createMemoryEngine } from '../engine-memory/memory-engine.ts';
import { createEngineRegistry } from './engine-registry.ts';

const turn = () => new Promise((resolve) => setImmediate(resolve));

function machine() {
  const clock = createFakeClock();
  const contents = createMemoryContents();
  const state = { failing: false };
  const failing = <T>(call: () => Promise<T>): Promise<T> => (state.failing ? Promise.reject(new Error('the owner is gone')) : call());
  const registry = () => {
    const memory = createMemoryEngine({ clock, contents });
    const engine = changedEngine(memory, { range: (query) => failing(() => memory.range(query)) });
    return createEngineRegistry({ engine, clock, log: silentLogger, ttlMs: 9_000 });
  };
  return { clock, registry, state };
}

resolverSuite({
  name: 'engine',
  can: ['announce', 'namespaces', 'facts', 'list', 'stale'],
  leaseMs: 18_000,
  rig: async () => {
    const { clock, registry, state } = machine();
    return {
      open: async () => registry(),
      async pass(ms) {
        clock.advance(ms);
        await turn();
      },
      async fail() {
        state.failing = true;
        return async () => {
          state.failing = false;
        };
      },
      close: async () => {},
    };
  },
});

describe('the registry over the engine', () => {
  it('keeps the sockets of this machine, which other registries leave out', async () => {
    const { registry } = machine();
    const endpoint: Endpoint = { appId: 'a', namespace: 'n', instance: 'i', local: { path: '/i' } };
    const [here, there] = [registry(), registry()];
    await there.announce(endpoint);
    expect((await here.resolve('a', 'n')).endpoints).toEqual([endpoint]);
  });
});
