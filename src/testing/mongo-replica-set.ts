import { createServer, type Socket } from 'node:net';
import { BSON } from 'mongodb';
import { fits, inOrder, type MongoDocument } from './mongo-documents.ts';

/*
 * A replica set of one member in the test's process, for what no server that Debian or a registry of packages has can do: transactions. It answers as MongoDB's
 * manual and its drivers' specifications say: a transaction reads what was committed when it began; who writes what another one wrote since, or is
 * writing, gets WriteConflict with the label TransientTransactionError; a write outside of transactions waits for the one that is in its way; a commit
 * that is asked for again gets the first answer; a transaction that nobody knows is NoSuchTransaction.
 */

/** What becomes of the next command of this name: its answer is lost, or it never arrives, or it fails with this code. */
export type MongoFault = { readonly command: string } & (
  | { readonly lose: 'answer' | 'command' }
  | { readonly code: number; readonly labels?: readonly string[] }
);

export interface MongoReplicaSet {
  readonly port: number;
  /** One for each of the next commands that it fits. */
  readonly faults: MongoFault[];
  /** The names of all commands so far. */
  readonly commands: string[];
  /** What is stored, committed only. */
  documents(): readonly MongoDocument[];
  /** Lets the times to live go by. */
  age(ms: number): void;
  clear(): void;
  close(): Promise<void>;
}

type Command = Readonly<Record<string, unknown>>;
type Reply = Record<string, unknown>;

interface Transaction {
  readonly began: number;
  readonly seen: ReadonlyMap<string, MongoDocument>;
  /** Undefined: deleted. */
  readonly writes: Map<string, MongoDocument | undefined>;
  state: 'open' | 'committed' | 'aborted';
  readonly ended: Promise<void>;
  end(): void;
}

const refused = (code: number, codeName: string, errmsg: string, labels: readonly string[] = []): Reply => ({
  ok: 0,
  code,
  codeName,
  errmsg,
  ...(labels.length > 0 && { errorLabels: labels }),
});
const transient = ['TransientTransactionError'];

class Conflict extends Error {}

