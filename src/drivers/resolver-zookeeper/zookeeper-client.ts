import { follow } from '../../contracts/follow.ts';
import type { Cancellation } from '../../kernel/cancel.ts';
import type { Logger } from '../../kernel/log.ts';
import type { Clock, Connection, Network, Timer } from '../../kernel/ports.ts';
import { frameSplitter, juteReader, juteWriter, type JuteReader, type JuteWriter } from './jute.ts';

/** Error codes of ZooKeeper's protocol that have a meaning here. */
export const zooErrors = { noNode: -101, nodeExists: -110 } as const;
const operations = { create: 1, delete: 2, getData: 4, getChildren: 8, ping: 11, auth: 100, close: -11 } as const;
const xids = { event: -1, ping: -2, auth: -4 } as const;
const ephemeralFlag = 1;
const everything = 31;

/** What a server refused. */
export class ZooError extends Error {
  readonly code: number;
  constructor(code: number, path: string) {
    super(`ZooKeeper refuses ${path} with code ${code}`);
    this.code = code;
  }
}

export interface ZooClientOptions {
  readonly clock: Clock;
  readonly network: Network;
  readonly log: Logger;
  readonly servers: readonly { readonly host: string; readonly port: number }[];
  readonly sessionMs: number;
  /** `user:password` of the digest scheme; nodes are then made for that user alone. */
  readonly digest?: string;
  /** A watch fired: the children of `path` changed. */
  changed(path: string): void;
  /** A connection stands: watches of earlier ones are gone. */
  connected(): void;
}

/** One session of ZooKeeper 3.4 or newer. It follows the servers; when the session is lost there is a new one, with another id. */
export interface ZooClient {
  /** The session's id; changes when ephemeral nodes are gone. */
  readonly session: bigint;
  create(path: string, data: Uint8Array, ephemeral: boolean): Promise<void>;
  remove(path: string): Promise<void>;
  getData(path: string): Promise<Uint8Array>;
  /** With a watch that fires once. */
  children(path: string, watch: boolean): Promise<string[]>;
  /** Ends the session at the server, so that its ephemeral nodes go at once. */
  close(): Promise<void>;
}

const pendingMax = 10_000;
const connectMs = 2_000;

/** Connects at once. A request waits for a connection for two seconds, then fails. */
export function createZooClient(options: ZooClientOptions): ZooClient {
  return new Session(options);
}

interface Pending {
  readonly path: string;
  resolve(reader: JuteReader): void;
  reject(error: Error): void;
}

class Session implements ZooClient {
  readonly #options: ZooClientOptions;
  readonly #following: { close(): Promise<void> };
  readonly #waiting = new Set<(connection: Connection | undefined) => void>();
  readonly #pending = new Map<number, Pending>();
  #connection: Connection | undefined;
  #server = 0;
  #xid = 0;
  #password: Uint8Array = new Uint8Array(16);
  #heardMono = 0;
  session = 0n;

  constructor(options: ZooClientOptions) {
    this.#options = options;
    const { clock, log } = options;
    this.#following = follow({ clock, log, what: 'the session with ZooKeeper', attempt: (cancel, going) => this.#run(cancel, going) });
  }

