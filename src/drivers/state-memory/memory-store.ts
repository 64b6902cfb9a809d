import {
  type BulkOutcome,
  EtagError,
  expiryMetadata,
  type StateCapability,
  type StateDelete,
  type StateGet,
  type StateOperation,
  type StateQuery,
  type StateQueryPage,
  type StateSet,
  type StateStore,
  type StateValue,
} from '../../contracts/state.ts';
import { matchQuery, queryPage } from '../../contracts/state-query.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Clock, Random } from '../../kernel/ports.ts';
import { createExpirySweep, type ExpirySweep } from './expiry-sweep.ts';

/** What this store can do. */
export const memoryCapabilities: readonly StateCapability[] = [
  'ETAG',
  'TRANSACTIONAL',
  'QUERY_API',
  'TTL',
  'DELETE_WITH_PREFIX',
  'KEYS_LIKE',
  'ACTOR',
];

export interface MemoryStoreOptions {
  /** The component's name, for messages. */
  readonly name: string;
  readonly bytesMax: number;
  readonly clock: Clock;
  readonly random: Random;
}

interface Item {
  readonly data: Uint8Array;
  readonly etag: string;
  readonly contentType: string | undefined;
  /** On the monotonic clock: nobody sees when the wall clock jumps. `Infinity` for never. */
  readonly expiresAtMs: number;
}

/** What one item costs beside its bytes, measured with values of 20 and of 100 bytes: the objects that hold it, its array buffer, its places in the tables. */
const itemBytes = 420;

/**
 * A state store in the memory of this process, gone when it ends. Etags hold a random part that is new in every process, so one from before a restart never
 * matches. Values are copied on the way in and shared on the way out: readers must not change them.
 */
export class MemoryStore implements StateStore {
  readonly capabilities = memoryCapabilities;
  readonly #options: MemoryStoreOptions;
  readonly #items = new Map<string, Item>();
  readonly #epoch: string;
  readonly #sweep: ExpirySweep;
  #writes = 0;
  #bytes = 0;

  constructor(options: MemoryStoreOptions) {
    this.#options = options;
    this.#epoch = Buffer.from(options.random.bytes(6)).toString('base64url');
    this.#sweep = createExpirySweep(options.clock, (key) => void this.#live(key));
  }

