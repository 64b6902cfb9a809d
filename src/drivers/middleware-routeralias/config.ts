import * as v from 'valibot';
import { text } from '../../kernel/schema.ts';

/** `middleware.http.routeralias`. */
export const config = v.strictObject({
  /** A map in JSON or YAML from path templates to paths. `{name}` stands for one segment, `{name:.*}` at the end for all that follow. */
  routes: v.optional(text(), ''),
});
