import * as v from 'valibot';
import { durationMs, flag, text } from '../../kernel/schema.ts';

/** Reads what YAML had as a map, and arrived as JSON. */
function map<const Entries extends v.ObjectEntries>(entries: Entries) {
  const schema = v.strictObject(entries);
  return v.pipe(
    v.string(),
    v.rawTransform(({ dataset, addIssue, NEVER }) => {
      const read = v.safeParse(schema, parsed(dataset.value));
      if (read.success) return read.output;
      const [issue] = read.issues;
      addIssue({
        message: `must be a map of ${Object.keys(entries).join(', ')}${issue.message.includes('never') ? '' : `: ${issue.message}`}`,
      });
      return NEVER;
    }),
  );
}

function parsed(value: string): unknown {
  try {
    return JSON.parse(value);
  } catch {
    return undefined;
  }
}

const texts = v.pipe(
  v.string(),
  v.check((value) => !value.trimStart().startsWith('[') && v.is(v.record(v.string(), v.string()), parsed(value)), 'must be a map of texts'),
  v.transform((value) => parsed(value) as Readonly<Record<string, string>>),
);
const list = v.pipe(
  v.string(),
  v.check((value) => v.is(v.array(v.string()), parsed(value)), 'must be a list of texts'),
  v.transform((value) => parsed(value) as readonly string[]),
);

/** `spec.nameResolution.configuration` of `consul`, with Dapr's names. */
export const config = v.strictObject({
  /** Where the agent listens (`address`, `scheme`), and whom it takes us for (`token`, `datacenter`, `namespace`). */
  client: v.exactOptional(
    map({
      address: v.exactOptional(v.string()),
      scheme: v.exactOptional(v.picklist(['http', 'https'])),
      datacenter: v.exactOptional(v.string()),
      namespace: v.exactOptional(v.string()),
      token: v.exactOptional(v.string()),
    }),
  ),
  /** Registers this app; without it somebody else does. */
  selfRegister: v.optional(flag(), 'false'),
  /** Takes it away again when it ends. */
  selfDeregister: v.optional(flag(), 'true'),
  /** Tags of the registered service. */
  tags: v.exactOptional(list),
  /** Meta of the registered service. */
  meta: v.exactOptional(texts),
  /** The meta key under which the port for peers stands. */
  daprPortMetaKey: v.optional(text(), 'DAPR_PORT'),
  /** Of the check of a registered service: what does not renew for so long is critical, and after four times that it is gone. Proa's own. */
  ttl: v.optional(v.pipe(durationMs(), v.minValue(1_000), v.maxValue(600_000)), '15s'),
});
