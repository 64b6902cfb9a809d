import * as v from 'valibot';
import { flag, text } from '../../kernel/schema.ts';

/** `secretstores.local.file`. */
export const config = v.strictObject({
  /** A JSON file; a relative path starts at the working directory. */
  secretsFile: v.pipe(text(), v.nonEmpty('must name a JSON file')),
  /** Joins the names of nested objects. */
  nestedSeparator: v.optional(
    v.pipe(
      text(),
      v.transform((value) => (value === '' ? ':' : value)),
    ),
    ':',
  ),
  /** Keeps one level: a nested object is one secret with several pairs. */
  multiValued: v.optional(flag(), 'false'),
});
