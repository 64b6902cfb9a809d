import { describe, expect, it } from 'vitest';
import { createFakeClock } from '../../testing/fake-clock.ts';
import { silentLogger } from '../../kernel/log.ts';
import type { Endpoint } from '../../contracts/resolver.ts';
import { createMemoryContents, createMemoryEngine } from '../engine-memory/memory-engine.ts';
import { createEngineRegistry } from './engine-registry.ts';

const endpoint = (instance: string): Endpoint => ({
  appId: 'a',
  namespace: 'n',
  instance,
  http: { path: `/${instance}.h` },
  grpc: { path: `/${instance}.g` },
});

function machine() {
  const clock = createFakeClock();
  const contents = createMemoryContents();
  const registry = () => createEngineRegistry({ engine: createMemoryEngine({ clock, contents }), clock, log: silentLogger, ttlMs: 9_000 });
  return { clock, registry };
}

describe('the registry over the engine', () => {
  it('finds what another process announced, and tells when it leaves', async () => {
    const { registry } = machine();
    const [here, there] = [registry(), registry()];
    expect(await here.resolve('a', 'n')).toEqual({ endpoints: [], source: 'engine' });
    const leave = await there.announce(endpoint('one'));
    expect(await here.resolve('a', 'n')).toEqual({ endpoints: [endpoint('one')], source: 'engine' });
    expect((await here.resolve('a', 'other')).endpoints).toEqual([]);
    expect(await here.list()).toHaveLength(1);
    await leave();
    await here.close();
    expect((await registry().resolve('a', 'n')).endpoints).toEqual([]);
  });

  it('forgets an instance that stopped renewing within its time to live, and keeps one that lives', async () => {
    const { clock, registry } = machine();
    const [watcher, dying, living] = [registry(), registry(), registry()];
    await dying.announce(endpoint('dying'));
    await living.announce(endpoint('living'));
    expect((await watcher.resolve('a', 'n')).endpoints).toHaveLength(2);
    const changes: string[] = [];
    watcher.onChange((appId) => changes.push(appId));
    await dying.close();
    for (let i = 0; i < 8; i++) {
      clock.advance(3_000);
      await settled();
    }
    expect((await watcher.resolve('a', 'n')).endpoints.map(({ instance }) => instance)).toEqual(['living']);
    expect(changes).toContain('a');
  });
});

/** Lets the commits that a timer started come through. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
