import * as v from 'valibot';
import { parseHostPort } from '../../contracts/host-port.ts';

const address = v.pipe(
  v.string(),
  v.check((value) => parseHostPort(value) !== undefined, 'must be host:port'),
  v.transform((value) => parseHostPort(value) as { readonly host: string; readonly port: number }),
);
const share = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(65_535));
const endpoint = v.union([
  v.pipe(
    address,
    v.transform((mesh) => ({ address: mesh })),
  ),
  v.strictObject({
    address,
    namespace: v.exactOptional(v.string()),
    zone: v.exactOptional(v.string()),
    weight: v.exactOptional(share),
    version: v.exactOptional(v.string()),
    metadata: v.exactOptional(v.record(v.string(), v.string())),
  }),
]);
const apps = v.record(v.string(), v.pipe(v.array(endpoint), v.maxLength(1_000)));

/** `spec.nameResolution.configuration` of `proa.static`. */
export const config = v.strictObject({
  /** App ids with lists of `host:port`, or of maps with `address` and `namespace`, `zone`, `weight`, `version`, `metadata`. */
  apps: v.pipe(
    v.string(),
    v.rawTransform(({ dataset, addIssue, NEVER }) => {
      try {
        const document: unknown = JSON.parse(dataset.value);
        const read = v.safeParse(apps, document);
        if (read.success && !Array.isArray(document)) return read.output;
      } catch {
        // Reported below, as every other shape is.
      }
      addIssue({ message: 'must be a map of app ids to lists of host:port, or of maps with `address`' });
      return NEVER;
    }),
  ),
});
