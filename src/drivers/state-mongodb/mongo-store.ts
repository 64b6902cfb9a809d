import type { ClientSession, Collection, Filter, FindOptions } from 'mongodb';
import type { MongoDatabase, MongoItem, MongoResult } from '../../clients/mongodb/database.ts';
import { codeOf, isDuplicateKey, isPassing, messageOf, writeErrorsOf } from '../../clients/mongodb/mongo-error.ts';
import { outcomeUnknown } from '../../contracts/engine-outcome.ts';
import {
  type BulkOutcome,
  EtagError,
  type StateCapability,
  type StateOperation,
  type StateStore,
  type StateValue,
} from '../../contracts/state.ts';
import { eachByKey, keyed } from '../../contracts/state-bulk.ts';
import { isUnconditional, planOf, type StatePlan } from '../../contracts/state-plan.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Random } from '../../kernel/ports.ts';
import { fitsDocument, readDocument, type ReadDocument } from './document.ts';
import { filterOf, liveAt, prefixed, sortOf } from './query.ts';
import { needsTime, type PlannedWrites, writesOf } from './writes.ts';

/** What a replica set or cluster can do. A single server has no transactions, so it cannot keep actors either. */
export const mongoCapabilities: readonly StateCapability[] = [
  'ETAG',
  'TRANSACTIONAL',
  'QUERY_API',
  'TTL',
  'DELETE_WITH_PREFIX',
  'KEYS_LIKE',
  'ACTOR',
];

/** What a single server can do. */
export const singleServerCapabilities = mongoCapabilities.filter((each) => each !== 'TRANSACTIONAL' && each !== 'ACTOR');

/** For messages. */
export const what = 'state.mongodb';

export interface MongoStoreOptions {
  readonly database: MongoDatabase;
  readonly random: Random;
  /** Called before the database is closed. */
  readonly closing: () => Promise<void>;
}

const operationsMax = 1_000;
const repeatsMax = 5;
/** Dapr's etags are UUIDs, but any text can be compared. */
const etagForm = /^.{1,128}$/s;

/** State in a collection of MongoDB in Dapr's format. Transactions are there when the server has them. */
export function createMongoStore(options: MongoStoreOptions): StateStore {
  const { database, closing } = options;
  const { read, write, transact } = accessOf(options);
  const isLive = async ({ expiresAtMs }: ReadDocument): Promise<boolean> =>
    expiresAtMs === undefined || expiresAtMs > (await nowOf(database));
  const find = (filter: Filter<MongoItem>, more: FindOptions = {}): Promise<ReadDocument[]> =>
    read(async (collection) => {
      const found = await collection.find(filter, { ...more, raw: true }).toArray();
      return found.map((raw) => readDocument(raw as unknown as Buffer, database.bson));
    });
  const getMany = async (keys: readonly string[]): Promise<Map<string, StateValue>> => {
    const found = new Map<string, StateValue>();
    if (keys.length === 0) return found;
    const filter = keys.length === 1 ? { _id: keys[0] as string } : { _id: { $in: [...new Set(keys)] } };
    for (const document of await find(filter)) if (await isLive(document)) found.set(document.key, document.value);
    return found;
  };
  const one = (operation: StateOperation): Promise<void> => transact(planOf([operation], etagForm));
  const bulk = bulkOf(options, one);
  return {
    capabilities: database.transactions ? mongoCapabilities : singleServerCapabilities,
    transactionOperationsMax: operationsMax,
    ...keyed({ getMany, one, bulk }),
    ...(database.transactions && { transact: (operations) => transact(planOf(operations, etagForm)) }),
    async query(query) {
      const { limit, token } = query;
      const skip = token === undefined ? 0 : Number(token);
      if (!Number.isSafeInteger(skip) || skip < 0) throw new RangeError(`the page token '${String(token)}' is not valid`);
      const filter = filterOf(query, await nowOf(database));
      const found = await find(filter, { sort: sortOf(query), skip, ...(limit !== undefined && { limit: limit + 1 }) });
      const items = found.slice(0, limit).map(({ key, value: { data, etag } }) => ({ key, data, etag }));
      return { items, ...(found.length > items.length && { token: String(skip + items.length) }) };
    },
    async deleteWithPrefix(prefix) {
      if (prefix === '') throw new ProaError('bad-request', 'a prefix is required to delete by prefix');
      return (await write((collection) => collection.deleteMany(prefixed(prefix)))).deletedCount;
    },
    async keys(prefix, { token, limit }) {
      const filter = { $and: [prefixed(prefix), token === undefined ? {} : { _id: { $gt: token } }, liveAt(await nowOf(database))] };
      const found = await find(filter, { sort: { _id: 1 }, limit: limit + 1, projection: { _id: 1 } });
      const keys = found.slice(0, limit).map(({ key }) => key);
      const last = keys.at(-1);
      return { keys, ...(found.length > limit && last !== undefined && { token: last }) };
    },
    async ping() {
      await read((collection) => collection.findOne({ _id: '' }, { projection: { _id: 1 } }));
    },
    async close() {
      await closing();
      await database.close();
    },
  };
}

