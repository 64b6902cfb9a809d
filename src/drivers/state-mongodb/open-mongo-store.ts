import type { CollectionOptions } from 'mongodb';
import type { InferOutput } from 'valibot';
import { connectionStringOf } from '../../clients/mongodb/connection-string.ts';
import { type MongoDatabase, openMongo } from '../../clients/mongodb/database.ts';
import { codeOf, messageOf } from '../../clients/mongodb/mongo-error.ts';
import type { DriverContext } from '../../contracts/driver.ts';
import { scheduleSweep } from '../../contracts/scheduled-sweep.ts';
import type { StateStore } from '../../contracts/state.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { config } from './config.ts';
import { createMongoStore, what } from './mongo-store.ts';

type Options = InferOutput<typeof config>;

const sweepEveryMs = 60_000;
const nothing = { close: () => Promise.resolve() };

/** Connects, makes the index that lets documents end. Fails with `component.init-failed` and what the server said. */
export async function openMongoStore(options: Options, { ports, log }: DriverContext): Promise<StateStore> {
  const { clock, random } = ports;
  const { databaseName, collectionName, operationTimeout } = options;
  let database: MongoDatabase | undefined;
  try {
    database = await openMongo({
      connectionString: connectionStringOf(options),
      databaseName,
      collectionName,
      concerns: concernsOf(options),
      timeoutMs: operationTimeout,
      clock,
      random,
    });
    const opened = database;
    const sweep = (await endsByItself(database))
      ? nothing
      : scheduleSweep({ clock, log, intervalMs: sweepEveryMs }, () => sweepOnce(opened));
    if (!database.transactions)
      log.info(`${what}: the server has no transactions (replica sets and clusters have them), so it cannot keep the state of actors`);
    return createMongoStore({ database, random, closing: () => sweep.close() });
  } catch (error) {
    await database?.close();
    if (error instanceof ProaError) throw error;
    throw new ProaError('component.init-failed', `${what}: ${messageOf(error)}`, { cause: error });
  }
}

function concernsOf({ writeconcern, readconcern, operationTimeout }: Options): Pick<CollectionOptions, 'writeConcern' | 'readConcern'> {
  const w = writeconcern === 'majority' ? writeconcern : Number(writeconcern);
  return {
    ...(writeconcern && { writeConcern: { w, journal: true, wtimeoutMS: operationTimeout } }),
    ...(readconcern && { readConcern: { level: readconcern as 'local' } }),
  };
}

/** Error numbers by which servers that only speak MongoDB's protocol say that they have no such indexes: the command, or its option, is unknown to them. */
const lacking = new Set([59, 72, 115, 238, 303]);

/** Makes Dapr's index. Answers false when the server cannot end documents by itself. */
async function endsByItself(database: MongoDatabase): Promise<boolean> {
  const made = await database.run((collection) => collection.createIndex({ _ttl: 1 }, { expireAfterSeconds: 0 }));
  if (made.status === 'done') return true;
  if (made.status === 'refused' && lacking.has(codeOf(made.error))) return false;
  throw made.error;
}

async function sweepOnce(database: MongoDatabase): Promise<void> {
  const now = await database.now();
  if (now.status !== 'done') throw now.error;
  const ended = { _ttl: { $lte: new Date(now.value) } };
  const swept = await database.run((collection) => collection.deleteMany(ended));
  if (swept.status !== 'done') throw swept.error;
}
