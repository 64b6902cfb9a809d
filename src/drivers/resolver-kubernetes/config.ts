import * as v from 'valibot';
import { durationMs, text, wholeNumber } from '../../kernel/schema.ts';

/** `spec.nameResolution.configuration` of `kubernetes`. */
export const config = v.strictObject({
  /** The cluster's domain. */
  clusterDomain: v.optional(text(), 'cluster.local'),
  /** Where runtimes listen for each other. */
  port: v.optional(wholeNumber(1, 65_535), '50002'),
  /** Answers with a longer TTL are asked for again after this time. */
  refreshInterval: v.optional(durationMs(), '30s'),
});
