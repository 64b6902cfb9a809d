import type { BSON, ClientSession, Collection, CollectionOptions, Document, MongoClient } from 'mongodb';
import { ProaError } from '../../kernel/errors.ts';
import type { Clock, Random } from '../../kernel/ports.ts';
import { hasLabel, isMongoError, isPassing, isRefusal, messageOf, wasUnsent } from './mongo-error.ts';

/**
 * How an operation ended. `unsent`: there was no connection. `refused`: the server answered with an error, so nothing of it happened. `lost`: the connection
 * went away or fell silent meanwhile, so it may have happened; not with `uncommitted`, where a transaction never came to its commit.
 */
export type MongoResult<T> =
  | { readonly status: 'done'; readonly value: T }
  | { readonly status: 'unsent' | 'refused' | 'lost'; readonly error: Error; readonly uncommitted?: true };

/** Documents by their keys. */
export interface MongoItem extends Document {
  readonly _id: string;
}

/** Operations of a transaction; all must be given the session, and what fails must not be caught. */
export type MongoWork = (collection: Collection<MongoItem>, session: ClientSession) => Promise<void>;

/** One collection of a MongoDB server, replica set or cluster. */
export interface MongoDatabase {
  readonly bson: typeof BSON;
  /** Whether the server has transactions over several documents: replica sets and clusters do. It was tried, not only asked. */
  readonly transactions: boolean;
  /** The server's clock, in milliseconds since 1970: what it said within the last minute, and what has passed since. */
  now(): Promise<MongoResult<number>>;
  /** What `work` throws itself is thrown on. */
  run<T>(work: (collection: Collection<MongoItem>) => Promise<T>): Promise<MongoResult<T>>;
  /** All of it or nothing. What `work` throws itself undoes all and is thrown on. `work` runs again when the server asks for it. */
  transaction(work: MongoWork): Promise<MongoResult<void>>;
  /** May be called twice. */
  close(): Promise<void>;
}

export interface MongoOptions {
  readonly connectionString: string;
  readonly databaseName: string;
  readonly collectionName: string;
  /** How writes are acknowledged and reads are isolated; what is left out is the server's. */
  readonly concerns: Pick<CollectionOptions, 'writeConcern' | 'readConcern'>;
  /** For a connection, and for an answer. */
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly random: Random;
}

/** What a replica set or cluster must be told of a transaction: all that it reads is of one moment, and its end is known to most servers. */
const transactionOptions = { readConcern: { level: 'snapshot' }, writeConcern: { w: 'majority' }, readPreference: 'primary' } as const;
const pauseMaxMs = 64;
/** How long an answer about the server's clock is gone by. */
const clockTrustedMs = 60_000;

/** Connects. Fails with `driver.missing-package` when `mongodb` is not installed, else with an Error that says what the server said. */
export async function openMongo(options: MongoOptions): Promise<MongoDatabase> {
  const { connectionString, databaseName, collectionName, concerns, timeoutMs, clock } = options;
  const { MongoClient: Client, BSON: bson } = await importMongo();
  let client: MongoClient | undefined;
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => (closing ??= client?.close() ?? Promise.resolve());
  try {
    client = new Client(connectionString, {
      appName: 'proa',
      connectTimeoutMS: timeoutMs,
      serverSelectionTimeoutMS: timeoutMs,
      socketTimeoutMS: timeoutMs,
      waitQueueTimeoutMS: timeoutMs,
      // A write is never sent twice by the client: docs/decisions/clients.md.
      retryWrites: false,
    });
    if (client.writeConcern?.w === 0) throw new Error('w=0 asks for writes that nobody acknowledges, and whose conditions nobody judges');
    await client.connect();
    const opened = client;
    const collection = client.db(databaseName).collection<MongoItem>(collectionName, concerns);
    const hello = () => opened.db('admin').command({ hello: 1 });
    const { setName, msg } = await hello();
    const replicated = typeof setName === 'string' || msg === 'isdbgrid';
    return {
      bson,
      transactions: replicated && (await hasTransactions(client, collection)),
      now: serverClock(hello, clock),
      run: (work) => outcomeOf(() => work(collection)),
      transaction: (work) => runTransactions(options, opened, (session) => work(collection, session)),
      close,
    };
  } catch (error) {
    await close();
    throw new Error(messageOf(error), { cause: error });
  }
}

