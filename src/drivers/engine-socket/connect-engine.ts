import type { BackupSource, BackupSummary } from '../../contracts/engine-backup.ts';
import type { Commit, CommitResult, EngineStats, Entry, Lease, LeaseHeld, LogPage, RangePage, RangeQuery } from '../../contracts/engine.ts';
import { noStats } from '../../contracts/engine.ts';
import { checkCommit } from '../../contracts/engine-checks.ts';
import { createRemoteClock } from '../../contracts/engine-clock.ts';
import { HintBoard } from '../../contracts/engine-hints.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Address, Clock, Network, Timer } from '../../kernel/ports.ts';
import type { Key } from '../../kernel/tuple.ts';
import type { ByteReader, ByteWriter } from '../../wire/engine/byte-codec.ts';
import { FrameLink, frameWriter } from '../../wire/engine/frame-link.ts';
import { gatherReads } from './gathered-reads.ts';
import { KeptReads } from './kept-reads.ts';
import * as message from './messages.ts';

const { answerType, requestType } = message;

export interface ConnectEngineOptions {
  readonly network: Network;
  readonly clock: Clock;
  readonly address: Address;
  /** Names this client in the owner's errors. */
  readonly name: string;
  readonly scope?: readonly Key[];
  /** Without any answer for so long, the owner counts as dead or frozen. Default 1.5 s to connect, then 2 s of silence. */
  readonly connectTimeoutMs?: number;
  readonly silenceMs?: number;
  /** How long an owner may say that it is starting. Default 60 s. */
  readonly startTimeoutMs?: number;
  /** Requests under way at once; beyond them a call fails with `overloaded`. Default 16,384. */
  readonly requestsMax?: number;
}

/** The engine of another process, over one connection. */
export interface RemoteEngine extends BackupSource {
  /** Resolves, with the reason, when the connection is over. Then commits under way answer `unknown`, all else fails with `engine.unavailable`. */
  readonly lost: Promise<Error>;
}

/**
 * Connects and waits until the owner serves. Fails with the owner's refusal, and with `engine.unavailable`: its cause is `deadline-exceeded` when nobody answered in time, else what the
 * system says of the connection.
 */
export async function connectEngine(options: ConnectEngineOptions): Promise<RemoteEngine> {
  const engine = new SocketEngine(options);
  await engine.welcomed;
  return engine;
}

interface Pending {
  readonly sentMono: number;
  readonly answered: (r: ByteReader) => void;
  readonly failed: (error: unknown) => void;
  readonly lost: (error: Error) => void;
}

const beatsPerSilence = 4;
const beatsPerStats = 8;

class SocketEngine implements RemoteEngine {
  readonly kind = 'socket';
  readonly lost: Promise<Error>;
  readonly welcomed: Promise<void>;
  readonly #options: ConnectEngineOptions;
  readonly #link: FrameLink;
  readonly #clock;
  readonly #pending = new Map<number, Pending>();
  readonly #watches = new Map<string, number>();
  readonly #hints = new Map<number, () => void>();
  readonly #board: HintBoard;
  readonly #kept: KeptReads;
  readonly #read: (key: Key) => Promise<Entry | undefined>;
  #nextId = 1;
  #stats = noStats;
  #timer: Timer | undefined;
  #heard = false;
  #missed = 0;
  #beats = 0;
  #starting = false;
  #resolveLost: (error: Error) => void = () => {};

