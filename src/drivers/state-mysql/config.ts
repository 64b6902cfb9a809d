import * as v from 'valibot';
import { durationMs, secretText, text, wholeNumber } from '../../kernel/schema.ts';

const identifier = v.pipe(text(), v.regex(/^[A-Za-z0-9_]{1,64}$/, 'must hold only letters, digits and underscores'));

/** `state.mysql` with Dapr's properties. */
export const config = v.strictObject({
  /** As Go's driver writes it: `user:password@tcp(host:3306)/?tls=true`. */
  connectionString: v.pipe(secretText(), v.nonEmpty('must name a server: user:password@tcp(host:3306)/')),
  /** The database; made when it is missing. */
  schemaName: v.optional(identifier, 'dapr_state_store'),
  tableName: v.optional(identifier, 'state'),
  metadataTableName: v.optional(identifier, 'dapr_metadata'),
  /** Between two removals of expired rows, over all sidecars of the database; 0: never. */
  cleanupInterval: v.optional(durationMs(), '1h'),
  /** Time for a statement; another word for `timeout`. */
  timeoutInSeconds: v.exactOptional(wholeNumber(1, 86_400)),
  /** Time for a statement (20s). */
  timeout: v.exactOptional(v.pipe(durationMs(), v.minValue(1))),
  /** With `tls=custom` in the connection string: PEM file of the authority that signed the server's certificate. */
  pemPath: v.exactOptional(text()),
  /** Connections, at most. Proa's own. */
  maxConns: v.optional(wholeNumber(1, 1_000), '10'),
});
