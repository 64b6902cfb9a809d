import { type BackupSource, type BackupSummary, canBackUp } from '../../contracts/engine-backup.ts';
import type { Commit, CommitResult, EngineStats, Entry, Lease, LeaseHeld, LogPage, RangePage, RangeQuery } from '../../contracts/engine.ts';
import { noStats } from '../../contracts/engine.ts';
import { checkCommit } from '../../contracts/engine-checks.ts';
import { HintBoard } from '../../contracts/engine-hints.ts';
import { isProaError, ProaError } from '../../kernel/errors.ts';
import type { Key } from '../../kernel/tuple.ts';
import { findSeat, type Seat, type SeatOptions } from './seat.ts';

export interface SharedEngineOptions extends SeatOptions {
  /** How long a call waits for an owner, and a commit is repeated, before it gives up. Default 15 s. */
  readonly deadlineMs?: number;
}

/** An engine of which this process is the owner or a client; which of the two changes as owners come and go. */
export interface SharedEngine extends BackupSource {
  /** True while this process owns the store. */
  readonly owner: boolean;
  /** The epoch of the current owner; 0 while there is none. */
  readonly epoch: number;
}

/** Takes a seat and keeps one until `close`. Fails with what kept the store from being opened. */
export async function shareEngine(options: SharedEngineOptions): Promise<SharedEngine> {
  const engine = new SeatedEngine(options);
  try {
    await engine.begin();
    return engine;
  } catch (error) {
    await engine.close();
    throw error;
  }
}

const retryMs = 25;
const electionRetry = { fromMs: 100, toMs: 5_000 } as const;

class SeatedEngine implements SharedEngine {
  readonly kind = 'shared';
  readonly #options: SharedEngineOptions;
  readonly #board: HintBoard;
  readonly #subscriptions = new Map<string, () => void>();
  readonly #waiters = new Set<() => void>();
  #seat: Seat | undefined;
  #electing: Promise<void> | undefined;
  #lastError: unknown;
  #lastNow = 0;
  #closed = false;

  constructor(options: SharedEngineOptions) {
    this.#options = options;
    this.#board = new HintBoard((kind, key, watched) => this.#watchChanged(kind, key, watched));
  }

  get owner(): boolean {
    return this.#seat?.owner === true;
  }

  get epoch(): number {
    return this.#seat?.epoch ?? 0;
  }

  async begin(): Promise<void> {
    this.#take(await findSeat(this.#options, undefined));
  }

  commit(given: Commit): Promise<CommitResult> {
    const kept = given.bytesGiven === true ? given : copyOf(given);
    const seat = this.#seat;
    if (seat?.owner !== true || !admitted(seat)) return this.#commitPersistently(kept, undefined);
    return seat.engine.commit(kept).then(
      (result) => (result.status === 'unknown' ? this.#doubted(seat, kept, result) : result),
      (error: unknown) => {
        if (!isUnavailable(error)) throw error;
        seat.doubt(error);
        return this.#commitPersistently(kept, undefined);
      },
    );
  }

  /** The owner lost its store while it wrote. With an id the next owner can tell what became of it. */
  #doubted(seat: Seat, commit: Commit, result: CommitResult & { readonly status: 'unknown' }): CommitResult | Promise<CommitResult> {
    // A full disk: this owner lives, reads on, and writes again when there is room; any other would meet the same disk.
    if (isReadOnly(result.cause)) return result;
    seat.doubt(result.cause);
    return commit.id === undefined ? result : this.#commitPersistently(commit, result);
  }

