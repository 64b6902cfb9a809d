const noMetadata: Readonly<Record<string, string>> = Object.freeze({});

/** A query string, read only when somebody asks. Values are unescaped with `+` as a space; a bad escape stays as it is. */
export class Query {
  readonly raw: string;
  #pairs: [string, string][] | undefined;

  constructor(raw: string) {
    this.raw = raw;
  }

  /** The first value of `name`. */
  get(name: string): string | undefined {
    if (this.raw === '') return undefined;
    return this.#all().find(([key]) => key === name)?.[1];
  }

  all(name: string): string[] {
    if (this.raw === '') return [];
    return this.#all()
      .filter(([key]) => key === name)
      .map(([, value]) => value);
  }

  /** `metadata.<key>=<value>` as an object without prototype; the first value of a key wins. */
  metadata(): Readonly<Record<string, string>> {
    if (this.raw === '' || !this.raw.includes('metadata.')) return noMetadata;
    const metadata = Object.create(null) as Record<string, string>;
    for (const [key, value] of this.#all()) {
      if (!key.startsWith('metadata.')) continue;
      const name = key.slice('metadata.'.length);
      if (!(name in metadata)) metadata[name] = value;
    }
    return metadata;
  }

  #all(): [string, string][] {
    this.#pairs ??= this.raw
      .split('&')
      .filter((part) => part !== '')
      .map((part) => {
        const equals = part.indexOf('=');
        return equals < 0 ? [unescapeQuery(part), ''] : [unescapeQuery(part.slice(0, equals)), unescapeQuery(part.slice(equals + 1))];
      });
    return this.#pairs;
  }
}

/** Query unescaping: `+` is a space; undefined escapes stay. */
export function unescapeQuery(text: string): string {
  if (!text.includes('%') && !text.includes('+')) return text;
  const spaced = text.replaceAll('+', ' ');
  try {
    return decodeURIComponent(spaced);
  } catch {
    return spaced;
  }
}
