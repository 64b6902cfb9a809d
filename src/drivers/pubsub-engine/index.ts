import { defineDriver } from '../../contracts/driver.ts';
import { EngineBroker } from './broker.ts';
import { engineBrokerConfig } from './config.ts';

/** Durable publish and subscribe on the embedded engine: no server, no account, survives restarts. */
export default defineDriver({
  kind: 'pubsub',
  types: ['pubsub.proa'],
  versions: ['v1'],
  status: 'stable',
  capabilities: ['MESSAGE_TTL', 'BULK_PUBSUB'],
  config: engineBrokerConfig,
  async open(config, context) {
    const { ports, log, name, namespace } = context;
    const engine = await context.engine();
    return new EngineBroker(config, { engine, clock: ports.clock, random: ports.random, log, namespace, name });
  },
});
