import * as v from 'valibot';
import { durationMs, oneOf, text, wholeNumber } from '../../kernel/schema.ts';

/** `spec.nameResolution.configuration` of `proa.dns`. */
export const config = v.strictObject({
  /** `srv`: hosts, ports and weights from SRV records; `address`: A and AAAA records, all on `port`. */
  records: v.optional(oneOf('srv', 'address'), 'srv'),
  /** The name that is asked for, with `{appid}` and, if need be, `{namespace}`: `_proa._tcp.{appid}.{namespace}.example`. */
  name: v.pipe(
    text(),
    v.check((value) => /\{appid\}/i.test(value), 'must contain {appid}'),
  ),
  /** The port of `address` records. */
  port: v.optional(wholeNumber(1, 65_535), '50002'),
  /** Answers with a longer TTL are asked for again after this time. */
  refreshInterval: v.optional(durationMs(), '30s'),
});
