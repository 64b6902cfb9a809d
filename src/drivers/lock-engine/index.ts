import { defineDriver } from '../../contracts/driver.ts';
import { config } from './config.ts';
import { createEngineLocks } from './engine-locks.ts';

export default defineDriver({
  kind: 'lock',
  types: ['lock.proa'],
  versions: ['v1'],
  status: 'stable',
  capabilities: [],
  config,
  async open({ space }, context) {
    const engine = await context.engine();
    return createEngineLocks({ engine, random: context.ports.random, namespace: context.namespace, space: space || context.name });
  },
});
