import type { Commit, CommitResult, Engine } from '../../contracts/engine.ts';
import type { Clock } from '../../kernel/ports.ts';
import { ProaError } from '../../kernel/errors.ts';
import { OrderedMap } from '../../kernel/ordered-map.ts';
import { type Key, tuple } from '../../kernel/tuple.ts';

/** How long a client may answer from what it keeps without asking again whether it still may. Whoever takes over after a crash waits for a little more. */
export const readLeaseMs = 200;
/** A key that was written is not given to anybody for this long: what is written often is not worth the asking. */
const coolMs = 1_000;
const coolMax = 10_000;
/** Timers may be a little early. */
const marginMs = 5;
/** Keys that one client may keep. */
const keysMax = 8_192;
/** Ranges that commits under way delete; with more of them nothing is granted. */
const rangesMax = 64;
const barrierKey = tuple('engine', 'read-grants');

/** A client that may keep what it read. */
export interface Reader {
  readonly closed: boolean;
  /** Tells the client to forget keys; it answers with the number (`ReadGrants.forgotten`). */
  forget(id: number, keys: readonly Key[]): void;
}

/** What a client keeps, as the owner knows it. */
interface Holding {
  readonly reader: Reader;
  readonly keys: Set<Key>;
  readonly asked: Map<number, () => void>;
  /** Its lease, by the owner's clock: from after the client's own. */
  untilMs: number;
  gone: boolean;
}

/** What a client is told about its lease: how long from when it asked, and whether it has to forget everything that it kept before. */
export interface ReadLease {
  readonly ms: number;
  readonly fresh: boolean;
}

export interface ReadGrantsOptions {
  readonly clock: Clock;
  readonly engine: Pick<Engine, 'commit'>;
  /** How long the owner may serve reads without looking whether it still is the owner: no client may longer. */
  readonly servesForMs: () => number;
  /** Awaited before the first lease: whoever takes over after a crash has to know that there were some. */
  readonly first: () => Promise<void>;
}

/**
 * Lets clients of the engine's owner keep what they read (leases as of Gray and Cheriton, 1989). Before a commit that changes a kept key reaches the engine,
 * every client that keeps it has forgotten it or has let its lease expire, and until the commit has ended nobody gets the key again: a kept value is the durable one
 * as long as it is kept. Commits keep their order: behind one that waits all others wait.
 */
export class ReadGrants {
  readonly #options: ReadGrantsOptions;
  readonly #holders = new OrderedMap<Set<Holding>>();
  readonly #holdings = new Map<Reader, Holding>();
  /** Of clients whose connection is gone and whose lease is not over. */
  readonly #lingering = new Set<Holding>();
  /** Keys and ranges of commits that are under way. */
  readonly #changing = new Map<Key, number>();
  readonly #ranges = new Set<{ readonly from: Key; readonly to: Key }>();
  readonly #cool = new Map<Key, number>();
  #opening: Promise<void> | undefined;
  #open = false;
  #ended = false;
  #tail: Promise<unknown> | undefined;
  #lastAsked = 0;

  constructor(options: ReadGrantsOptions) {
    this.#options = options;
  }