  async create(path: string, data: Uint8Array, ephemeral: boolean): Promise<void> {
    const [scheme, id] = this.#options.digest === undefined ? ['world', 'anyone'] : ['auth', ''];
    await this.#ask(operations.create, path, (writer) =>
      writer
        .text(path)
        .buffer(data)
        .int(1)
        .int(everything)
        .text(scheme)
        .text(id)
        .int(ephemeral ? ephemeralFlag : 0),
    );
  }

  async remove(path: string): Promise<void> {
    const anyVersion = -1;
    await this.#ask(operations.delete, path, (writer) => writer.text(path).int(anyVersion));
  }

  async getData(path: string): Promise<Uint8Array> {
    return (await this.#ask(operations.getData, path, (writer) => writer.text(path).flag(false))).buffer();
  }

  async children(path: string, watch: boolean): Promise<string[]> {
    return (await this.#ask(operations.getChildren, path, (writer) => writer.text(path).flag(watch))).texts();
  }

  async close(): Promise<void> {
    const connection = this.#connection;
    if (connection !== undefined) {
      connection.write(juteWriter().int(this.#nextXid()).int(operations.close).frame());
      connection.end();
    }
    await this.#following.close();
    for (const waiting of this.#waiting) waiting(undefined);
  }

  async #ask(operation: number, path: string, body: (writer: JuteWriter) => JuteWriter): Promise<JuteReader> {
    const connection = this.#connection ?? (await this.#whenConnected());
    if (this.#pending.size >= pendingMax) throw new Error(`more than ${pendingMax} requests wait for ZooKeeper`);
    const xid = this.#nextXid();
    return new Promise((resolve, reject) => {
      this.#pending.set(xid, { path, resolve, reject });
      connection.write(body(juteWriter().int(xid).int(operation)).frame());
    });
  }

  #whenConnected(): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const settle = (connection: Connection | undefined): void => {
        timer.cancel();
        this.#waiting.delete(settle);
        if (connection === undefined) reject(new Error('there is no connection to ZooKeeper'));
        else resolve(connection);
      };
      const timer = this.#options.clock.timer(connectMs, () => settle(undefined));
      this.#waiting.add(settle);
    });
  }

  #nextXid(): number {
    this.#xid = (this.#xid % 0x7fffffff) + 1;
    return this.#xid;
  }

  // One connection from its beginning to its end. Fails when it broke.
  async #run(cancel: Cancellation, going: () => void): Promise<void> {
    const { network, servers, clock, sessionMs } = this.#options;
    const address = servers[this.#server % servers.length] as { host: string; port: number };
    this.#server++;
    let timer: Timer | undefined;
    let unlink = (): void => {};
    try {
      await new Promise<void>((resolve, reject) => {
        const connection = network.connect(address);
        unlink = cancel.onCancel(() => connection.destroy());
        this.#heardMono = clock.mono();
        const beat = (): void => {
          // Two thirds of the session without a word: the server is gone, another one may have the session still.
          if (clock.mono() - this.#heardMono > (2 * sessionMs) / 3) connection.destroy(new Error('ZooKeeper is silent'));
          else if (this.#connection === connection) connection.write(juteWriter().int(xids.ping).int(operations.ping).frame());
          timer = clock.timer(sessionMs / 4, beat, true);
        };
        timer = clock.timer(sessionMs / 4, beat, true);
        const split = frameSplitter((frame) => this.#received(frame, connection, going));
        connection.handlers = {
          open: () => connection.write(this.#hello()),
          data: (chunk) => {
            try {
              split(chunk);
            } catch (error) {
              connection.destroy(error as Error);
            }
          },
          end: () => connection.destroy(),
          drain() {},
          close: (error) =>
            error === undefined && cancel.cancelled ? resolve() : reject(error ?? new Error('ZooKeeper closed the connection')),
        };
      });
    } finally {
      timer?.cancel();
      unlink();
      this.#connection = undefined;
      const lost = [...this.#pending.values()];
      this.#pending.clear();
      for (const { reject } of lost) reject(new Error('the connection to ZooKeeper broke'));
    }
  }

  #hello(): Uint8Array {
    const { sessionMs } = this.#options;
    return juteWriter().int(0).long(0n).int(sessionMs).long(this.session).buffer(this.#password).flag(false).frame();
  }

  #received(frame: Uint8Array, connection: Connection, going: () => void): void {
    this.#heardMono = this.#options.clock.mono();
    const reader = juteReader(frame);
    if (this.#connection !== connection) {
      this.#welcomed(reader, connection, going);
      return;
    }
    const xid = reader.int();
    reader.long();
    const code = reader.int();
    if (xid === xids.ping) return;
    if (xid === xids.auth) {
      if (code !== 0) throw new Error('ZooKeeper refuses the user');
      return;
    }
    if (xid === xids.event) {
      reader.int();
      reader.int();
      this.#options.changed(reader.text());
      return;
    }
    const pending = this.#pending.get(xid);
    this.#pending.delete(xid);
    if (pending === undefined) throw new Error('ZooKeeper answers what nobody asked');
    if (code === 0) pending.resolve(reader);
    else pending.reject(new ZooError(code, pending.path));
  }

  #welcomed(reader: JuteReader, connection: Connection, going: () => void): void {
    reader.int();
    const [grantedMs, id, password] = [reader.int(), reader.long(), reader.buffer()];
    if (grantedMs <= 0) {
      // The session is over: the next connection begins another one.
      [this.session, this.#password] = [0n, new Uint8Array(16)];
      throw new Error('the session with ZooKeeper expired');
    }
    [this.session, this.#password] = [id, Uint8Array.from(password)];
    this.#connection = connection;
    const { digest, connected } = this.#options;
    if (digest !== undefined) connection.write(juteWriter().int(xids.auth).int(operations.auth).int(0).text('digest').text(digest).frame());
    going();
    for (const waiting of this.#waiting) waiting(connection);
    connected();
  }
}
