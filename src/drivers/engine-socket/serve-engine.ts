import { canBackUp } from '../../contracts/engine-backup.ts';
import type { Engine, Entry } from '../../contracts/engine.ts';
import { isProaError, ProaError } from '../../kernel/errors.ts';
import type { Address, Clock, Connection, Listener, Network } from '../../kernel/ports.ts';
import type { Key } from '../../kernel/tuple.ts';
import type { ByteReader, ByteWriter } from '../../wire/engine/byte-codec.ts';
import { FrameLink, frameWriter } from '../../wire/engine/frame-link.ts';
import * as message from './messages.ts';
import type { Reader, ReadGrants } from './read-grants.ts';
import { createScope, type Scope } from './scope.ts';

const { answerType, requestType } = message;

export interface ServeEngineOptions {
  readonly network: Network;
  readonly clock: Clock;
  readonly address: Address;
  /** Awaited by requests until it is open; clients are told that the owner is starting. */
  readonly engine: Promise<Engine>;
  /** Called before every request is given to the engine; a rejection is its answer (the owner found out that it is none any more). */
  readonly admit?: () => Promise<void> | undefined;
  /** What clients may keep of what they read; absent, or undefined while the engine is not open: nothing. */
  readonly grants?: () => ReadGrants | undefined;
  /** Told when the engine answered `unknown` or `engine.unavailable`: it may not be worth serving any more. */
  readonly failed?: (error: unknown) => void;
  /** Clients at once. Default 256. */
  readonly clientsMax?: number;
  /** Requests of one client that may be under way. Default 8,192. */
  readonly requestsMax?: number;
}

export interface EngineServer {
  readonly address: Address;
  readonly clients: number;
  /** Stops accepting, tells the clients to look for the next owner, and closes their connections. The engine stays open. */
  close(): Promise<void>;
}

/** Serves the engine contract on a socket. Fails with the system's error when the address cannot be bound. */
export async function serveEngine(options: ServeEngineOptions): Promise<EngineServer> {
  const clients = new Set<EngineClient>();
  // A client that is refused hears why.
  options.engine.catch(() => {});
  const listener: Listener = await options.network.listen(options.address, (connection) => {
    if (clients.size >= (options.clientsMax ?? 256)) return connection.destroy();
    const client = new EngineClient(options, connection, () => clients.delete(client));
    clients.add(client);
  });
  return {
    address: listener.address,
    get clients() {
      return clients.size;
    },
    async close() {
      const stopped = listener.close();
      for (const client of clients) client.sayBye();
      await stopped;
    },
  };
}

/** Larger values are not kept by clients. */
const keptBytesMax = 64 * 1024;

/** What to do with a request, and how its answer is written. */
type Work = (engine: Engine) => Promise<(w: ByteWriter) => void>;

class EngineClient implements Reader {
  readonly #options: ServeEngineOptions;
  readonly #link: FrameLink;
  readonly #watches = new Map<number, () => void>();
  /** Hints that were sent in this turn; one is enough. */
  readonly #hinted = new Set<number>();
  #scope: Scope | undefined;
  #engine: Engine | undefined;
  #underWay = 0;

