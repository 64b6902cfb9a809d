import * as v from 'valibot';
import { byteSize, durationMs, flag, oneOf, secretText, text } from '../../kernel/schema.ts';

/** `bindings.http`. */
export const config = v.strictObject({
  /** An http or https URL; requests may add a path to it and never leave it. */
  url: v.pipe(text(), v.nonEmpty('must be an http or https URL')),
  /** For the whole answer; without it a request waits as long as its caller does. */
  responseTimeout: v.optional(durationMs()),
  /** Larger answers fail. 0 stands for 1 GiB. */
  maxResponseBodySize: v.optional(byteSize(), '100Mi'),
  /** Certificates that the server is verified against instead of the system's: PEM, or the path of a PEM file. */
  MTLSRootCA: v.optional(text()),
  MTLSClientCert: v.optional(text()),
  MTLSClientKey: v.optional(secretText()),
  /** Renegotiation does not exist in TLS 1.3 and is not offered in 1.2. */
  MTLSRenegotiation: v.optional(oneOf('RenegotiateNever')),
  securityToken: v.optional(secretText()),
  securityTokenHeader: v.optional(text()),
  errorIfNot2XX: v.optional(
    v.pipe(
      text(),
      v.transform((value) => (value === '' ? 'true' : value)),
      flag(),
    ),
    'true',
  ),
});
