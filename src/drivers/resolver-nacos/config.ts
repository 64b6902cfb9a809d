import * as v from 'valibot';
import { durationMs, secretText, text } from '../../kernel/schema.ts';

/** `spec.nameResolution.configuration` of `proa.nacos`. */
export const config = v.strictObject({
  /** URL of the server, without its context path. */
  url: v.optional(text(), 'http://127.0.0.1:8848'),
  /** The path below which its API lies. */
  contextPath: v.optional(text(), '/nacos'),
  /** Id of Nacos' namespace; absent: `public`. */
  namespaceId: v.exactOptional(text()),
  /** Group of the services. */
  group: v.optional(text(), 'DEFAULT_GROUP'),
  /** What sends no beat for so long is unhealthy, and gone after twice that. */
  ttl: v.optional(v.pipe(durationMs(), v.minValue(1_000), v.maxValue(600_000)), '15s'),
  /** With `password`: a user of Nacos. */
  username: v.exactOptional(text()),
  /** Given together with `username`. */
  password: v.exactOptional(secretText()),
});
