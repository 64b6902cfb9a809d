import * as v from 'valibot';
import { defineDriver } from '../../contracts/driver.ts';
import { MemoryBroker } from './memory-broker.ts';

/** The bus inside one process; for tests and throw-away runs. */
export default defineDriver({
  kind: 'pubsub',
  types: ['pubsub.in-memory'],
  versions: ['v1'],
  status: 'stable',
  perProcess: true,
  capabilities: ['SUBSCRIBE_WILDCARDS'],
  config: v.strictObject({}),
  async open(_config, { ports, log }) {
    return new MemoryBroker(ports.clock, log);
  },
});
