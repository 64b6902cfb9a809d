import { defineDriver } from '../../contracts/driver.ts';
import { config } from './config.ts';
import { createEngineConfiguration } from './engine-configuration.ts';

export default defineDriver({
  kind: 'configuration',
  types: ['configuration.proa'],
  versions: ['v1'],
  status: 'stable',
  capabilities: [],
  config,
  async open({ space }, context) {
    const { ports, log, namespace, name } = context;
    return createEngineConfiguration({ engine: await context.engine(), clock: ports.clock, log, namespace, space: space || name });
  },
});
