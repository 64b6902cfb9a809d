import * as v from 'valibot';
import { durationMs, secretText, text } from '../../kernel/schema.ts';

/** `state.mongodb` with Dapr's properties. */
export const config = v.strictObject({
  /** The whole address: `mongodb://…` or `mongodb+srv://…`. Without it, `host` or `server` says where. */
  connectionString: v.exactOptional(secretText()),
  /** `host:port`; several of a replica set with commas. */
  host: v.exactOptional(text()),
  /** A name whose DNS SRV records name the servers. */
  server: v.exactOptional(text()),
  username: v.exactOptional(text()),
  password: v.exactOptional(secretText()),
  /** Also where users are looked up, unless `params` has an `authSource`. */
  databaseName: v.optional(v.pipe(text(), v.nonEmpty()), 'daprStore'),
  collectionName: v.optional(v.pipe(text(), v.nonEmpty()), 'daprCollection'),
  /** How many servers acknowledge a write, on disk: `majority` or a number. Default: what the connection string says, else the server. */
  writeconcern: v.exactOptional(v.pipe(text(), v.regex(/^(majority|[1-9]\d?|)$/, 'must be `majority` or a number of servers'))),
  /** What reads may see: `available`, `local`, `linearizable`, `majority`, `snapshot`. Default: what the connection string says, else the server. */
  readconcern: v.exactOptional(
    v.pipe(
      text(),
      v.regex(
        /^(available|local|linearizable|majority|snapshot|)$/,
        'must be `available`, `local`, `linearizable`, `majority` or `snapshot`',
      ),
    ),
  ),
  /** Options of MongoDB's connection strings: `?authSource=admin&tls=true`. */
  params: v.exactOptional(text()),
  /** For a connection, and for an answer. */
  operationTimeout: v.optional(v.pipe(durationMs(), v.minValue(1)), '5s'),
});
