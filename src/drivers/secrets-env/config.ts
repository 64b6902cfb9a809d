import * as v from 'valibot';
import { text } from '../../kernel/schema.ts';

/** `secretstores.local.env`. */
export const config = v.strictObject({
  /** Put before the name of a secret to make the variable's name; names in answers come without it. */
  prefix: v.optional(text(), ''),
});
