import * as v from 'valibot';
import { durationMs, secretText, text } from '../../kernel/schema.ts';

/** `spec.nameResolution.configuration` of `proa.etcd`. */
export const config = v.strictObject({
  /** URLs of the members, separated by commas; one is used until it fails. */
  endpoints: v.optional(text(), 'http://127.0.0.1:2379'),
  /** Keys begin with it. */
  prefix: v.optional(text(), '/proa/registry'),
  /** Lease of an announced instance: what dies leaves after this time. */
  ttl: v.optional(v.pipe(durationMs(), v.minValue(2_000), v.maxValue(600_000)), '15s'),
  /** With `password`: the user of etcd's own authentication. */
  username: v.exactOptional(text()),
  /** Given together with `username`. */
  password: v.exactOptional(secretText()),
  /** PEM of the authority that signed the members' certificates; absent: the system's. */
  rootCa: v.exactOptional(text()),
  /** PEM of the client's certificate. */
  certificate: v.exactOptional(text()),
  /** PEM of its key. */
  privateKey: v.exactOptional(secretText()),
});
