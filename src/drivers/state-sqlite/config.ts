import * as v from 'valibot';
import { durationMs, flag, text } from '../../kernel/schema.ts';

const identifier = v.pipe(text(), v.regex(/^[A-Za-z0-9_]+$/, 'must hold only letters, digits and underscores'));

/**
 * `state.sqlite` with Dapr's properties. `connectionString` is a path, `file:` with a path (and `mode=ro`), or `:memory:`. `timeout` is accepted for Dapr's files;
 * statements run in this process and end by themselves. `cleanupInterval` 0 leaves expired rows in the file until they are written again.
 */
export const config = v.strictObject({
  connectionString: v.pipe(text(), v.nonEmpty('must name a file or be :memory:')),
  timeout: v.optional(durationMs(), '20s'),
  busyTimeout: v.optional(durationMs(), '2s'),
  disableWAL: v.optional(flag(), 'false'),
  tableName: v.optional(identifier, 'state'),
  metadataTableName: v.optional(identifier, 'metadata'),
  cleanupInterval: v.optional(durationMs(), '0s'),
});
