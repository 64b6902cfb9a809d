import { createHash } from 'node:crypto';
import { parseDocument } from 'yaml';
import type { ConfigurationItem, ConfigurationItems } from '../../contracts/configuration.ts';
import { ProaError } from '../../kernel/errors.ts';

const itemsMax = 10_000;

/**
 * The items of a YAML or JSON map: each key with a value (text, number, true or false, as written), or with a map of `value` and, if wanted, `version` and
 * `metadata` (texts). Without a version it is a digest of value and metadata. Fails with `config.invalid`; `path` is for its message.
 */
export function parseItems(text: string, path: string): ConfigurationItems {
  const refuse = (why: string, cause?: unknown) => new ProaError('config.invalid', `${path}: ${why}`, { cause });
  const document = parseDocument(text, { uniqueKeys: true, merge: false, stringKeys: true, logLevel: 'error' });
  const [problem] = document.errors;
  if (problem !== undefined) throw refuse(problem.message, problem);
  let root: unknown;
  try {
    // Aliases could multiply a small file into a large one; a configuration needs none.
    root = document.toJS({ maxAliasCount: 0, mapAsMap: true });
  } catch (cause) {
    throw refuse('aliases are not allowed', cause);
  }
  const items = Object.create(null) as Record<string, ConfigurationItem>;
  if (root === null || root === undefined) return items;
  if (!(root instanceof Map)) throw refuse('it must hold a map of keys to values');
  if (root.size > itemsMax) throw refuse(`it holds more than ${itemsMax} items`);
  for (const [key, value] of root as Map<string, unknown>) {
    const item = itemOf(value);
    if (typeof item === 'string') throw refuse(`key "${key}" ${item}`);
    items[key] = item;
  }
  return items;
}

/** The item, or what is wrong with it. */
function itemOf(value: unknown): ConfigurationItem | string {
  if (!(value instanceof Map)) {
    const text = scalar(value);
    return text === undefined
      ? 'must have a text, a number, true or false, or a map with `value`'
      : { value: text, version: digest(text, {}), metadata: {} };
  }
  const unknown = [...value.keys()].find((name) => !['value', 'version', 'metadata'].includes(String(name)));
  if (unknown !== undefined) return `has the unknown member \`${String(unknown)}\` (value, version, metadata)`;
  const text = scalar(value.get('value'));
  if (text === undefined) return 'needs a `value` that is a text, a number, true or false';
  const metadata: Record<string, string> = {};
  const given: unknown = value.get('metadata') ?? new Map();
  if (!(given instanceof Map)) return 'has `metadata` that is no map';
  for (const [name, entry] of given as Map<string, unknown>) {
    const entryText = scalar(entry);
    if (entryText === undefined || name === '__proto__') return `has metadata \`${name}\` that is no text`;
    metadata[name] = entryText;
  }
  return { value: text, version: scalar(value.get('version')) || digest(text, metadata), metadata };
}

function scalar(value: unknown): string | undefined {
  if (value === null) return '';
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint'
    ? String(value)
    : undefined;
}

function digest(value: string, metadata: Readonly<Record<string, string>>): string {
  return createHash('sha256')
    .update(JSON.stringify([value, metadata]))
    .digest('hex')
    .slice(0, 12);
}