  get({ key }: StateGet): Promise<StateValue | undefined> {
    return Promise.resolve(this.#value(key));
  }

  async set(request: StateSet): Promise<void> {
    this.#set(request);
  }

  async delete(request: StateDelete): Promise<void> {
    this.#delete(request);
  }

  async bulkGet(requests: readonly StateGet[]): Promise<BulkOutcome<StateValue>[]> {
    return requests.map(({ key }) => {
      const value = this.#value(key);
      return value === undefined ? { key } : { key, value };
    });
  }

  async bulkSet(requests: readonly StateSet[]): Promise<BulkOutcome<void>[]> {
    return requests.map((request) => outcome(request.key, () => this.#set(request)));
  }

  async bulkDelete(requests: readonly StateDelete[]): Promise<BulkOutcome<void>[]> {
    return requests.map((request) => outcome(request.key, () => this.#delete(request)));
  }

  async transact(operations: readonly StateOperation[]): Promise<void> {
    for (const operation of operations) this.#check(operation, operation.kind === 'upsert');
    this.#room(operations.filter((operation) => operation.kind === 'upsert'));
    for (const operation of operations) {
      if (operation.kind === 'upsert') this.#put(operation);
      else this.#remove(operation.key);
    }
  }

  async query(query: StateQuery): Promise<StateQueryPage> {
    const matched = this.#keysWith(query.keyPrefix ?? '').flatMap((key) => {
      const { data, etag } = this.#items.get(key) as Item;
      return matchQuery(query, { key, data, etag }) ?? [];
    });
    return queryPage(query, matched);
  }

  async deleteWithPrefix(prefix: string): Promise<number> {
    if (prefix === '') throw new ProaError('bad-request', 'a prefix is required to delete by prefix');
    const keys = this.#keysWith(prefix);
    for (const key of keys) this.#remove(key);
    return keys.length;
  }

  async keys(
    prefix: string,
    { token, limit }: { readonly token?: string; readonly limit: number },
  ): Promise<{ keys: string[]; token?: string }> {
    const found = this.#keysWith(prefix).toSorted();
    const start = token === undefined ? 0 : found.findIndex((key) => key > token);
    const keys = start < 0 ? [] : found.slice(start, start + limit);
    const last = keys.at(-1);
    return { keys, ...(last !== undefined && last !== found.at(-1) && { token: last }) };
  }

  async close(): Promise<void> {
    this.#sweep.close();
    this.#items.clear();
  }

  #set(request: StateSet): void {
    this.#check(request, true);
    this.#room([request]);
    this.#put(request);
  }

  #delete(request: StateDelete): void {
    this.#check(request, false);
    this.#remove(request.key);
  }

  /** The item, unless it has expired; then it leaves. */
  #live(key: string): Item | undefined {
    const item = this.#items.get(key);
    if (item === undefined || item.expiresAtMs > this.#options.clock.mono()) return item;
    this.#remove(key);
    return undefined;
  }

  #value(key: string): StateValue | undefined {
    const item = this.#live(key);
    return item && readValue(item, this.#options.clock);
  }

  #keysWith(prefix: string): string[] {
    return [...this.#items.keys()].filter((key) => key.startsWith(prefix) && this.#live(key) !== undefined);
  }

  #check({ key, etag, concurrency }: StateSet | StateDelete, upsert: boolean): void {
    if (etag !== undefined) {
      if (this.#live(key)?.etag !== etag) throw new EtagError('mismatch');
    } else if (upsert && concurrency === 'first-write' && this.#live(key) !== undefined) {
      throw new EtagError('mismatch', 'item already exists and no etag was passed');
    }
  }

  #room(sets: readonly StateSet[]): void {
    const { name, bytesMax } = this.#options;
    let more = 0;
    for (const { key, data } of sets) more += sizeOf(key, data) - this.#sizeOfKey(key);
    if (more <= 0 || this.#bytes + more <= bytesMax) return;
    const message = `state store ${name} holds ${this.#bytes} bytes and takes at most ${bytesMax}`;
    throw new ProaError('overloaded', message, { hint: 'raise bytesMax, or use state.proa, which keeps values on disk' });
  }

  #sizeOfKey(key: string): number {
    const item = this.#items.get(key);
    return item === undefined ? 0 : sizeOf(key, item.data);
  }

  #put({ key, data, ttlSeconds, contentType }: StateSet): void {
    this.#remove(key);
    const expiresAtMs = ttlSeconds === undefined ? Infinity : this.#options.clock.mono() + ttlSeconds * 1000;
    this.#items.set(key, { data: new Uint8Array(data), etag: `${this.#epoch}-${++this.#writes}`, contentType, expiresAtMs });
    this.#bytes += sizeOf(key, data);
    if (ttlSeconds !== undefined) this.#sweep.remember(key);
  }

  #remove(key: string): void {
    const item = this.#items.get(key);
    if (item === undefined) return;
    this.#items.delete(key);
    this.#bytes -= sizeOf(key, item.data);
    if (item.expiresAtMs !== Infinity) this.#sweep.forget(key);
  }
}

function sizeOf(key: string, data: Uint8Array): number {
  return key.length * 2 + data.length + itemBytes;
}

function readValue({ data, etag, contentType, expiresAtMs }: Item, clock: Clock): StateValue {
  if (contentType === undefined && expiresAtMs === Infinity) return { data, etag };
  return {
    data,
    etag,
    ...(contentType !== undefined && { contentType }),
    ...(expiresAtMs !== Infinity && { metadata: expiryMetadata(clock.now() + expiresAtMs - clock.mono()) }),
  };
}

function outcome(key: string, run: () => void): BulkOutcome<void> {
  try {
    run();
    return { key };
  } catch (error) {
    return { key, error: error as Error };
  }
}
