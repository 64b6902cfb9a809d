import type { RedisClient, RedisScript } from '../../clients/redis/redis-client.ts';
import { type LockStore, type UnlockStatus, unlockStatus } from '../../contracts/lock.ts';

/** Counts grants, for all locks of the database. */
const fenceKey = 'proa:lock:fence';

/**
 * Answers the fencing token, or nothing when the lock is held. The token never falls below the server's clock, so that it rises also over a restart that
 * lost everything.
 */
const lockScript: RedisScript = {
  name: 'proaLock',
  lua: `
if not redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return false end
local now = redis.call('TIME')
local token = math.max(tonumber(redis.call('GET', KEYS[2]) or '0') + 1, now[1] * 1000000 + now[2])
redis.call('SET', KEYS[2], string.format('%.0f', token))
return string.format('%.0f', token)`,
};

const unlockScript: RedisScript = {
  name: 'proaUnlock',
  lua: `
local holder = redis.call('GET', KEYS[1])
if not holder then return ${unlockStatus.doesNotExist} end
if holder ~= ARGV[1] then return ${unlockStatus.belongsToOthers} end
redis.call('DEL', KEYS[1])
return ${unlockStatus.success}`,
};

/** Locks in Redis as Dapr keeps them: a text with the owner, which expires. Proa adds fencing tokens. Asynchronous replication can lose a lock in a failover. */
export function createRedisLocks(redis: RedisClient): LockStore {
  return {
    async tryLock(resource, owner, expirySeconds) {
      const call = { keys: [resource, fenceKey], args: [owner, Math.ceil(expirySeconds * 1_000)] };
      const token = await redis.script(lockScript, 'write', call);
      return token === null ? { success: false } : { success: true, fencingToken: Number(Buffer.from(token as Uint8Array).toString()) };
    },
    async unlock(resource, owner) {
      return (await redis.script(unlockScript, 'write', { keys: [resource], args: [owner] })) as UnlockStatus;
    },
    close: () => redis.close(),
  };
}
