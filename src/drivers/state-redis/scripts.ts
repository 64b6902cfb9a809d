import type { RedisScript } from '../../clients/redis/redis-client.ts';

/*
 * The layout is Dapr's: a hash per key with the fields `data`, `version` (the etag) and, once it was written with first-write, `first-write`. A text
 * without a hash is what Dapr's first versions wrote; it is read, and becomes a hash when it is written.
 */

/** [data, version, milliseconds to live (-1: for ever)]; nothing for a key that is not there. */
export const readScript: RedisScript = {
  name: 'proaStateRead',
  lua: `
local kind = redis.call('TYPE', KEYS[1]).ok
if kind == 'none' then return false end
if kind == 'string' then return {redis.call('GET', KEYS[1]), '0', redis.call('PTTL', KEYS[1])} end
if kind ~= 'hash' then return redis.error_reply('WRONGTYPE the key holds a ' .. kind .. ', which state.redis does not read') end
local found = redis.call('HMGET', KEYS[1], 'data', 'version')
if not found[1] then return false end
return {found[1], found[2] or '0', redis.call('PTTL', KEYS[1])}`,
};

/**
 * All of some operations or none; answers 0, or the number of the first one whose condition does not hold. Five arguments for each key: `set` or `del`, the
 * etag (empty: none), 1 for first-write, seconds to live (empty: for ever), the data. A key that comes back gets a version out of the server's clock,
 * so that an etag of its former life never fits again; Dapr counts on from there.
 */
export const writeScript: RedisScript = {
  name: 'proaStateWrite',
  lua: `
local function version(key)
  local kind = redis.call('TYPE', key).ok
  if kind == 'none' then return false end
  if kind ~= 'hash' then return '0' end
  return redis.call('HGET', key, 'version') or '0'
end
local known = {}
for i, key in ipairs(KEYS) do
  local at = (i - 1) * 5
  local there = known[key]
  if there == nil then there = version(key) end
  if ARGV[at + 2] ~= '' then
    if there ~= ARGV[at + 2] then return i end
  elseif ARGV[at + 3] == '1' and there then
    return i
  end
  known[key] = ARGV[at + 1] == 'set'
end
local now = redis.call('TIME')
local fresh = string.format('%.0f', now[1] * 1000000 + now[2])
for i, key in ipairs(KEYS) do
  local at = (i - 1) * 5
  if ARGV[at + 1] == 'del' then
    redis.call('DEL', key)
  else
    if redis.call('TYPE', key).ok ~= 'hash' then redis.call('DEL', key) end
    redis.call('HSET', key, 'data', ARGV[at + 5])
    if redis.call('HEXISTS', key, 'version') == 1 then
      redis.call('HINCRBY', key, 'version', 1)
    else
      redis.call('HSET', key, 'version', fresh)
    end
    if ARGV[at + 3] == '1' then redis.call('HSET', key, 'first-write', 0) end
    if ARGV[at + 4] ~= '' then redis.call('EXPIRE', key, ARGV[at + 4]) else redis.call('PERSIST', key) end
  end
end
return 0`,
};
