import * as v from 'valibot';
import { postgresProperties } from '../../clients/postgres/properties.ts';
import { text } from '../../kernel/schema.ts';

/** `configuration.postgresql` with Dapr's properties. */
export const config = v.strictObject({
  ...postgresProperties,
  /** The table with the columns `key`, `value`, `version` and `metadata`; whoever writes the configuration makes it. */
  table: v.pipe(text(), v.regex(/^([A-Za-z0-9_]{1,63}\.)?[A-Za-z_][A-Za-z0-9_]{0,62}$/, 'must hold only letters, digits and underscores')),
  /** The channel of NOTIFY on which the table's trigger tells of changes; subscribers may name another as `pgNotifyChannel`. Absent: changes are noticed within 5 s. */
  notifyChannel: v.exactOptional(v.pipe(text(), v.regex(/^[A-Za-z_][A-Za-z0-9_]{0,62}$/, 'must be a plain identifier'))),
});
