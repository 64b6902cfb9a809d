import * as v from 'valibot';
import { text } from '../../kernel/schema.ts';

/** `middleware.http.ratelimit`. */
export const config = v.strictObject({
  /** Per client address; fractions are allowed. */
  maxRequestsPerSecond: v.optional(
    v.pipe(
      text(),
      v.check((value) => /^\d+(\.\d+)?$/.test(value) && Number(value) > 0, 'must be a positive number'),
      v.transform(Number),
    ),
    '100',
  ),
});
