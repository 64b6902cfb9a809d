/** A field of a table, with what was found out about it when it entered. */
export interface TableEntry {
  readonly name: string;
  readonly value: string;
  /** Name and value are allowed in HTTP/2 (RFC 9113, section 8.2.1). */
  readonly valid: boolean;
}

const staticFields = [
  [':authority'],
  [':method', 'GET'],
  [':method', 'POST'],
  [':path', '/'],
  [':path', '/index.html'],
  [':scheme', 'http'],
  [':scheme', 'https'],
  [':status', '200'],
  [':status', '204'],
  [':status', '206'],
  [':status', '304'],
  [':status', '400'],
  [':status', '404'],
  [':status', '500'],
  ['accept-charset'],
  ['accept-encoding', 'gzip, deflate'],
  ...['accept-language', 'accept-ranges', 'accept', 'access-control-allow-origin', 'age', 'allow', 'authorization'].map((name) => [name]),
  ...['cache-control', 'content-disposition', 'content-encoding', 'content-language', 'content-length'].map((name) => [name]),
  ...['content-location', 'content-range', 'content-type', 'cookie', 'date', 'etag', 'expect', 'expires', 'from'].map((name) => [name]),
  ...['host', 'if-match', 'if-modified-since', 'if-none-match', 'if-range', 'if-unmodified-since'].map((name) => [name]),
  ...['last-modified', 'link', 'location', 'max-forwards', 'proxy-authenticate', 'proxy-authorization'].map((name) => [name]),
  ...['range', 'referer', 'refresh', 'retry-after', 'server', 'set-cookie', 'strict-transport-security'].map((name) => [name]),
  ...['transfer-encoding', 'user-agent', 'vary', 'via', 'www-authenticate'].map((name) => [name]),
] as const;

/** The static table (RFC 7541, appendix A); index 1 is the first. */
export const staticTable: readonly TableEntry[] = staticFields.map(([name = '', value = '']) => ({ name, value, valid: true }));

/** What an entry counts beside its text (section 4.1). */
export const entryOverheadBytes = 32;

/** The dynamic table of a decoder (section 2.3.2): at most `bytesMax` bytes, the newest entry first. */
export class DynamicTable {
  // A ring: entries of the least size fill it exactly.
  readonly #entries: (TableEntry | undefined)[];
  #newest = 0;
  #count = 0;
  #bytes = 0;
  #bytesMax: number;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
    this.#entries = Array.from({ length: Math.max(1, Math.ceil(bytesMax / entryOverheadBytes)) }, () => undefined);
  }

  /** The entry at an index from 0; undefined when there is none. */
  entry(index: number): TableEntry | undefined {
    if (index >= this.#count) return undefined;
    const size = this.#entries.length;
    return this.#entries[(this.#newest - index + size) % size];
  }

  /** Adds an entry, evicting old ones; one that is larger than the table empties it (section 4.4). */
  add(entry: TableEntry): void {
    const size = entryBytes(entry);
    this.#evict(this.#bytesMax - size);
    if (size > this.#bytesMax) return;
    this.#newest = (this.#newest + 1) % this.#entries.length;
    this.#entries[this.#newest] = entry;
    this.#count++;
    this.#bytes += size;
  }

  /** Changes the limit; not beyond the one that the table was made with. */
  resize(bytesMax: number): void {
    this.#bytesMax = bytesMax;
    this.#evict(bytesMax);
  }

  #evict(bytesMax: number): void {
    const size = this.#entries.length;
    while (this.#count > 0 && this.#bytes > bytesMax) {
      const oldest = (this.#newest - this.#count + 1 + size) % size;
      this.#bytes -= entryBytes(this.#entries[oldest] as TableEntry);
      this.#entries[oldest] = undefined;
      this.#count--;
    }
  }
}

function entryBytes({ name, value }: TableEntry): number {
  return name.length + value.length + entryOverheadBytes;
}
