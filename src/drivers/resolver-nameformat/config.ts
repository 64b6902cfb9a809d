import * as v from 'valibot';
import { durationMs, text, wholeNumber } from '../../kernel/schema.ts';

/** `spec.nameResolution.configuration` of `nameformat`. */
export const config = v.strictObject({
  /** A name with `{appid}` in it, `{namespace}` and `:port` if need be: `{appid}.internal.example:50002`. */
  format: v.pipe(
    text(),
    v.check((value) => /\{appid\}/i.test(value), 'must contain {appid}'),
  ),
  /** The port where the format names none. */
  port: v.optional(wholeNumber(1, 65_535), '50002'),
  /** Answers with a longer TTL are asked for again after this time. */
  refreshInterval: v.optional(durationMs(), '30s'),
});
