import { openRedis } from '../../clients/redis/redis-client.ts';
import { defineDriver } from '../../contracts/driver.ts';
import { ProaError } from '../../kernel/errors.ts';
import { config } from './config.ts';
import { createRedisConfiguration } from './redis-configuration.ts';

export default defineDriver({
  kind: 'configuration',
  types: ['configuration.redis'],
  versions: ['v1'],
  status: 'beta',
  capabilities: [],
  config,
  async open(properties, { ports, log }) {
    const what = 'configuration.redis';
    if (properties.redisType === 'cluster')
      throw new ProaError('component.init-failed', `${what}: a cluster tells of changes only node by node: use one server or sentinels`);
    const redis = await openRedis({ properties, clock: ports.clock, what });
    return createRedisConfiguration({ redis, clock: ports.clock, log, database: properties.redisDB });
  },
});
