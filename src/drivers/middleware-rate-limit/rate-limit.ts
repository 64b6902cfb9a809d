import type { Clock } from '../../kernel/ports.ts';
import type { HttpMiddleware } from '../../contracts/middleware.ts';
import { plainResponse } from '../../contracts/plain-response.ts';
import { clientKey } from './client-key.ts';

const clientsMax = 10_000;

interface Bucket {
  tokens: number;
  atMs: number;
}

/**
 * A token bucket per client address: one second's worth of requests at once, refilled evenly; beyond that 429. The address is the peer's, never a header's. At
 * 10 000 addresses the one that was idle longest is forgotten, which gives it a full bucket.
 */
export function rateLimit(perSecond: number, clock: Clock): HttpMiddleware {
  const burst = Math.max(1, Math.floor(perSecond));
  const buckets = new Map<string, Bucket>();
  const take = (key: string): number => {
    const now = clock.mono();
    const bucket = buckets.get(key) ?? { tokens: burst, atMs: now };
    bucket.tokens = Math.min(burst, bucket.tokens + ((now - bucket.atMs) * perSecond) / 1000);
    bucket.atMs = now;
    // Taken out and put back: the map's order is the order of use.
    buckets.delete(key);
    buckets.set(key, bucket);
    if (buckets.size > clientsMax) buckets.delete(buckets.keys().next().value as string);
    // Sums of fractions miss a whole token by a hair.
    if (bucket.tokens < 1 - 1e-9) return ((1 - bucket.tokens) * 1000) / perSecond;
    bucket.tokens -= 1;
    return 0;
  };
  return {
    filter: (next) => (call) => {
      const waitMs = take(clientKey(call.input.remote));
      if (waitMs === 0) return next(call);
      const headers = ['retry-after', String(Math.max(1, Math.ceil(waitMs / 1000)))];
      return Promise.resolve(plainResponse(call.input, 429, { text: 'You have reached maximum request limit.', headers }));
    },
    close: async () => {},
  };
}
