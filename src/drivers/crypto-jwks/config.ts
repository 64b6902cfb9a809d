import * as v from 'valibot';
import { durationMs, secretText } from '../../kernel/schema.ts';

/** `crypto.dapr.jwks`. */
export const config = v.strictObject({
  /** The key set itself (JSON, plain or in base64), an http or https URL of it, or the path of a file that holds it. A key's name is its `kid`. */
  jwks: v.pipe(secretText(), v.nonEmpty('must hold a key set, its URL, or its path')),
  /** For requests to a URL. */
  requestTimeout: v.optional(durationMs(), '30s'),
  /** How old a key set from a URL must be before it is fetched again. */
  minRefreshInterval: v.optional(durationMs(), '10m'),
});
