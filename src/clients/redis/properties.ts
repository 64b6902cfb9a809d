import * as v from 'valibot';
import { durationMs, flag, oneOf, secretText, text, wholeNumber } from '../../kernel/schema.ts';

/** Properties that all Redis components share, with Dapr's names. */
export const redisProperties = {
  /** `host:port`; a list with commas for a cluster (some of its nodes) or, with `failover`, for the sentinels. */
  redisHost: v.pipe(text(), v.nonEmpty('must name a server such as localhost:6379')),
  /** Of hosts that are written without a port. */
  redisPort: v.optional(wholeNumber(1, 65_535), '6379'),
  /** User of Redis' access lists; absent: the default user. */
  redisUsername: v.exactOptional(text()),
  redisPassword: v.exactOptional(secretText()),
  sentinelUsername: v.exactOptional(text()),
  sentinelPassword: v.exactOptional(secretText()),
  enableTLS: v.optional(flag(), 'false'),
  /** With TLS: takes any certificate. */
  insecureSkipTLSVerify: v.optional(flag(), 'false'),
  /** PEM of the client's certificate. */
  clientCert: v.exactOptional(text()),
  /** PEM of its key. */
  clientKey: v.exactOptional(secretText()),
  redisType: v.optional(oneOf('node', 'cluster'), 'node'),
  redisDB: v.optional(wholeNumber(0, 1_000_000), '0'),
  /** `redisHost` names sentinels: they say who the master is. */
  failover: v.optional(flag(), 'false'),
  /** With `failover`: the name under which the sentinels know it. */
  sentinelMasterName: v.exactOptional(text()),
  /** How often a read is repeated that a broken connection took with it. Writes are never repeated by the driver. */
  redisMaxRetries: v.optional(wholeNumber(-1, 100), '3'),
  /** Between attempts to connect: the first pause. */
  redisMinRetryInterval: v.optional(durationMs(), '8ms'),
  /** The longest pause. */
  redisMaxRetryInterval: v.optional(durationMs(), '512ms'),
  /** Time to connect, and how long a command waits for a connection. */
  dialTimeout: v.optional(durationMs(), '5s'),
  /** Time for an answer. */
  readTimeout: v.optional(durationMs(), '3s'),
  /** Accepted for Dapr's files, like all that follow: commands share one connection, which needs no pool. */
  writeTimeout: v.exactOptional(durationMs()),
  poolSize: v.exactOptional(wholeNumber(0)),
  poolTimeout: v.exactOptional(durationMs()),
  maxConnAge: v.exactOptional(durationMs()),
  minIdleConns: v.exactOptional(wholeNumber(0)),
  idleCheckFrequency: v.exactOptional(durationMs()),
  idleTimeout: v.exactOptional(durationMs()),
};

const schema = v.strictObject(redisProperties);

/** What the shared properties come out as. */
export type RedisProperties = v.InferOutput<typeof schema>;
