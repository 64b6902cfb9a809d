import * as v from 'valibot';
import { text } from '../../kernel/schema.ts';

/** `middleware.http.bearer`. `issuer` and `audience` are required, under these names or their older ones. */
export const config = v.strictObject({
  /** The issuer that tokens must name, and below which the OpenID configuration stands. */
  issuer: v.optional(text(), ''),
  /** Older name of `issuer`. */
  issuerURL: v.optional(text(), ''),
  /** The audience that tokens must name. */
  audience: v.optional(text(), ''),
  /** Older name of `audience`. */
  clientID: v.optional(text(), ''),
  /** The issuer's keys; found through its OpenID configuration when absent. */
  jwksURL: v.optional(text(), ''),
});
