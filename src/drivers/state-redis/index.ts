import { openRedis } from '../../clients/redis/redis-client.ts';
import { defineDriver } from '../../contracts/driver.ts';
import { config } from './config.ts';
import { createRedisStore, redisCapabilities } from './redis-store.ts';

export default defineDriver({
  kind: 'state',
  types: ['state.redis'],
  versions: ['v1'],
  status: 'beta',
  capabilities: redisCapabilities,
  config,
  async open(properties, { ports }) {
    const redis = await openRedis({ properties, clock: ports.clock, what: 'state.redis' });
    return createRedisStore({
      redis,
      clock: ports.clock,
      ...(properties.ttlInSeconds !== undefined && properties.ttlInSeconds > 0 && { ttlSeconds: properties.ttlInSeconds }),
    });
  },
});
