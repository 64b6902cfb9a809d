import { BSON } from 'mongodb';
import { fits, inOrder, type MongoDocument } from './mongo-documents.ts';

/** A command of a client, as it came. */
export type MongoCommand = Readonly<Record<string, unknown>>;
/** What it gets back. */
export type MongoReply = Record<string, unknown>;

interface Transaction {
  readonly began: number;
  readonly seen: ReadonlyMap<string, MongoDocument>;
  /** Undefined: deleted. */
  readonly writes: Map<string, MongoDocument | undefined>;
  state: 'open' | 'committed' | 'aborted';
  readonly ended: Promise<void>;
  end(): void;
}

type Within = Transaction | undefined;

/** A transaction that nobody ends would be in everybody's way; a real server waits for a minute. */
const lifetimeMs = 2_000;
const transient = ['TransientTransactionError'];

/** A command that fails, with its number and name in MongoDB. */
export function refused(code: number, codeName: string, errmsg: string, labels: readonly string[] = []): MongoReply {
  return { ok: 0, code, codeName, errmsg, ...(labels.length > 0 && { errorLabels: labels }) };
}

class Conflict extends Error {}

/**
 * The documents of a replica set in the tests: one collection, whatever it is called. A transaction reads what was committed when it began; who writes what another one
 * wrote since, or is writing, gets WriteConflict with the label TransientTransactionError; a write outside of transactions waits for the one that is in its
 * way; a commit that is asked for again gets the first answer; a transaction that nobody knows is NoSuchTransaction.
 */
export class MongoData {
  #documents = new Map<string, MongoDocument>();
  /** When each key was last written, deletions included. */
  readonly #writtenAt = new Map<string, number>();
  readonly #transactions = new Map<string, Transaction>();
  #version = 0;

  /** Answers a command. */
  async run(name: string, command: MongoCommand): Promise<MongoReply> {
    if (['ping', 'createIndexes', 'endSessions'].includes(name)) return { ok: 1 };
    const id = idOf(command);
    if (id !== undefined && command['startTransaction'] === true) this.#begin(id);
    const within = id === undefined ? undefined : this.#transactions.get(id);
    if (name === 'commitTransaction') return this.#finish(within, 'committed');
    if (name === 'abortTransaction') return this.#finish(within, 'aborted');
    if (id !== undefined && within?.state !== 'open') return refused(251, 'NoSuchTransaction', 'no such transaction', transient);
    try {
      if (name === 'find') return this.#find(command, within);
      if (name === 'update') return await this.#update(command, within);
      if (name === 'delete') return await this.#delete(command, within);
    } catch (error) {
      if (!(error instanceof Conflict)) return refused(2, 'BadValue', String(error));
      this.#finish(within, 'aborted');
      return refused(112, 'WriteConflict', 'another transaction is in the way', transient);
    }
    return refused(59, 'CommandNotFound', `no such command: '${name}'`);
  }

  /** The transaction that the command belongs to is over. Answers false for one that is committed. */
  abort(command: MongoCommand): boolean {
    const transaction = this.#transactions.get(idOf(command) ?? '');
    this.#finish(transaction, 'aborted');
    return transaction?.state !== 'committed';
  }

