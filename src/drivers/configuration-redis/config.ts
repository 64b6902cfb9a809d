import * as v from 'valibot';
import { redisProperties } from '../../clients/redis/properties.ts';

/** `configuration.redis` with Dapr's properties. */
export const config = v.strictObject(redisProperties);
