import { createServer, type Socket } from 'node:net';
import { BSON } from 'mongodb';
import type { MongoDocument } from './mongo-documents.ts';
import { type MongoCommand, MongoData, type MongoReply, refused } from './mongo-data.ts';

/*
 * A replica set of one member in the test's process, for what no server that Debian or a registry of packages has can do: transactions. It answers as MongoDB's
 * manual and its drivers' specifications say; what it does with documents and transactions stands in `mongo-data.ts`.
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

type Command = MongoCommand;
type Reply = MongoReply;

/** Listens on a free port of 127.0.0.1. */
export async function startMongoReplicaSet(): Promise<MongoReplicaSet> {
  const data = new MongoData();
  const faults: MongoFault[] = [];
  const commands: string[] = [];
  const sockets = new Set<Socket>();
  const answer = async (command: Command): Promise<Reply | 'lost'> => {
    const name = Object.keys(command)[0] as string;
    commands.push(name);
    // What the client asks for itself, about the server's state, has no session.
    const index = command['lsid'] === undefined ? -1 : faults.findIndex((fault) => fault.command === name);
    const [fault] = index < 0 ? [] : faults.splice(index, 1);
    if (fault !== undefined && 'code' in fault) {
      // A server that knows the transaction to be committed says nothing else of it.
      return data.abort(command) ? refused(fault.code, 'Planted', 'a fault of the test', fault.labels) : data.run(name, command);
    }
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
    documents: () => data.documents(),
    age: (ms) => data.age(ms),
    clear: () => data.clear(),
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
