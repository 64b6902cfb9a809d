import * as v from 'valibot';
import { durationMs, oneOf, secretText, text, wholeNumber } from '../../kernel/schema.ts';

/** Properties that all PostgreSQL components share, with Dapr's names. */
export const postgresProperties = {
  /** A URL (`postgres://user@host/db`) or libpq's pairs (`host=localhost user=postgres dbname=app`). */
  connectionString: v.exactOptional(secretText()),
  /** These overrule what the connection string says. */
  host: v.exactOptional(text()),
  hostaddr: v.exactOptional(text()),
  port: v.exactOptional(wholeNumber(1, 65_535)),
  database: v.exactOptional(text()),
  user: v.exactOptional(text()),
  password: v.exactOptional(secretText()),
  /** Path of a PEM file with the authorities that may have signed the server's certificate. */
  sslRootCert: v.exactOptional(text()),
  /** Time for a statement. */
  timeout: v.optional(v.pipe(durationMs(), v.minValue(1)), '20s'),
  /** Connections, at most; 0: 10. */
  maxConns: v.optional(wholeNumber(0, 1_000), '0'),
  /** Idle connections are closed after this time. */
  connectionMaxIdleTime: v.optional(durationMs(), '30s'),
  /** Accepted for Dapr's files: every statement here stands alone, so poolers need no special mode. */
  queryExecMode: v.exactOptional(oneOf('cache_statement', 'cache_describe', 'describe_exec', 'exec', 'simple_protocol')),
};

const schema = v.strictObject(postgresProperties);

/** What the shared properties come out as. */
export type PostgresProperties = v.InferOutput<typeof schema>;
