import { defineDriver } from '../../contracts/driver.ts';
import { config } from './config.ts';
import { memoryCapabilities, MemoryStore } from './memory-store.ts';

export default defineDriver({
  kind: 'state',
  types: ['state.in-memory'],
  versions: ['v1'],
  status: 'stable',
  perProcess: true,
  capabilities: memoryCapabilities,
  config,
  open: async ({ bytesMax }, { ports, name }) => new MemoryStore({ name, bytesMax, clock: ports.clock, random: ports.random }),
});