  /** A client asks for a lease, or for more time. */
  async renew(reader: Reader): Promise<ReadLease> {
    this.#opening ??= this.#begin().catch((error: unknown) => {
      this.#opening = undefined;
      throw error;
    });
    if (!this.#open) await this.#opening;
    if (reader.closed) return { ms: 0, fresh: true };
    const nowMs = this.#options.clock.mono();
    let holding = this.#holdings.get(reader);
    if (holding === undefined) {
      holding = { reader, keys: new Set(), asked: new Map(), untilMs: -Infinity, gone: false };
      this.#holdings.set(reader, holding);
    }
    const fresh = nowMs >= holding.untilMs;
    if (fresh) this.#drop(holding);
    const ms = this.#ended ? 0 : Math.max(0, Math.min(readLeaseMs, this.#options.servesForMs()));
    holding.untilMs = Math.max(holding.untilMs, nowMs + ms);
    return { ms, fresh };
  }

  /** Whether a client may keep a key that is being read for it in this turn. */
  grant(reader: Reader, key: Key): boolean {
    const holding = this.#holdings.get(reader);
    const nowMs = this.#options.clock.mono();
    if (holding === undefined || this.#ended || nowMs >= holding.untilMs || holding.keys.size >= keysMax) return false;
    if (this.#isChanging(key) || nowMs < (this.#cool.get(key) ?? -Infinity)) return false;
    const holders = this.#holders.get(key);
    if (holders === undefined) this.#holders.set(key, new Set([holding]));
    else holders.add(holding);
    holding.keys.add(key);
    return true;
  }

  /** The client has forgotten what it was told to; with 0, all that it kept, and it will keep no more. */
  forgotten(reader: Reader, id: number): void {
    const holding = this.#holdings.get(reader);
    if (holding !== undefined && id === 0) {
      for (const answered of holding.asked.values()) answered();
      this.#drop(holding);
      this.#holdings.delete(reader);
      return;
    }
    holding?.asked.get(id)?.();
    holding?.asked.delete(id);
  }

  /** The connection is gone; the client may not know it yet, and goes on until its lease ends. */
  left(reader: Reader): void {
    const holding = this.#holdings.get(reader);
    if (holding === undefined) return;
    this.#holdings.delete(reader);
    holding.gone = true;
    const leftMs = holding.untilMs - this.#options.clock.mono();
    if (leftMs <= 0) return this.#drop(holding);
    this.#lingering.add(holding);
    this.#options.clock.timer(
      leftMs + marginMs,
      () => {
        this.#lingering.delete(holding);
        this.#drop(holding);
      },
      true,
    );
  }

  /** As the engine's, once nobody keeps what the commit changes. */
  commit(commit: Commit): Promise<CommitResult> {
    if (this.#opening === undefined) return this.#options.engine.commit(commit);
    const done = this.#change(commit);
    const revoked = this.#revoke(commit);
    if (revoked === undefined && this.#tail === undefined) return this.#run(commit, done);
    const kept = commit.bytesGiven === true ? commit : withCopiedBytes(commit);
    const turn = Promise.all([this.#tail, revoked]);
    const result = turn.then(() => this.#run(kept, done));
    this.#tail = turn;
    void turn.then(() => {
      if (this.#tail === turn) this.#tail = undefined;
    });
    return result;
  }

  /** Nothing is granted any more; resolves when no client keeps anything. */
  async end(): Promise<void> {
    this.#ended = true;
    await this.#opening?.catch(() => {});
    const holdings = [...this.#holdings.values(), ...this.#lingering].filter(({ keys }) => keys.size > 0);
    await Promise.all(holdings.map((holding) => this.#ask(holding, [...holding.keys])));
  }

  // Commits from before the first lease were not watched: this one ends after all of them.
  async #begin(): Promise<void> {
    await this.#options.first();
    const { status } = await this.#options.engine.commit({ delete: [barrierKey] });
    if (status !== 'done') throw new ProaError('engine.unavailable', 'nothing can be kept: the engine does not say what is durable');
    this.#open = true;
  }

  async #run(commit: Commit, done: () => void): Promise<CommitResult> {
    try {
      const result = await this.#options.engine.commit(commit);
      // It may yet happen: nobody knows what is durable from here on.
      if (result.status === 'unknown') this.#ended = true;
      return result;
    } catch (error) {
      this.#ended ||= !isRefusal(error);
      throw error;
    } finally {
      done();
    }
  }

  #change({ put = [], delete: deleted = [], deleteRange = [] }: Commit): () => void {
    const changing = this.#changing;
    const keys = [...put.map(({ key }) => key), ...deleted];
    for (const key of keys) changing.set(key, (changing.get(key) ?? 0) + 1);
    for (const range of deleteRange) this.#ranges.add(range);
    return () => {
      for (const key of keys) {
        const count = changing.get(key) as number;
        if (count === 1) changing.delete(key);
        else changing.set(key, count - 1);
      }
      for (const range of deleteRange) this.#ranges.delete(range);
    };
  }

  #isChanging(key: Key): boolean {
    if (this.#changing.has(key) || this.#ranges.size > rangesMax) return true;
    for (const { from, to } of this.#ranges) if (key >= from && key < to) return true;
    return false;
  }

  /** Undefined: nobody keeps anything of it. */
  #revoke({ put = [], delete: deleted = [], deleteRange = [] }: Commit): Promise<unknown> | undefined {
    if (this.#holders.size === 0) return undefined;
    const told = new Map<Holding, Key[]>();
    const revoke = (key: Key, holders: ReadonlySet<Holding>): void => {
      this.#holders.delete(key);
      this.#chill(key);
      for (const holding of holders) {
        holding.keys.delete(key);
        const keys = told.get(holding);
        if (keys === undefined) told.set(holding, [key]);
        else keys.push(key);
      }
    };
    const revokeOne = (key: Key): void => {
      const holders = this.#holders.get(key);
      if (holders !== undefined) revoke(key, holders);
    };
    for (const { key } of put) revokeOne(key);
    for (const key of deleted) revokeOne(key);
    for (const { from, to } of deleteRange) for (const [key, holders] of this.#holders.getRange(from, to)) revoke(key, holders);
    return told.size === 0 ? undefined : Promise.all(Array.from(told, ([holding, keys]) => this.#ask(holding, keys)));
  }

  /** Resolves when the client has forgotten the keys, or its lease as it is now is over: a longer one reaches it after this. */
  #ask(holding: Holding, keys: readonly Key[]): Promise<void> {
    const leftMs = holding.untilMs - this.#options.clock.mono();
    if (leftMs <= 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = this.#options.clock.timer(leftMs + marginMs, resolve, true);
      if (holding.gone) return;
      const id = (this.#lastAsked = this.#lastAsked === 0xffff_ffff ? 1 : this.#lastAsked + 1);
      holding.asked.set(id, () => {
        timer.cancel();
        resolve();
      });
      holding.reader.forget(id, keys);
    });
  }

  #drop(holding: Holding): void {
    for (const key of holding.keys) {
      const holders = this.#holders.get(key);
      holders?.delete(holding);
      if (holders?.size === 0) this.#holders.delete(key);
    }
    holding.keys.clear();
    holding.asked.clear();
  }

  #chill(key: Key): void {
    this.#cool.delete(key);
    if (this.#cool.size >= coolMax) this.#cool.delete(this.#cool.keys().next().value as Key);
    this.#cool.set(key, this.#options.clock.mono() + coolMs);
  }
}

/** Nothing of the commit was done, or will be. */
const refusals: ReadonlySet<string> = new Set(['engine.limit', 'engine.read-only', 'bad-request', 'overloaded']);

function isRefusal(error: unknown): boolean {
  return refusals.has(ProaError.from(error).code);
}

function withCopiedBytes(commit: Commit): Commit {
  const { put, append } = commit;
  return {
    ...commit,
    ...(put && { put: put.map((one) => ({ ...one, value: Buffer.from(one.value) })) }),
    ...(append && {
      append: append.map((one) => ({ ...one, entries: one.entries.map((entry) => ({ ...entry, data: Buffer.from(entry.data) })) })),
    }),
  };
}
