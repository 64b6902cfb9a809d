import * as v from 'valibot';
import { durationMs, wholeNumber } from '../../kernel/schema.ts';

/** `spec.nameResolution.configuration` of `mdns`. */
export const config = v.strictObject({
  /** How long others believe in an instance that is silent; it announces itself again after a third of that. */
  ttl: v.optional(v.pipe(durationMs(), v.minValue(3_000), v.maxValue(3_600_000)), '60s'),
  /** How long a question waits for its first answer. */
  browse: v.optional(v.pipe(durationMs(), v.minValue(50), v.maxValue(30_000)), '1s'),
  /** Between questions about an app that is in use. */
  refresh: v.optional(v.pipe(durationMs(), v.minValue(1_000), v.maxValue(3_600_000)), '30s'),
  /** The IPv4 address of the one interface to use; without it every interface that takes part in multicast. */
  interface: v.optional(v.pipe(v.string(), v.ipv4('must be the IPv4 address of an interface'))),
  /** The port of multicast DNS. */
  port: v.optional(wholeNumber(1, 65_535), '5353'),
});
