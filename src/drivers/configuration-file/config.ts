import * as v from 'valibot';
import { durationMs, text } from '../../kernel/schema.ts';

/** `configuration.file`: `path` of a YAML or JSON file, relative to the working directory; looked at every `pollInterval` and whenever the system reports a change. */
export const config = v.strictObject({
  path: v.pipe(text(), v.nonEmpty('must name a file')),
  pollInterval: v.optional(durationMs(), '5s'),
});
