import { openRedis } from '../../clients/redis/redis-client.ts';
import { defineDriver } from '../../contracts/driver.ts';
import { ProaError } from '../../kernel/errors.ts';
import { config } from './config.ts';
import { createRedisLocks } from './redis-locks.ts';

export default defineDriver({
  kind: 'lock',
  types: ['lock.redis'],
  versions: ['v1'],
  status: 'beta',
  capabilities: [],
  config,
  async open(properties, { ports }) {
    const refuse = (why: string): ProaError =>
      new ProaError('component.init-failed', `lock.redis: ${why}`, {
        hint: 'use one Redis server, sentinels (failover), lock.etcd or lock.proa',
      });
    if (properties.redisType === 'cluster') throw refuse('a cluster would forget locks when a node fails over');
    const redis = await openRedis({ properties, clock: ports.clock, what: 'lock.redis' });
    const replicas = properties.failover ? 0 : await redis.replicas();
    if (replicas > 0) {
      await redis.close();
      throw refuse(`the server has ${replicas} replicas; one that takes over by itself would not know the locks`);
    }
    return createRedisLocks(redis);
  },
});