  /** What is committed. */
  documents(): readonly MongoDocument[] {
    return [...this.#documents.values()];
  }

  /** Lets the times to live go by. */
  age(ms: number): void {
    for (const [key, document] of this.#documents) {
      const ends = document['_ttl'];
      if (ends instanceof Date) this.#documents.set(key, { ...document, _ttl: new Date(ends.getTime() - ms) });
    }
  }

  clear(): void {
    for (const transaction of this.#transactions.values()) this.#finish(transaction, 'aborted');
    this.#documents = new Map();
  }

  #find(command: MongoCommand, within: Within): MongoReply {
    const {
      filter,
      sort = {},
      skip = 0,
      limit = 0,
    } = command as {
      filter: MongoCommand;
      sort?: Record<string, number>;
      skip?: number;
      limit?: number;
    };
    const found = [...this.#seenBy(within).values()].filter((document) => fits(filter, document)).toSorted((a, b) => inOrder(sort, a, b));
    const firstBatch = found.slice(skip, limit > 0 ? skip + limit : undefined);
    return { ok: 1, cursor: { id: 0n, ns: `${String(command['$db'])}.${String(command['find'])}`, firstBatch } };
  }

  async #update(command: MongoCommand, within: Within): Promise<MongoReply> {
    const upserted: MongoReply[] = [];
    const writeErrors: MongoReply[] = [];
    let n = 0;
    const updates = command['updates'] as { readonly q: MongoCommand; readonly u: MongoCommand; readonly upsert?: boolean }[];
    for (const [index, { q, u, upsert }] of updates.entries()) {
      const found = await this.#first(q, within);
      const key = found?._id ?? (q['_id'] as string);
      if (found === undefined && upsert !== true) continue;
      if (found === undefined && this.#seenBy(within).has(key)) {
        writeErrors.push({ index, code: 11_000, errmsg: `E11000 duplicate key error: ${key}` });
        if (within !== undefined) this.#finish(within, 'aborted');
        if (command['ordered'] !== false) break;
        continue;
      }
      this.#write(key, { _id: key, ...u }, within);
      n++;
      if (found === undefined) upserted.push({ index, _id: key });
    }
    const more = { ...(upserted.length > 0 && { upserted }), ...(writeErrors.length > 0 && { writeErrors }) };
    return { ok: 1, n, nModified: n - upserted.length, ...more };
  }

  async #delete(command: MongoCommand, within: Within): Promise<MongoReply> {
    let n = 0;
    for (const { q, limit } of command['deletes'] as { readonly q: MongoCommand; readonly limit: number }[]) {
      for (let found = await this.#first(q, within); found !== undefined; found = await this.#first(q, within)) {
        this.#write(found._id, undefined, within);
        n++;
        if (limit === 1) break;
      }
    }
    return { ok: 1, n };
  }

  /** The first document that fits; outside of transactions, once nobody is writing it. */
  async #first(filter: MongoCommand, within: Within): Promise<MongoDocument | undefined> {
    const key = filter['_id'];
    if (within === undefined && typeof key === 'string')
      for (let holder = this.#holderOf(key); holder !== undefined; holder = this.#holderOf(key)) await holder.ended;
    return [...this.#seenBy(within).values()].find((document) => fits(filter, document));
  }

  #seenBy(within: Within): ReadonlyMap<string, MongoDocument> {
    if (within === undefined) return this.#documents;
    const seen = new Map(within.seen);
    for (const [key, document] of within.writes) {
      if (document === undefined) seen.delete(key);
      else seen.set(key, document);
    }
    return seen;
  }

  #write(key: string, document: MongoDocument | undefined, within: Within): void {
    if (within === undefined) return this.#put(key, document);
    if (this.#holderOf(key, within) !== undefined || (this.#writtenAt.get(key) ?? 0) > within.began) throw new Conflict();
    within.writes.set(key, document);
  }

  #put(key: string, document: MongoDocument | undefined): void {
    this.#writtenAt.set(key, ++this.#version);
    if (document === undefined) this.#documents.delete(key);
    else this.#documents.set(key, document);
  }

  #holderOf(key: string, self?: Transaction): Within {
    return [...this.#transactions.values()].find((other) => other !== self && other.state === 'open' && other.writes.has(key));
  }

  #begin(id: string): void {
    let end = (): void => {};
    const ended = new Promise<void>((resolve) => (end = resolve));
    const seen = new Map(this.#documents);
    const transaction: Transaction = { began: this.#version, seen, writes: new Map(), state: 'open', ended, end };
    this.#transactions.set(id, transaction);
    setTimeout(() => this.#finish(transaction, 'aborted'), lifetimeMs).unref();
  }

  #finish(transaction: Within, how: 'committed' | 'aborted'): MongoReply {
    if (transaction?.state === how && how === 'committed') return { ok: 1 };
    if (transaction?.state !== 'open') return refused(251, 'NoSuchTransaction', 'no such transaction', transient);
    transaction.state = how;
    if (how === 'committed') for (const [key, document] of transaction.writes) this.#put(key, document);
    transaction.end();
    return { ok: 1 };
  }
}

function idOf(command: MongoCommand): string | undefined {
  return command['autocommit'] === false ? BSON.EJSON.stringify([command['lsid'], command['txnNumber']]) : undefined;
}