/** Listens on a free port of 127.0.0.1. */
export async function startMongoReplicaSet(): Promise<MongoReplicaSet> {
  const data = createData();
  const faults: MongoFault[] = [];
  const commands: string[] = [];
  const sockets = new Set<Socket>();
  const answer = async (command: Command): Promise<Reply | 'lost'> => {
    const name = Object.keys(command)[0] as string;
    commands.push(name);
    const index = faults.findIndex((fault) => fault.command === name);
    const [fault] = index < 0 ? [] : faults.splice(index, 1);
    if (fault !== undefined && 'code' in fault)
      return (data.abort(command), refused(fault.code, 'Planted', 'a fault of the test', fault.labels));
    if (fault !== undefined && fault.lose === 'command') return 'lost';
    const reply = name === 'hello' || name === 'ismaster' || name === 'isMaster' ? helloOf(port) : await data.run(name, command);
    return fault === undefined ? reply : 'lost';
  };
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    serve(socket, answer);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  return {
    port,
    faults,
    commands,
    documents: data.documents,
    age: data.age,
    clear: data.clear,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function helloOf(port: number): Reply {
  const me = `127.0.0.1:${port}`;
  return {
    ...{ ok: 1, ismaster: true, isWritablePrimary: true, helloOk: true, secondary: false },
    ...{ setName: 'rs', setVersion: 1, hosts: [me], primary: me, me, localTime: new Date() },
    ...{ maxBsonObjectSize: 16 * 1024 * 1024, maxMessageSizeBytes: 48_000_000, maxWriteBatchSize: 1_000 },
    ...{ logicalSessionTimeoutMinutes: 30, minWireVersion: 0, maxWireVersion: 21 },
  };
}

function createData() {
  let documents = new Map<string, MongoDocument>();
  /** When each key was last written, deletions included. */
  const writtenAt = new Map<string, number>();
  const transactions = new Map<string, Transaction>();
  let version = 0;

  const holderOf = (key: string, self?: Transaction): Transaction | undefined =>
    [...transactions.values()].find((other) => other !== self && other.state === 'open' && other.writes.has(key));
  const put = (key: string, document: MongoDocument | undefined): void => {
    writtenAt.set(key, ++version);
    if (document === undefined) documents.delete(key);
    else documents.set(key, document);
  };
  const write = async (key: string, document: MongoDocument | undefined, within: Transaction | undefined): Promise<void> => {
    if (within === undefined) return put(key, document);
    if (holderOf(key, within) !== undefined || (writtenAt.get(key) ?? 0) > within.began) throw new Conflict();
    within.writes.set(key, document);
  };
  const seenBy = (within: Transaction | undefined): ReadonlyMap<string, MongoDocument> => {
    if (within === undefined) return documents;
    const seen = new Map(within.seen);
    for (const [key, document] of within.writes) {
      if (document === undefined) seen.delete(key);
      else seen.set(key, document);
    }
    return seen;
  };
  /** The first document that fits; outside of transactions, once nobody is writing it. */
  const first = async (filter: Command, within: Transaction | undefined): Promise<MongoDocument | undefined> => {
    for (;;) {
      const key = filter['_id'];
      const holder = within === undefined && typeof key === 'string' ? holderOf(key) : undefined;
      if (holder === undefined) break;
      await holder.ended;
    }
    return [...seenBy(within).values()].find((document) => fits(filter, document));
  };

  const find = (command: Command, within: Transaction | undefined): Reply => {
    const {
      filter,
      sort = {},
      skip = 0,
      limit = 0,
    } = command as { filter: Command; sort?: Record<string, number>; skip?: number; limit?: number };
    const found = [...seenBy(within).values()].filter((document) => fits(filter, document)).toSorted((a, b) => inOrder(sort, a, b));
    const firstBatch = found.slice(skip, limit > 0 ? skip + limit : undefined);
    return { ok: 1, cursor: { id: 0n, ns: `${String(command['$db'])}.${String(command['find'])}`, firstBatch } };
  };
  const update = async (command: Command, within: Transaction | undefined): Promise<Reply> => {
    const upserted: Reply[] = [];
    const writeErrors: Reply[] = [];
    let n = 0;
    for (const [index, { q, u, upsert }] of (command['updates'] as { q: Command; u: Command; upsert?: boolean }[]).entries()) {
      const found = await first(q, within);
      const key = found?._id ?? (q['_id'] as string);
      if (found === undefined && upsert !== true) continue;
      if (found === undefined && seenBy(within).has(key)) {
        writeErrors.push({ index, code: 11_000, errmsg: `E11000 duplicate key error: ${key}` });
        if (within !== undefined) finish(within, 'aborted');
        if (command['ordered'] !== false) break;
        continue;
      }
      await write(key, { _id: key, ...u }, within);
      n++;
      if (found === undefined) upserted.push({ index, _id: key });
    }
    return {
      ok: 1,
      n,
      nModified: n - upserted.length,
      ...(upserted.length > 0 && { upserted }),
      ...(writeErrors.length > 0 && { writeErrors }),
    };
  };
  const remove = async (command: Command, within: Transaction | undefined): Promise<Reply> => {
    let n = 0;
    for (const { q, limit } of command['deletes'] as { q: Command; limit: number }[]) {
      for (let found = await first(q, within); found !== undefined; found = await first(q, within)) {
        await write(found._id, undefined, within);
        n++;
        if (limit === 1) break;
      }
    }
    return { ok: 1, n };
  };
  const finish = (transaction: Transaction | undefined, how: 'committed' | 'aborted'): Reply => {
    if (transaction?.state === how && how === 'committed') return { ok: 1 };
    if (transaction?.state !== 'open') return refused(251, 'NoSuchTransaction', 'no such transaction', transient);
    transaction.state = how;
    if (how === 'committed') for (const [key, document] of transaction.writes) put(key, document);
    transaction.end();
    return { ok: 1 };
  };
  const begin = (id: string): Transaction => {
    let end = (): void => {};
    const ended = new Promise<void>((resolve) => (end = resolve));
    const transaction: Transaction = { began: version, seen: new Map(documents), writes: new Map(), state: 'open', ended, end };
    transactions.set(id, transaction);
    return transaction;
  };

  const idOf = (command: Command): string | undefined =>
    command['autocommit'] === false ? BSON.EJSON.stringify([command['lsid'], command['txnNumber']]) : undefined;
  const run = async (name: string, command: Command): Promise<Reply> => {
    if (['ping', 'createIndexes', 'endSessions'].includes(name)) return { ok: 1 };
    const id = idOf(command);
    const within = id === undefined ? undefined : command['startTransaction'] === true ? begin(id) : transactions.get(id);
    if (name === 'commitTransaction') return finish(within, 'committed');
    if (name === 'abortTransaction') return finish(within, 'aborted');
    if (id !== undefined && within?.state !== 'open') return refused(251, 'NoSuchTransaction', 'no such transaction', transient);
    try {
      if (name === 'find') return find(command, within);
      if (name === 'update') return await update(command, within);
      if (name === 'delete') return await remove(command, within);
    } catch (error) {
      if (!(error instanceof Conflict)) return refused(2, 'BadValue', String(error));
      finish(within, 'aborted');
      return refused(112, 'WriteConflict', 'another transaction is in the way', transient);
    }
    return refused(59, 'CommandNotFound', `no such command: '${name}'`);
  };
  return {
    run,
    /** What the command belongs to is over. */
    abort: (command: Command) => void finish(transactions.get(idOf(command) ?? ''), 'aborted'),
    documents: () => [...documents.values()],
    age(ms: number): void {
      for (const [key, document] of documents) {
        const ends = document['_ttl'];
        if (ends instanceof Date) documents.set(key, { ...document, _ttl: new Date(ends.getTime() - ms) });
      }
    },
    clear(): void {
      for (const transaction of transactions.values()) if (transaction.state === 'open') finish(transaction, 'aborted');
      documents = new Map();
    },
  };
}

const opReply = 1;
const opQuery = 2004;
const opMsg = 2013;

/** MongoDB's wire protocol: OP_MSG, and OP_QUERY for the first question of a client. */
function serve(socket: Socket, answer: (command: Command) => Promise<Reply | 'lost'>): void {
  let rest = Buffer.alloc(0);
  const reply = async (message: Buffer): Promise<void> => {
    const [request, code] = [message.readInt32LE(4), message.readInt32LE(12)];
    const document = await answer(code === opMsg ? commandOf(message.subarray(20)) : queryOf(message.subarray(16)));
    if (document === 'lost') return void socket.destroy();
    const body = BSON.serialize(document);
    const before = code === opQuery ? Buffer.concat([Buffer.alloc(16), Buffer.from([1, 0, 0, 0])]) : Buffer.alloc(5);
    const head = Buffer.alloc(16);
    head.writeInt32LE(16 + before.length + body.length, 0);
    head.writeInt32LE(request, 8);
    head.writeInt32LE(code === opQuery ? opReply : opMsg, 12);
    socket.write(Buffer.concat([head, before, body]));
  };
  socket.on('data', (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 16 && rest.length >= rest.readInt32LE(0)) {
      const size = rest.readInt32LE(0);
      void reply(rest.subarray(0, size));
      rest = rest.subarray(size);
    }
  });
}

/** The flags, the collection's name and two numbers stand before the document. */
function queryOf(body: Buffer): Command {
  const start = body.indexOf(0, 4) + 1 + 8;
  return decoded(body, start).document;
}

/** One document, and lists of documents that belong into it. */
function commandOf(sections: Buffer): Command {
  const command: Record<string, unknown> = {};
  for (let at = 0; at < sections.length;) {
    const kind = sections[at++];
    if (kind === 0) {
      const { document, end } = decoded(sections, at);
      Object.assign(command, document);
      at = end;
      continue;
    }
    const until = at + sections.readInt32LE(at);
    const nameEnd = sections.indexOf(0, at + 4);
    const list: Command[] = [];
    for (let next = nameEnd + 1; next < until;) {
      const { document, end } = decoded(sections, next);
      list.push(document);
      next = end;
    }
    command[sections.toString('utf8', at + 4, nameEnd)] = list;
    at = until;
  }
  return command;
}

function decoded(bytes: Buffer, start: number): { readonly document: Command; readonly end: number } {
  const end = start + bytes.readInt32LE(start);
  return { document: BSON.deserialize(bytes.subarray(start, end)), end };
}
