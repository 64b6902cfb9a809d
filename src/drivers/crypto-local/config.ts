import * as v from 'valibot';
import { text } from '../../kernel/schema.ts';

/** `crypto.dapr.localstorage`. */
export const config = v.strictObject({
  /** A directory of key files: PEM, one JWK in JSON, or the bytes of a symmetric key (raw or base64). A key's name is its file's name. */
  path: v.pipe(text(), v.nonEmpty('must name a directory')),
});