type Write = <T>(work: (collection: Collection<MongoItem>) => Promise<T>) => Promise<T>;

function accessOf({ database, random }: MongoStoreOptions) {
  const access =
    (effect: 'read' | 'write'): Write =>
    async (work) => {
      const result = await database.run(work);
      if (result.status !== 'done') throw errorOf(result, effect);
      return result.value;
    };
  const write = access('write');
  const transact = async (plan: StatePlan): Promise<void> => {
    const writes = writesOf(plan, needsTime(plan) ? await nowOf(database) : 0, () => random.uuid());
    const count = writes.guarded.length + writes.free.length;
    if (count === 1) {
      const result = await alone(database, writes);
      if (result.status !== 'done') throw errorOf(result, 'write');
    } else if (count > 1) {
      const result = await database.transaction((collection, session) => apply(collection, writes, session));
      if (result.status !== 'done') throw errorOf(result, 'write');
    }
  };
  return { read: access('read'), write, transact };
}

/** One write is whole by itself. Two that create one key at the same time can be in each other's way; then the key is there. */
async function alone(database: MongoDatabase, writes: PlannedWrites): Promise<MongoResult<void>> {
  const run = (): Promise<MongoResult<void>> => database.run((collection) => apply(collection, writes));
  let result = await run();
  for (let tries = 0; tries < repeatsMax && result.status === 'refused' && isDuplicateKey(result.error); tries++) result = await run();
  return result;
}

async function apply(collection: Collection<MongoItem>, writes: PlannedWrites, session?: ClientSession): Promise<void> {
  const { guarded, written, removed, free } = writes;
  const options = { ordered: true, ...(session !== undefined && { session }) };
  if (guarded.length > 0) {
    const done = await collection.bulkWrite(guarded, options).catch((error: unknown) => {
      throw isDuplicateKey(error) ? new EtagError('mismatch') : error;
    });
    if (done.matchedCount + done.upsertedCount !== written || done.deletedCount !== removed) throw new EtagError('mismatch');
  }
  if (free.length > 0) await collection.bulkWrite(free, options);
}

type One = (operation: StateOperation) => Promise<void>;

/** What cannot fail for what is stored goes in one command; whatever of it the server refuses is tried by itself, to know why. */
function bulkOf({ database, random }: MongoStoreOptions, one: One) {
  return async (operations: readonly StateOperation[]): Promise<BulkOutcome<void>[]> => {
    if (operations.length < 2 || !operations.every(canJoin)) return eachByKey(operations, one);
    const plan = planOf(operations, etagForm);
    const { free } = writesOf(plan, needsTime(plan) ? await nowOf(database) : 0, () => random.uuid());
    const result = await database.run((collection) => collection.bulkWrite(free, { ordered: false }));
    if (result.status === 'done') return operations.map(({ key }) => ({ key }));
    if (result.status !== 'refused') return operations.map(({ key }) => ({ key, error: errorOf(result, 'write') }));
    const keys = [...plan.sets.map(({ key }) => key), ...plan.deletes];
    const refused = new Set(refusedOf(result.error, keys.length).map((index) => keys[index]));
    return eachByKey(operations, (operation) => (refused.has(operation.key) ? one(operation) : Promise.resolve()));
  };
}

/** Whether an operation of a bulk fails only for what the server says. */
function canJoin(operation: StateOperation): boolean {
  return isUnconditional(operation) && (operation.kind === 'delete' || fitsDocument(operation));
}

/** Which writes of a bulk were refused: all when the server refused the bulk itself. */
function refusedOf(error: Error, count: number): readonly number[] {
  const each = writeErrorsOf(error);
  return each.length > 0 ? each.map(({ index }) => index) : Array.from({ length: count }, (_, index) => index);
}

async function nowOf(database: MongoDatabase): Promise<number> {
  const now = await database.now();
  if (now.status !== 'done') throw errorOf(now, 'read');
  return now.value;
}

function errorOf({ status, error, uncommitted }: Exclude<MongoResult<unknown>, { status: 'done' }>, effect: 'read' | 'write'): Error {
  const code = codeOf(error);
  if (status === 'refused' && !isPassing(error))
    return new Error(`MongoDB: ${messageOf(error)}${code > 0 ? ` (${code})` : ''}`, { cause: error });
  if (status === 'lost' && effect === 'write' && uncommitted !== true)
    return outcomeUnknown(`${what}: the write may or may not have happened`, error);
  return new ProaError('unavailable', `${what}: MongoDB: ${messageOf(error)}`, { cause: error });
}
