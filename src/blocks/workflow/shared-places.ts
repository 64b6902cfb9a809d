import type { Engine } from '../../contracts/engine.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Logger } from '../../kernel/log.ts';
import { logFields } from '../../kernel/names.ts';
import type { Clock, Timer } from '../../kernel/ports.ts';
import type { Key } from '../../kernel/tuple.ts';
import { fairShare, type Share } from './fair-share.ts';

export interface SharedPlacesOptions {
  readonly engine: Pick<Engine, 'get' | 'commit' | 'now' | 'watch'>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly key: Key;
  /** All runtimes together. */
  readonly max: number;
  /** This runtime, among all others. */
  readonly name: string;
  /** There are more places here than before. */
  readonly more: () => void;
}

const ttlMs = 5_000;
const renewMs = 1_500;
const waitPollMs = 500;
/** Places that are not used are kept so long: giving back and taking again are two commits. */
const spareMs = 1_000;
const conflictsMax = 5;

/**
 * This runtime's part of a limit that the engine keeps for all runtimes of an app: one record, in which every runtime writes its own row. A row is a lease: what a runtime held that
 * died is free after five seconds, and who could not renew it for two thirds of that begins nothing new. Nothing is written while nothing waits and nothing is under work.
 */
export class SharedPlaces {
  readonly #options: SharedPlacesOptions;
  #places = 0;
  #busy = 0;
  #waiting = 0;
  #waitsSinceMs = 0;
  #usedAtMs = 0;
  #renewedAtMs = -Infinity;
  /** As it stands in the row. */
  #toldWaiting = false;
  #othersWait = false;
  /** What came free just now may be somebody else's turn: nothing begins before that is known. */
  #yielding = false;
  #failing = false;
  #syncing = false;
  #again = false;
  #closed = false;
  #timer: Timer | undefined;
  #unwatch: (() => void) | undefined;

  constructor(options: SharedPlacesOptions) {
    this.#options = options;
  }

  /** How much may be under work here. */
  get granted(): number {
    const heldMs = this.#options.clock.mono() - this.#renewedAtMs;
    if (heldMs >= (ttlMs * 2) / 3) return 0;
    return this.#yielding ? Math.min(this.#places, this.#busy) : this.#places;
  }

  /** What is under work here, and what more could be if there were places. */
  demand(busy: number, waiting: number): void {
    const { clock, engine } = this.#options;
    const ended = busy < this.#busy;
    const more = busy + waiting > this.granted;
    this.#busy = busy;
    this.#waiting = waiting;
    if (busy > 0) this.#usedAtMs = clock.mono();
    if (waiting === 0) this.#waitsSinceMs = 0;
    // Whoever has just had a place is the last in the line for the next one.
    else if (ended || this.#waitsSinceMs === 0) this.#waitsSinceMs = engine.now();
    this.#yielding ||= ended && this.#othersWait;
    // Who waits and has said so is told when there are places.
    if (this.#yielding || (more && waiting > 0 && !this.#toldWaiting)) this.#sync();
    else if (this.#timer === undefined && busy + waiting > 0) this.#schedule();
  }

  /** Gives everything back; what is under work still counts until its row runs out. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    this.#unwatch?.();
    this.#waiting = 0;
    if (this.#places > 0 || this.#renewedAtMs > -Infinity) await this.#write().catch(() => {});
  }

  #sync(): void {
    this.#again = true;
    if (this.#syncing) return;
    this.#syncing = true;
    void this.#syncAll();
  }

  async #syncAll(): Promise<void> {
    const { log, more } = this.#options;
    const before = this.granted;
    try {
      while (this.#again && !this.#closed) {
        this.#again = false;
        await this.#write();
      }
      this.#failing = false;
    } catch (error) {
      const text = ProaError.from(error).message;
      if (!this.#failing)
        log.warn('a limit that all runtimes share cannot be kept now; soon nothing begins under it', { [logFields.error]: text });
      this.#failing = true;
    }
    this.#yielding = false;
    // Before anybody is told: who asks for a place then must not be taken for one who asked while it was written.
    this.#syncing = false;
    if (!this.#closed) this.#schedule();
    if (this.granted > before) more();
  }

  // The next look: soon while something waits, in time for the lease as long as there is one, never when there is nothing.
  #schedule(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const idle = this.#places === 0 && this.#busy === 0 && this.#waiting === 0;
    if (idle) {
      this.#unwatch?.();
      this.#unwatch = undefined;
      return;
    }
    this.#unwatch ??= this.#options.engine.watch(this.#options.key, () => this.#hinted());
    const ms = this.#waiting > 0 ? waitPollMs : Math.min(renewMs, spareMs);
    this.#timer = this.#options.clock.timer(
      ms,
      () => {
        this.#timer = undefined;
        this.#sync();
      },
      true,
    );
  }

  #hinted(): void {
    if (this.#waiting > 0 || this.#places > this.#busy) this.#sync();
  }

  async #write(): Promise<void> {
    const { engine, clock, key } = this.#options;
    for (let tries = 0; tries < conflictsMax; tries++) {
      const startedMs = clock.mono();
      const entry = await engine.get(key);
      const others = this.#othersIn(entry?.value);
      this.#othersWait = [...others.values()].some(({ waitsSinceMs }) => waitsSinceMs > 0);
      const places = this.#share(others);
      const row: Share = { places, untilMs: engine.now() + ttlMs, waitsSinceMs: this.#waitsSinceMs };
      if (!this.#mustWrite(row, startedMs)) return;
      const rows = Object.fromEntries(others);
      if (places > 0 || row.waitsSinceMs > 0) rows[this.#options.name] = row;
      const value = Buffer.from(JSON.stringify(rows), 'utf8');
      const change = Object.keys(rows).length === 0 ? { delete: [key] } : { put: [{ key, value }] };
      const result = await engine.commit({ if: [{ kind: 'version', key, version: entry?.version ?? 0 }], ...change });
      if (result.status === 'unknown') throw ProaError.from(result.cause);
      if (result.status !== 'done') continue;
      // Counted from before the request, as the others may count from after it.
      this.#renewedAtMs = places > 0 || row.waitsSinceMs > 0 ? startedMs : -Infinity;
      this.#places = places;
      this.#toldWaiting = row.waitsSinceMs > 0;
      return;
    }
    this.#again = true;
  }

  // Most looks find nothing new.
  #mustWrite(row: Share, nowMs: number): boolean {
    const due = nowMs - this.#renewedAtMs >= renewMs;
    if (row.places !== this.#places || row.waitsSinceMs > 0 !== this.#toldWaiting) return true;
    if (row.places === 0 && row.waitsSinceMs === 0) return this.#renewedAtMs > -Infinity;
    return due || this.#renewedAtMs === -Infinity;
  }

  #share(others: ReadonlyMap<string, Share>): number {
    const { clock, max, name } = this.#options;
    if (this.#closed) return 0;
    const spare = clock.mono() - this.#usedAtMs < spareMs ? this.#places : 0;
    const wanted = Math.min(max, this.#busy + this.#waiting);
    return fairShare(max, others, { name, busy: this.#busy, wanted, spare, waitsSinceMs: this.#waitsSinceMs });
  }

  #othersIn(value: Uint8Array | undefined): Map<string, Share> {
    const { engine, name } = this.#options;
    if (value === undefined) return new Map();
    const nowMs = engine.now();
    const rows = JSON.parse(Buffer.from(value).toString('utf8')) as Readonly<Record<string, Share>>;
    return new Map(Object.entries(rows).filter(([runtime, { untilMs }]) => runtime !== name && untilMs > nowMs));
  }
}
