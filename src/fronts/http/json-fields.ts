import { malformed, objectMembers, parseJson } from './json-members.ts';

/**
 * Reads the fields of one JSON object strictly: a number where a text is expected is an error, not a guess (Dapr reference 2).
 * Absent and `null` are the same.
 */
export class JsonFields {
  readonly #members: Map<string, string>;

  constructor(text: string) {
    this.#members = objectMembers(text);
  }

  /** The member's raw JSON text. The exact name wins; else case does not matter, as in Go's decoder, on which SDKs rely (`entryID`). */
  raw(name: string): string | undefined {
    const raw = this.#members.get(name) ?? this.#anyCase(name);
    return raw === 'null' ? undefined : raw;
  }

  text(name: string): string | undefined {
    return this.#typed(name, 'string') as string | undefined;
  }

  number(name: string): number | undefined {
    return this.#typed(name, 'number') as number | undefined;
  }

  flag(name: string): boolean | undefined {
    return this.#typed(name, 'boolean') as boolean | undefined;
  }

  /** An object of texts. */
  texts(name: string): Record<string, string> | undefined {
    const raw = this.raw(name);
    if (raw === undefined) return undefined;
    const texts: Record<string, string> = Object.create(null) as Record<string, string>;
    for (const [key, value] of objectMembers(raw)) {
      const parsed = parseJson(value);
      if (typeof parsed !== 'string') throw malformed(`"${name}.${key}" must be a string`);
      texts[key] = parsed;
    }
    return texts;
  }

  object(name: string): JsonFields | undefined {
    const raw = this.raw(name);
    return raw === undefined ? undefined : new JsonFields(raw);
  }

  #anyCase(name: string): string | undefined {
    const wanted = name.toLowerCase();
    for (const [key, raw] of this.#members) if (key.length === name.length && key.toLowerCase() === wanted) return raw;
    return undefined;
  }

  #typed(name: string, type: 'string' | 'number' | 'boolean'): unknown {
    const raw = this.raw(name);
    if (raw === undefined) return undefined;
    const value = parseJson(raw);
    if (typeof value !== type) throw malformed(`"${name}" must be a ${type}`);
    return value;
  }
}
