import { silentLogger } from '../../kernel/log.ts';
import { createFakeClock } from '../../testing/fake-clock.ts';
import { resolverSuite } from '../../testing/resolver-suite.ts';
import { createMemoryRegistry, createMemoryRegistryContents } from './memory-registry.ts';

resolverSuite({
  name: 'memory',
  can: ['announce', 'namespaces', 'facts', 'list', 'stale'],
  leaseMs: 18_000,
  rig: async () => {
    const clock = createFakeClock();
    const contents = createMemoryRegistryContents();
    return {
      open: async () => createMemoryRegistry({ clock, log: silentLogger, contents }),
      async pass(ms) {
        clock.advance(ms);
        await new Promise((resolve) => setImmediate(resolve));
      },
      async fail() {
        contents.failing = true;
        return async () => {
          contents.failing = false;
        };
      },
      close: async () => {},
    };
  },
});
