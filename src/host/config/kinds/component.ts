import type { DriverKind } from '../../../contracts/driver.ts';
import { closest } from '../../../kernel/closest.ts';
import type { ComponentResource, Property, ValueSource } from '../model.ts';
import {
  duration,
  filledText,
  flag,
  list,
  object,
  optional,
  required,
  text,
  withDefault,
  wrongValue,
  type Reader,
  type Reading,
} from '../shape.ts';
import { toPlain, valueAt, type YamlNode } from '../yaml.ts';
import { authFields, headFields, headOf } from './head.ts';

const secretReference = object({ name: required(filledText), key: optional(text) });

const pairFields = object({
  name: required(filledText),
  // Any value: texts stay as written, maps and lists become JSON.
  value: optional<string>((node) => (node.kind === 'scalar' ? node.text : JSON.stringify(toPlain(node)))),
  secretKeyRef: optional(secretReference),
  envRef: optional(filledText),
});

/** One `{name, value | secretKeyRef | envRef}`, as metadata of components and headers of endpoints are written. */
export const pair: Reader<Property> = (node, path, reading) => {
  const written = pairFields(node, path, reading);
  if (written === undefined) return undefined;
  const given = [written.value, written.secretKeyRef, written.envRef].filter((source) => source !== undefined);
  if (given.length > 1) return wrongValue(reading, node.span, `${path}: only one of value, secretKeyRef and envRef may be given`);
  const nameAt = valueAt(node, 'name')?.span ?? node.span;
  const valueNode = valueAt(node, 'value') ?? valueAt(node, 'secretKeyRef') ?? valueAt(node, 'envRef');
  return { name: written.name, source: sourceOf(written), at: nameAt, valueAt: valueNode?.span ?? nameAt };
};

function sourceOf(written: NonNullable<ReturnType<typeof pairFields>>): ValueSource {
  if (written.envRef !== undefined) return { from: 'environment', name: written.envRef };
  const secret = written.secretKeyRef;
  if (secret !== undefined) return { from: 'secret', name: secret.name, key: secret.key ?? secret.name };
  return { from: 'literal', value: written.value ?? '' };
}

const componentShape = object({
  ...headFields,
  spec: required(
    object({
      type: required(filledText),
      version: withDefault(filledText, 'v1'),
      ignoreErrors: withDefault(flag, false),
      initTimeout: withDefault(duration, 5000),
      metadata: withDefault(list(pair), []),
    }),
  ),
  auth: optional(authFields),
});

const kinds = [
  'state',
  'pubsub',
  'bindings',
  'secretstores',
  'configuration',
  'lock',
  'crypto',
  'middleware',
] as const satisfies readonly DriverKind[];
/** Categories of Dapr that have no contract here. */
const otherCategories = ['conversation', 'workflow', 'wasm'];

/** Reads a Component. Undefined: it was wrong or is of a category that is not supported, and that is reported. */
export function readComponent(node: YamlNode, reading: Reading): ComponentResource | undefined {
  const written = componentShape(node, '', reading);
  if (written === undefined) return undefined;
  const { spec } = written;
  const typeAt = valueAt(node, 'spec', 'type')?.span ?? node.span;
  const category = spec.type.split('.')[0] as string;
  const kind = kinds.find((known) => known === category);
  if (category === 'nameresolution') {
    const message = `component "${written.metadata.name}": a resolver is no component`;
    const help = 'name it in `spec.nameResolution` of the Configuration';
    reading.problems.push({ severity: 'error', code: 'config.unknown-type', message, at: typeAt, help });
    return undefined;
  }
  if (kind === undefined) {
    if (otherCategories.includes(category)) {
      const message = `component "${written.metadata.name}": components of type ${category} are not supported yet`;
      reading.problems.push({ severity: 'warning', code: 'config.not-supported', message, at: typeAt });
      return undefined;
    }
    const guess = closest(category, kinds);
    reading.problems.push({
      severity: 'error',
      code: 'config.unknown-type',
      message: `component "${written.metadata.name}" has the unknown type ${spec.type}`,
      at: typeAt,
      notes: [`types begin with ${kinds.join('., ')}.`],
      ...(guess !== undefined && { help: `did you mean \`${guess}.${spec.type.split('.').slice(1).join('.')}\`?` }),
    });
    return undefined;
  }
  return {
    ...headOf(written, valueAt(node, 'metadata', 'name')?.span ?? node.span),
    kind,
    type: spec.type,
    version: spec.version,
    ignoreErrors: spec.ignoreErrors,
    initTimeoutMs: spec.initTimeout,
    properties: onceEach(spec.metadata, reading),
    ...(written.auth?.secretStore && { secretStore: written.auth.secretStore }),
  };
}

function onceEach(properties: readonly Property[], reading: Reading): readonly Property[] {
  const seen = new Set<string>();
  for (const property of properties) {
    const key = property.name.toLowerCase();
    if (seen.has(key) && property.at)
      reading.problems.push({
        severity: 'error',
        code: 'config.duplicate-name',
        message: `metadata property \`${property.name}\` is given twice (names are compared without regard to case)`,
        at: property.at,
      });
    seen.add(key);
  }
  return properties;
}
