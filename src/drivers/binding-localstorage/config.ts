import * as v from 'valibot';
import { text } from '../../kernel/schema.ts';

/** `bindings.localstorage`. */
export const config = v.strictObject({
  /** A directory; made when missing. A relative path starts at the working directory. */
  rootPath: v.pipe(text(), v.nonEmpty('must name a directory')),
});
