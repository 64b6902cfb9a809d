import { defineDriver } from '../../contracts/driver.ts';
import { config } from './config.ts';
import { createEngineStore, engineCapabilities } from './engine-store.ts';

export default defineDriver({
  kind: 'state',
  types: ['state.proa'],
  versions: ['v1'],
  status: 'stable',
  capabilities: engineCapabilities,
  config,
  async open({ space }, context) {
    const { ports, log, name, namespace } = context;
    const layout = { namespace, space: space === undefined || space === '' ? name : space };
    return createEngineStore({ engine: await context.engine(), random: ports.random, log, ...layout });
  },
});
