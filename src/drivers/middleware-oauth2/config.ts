import * as v from 'valibot';
import { flag, secretText, text } from '../../kernel/schema.ts';

const needed = v.nonEmpty<string, string>('needs to be set');

/** `middleware.http.oauth2`. */
export const config = v.strictObject({
  clientID: v.pipe(text(), needed),
  clientSecret: v.pipe(secretText(), needed),
  /** Where browsers are sent to log in. */
  authURL: v.pipe(text(), needed),
  tokenURL: v.pipe(text(), needed),
  /** With commas between them. */
  scopes: v.optional(text(), ''),
  /** Where the login server sends browsers back to; it must lead to this pipeline. */
  redirectURL: v.optional(text(), ''),
  /** The header that carries the token to what follows. */
  authHeaderName: v.optional(
    v.pipe(
      text(),
      v.transform((value) => (value === '' ? 'Authorization' : value)),
      v.regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/, 'must be a header name'),
    ),
    'Authorization',
  ),
  /** Sends browsers back by https, and marks the cookie for https only. */
  forceHTTPS: v.optional(flag(), 'false'),
  /** Only requests whose path this pattern matches need a login (RE2 syntax, matched in linear time). */
  pathFilter: v.optional(text(), ''),
});