  async #commitPersistently(kept: Commit, before: CommitResult | undefined): Promise<CommitResult> {
    checkCommit(kept);
    let { id } = kept;
    let unknown = before;
    try {
      return await this.#persist(async (seat) => {
        // The owner's process needs no id: its store answers itself. A client's commit may have to be repeated to another owner.
        if (!seat.owner) id ??= this.#options.ports.random.uuid();
        const result = await seat.engine.commit(id === undefined ? kept : { ...kept, id });
        if (result.status !== 'unknown') return result;
        unknown = result;
        if (isReadOnly(result.cause)) return result;
        if (id !== undefined) throw lostSeat(result.cause);
        seat.doubt(result.cause);
        return result;
      });
    } catch (error) {
      if (unknown !== undefined && (isUnavailable(error) || isReadOnly(error))) return unknown;
      throw error;
    }
  }

  get(key: Key): Promise<Entry | undefined> {
    const seat = this.#closed ? undefined : this.#seat;
    if (seat === undefined || !admitted(seat)) return this.#getPersistently(key);
    return seat.engine.get(key).catch((error: unknown) => {
      if (!isUnavailable(error)) throw error;
      seat.doubt(error);
      return this.#getPersistently(key);
    });
  }

  #getPersistently(key: Key): Promise<Entry | undefined> {
    return this.#persist((seat) => seat.engine.get(key));
  }

  peek(key: Key): Entry | undefined {
    const seat = this.#closed ? undefined : this.#seat;
    if (seat?.engine.peek === undefined) return undefined;
    return admitted(seat) ? seat.engine.peek(key) : undefined;
  }

  getMany(keys: readonly Key[]): Promise<(Entry | undefined)[]> {
    return this.#persist((seat) => seat.engine.getMany(keys));
  }

  range(query: RangeQuery): Promise<RangePage> {
    return this.#persist((seat) => seat.engine.range(query));
  }

  readLog(log: Key, after: number, limit?: number): Promise<LogPage> {
    return this.#persist((seat) => seat.engine.readLog(log, after, limit));
  }

  trim(log: Key, upTo: number): Promise<void> {
    return this.#persist((seat) => seat.engine.trim(log, upTo));
  }

  acquireLease(name: Key, owner: string, ttlMs: number): Promise<Lease | LeaseHeld> {
    return this.#persist((seat) => seat.engine.acquireLease(name, owner, ttlMs));
  }

  renewLease(lease: Lease, ttlMs: number): Promise<Lease | undefined> {
    return this.#persist((seat) => seat.engine.renewLease(lease, ttlMs));
  }

  releaseLease(lease: Lease): Promise<void> {
    return this.#persist((seat) => seat.engine.releaseLease(lease));
  }

  async backup(to: string): Promise<BackupSummary> {
    const seat = this.#mustHaveSeat();
    await seat.admit();
    if (!canBackUp(seat.engine)) throw new ProaError('config.invalid', `an engine of the kind ${seat.engine.kind} makes no backups`);
    // Not repeated elsewhere: what an owner left behind when it went away is half a backup, and the directory is not empty any more.
    return seat.engine.backup(to);
  }

  now(): number {
    const now = this.#seat?.engine.now() ?? this.#lastNow;
    this.#lastNow = Math.max(this.#lastNow, now);
    return this.#lastNow;
  }

  watch(prefix: Key, changed: () => void): () => void {
    return this.#board.watch(prefix, changed);
  }

  onAppend(log: Key, appended: () => void): () => void {
    return this.#board.onAppend(log, appended);
  }

  stats(): EngineStats {
    return this.#seat?.engine.stats() ?? noStats;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#board.clear();
    this.#wake();
    const seat = this.#seat;
    this.#seat = undefined;
    await seat?.close();
    await this.#electing;
  }

  /**
   * Runs `work` at a seat, and again at the next one as long as the answer is "nobody serves", or that nobody knows what became of it, until the deadline: what comes this
   * way may be done twice (leases by their owner's name, trimming), commits bring an id.
   */
  async #persist<T>(work: (seat: Seat) => Promise<T>): Promise<T> {
    const { clock } = this.#options.ports;
    let deadline: number | undefined;
    for (;;) {
      let seat: Seat | undefined;
      try {
        seat = this.#mustHaveSeat();
        const doubt = seat.admit();
        if (doubt !== undefined) await doubt;
        return await work(seat);
      } catch (error) {
        if (!(isUnavailable(error) || isLostOutcome(error)) || this.#closed) throw error;
        seat?.doubt(error);
        deadline ??= clock.mono() + (this.#options.deadlineMs ?? 15_000);
        if (clock.mono() >= deadline) throw error;
      }
      await this.#seatChange(deadline - clock.mono());
    }
  }

  #mustHaveSeat(): Seat {
    if (this.#closed) throw new ProaError('engine.unavailable', 'the engine is closed');
    if (this.#seat === undefined) throw lostSeat(this.#lastError ?? new Error('no owner was found yet'));
    return this.#seat;
  }

  /** Resolves at the next change of seat. With a seat that still stands, soon: its owner may be about to go. */
  #seatChange(leftMs: number): Promise<void> {
    return this.#sleep(this.#seat === undefined ? Math.max(1, leftMs) : retryMs);
  }

  /** Ends early when a seat is taken, and at `close`. */
  #sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        timer.cancel();
        this.#waiters.delete(done);
        resolve();
      };
      const timer = this.#options.ports.clock.timer(delayMs, done);
      this.#waiters.add(done);
    });
  }

  #wake(): void {
    for (const waiter of Array.from(this.#waiters)) waiter();
  }

  #take(seat: Seat): void {
    if (this.#closed) return void seat.close().catch(() => {});
    this.#seat = seat;
    for (const prefix of this.#board.prefixes()) this.#subscribe('prefix', prefix);
    for (const log of this.#board.logs()) this.#subscribe('log', log);
    this.#wake();
    void seat.lost.then((reason) => this.#leave(seat, reason));
  }

  #leave(seat: Seat, reason: Error): void {
    if (this.#seat !== seat) return;
    this.now();
    this.#seat = undefined;
    this.#lastError = reason;
    for (const unsubscribe of this.#subscriptions.values()) unsubscribe();
    this.#subscriptions.clear();
    this.#electing = this.#elect(seat);
  }

  async #elect(left: Seat): Promise<void> {
    await left.close().catch(() => {});
    for (let delayMs: number = electionRetry.fromMs; !this.#closed; delayMs = Math.min(delayMs * 2, electionRetry.toMs)) {
      try {
        this.#take(await findSeat(this.#options, left.epoch));
        // What happened in between is not known.
        this.#board.fireAll();
        return;
      } catch (error) {
        this.#lastError = error;
        await this.#sleep(delayMs);
      }
    }
  }

  #watchChanged(kind: 'prefix' | 'log', key: Key, watched: boolean): void {
    const name = `${kind}:${key}`;
    if (watched) return this.#subscribe(kind, key);
    this.#subscriptions.get(name)?.();
    this.#subscriptions.delete(name);
  }

  #subscribe(kind: 'prefix' | 'log', key: Key): void {
    const engine = this.#seat?.engine;
    if (engine === undefined) return;
    const end =
      kind === 'log' ? engine.onAppend(key, () => this.#board.fire([], [key])) : engine.watch(key, () => this.#board.fire([key], []));
    this.#subscriptions.set(`${kind}:${key}`, end);
  }
}

/** Whether the seat serves without a look first. Whoever asks again with patience waits for that look and learns how it ended. */
function admitted(seat: Seat): boolean {
  const doubt = seat.admit();
  doubt?.catch(() => {});
  return doubt === undefined;
}

function isUnavailable(error: unknown): boolean {
  return isProaError(error) && error.code === 'engine.unavailable';
}

/** The owner lost its store while it wrote; not: its disk is full. */
function isLostOutcome(error: unknown): boolean {
  return isProaError(error) && error.code === 'engine.outcome-unknown' && !isReadOnly(error.cause);
}

function isReadOnly(error: unknown): boolean {
  return isProaError(error) && error.code === 'engine.read-only';
}

function lostSeat(cause: unknown): ProaError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new ProaError('engine.unavailable', `the engine of this machine has no owner: ${why}`, { cause });
}

/** A commit that may be repeated later must not change when the caller reuses its buffers. */
function copyOf(commit: Commit): Commit {
  return {
    ...commit,
    // Not `slice`: of a Buffer it is a view.
    ...(commit.put && { put: commit.put.map((put) => ({ ...put, value: Buffer.from(put.value) })) }),
    ...(commit.append && {
      append: commit.append.map(({ log, entries }) => ({
        log,
        entries: entries.map((entry) => ({ ...entry, data: Buffer.from(entry.data) })),
      })),
    }),
  };
}
