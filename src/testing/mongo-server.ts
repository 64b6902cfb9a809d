import { MongoClient, type Db } from 'mongodb';
import { startProgram, type ServerProcess } from './server-process.ts';

/** A FerretDB server of one test file, over SQLite: it speaks MongoDB's protocol. `.ci/run` builds it; see docs/guides/stores.md. */
export function startMongo(command: string, more: readonly string[] = []): Promise<ServerProcess> {
  return startProgram({
    command,
    args: ({ directory, port }) => [
      ...['--handler=sqlite', `--sqlite-url=file:${directory}/`, `--state-dir=${directory}`],
      ...[`--listen-addr=127.0.0.1:${port}`, '--debug-addr=-', '--telemetry=disable', '--log-level=error'],
      ...more,
    ],
    ready: (port) => withMongo(port, 'admin', (db) => db.command({ hello: 1 }).then(() => true)),
  });
}

/** Asks a database over a connection of its own. */
export async function withMongo<T>(port: number, database: string, work: (db: Db) => Promise<T>): Promise<T> {
  const client = new MongoClient(`mongodb://127.0.0.1:${port}/`, { serverSelectionTimeoutMS: 2_000, retryWrites: false });
  try {
    return await work(client.db(database));
  } finally {
    await client.close();
  }
}

/** Lets the times to live of a collection go by. */
export async function ageMongo(db: Db, collectionName: string, ms: number): Promise<void> {
  const collection = db.collection<{ _id: string; _ttl: Date | null }>(collectionName);
  for (const { _id, _ttl } of await collection.find({ _ttl: { $ne: null } }).toArray())
    if (_ttl !== null) await collection.updateOne({ _id }, { $set: { _ttl: new Date(_ttl.getTime() - ms) } });
}
