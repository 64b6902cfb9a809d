import * as v from 'valibot';
import { oneOf, text } from '../../kernel/schema.ts';

/** `middleware.http.uppercase`. */
export const config = v.strictObject({
  /** Which bodies: `request` (default), `response` or `both`. */
  direction: v.optional(
    v.pipe(
      text(),
      v.transform((value) => (value === '' ? 'request' : value.toLowerCase())),
      oneOf('request', 'response', 'both'),
    ),
    'request',
  ),
});