  constructor(options: ServeEngineOptions, connection: Connection, gone: () => void) {
    this.#options = options;
    this.#link = new FrameLink({
      connection,
      clock: options.clock,
      frame: (type, id, payload) => this.#frame(type, id, payload),
      closed: () => {
        for (const unwatch of this.#watches.values()) unwatch();
        this.#watches.clear();
        this.#grants()?.left(this);
        gone();
      },
    });
  }

  get closed(): boolean {
    return this.#link.closed;
  }

  forget(id: number, keys: readonly Key[]): void {
    const w = frameWriter();
    w.list(keys, (key) => w.key(key));
    this.#link.send(answerType.forget, id, w);
  }

  sayBye(): void {
    this.#link.send(answerType.bye, 0, frameWriter(0));
    this.#link.end();
  }

  #frame(type: number, id: number, r: ByteReader): void {
    if (type === requestType.hello) return this.#hello(id, message.readHello(r));
    if (type === requestType.ping)
      return this.#link.send(this.#engine === undefined ? answerType.starting : answerType.ok, id, this.#head());
    const scope = this.#scope;
    if (scope === undefined) throw new ProaError('malformed-request', 'engine protocol: a request before hello');
    if (type === requestType.forgotten) return this.#grants()?.forgotten(this, id);
    if (type === requestType.getMany || type === requestType.keep) return this.#getMany(type, id, { r, scope });
    this.#work(id, () => this.#read(type, r, scope));
  }

  /** What is in memory is answered at once: most reads of a busy client are of keys that everybody reads. Only that may be kept. */
  #getMany(type: number, id: number, { r, scope }: { readonly r: ByteReader; readonly scope: Scope }): void {
    const keys = r.list(message.keysMax, () => r.key());
    r.done();
    try {
      for (const key of keys) scope.key(key);
    } catch (error) {
      return this.#fail(id, error);
    }
    const asksToKeep = type === requestType.keep;
    const found = this.#peekAll(keys);
    if (found !== undefined)
      return this.#answer(id, (w) => {
        writeEntries(w, found);
        if (asksToKeep) w.list(found, (entry) => w.u8(this.#mayKeep(entry) ? 1 : 0));
      });
    return this.#work(id, () => async (engine) => {
      const entries = await engine.getMany(keys);
      return (w) => {
        writeEntries(w, entries);
        if (asksToKeep) w.list(entries, () => w.u8(0));
      };
    });
  }

  #mayKeep({ key, value, expiresAtMs }: Entry): boolean {
    return expiresAtMs === undefined && value.length <= keptBytesMax && this.#grants()?.grant(this, key) === true;
  }

  #grants(): ReadGrants | undefined {
    return this.#options.grants?.();
  }

  /** Undefined: somebody has to wait, for the disk or for a look at the epochs. */
  #peekAll(keys: readonly Key[]): Entry[] | undefined {
    const engine = this.#engine;
    if (engine?.peek === undefined || !this.#admittedNow()) return undefined;
    const found: Entry[] = [];
    for (const key of keys) {
      const entry = engine.peek(key);
      if (entry === undefined) return undefined;
      found.push(entry);
    }
    return found;
  }

  #admittedNow(): boolean {
    const doubt = this.#options.admit?.();
    // Whoever waits for it hears how it ended.
    doubt?.catch(() => {});
    return doubt === undefined;
  }

  #work(id: number, read: () => Work): void {
    if (++this.#underWay >= this.#requestsMax()) this.#link.pause();
    let answer: Promise<(w: ByteWriter) => void>;
    try {
      answer = this.#admitted(read());
    } catch (error) {
      if (!(error instanceof Error) || ProaError.from(error).code === 'malformed-request') throw error;
      answer = Promise.reject(error);
    }
    void this.#reply(id, answer);
  }

  #requestsMax(): number {
    return this.#options.requestsMax ?? 8_192;
  }

  #hello(id: number, hello: message.Hello): void {
    if (hello.version !== message.protocolVersion) {
      const versions = `${hello.version}, the owner ${message.protocolVersion}`;
      return this.#fail(id, new ProaError('engine.format', `"${hello.name}" speaks version ${versions} of the engine protocol`));
    }
    this.#scope = createScope(hello.name, hello.scope);
    if (this.#engine === undefined) this.#link.send(answerType.starting, id, this.#head());
    void this.#welcome(id);
  }

  async #welcome(id: number): Promise<void> {
    try {
      this.#engine = await this.#options.engine;
      this.#answer(id, (w) => void (this.#grants() !== undefined && w.u8(message.letsKeep)));
    } catch (error) {
      this.#fail(id, error);
    }
  }

  /** Decodes a request now, while its bytes are here, and returns what to do with it. */
  #read(type: number, r: ByteReader, scope: Scope): Work {
    const work = this.#decode(type, r, scope);
    r.done();
    return work;
  }

  #decode(type: number, r: ByteReader, scope: Scope): Work {
    switch (type) {
      case requestType.commit: {
        const commit = message.readCommit(r);
        scope.commit(commit);
        return async (engine) => {
          const result = await engine.commit(commit);
          if (result.status === 'unknown') this.#options.failed?.(result.cause);
          return (w) => message.writeCommitResult(w, result);
        };
      }
      case requestType.range: {
        const query = message.readRangeQuery(r);
        scope.range(query.from, query.to);
        return async (engine) => {
          const page = await engine.range(query);
          return (w) => message.writeRangePage(w, page);
        };
      }
      case requestType.readLog: {
        const [log, after, limit] = [r.key(), r.number(), r.optional(() => r.number())];
        scope.key(log);
        return async (engine) => {
          const page = await engine.readLog(log, after, limit);
          return (w) => message.writeLogPage(w, page);
        };
      }
      case requestType.trim: {
        const [log, upTo] = [r.key(), r.number()];
        scope.key(log);
        return async (engine) => {
          await engine.trim(log, upTo);
          return () => {};
        };
      }
      default:
        return this.#decodeRest(type, r, scope);
    }
  }

  #decodeRest(type: number, r: ByteReader, scope: Scope): Work {
    switch (type) {
      case requestType.acquireLease: {
        const [name, owner, ttlMs] = [r.key(), r.text(), r.number()];
        scope.key(name);
        return async (engine) => {
          const lease = await engine.acquireLease(name, owner, ttlMs);
          return (w) => message.writeLease(w, lease);
        };
      }
      case requestType.renewLease:
      case requestType.releaseLease: {
        const lease = message.readLease(r);
        const ttlMs = r.number();
        if (!lease.held) throw new ProaError('malformed-request', 'engine protocol: a lease that is not held');
        scope.key(lease.name);
        if (type === requestType.releaseLease) return (engine) => engine.releaseLease(lease).then(() => () => {});
        return async (engine) => {
          const renewed = await engine.renewLease(lease, ttlMs);
          return (w) => void w.optional(renewed, (kept) => message.writeLease(w, kept));
        };
      }
      case requestType.watch:
        return this.#watch(r, scope);
      case requestType.unwatch: {
        const watch = r.u32();
        this.#watches.get(watch)?.();
        this.#watches.delete(watch);
        return () => Promise.resolve(() => {});
      }
      case requestType.backup: {
        scope.everything();
        const to = r.text();
        return async (engine) => {
          if (!canBackUp(engine)) throw new ProaError('config.invalid', `an engine of the kind ${engine.kind} makes no backups`);
          const summary = await engine.backup(to);
          return (w) => message.writeBackup(w, summary);
        };
      }
      case requestType.renewReads:
        return async () => {
          const { ms, fresh } = (await this.#grants()?.renew(this)) ?? { ms: 0, fresh: true };
          return (w) => void w.number(ms).u8(fresh ? 1 : 0);
        };
      case requestType.stats:
        return (engine) => Promise.resolve((w) => message.writeStats(w, engine.stats()));
      default:
        throw new ProaError('malformed-request', `engine protocol: a frame of the unknown type ${type}`);
    }
  }

  #watch(r: ByteReader, scope: Scope): Work {
    const [watch, isLog, key] = [r.u32(), r.u8() === 1, r.key()];
    if (isLog) scope.key(key);
    else scope.range(key, key + '\xff');
    return (engine) => {
      const hint = (): void => this.#hint(watch);
      if (!this.#link.closed) this.#watches.set(watch, isLog ? engine.onAppend(key, hint) : engine.watch(key as Key, hint));
      return Promise.resolve(() => {});
    };
  }

  #hint(watch: number): void {
    if (this.#hinted.has(watch)) return;
    if (this.#hinted.size === 0) this.#options.clock.soon(() => this.#hinted.clear());
    this.#hinted.add(watch);
    this.#link.send(answerType.hint, watch, frameWriter(0));
  }

  async #admitted(work: Work): Promise<(w: ByteWriter) => void> {
    const doubt = this.#options.admit?.();
    if (doubt !== undefined) await doubt;
    // No await when it is open: commits must reach the engine in the order in which they came.
    return work(this.#engine ?? (await this.#options.engine));
  }

  async #reply(id: number, answer: Promise<(w: ByteWriter) => void>): Promise<void> {
    try {
      this.#answer(id, await answer);
    } catch (error) {
      if (isProaError(error) && error.code === 'engine.unavailable') this.#options.failed?.(error);
      this.#fail(id, error);
    }
    if (this.#underWay-- === this.#requestsMax()) this.#link.resume();
  }

  #answer(id: number, write: (w: ByteWriter) => void): void {
    const w = this.#head();
    write(w);
    this.#link.send(answerType.ok, id, w);
  }

  #fail(id: number, error: unknown): void {
    const w = this.#head();
    message.writeError(w, ProaError.from(error));
    this.#link.send(answerType.error, id, w);
  }

  /** Every answer tells the engine's time. */
  #head(): ByteWriter {
    return frameWriter().number(this.#engine?.now() ?? 0);
  }
}

function writeEntries(w: ByteWriter, entries: readonly (Entry | undefined)[]): void {
  w.list(entries, (found) => w.optional(found, (entry) => message.writeEntry(w, entry)));
}
