import * as v from 'valibot';
import { postgresProperties } from '../../clients/postgres/properties.ts';
import { durationMs, text } from '../../kernel/schema.ts';

const name = (pattern: RegExp) => v.pipe(text(), v.regex(pattern, 'must hold only letters, digits and underscores'));
/** A table, with its schema or without. */
const table = name(/^([A-Za-z0-9_]{1,63}\.)?[A-Za-z_][A-Za-z0-9_]{0,62}$/);

/** `state.postgresql` with Dapr's properties: `tablePrefix` is of version v2, `tableName` of v1. */
export const config = v.strictObject({
  ...postgresProperties,
  /** v2: begins the name of the table `state`; it may begin with a schema and a dot. */
  tablePrefix: v.exactOptional(name(/^([A-Za-z0-9_]{1,63}\.)?[A-Za-z0-9_]{0,50}$/)),
  /** v1: the table (`state`). */
  tableName: v.exactOptional(table),
  /** Where the state of migrations stands, shared with Dapr. */
  metadataTableName: v.optional(table, 'dapr_metadata'),
  /** Between two removals of expired rows, over all sidecars of the database; 0: never. */
  cleanupInterval: v.optional(durationMs(), '1h'),
});
