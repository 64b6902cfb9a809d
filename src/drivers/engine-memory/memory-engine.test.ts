import { describe, expect, it } from 'vitest';
import { engineSuite } from '../../testing/engine-suite.ts';
import { createFakeClock } from '../../testing/fake-clock.ts';
import { createMemoryContents, createMemoryEngine } from './memory-engine.ts';

engineSuite({
  name: 'memory',
  async open() {
    const clock = createFakeClock();
    const contents = createMemoryContents();
    const open = () => createMemoryEngine({ clock, contents });
    let engine = open();
    return {
      engine,
      async reopen() {
        await engine.close();
        return (engine = open());
      },
      async crash() {
        engine.crash();
        return (engine = open());
      },
      second: async () => open(),
      advance: clock.advance,
      destroy: () => engine.close(),
    };
  },
});

describe('memory engine', () => {
  it('loses at a crash what was not committed, and says so', async () => {
    const clock = createFakeClock();
    const contents = createMemoryContents();
    const engine = createMemoryEngine({ clock, contents });
    await engine.commit({ put: [{ key: 'kept', value: new Uint8Array(1) }] });
    const queued = engine.commit({ put: [{ key: 'lost', value: new Uint8Array(1) }] });
    engine.crash();
    expect((await queued).status).toBe('unknown');
    const next = createMemoryEngine({ clock, contents });
    expect(await next.get('kept')).toBeDefined();
    expect(await next.get('lost')).toBeUndefined();
  });
});
