import * as v from 'valibot';
import { durationMs, secretText, text } from '../../kernel/schema.ts';

/** `spec.nameResolution.configuration` of `proa.zookeeper`. */
export const config = v.strictObject({
  /** `host:port` of the servers, separated by commas. */
  servers: v.optional(text(), '127.0.0.1:2181'),
  /** The node below which everything lies. */
  path: v.optional(
    v.pipe(
      text(),
      v.check((value) => /^(\/[A-Za-z0-9_][A-Za-z0-9_.-]*)+$/.test(value), 'must be a path such as /proa/registry'),
    ),
    '/proa/registry',
  ),
  /** The session's time limit: what dies leaves after this time. The server may allow other values than are asked for. */
  ttl: v.optional(v.pipe(durationMs(), v.minValue(2_000), v.maxValue(600_000)), '15s'),
  /** `user:password` of the digest scheme; nodes are then made for that user alone. */
  digest: v.exactOptional(
    v.pipe(
      secretText(),
      v.check((value) => /^[^:]+:.+$/.test(value), 'must be user:password'),
    ),
  ),
});
