import * as v from 'valibot';
import { byteSize, durationMs, text, wholeNumber } from '../../kernel/schema.ts';

/** Component metadata of `pubsub.proa`; everything has a default. */
export const engineBrokerConfig = v.strictObject({
  /** Components that name the same bus share topics; by default the component's name. */
  bus: v.optional(text()),
  /** How long events stay that some group has not consumed, or that no group was ever there for. */
  retention: v.optional(durationMs(), '168h'),
  /** About how many bytes a topic may hold; beyond it the oldest events go, consumed or not. */
  retentionBytes: v.optional(byteSize(), '1Gi'),
  /** How long events stay after all groups have consumed them, so that a group that starts a little later sees them too. */
  keepConsumed: v.optional(durationMs(), '10m'),
  /** Where a new group begins: `recent`, `start`, `head` or an RFC 3339 instant. A subscription's metadata goes first. */
  startFrom: v.optional(text(), 'recent'),
  /** Delay before the first redelivery of an event; it doubles with each further one. */
  redeliverInterval: v.optional(durationMs(), '1s'),
  redeliverIntervalMax: v.optional(durationMs(), '60s'),
  /** Lanes of groups to be created: the most consumers of a group that work at the same time. */
  lanes: v.optional(v.pipe(wholeNumber(), v.minValue(1), v.maxValue(256)), '16'),
  /** After this long without a sign of life another consumer takes over. */
  leaseTtl: v.optional(v.pipe(durationMs(), v.minValue(300), v.maxValue(600_000)), '6s'),
});

export type EngineBrokerConfig = v.InferOutput<typeof engineBrokerConfig>;
