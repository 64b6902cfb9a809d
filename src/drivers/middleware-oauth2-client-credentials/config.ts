import * as v from 'valibot';
import { oneOf, secretText, text } from '../../kernel/schema.ts';

const needed = v.nonEmpty<string, string>('needs to be set');

/** `middleware.http.oauth2clientcredentials`. */
export const config = v.strictObject({
  clientID: v.pipe(text(), needed),
  clientSecret: v.pipe(secretText(), needed),
  /** With commas between them. */
  scopes: v.pipe(text(), needed),
  tokenURL: v.pipe(text(), needed),
  /** The header that carries the token to what follows. */
  headerName: v.pipe(text(), needed, v.regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/, 'must be a header name')),
  /** More fields for the token endpoint, as a query string. */
  endpointParamsQuery: v.optional(text(), ''),
  /** 0: find out, 1: client id and secret in the body, 2: in the header. */
  authStyle: v.optional(oneOf('0', '1', '2'), '0'),
  /** Only requests whose path this pattern matches get a token (RE2 syntax, matched in linear time). */
  pathFilter: v.optional(text(), ''),
});