async function importMongo() {
  try {
    return await import('mongodb');
  } catch (cause) {
    throw new ProaError('driver.missing-package', 'MongoDB components need the package "mongodb", which is not installed', {
      cause,
      hint: 'run: npm install mongodb',
    });
  }
}

/** A server can have the name of a replica set and pass over what says that operations belong together. Such a one does not know how to commit. */
async function hasTransactions(client: MongoClient, collection: Collection<MongoItem>): Promise<boolean> {
  const tried = await runTransaction(client, (session) => collection.findOne({ _id: '' }, { session }).then(() => undefined));
  if (tried.status === 'done') return true;
  if (tried.status === 'refused' && !isPassing(tried.error)) return false;
  throw tried.error;
}

/** The server's time: its answer in the middle of a round trip, and what the monotonic clock says has passed since. */
function serverClock(hello: () => Promise<Document>, clock: Clock): MongoDatabase['now'] {
  let asked = -Infinity;
  let offsetMs: Promise<number> = Promise.resolve(0);
  const ask = async (): Promise<number> => {
    const sent = clock.mono();
    const { localTime } = await hello();
    const middle = (sent + clock.mono()) / 2;
    // A proxy that does not tell the time leaves only our own.
    return (localTime instanceof Date ? localTime.getTime() : clock.now()) - middle;
  };
  return () => {
    if (clock.mono() - asked > clockTrustedMs) {
      asked = clock.mono();
      offsetMs = ask();
      offsetMs.catch(() => (asked = -Infinity));
    }
    return outcomeOf(async () => (await offsetMs) + clock.mono());
  };
}

async function outcomeOf<T>(work: () => Promise<T>): Promise<MongoResult<T>> {
  try {
    return { status: 'done', value: await work() };
  } catch (error) {
    if (isMongoError(error)) return failureOf(error);
    throw error;
  }
}

type Work = (session: ClientSession) => Promise<void>;
type Failure = Exclude<MongoResult<void>, { status: 'done' }>;

/** Runs it again while the server says that another one was in its way, for as long as an operation may take. */
async function runTransactions({ clock, random, timeoutMs }: MongoOptions, client: MongoClient, work: Work): Promise<MongoResult<void>> {
  const until = clock.mono() + timeoutMs;
  for (let tries = 0; ; tries++) {
    const result = await runTransaction(client, work);
    const again = result.status !== 'done' && hasLabel(result.error, 'TransientTransactionError');
    if (!again || clock.mono() >= until) return result;
    const pauseMs = 1 + (random.u32() % Math.min(2 ** (tries + 1), pauseMaxMs));
    await new Promise<void>((resolve) => void clock.timer(pauseMs, resolve));
  }
}

async function runTransaction(client: MongoClient, work: Work): Promise<MongoResult<void>> {
  const session = client.startSession();
  try {
    session.startTransaction(transactionOptions);
    try {
      await work(session);
    } catch (error) {
      await session.abortTransaction();
      // Nothing was committed, whatever became of the connection.
      if (isMongoError(error)) return { ...failureOf(error), uncommitted: true };
      throw error;
    }
    return await commit(session);
  } finally {
    await session.endSession();
  }
}

/** The client asks for the end of a lost commit once more; the server knows whether it was the end. */
async function commit(session: ClientSession): Promise<MongoResult<void>> {
  try {
    await session.commitTransaction();
    return { status: 'done', value: undefined };
  } catch (error) {
    if (hasLabel(error, 'TransientTransactionError')) return { ...failureOf(error), uncommitted: true };
    const decided = isRefusal(error) && !hasLabel(error, 'UnknownTransactionCommitResult');
    return { status: decided ? 'refused' : 'lost', error: error as Error };
  }
}

function failureOf(thrown: unknown): Failure {
  const error = thrown as Error;
  if (wasUnsent(error)) return { status: 'unsent', error };
  return { status: isRefusal(error) ? 'refused' : 'lost', error };
}
