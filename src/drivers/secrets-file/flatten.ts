import { limits } from '../../kernel/limits.ts';
import type { Secret } from '../../contracts/secrets.ts';

export interface FlattenOptions {
  readonly nestedSeparator: string;
  readonly multiValued: boolean;
}

/**
 * Secrets of a JSON document. Nested objects and arrays become one secret per leaf, named by its path; with `multiValued` the first level keeps its names and
 * a nested object's leaves are the pairs of one secret. Errors name places, never values: they end in logs.
 */
export function secretsOf(bytes: Uint8Array, options: FlattenOptions): ReadonlyMap<string, Secret> {
  const document = parse(bytes);
  if (!isObject(document)) throw new Error('the secrets file must hold one JSON object');
  const secrets = new Map<string, Secret>();
  if (!options.multiValued) {
    for (const [name, value] of leavesOf(document, options.nestedSeparator)) secrets.set(name, Object.fromEntries([[name, value]]));
    return secrets;
  }
  for (const [name, value] of Object.entries(document)) {
    if (isObject(value)) secrets.set(name, Object.fromEntries(leavesOf(value, options.nestedSeparator)));
    else if (typeof value === 'string') secrets.set(name, Object.fromEntries([[name, value]]));
    else throw new Error(`with multiValued, "${name}" must be a text or an object`);
  }
  return secrets;
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8'));
  } catch (thrown) {
    // The engine quotes the text around the fault, which may be a secret: keep only where it is.
    const position = /position (\d+)/.exec((thrown as Error).message)?.[1];
    throw new Error(`the secrets file is not valid JSON${position === undefined ? '' : ` (at byte ${position})`}`);
  }
}

function leavesOf(document: object, separator: string): Map<string, string> {
  const leaves = new Map<string, string>();
  const visit = (value: unknown, path: string, depth: number): void => {
    if (depth > limits.jsonDepth) throw new Error(`the secrets file is nested deeper than ${limits.jsonDepth} levels`);
    if (typeof value === 'object' && value !== null) {
      for (const [key, inner] of Object.entries(value)) visit(inner, path === '' ? key : path + separator + key, depth + 1);
      return;
    }
    if (leaves.has(path)) throw new Error(`two values of the secrets file share the name "${path}"`);
    leaves.set(path, value === null ? '' : String(value as string | number | boolean));
  };
  visit(document, '', 0);
  return leaves;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