  constructor(options: ConnectEngineOptions) {
    this.#options = options;
    this.#clock = createRemoteClock(options.clock);
    this.lost = new Promise((resolve) => void (this.#resolveLost = resolve));
    this.#board = new HintBoard((kind, key, watched) => this.#watchChanged(kind, key, watched));
    this.#kept = new KeptReads(options.clock, (heard) =>
      this.#request(
        requestType.renewReads,
        () => {},
        (r) => heard({ ms: r.number(), fresh: r.u8() === 1 }),
      ),
    );
    this.#read = gatherReads(options.clock, (keys) => this.#readMany(keys));
    const connection = options.network.connect(options.address);
    let opened: () => void = () => {};
    const open = new Promise<void>((resolve) => void (opened = resolve));
    this.#link = new FrameLink({
      connection,
      clock: options.clock,
      opened,
      frame: (type, id, payload) => this.#frame(type, id, payload),
      closed: (error) => this.#closed(error),
    });
    this.welcomed = this.#shakeHands(open);
  }

  async commit(commit: Commit): Promise<CommitResult> {
    checkCommit(commit);
    return this.#request(
      requestType.commit,
      (w) => message.writeCommit(w, commit),
      (r) => message.readCommitResult(r),
      (cause): CommitResult => ({ status: 'unknown', cause }),
    );
  }

  get(key: Key): Promise<Entry | undefined> {
    return this.#read(key);
  }

  peek(key: Key): Entry | undefined {
    return this.#kept.peek(key);
  }

  getMany(keys: readonly Key[]): Promise<(Entry | undefined)[]> {
    return this.#request(
      requestType.getMany,
      (w) => void w.list(keys, (key) => w.key(key)),
      (r) => r.list(keys.length, () => r.optional(() => message.readEntry(r))),
    );
  }

  /** As `getMany`; what is read again and again is asked for so that it may be kept. */
  async #readMany(keys: readonly Key[]): Promise<(Entry | undefined)[]> {
    const wanted = keys.filter((key) => this.#kept.wants(key));
    if (wanted.length === 0) return this.getMany(keys);
    if (wanted.length === keys.length) return this.#keepMany(keys);
    const others = keys.filter((key) => !wanted.includes(key));
    const [kept, read] = await Promise.all([this.#keepMany(wanted), this.getMany(others)]);
    const found = new Map([...wanted, ...others].map((key, i) => [key, i < kept.length ? kept[i] : read[i - kept.length]]));
    return keys.map((key) => found.get(key));
  }

  #keepMany(keys: readonly Key[]): Promise<(Entry | undefined)[]> {
    return this.#request(
      requestType.keep,
      (w) => void w.list(keys, (key) => w.key(key)),
      (r) => {
        const entries = r.list(keys.length, () => r.optional(() => message.readEntry(r)));
        const mayKeep = r.list(keys.length, () => r.u8() === 1);
        // At once: what the owner says next may be to forget it.
        for (const [i, entry] of entries.entries()) if (entry !== undefined && mayKeep[i] === true) this.#kept.keep(entry);
        return entries;
      },
    );
  }

  range(query: RangeQuery): Promise<RangePage> {
    return this.#request(requestType.range, (w) => message.writeRangeQuery(w, query), message.readRangePage);
  }

  readLog(log: Key, after: number, limit?: number): Promise<LogPage> {
    return this.#request(
      requestType.readLog,
      (w) => {
        w.key(log).number(after);
        w.optional(limit, (most) => w.number(most));
      },
      message.readLogPage,
    );
  }

  trim(log: Key, upTo: number): Promise<void> {
    return this.#request(requestType.trim, (w) => void w.key(log).number(upTo), nothing);
  }

  acquireLease(name: Key, owner: string, ttlMs: number): Promise<Lease | LeaseHeld> {
    return this.#request(requestType.acquireLease, (w) => void w.key(name).text(owner).number(ttlMs), message.readLease);
  }

  async renewLease(lease: Lease, ttlMs: number): Promise<Lease | undefined> {
    const renewed = await this.#request(
      requestType.renewLease,
      (w) => {
        message.writeLease(w, lease);
        w.number(ttlMs);
      },
      (r) => r.optional(() => message.readLease(r)),
    );
    return renewed?.held === true ? renewed : undefined;
  }

  releaseLease(lease: Lease): Promise<void> {
    const write = (w: ByteWriter): void => {
      message.writeLease(w, lease);
      w.number(0);
    };
    return this.#request(requestType.releaseLease, write, nothing);
  }

  backup(to: string): Promise<BackupSummary> {
    return this.#request(requestType.backup, (w) => void w.text(to), message.readBackup);
  }

  now(): number {
    return this.#clock.now();
  }

  watch(prefix: Key, changed: () => void): () => void {
    return this.#board.watch(prefix, changed);
  }

  onAppend(log: Key, appended: () => void): () => void {
    return this.#board.onAppend(log, appended);
  }

  /** As of a few seconds ago. */
  stats(): EngineStats {
    return this.#stats;
  }

  close(): Promise<void> {
    this.#board.clear();
    // Else the owner would wait until the lease is over before it lets anybody write what was kept here.
    if (this.#kept.close()) this.#link.send(requestType.forgotten, 0, frameWriter(0));
    this.#link.end();
    return Promise.resolve();
  }

  async #shakeHands(open: Promise<void>): Promise<void> {
    const beatMs = (this.#options.silenceMs ?? 2_000) / beatsPerSilence;
    const connectTimer = this.#options.clock.timer(this.#options.connectTimeoutMs ?? 1_500, () => {
      if (!this.#starting) this.#link.close(silent('the owner does not answer'));
    });
    const startTimer = this.#options.clock.timer(this.#options.startTimeoutMs ?? 60_000, () => {
      this.#link.close(silent('the owner does not finish starting'));
    });
    try {
      const lost = await Promise.race([open, this.lost]);
      if (lost !== undefined) throw unavailable(lost);
      const { name, scope } = this.#options;
      const hello = { version: message.protocolVersion, name, scope };
      const welcomed = this.#request(
        requestType.hello,
        (w) => message.writeHello(w, hello),
        (r) => {
          if (r.left > 0 && r.u8() >= message.letsKeep) this.#kept.open();
        },
      );
      this.#timer = this.#options.clock.timer(beatMs, () => this.#beat(beatMs), true);
      await welcomed;
    } catch (error) {
      this.#link.close(ProaError.from(error));
      throw error;
    } finally {
      connectTimer.cancel();
      startTimer.cancel();
    }
  }

  /** Counts beats without a sound, not time: when this process itself was frozen, that is one beat. */
  #beat(beatMs: number): void {
    if (this.#link.closed) return;
    this.#missed = this.#heard ? 0 : this.#missed + 1;
    this.#heard = false;
    if (this.#missed > beatsPerSilence) {
      return this.#link.close(silent(`the owner has been silent for ${Math.round(beatMs * beatsPerSilence)} ms`));
    }
    this.#link.send(requestType.ping, 0, frameWriter(0));
    if (this.#beats++ % beatsPerStats === 0) this.#fetchStats();
    this.#timer = this.#options.clock.timer(beatMs, () => this.#beat(beatMs), true);
  }

  #fetchStats(): void {
    this.#request(requestType.stats, () => {}, message.readStats).then(
      (stats) => void (this.#stats = stats),
      () => {},
    );
  }

  #request<T>(type: number, write: (w: ByteWriter) => void, read: (r: ByteReader) => T, lost?: (cause: Error) => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#link.closed) return reject(unavailable(new Error('not connected')));
      if (this.#pending.size >= (this.#options.requestsMax ?? 16_384)) {
        return reject(new ProaError('overloaded', `${this.#pending.size} requests to the engine are under way`));
      }
      const id = this.#nextId;
      this.#nextId = id === 0xffff_ffff ? 1 : id + 1;
      const w = frameWriter();
      write(w);
      this.#pending.set(id, {
        sentMono: this.#options.clock.mono(),
        answered: (r) => resolve(read(r)),
        failed: reject,
        lost: (error) => (lost === undefined ? reject(unavailable(error)) : resolve(lost(error))),
      });
      this.#link.send(type, id, w);
    });
  }

  #frame(type: number, id: number, r: ByteReader): void {
    this.#heard = true;
    if (type === answerType.hint) return this.#hints.get(id)?.();
    if (type === answerType.forget) return this.#forget(id, r);
    if (type === answerType.bye) return this.#link.close(new Error('the owner stops'));
    const nowMs = r.number();
    if (type === answerType.starting) return void (this.#starting = true);
    const pending = this.#pending.get(id);
    if (pending === undefined) return;
    this.#pending.delete(id);
    if (nowMs > 0) this.#clock.learn(nowMs, pending.sentMono);
    if (type === answerType.error) return pending.failed(message.readError(r));
    try {
      pending.answered(r);
    } catch (error) {
      pending.lost(ProaError.from(error));
      throw error;
    }
  }

  #forget(id: number, r: ByteReader): void {
    for (const key of r.list(message.keysMax, () => r.key())) this.#kept.forget(key);
    this.#link.send(requestType.forgotten, id, frameWriter(0));
  }

  #watchChanged(kind: 'prefix' | 'log', key: Key, watched: boolean): void {
    const name = `${kind}:${key}`;
    const watch = watched ? this.#nextId : (this.#watches.get(name) ?? 0);
    const write = (w: ByteWriter): void => {
      w.u32(watch);
      if (watched) w.u8(kind === 'log' ? 1 : 0).key(key);
    };
    if (watched) {
      this.#watches.set(name, watch);
      this.#hints.set(watch, () => (kind === 'log' ? this.#board.fire([], [key]) : this.#board.fire([key], [])));
    } else {
      this.#watches.delete(name);
      this.#hints.delete(watch);
    }
    // What changed until the owner knew of the watch was not seen by it.
    this.#request(watched ? requestType.watch : requestType.unwatch, write, nothing).then(
      () => this.#hints.get(watch)?.(),
      () => {},
    );
  }

  #closed(error: Error): void {
    this.#timer?.cancel();
    this.#kept.close();
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    this.#resolveLost(error);
    for (const request of pending) request.lost(error);
  }
}

function nothing(): void {}

function silent(message: string): ProaError {
  return new ProaError('deadline-exceeded', message);
}

function unavailable(cause: Error): ProaError {
  return new ProaError('engine.unavailable', `the engine of this machine cannot be reached: ${cause.message}`, { cause });
}
