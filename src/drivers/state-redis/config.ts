import * as v from 'valibot';
import { redisProperties } from '../../clients/redis/properties.ts';
import { text, wholeNumber } from '../../kernel/schema.ts';

/** `state.redis` with Dapr's properties. */
export const config = v.strictObject({
  ...redisProperties,
  /** Time to live of values that are written without one. */
  ttlInSeconds: v.exactOptional(wholeNumber(-1, 2_147_483_647)),
  /** Dapr's queries need the modules RediSearch and RedisJSON; this driver has none. */
  queryIndexes: v.exactOptional(
    v.pipe(
      text(),
      v.check((value) => value.trim() === '', 'asks for queries, which state.redis does not have here: leave it out, or use state.proa'),
    ),
  ),
});
