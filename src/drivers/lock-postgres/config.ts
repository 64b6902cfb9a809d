import * as v from 'valibot';
import { postgresProperties } from '../../clients/postgres/properties.ts';
import { text } from '../../kernel/schema.ts';

/** `lock.postgresql`, Proa's own. */
export const config = v.strictObject({
  ...postgresProperties,
  /** The table of the locks, made when it is missing; the sequence beside it, `<table>_token`, gives the fencing tokens. */
  tableName: v.optional(
    v.pipe(
      text(),
      v.regex(/^([A-Za-z_][A-Za-z0-9_]{0,62}\.)?[A-Za-z_][A-Za-z0-9_]{0,50}$/, 'must hold only letters, digits and underscores'),
    ),
    'proa_locks',
  ),
});
