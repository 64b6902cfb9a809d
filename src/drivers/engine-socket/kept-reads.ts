import type { Entry } from '../../contracts/engine.ts';
import type { Clock } from '../../kernel/ports.ts';
import type { Key } from '../../kernel/tuple.ts';
import { readLeaseMs, type ReadLease } from './read-grants.ts';

const entriesMax = 4_096;
const bytesMax = 16 * 1024 * 1024;
/** A key that is read so often within this time is worth keeping: the next who writes it has to wait until it is forgotten. */
const seenForMs = 1_000;
const readsMin = 4;
const seenMax = 4_096;

/**
 * What a client keeps of what it read, with the owner's leave: an entry is the durable one as long as the lease lasts and nobody said to forget it. The lease counts
 * from before it was asked for, on this process's own monotonic clock, so a process that stood still answers nothing from here before it has asked again.
 */
export class KeptReads {
  readonly #clock: Pick<Clock, 'mono'>;
  readonly #ask: (heard: (lease: ReadLease) => void) => Promise<void>;
  readonly #entries = new Map<Key, Entry>();
  #bytes = 0;
  #untilMs = -Infinity;
  #asking = false;
  #open = false;
  #notBeforeMs = -Infinity;
  readonly #seen = new Map<Key, number>();
  #seenSinceMs = -Infinity;

  /** `ask` asks the owner for a lease, and hands the answer over before anything that the owner said after it. */
  constructor(clock: Pick<Clock, 'mono'>, ask: (heard: (lease: ReadLease) => void) => Promise<void>) {
    this.#clock = clock;
    this.#ask = ask;
  }

  /** The owner lets clients keep what they read. */
  open(): void {
    this.#open = true;
  }

  /** The entry, when it is kept and may be used now. */
  peek(key: Key): Entry | undefined {
    if (this.#entries.size === 0) return undefined;
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    const leftMs = this.#untilMs - this.#clock.mono();
    if (leftMs < readLeaseMs / 2) this.#renew();
    return leftMs > 0 ? entry : undefined;
  }

  /** A key is about to be asked for: true when the owner should be asked to let it be kept. */
  wants(key: Key): boolean {
    if (!this.#open) return false;
    const nowMs = this.#clock.mono();
    if (nowMs - this.#seenSinceMs > seenForMs || this.#seen.size >= seenMax) {
      this.#seen.clear();
      this.#seenSinceMs = nowMs;
    }
    const reads = (this.#seen.get(key) ?? 0) + 1;
    this.#seen.set(key, reads);
    if (reads < readsMin) return false;
    if (nowMs < this.#untilMs) return true;
    this.#renew();
    return false;
  }

  /** The owner lets it be kept. To be called before anything is heard that the owner said after it: it may be that the key is to be forgotten. */
  keep(entry: Entry): void {
    this.forget(entry.key);
    this.#entries.set(entry.key, withOwnBytes(entry));
    this.#bytes += sizeOf(entry);
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= entriesMax && this.#bytes <= bytesMax) return;
      this.forget(oldest);
    }
  }

  forget(key: Key): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    this.#bytes -= sizeOf(entry);
  }

  /** Nothing is kept any more. True when the owner would like to know. */
  close(): boolean {
    const leased = this.#open && this.#untilMs > -Infinity;
    this.#open = false;
    this.#untilMs = -Infinity;
    this.#clear();
    return leased;
  }

  #renew(): void {
    const sentMs = this.#clock.mono();
    if (this.#asking || !this.#open || sentMs < this.#notBeforeMs) return;
    this.#asking = true;
    this.#ask(({ ms, fresh }) => this.#granted(sentMs, ms, fresh)).then(
      () => void (this.#asking = false),
      () => {
        this.#asking = false;
        this.#rest(sentMs);
      },
    );
  }

  #granted(sentMs: number, ms: number, fresh: boolean): void {
    // What was kept until now was kept under a lease that the owner has seen end.
    if (fresh) this.#clear();
    if (!this.#open) return;
    this.#untilMs = sentMs + ms;
    if (ms <= 0) this.#rest(sentMs);
  }

  /** An owner that gives no lease is not asked with every read. */
  #rest(nowMs: number): void {
    this.#notBeforeMs = nowMs + seenForMs;
  }

  #clear(): void {
    this.#entries.clear();
    this.#bytes = 0;
  }
}

/** What is read over a socket lies in memory that it shares with what was read beside it. */
function withOwnBytes(entry: Entry): Entry {
  const { value } = entry;
  if (value.buffer.byteLength === value.length) return entry;
  const own = Buffer.allocUnsafeSlow(value.length);
  own.set(value);
  return { ...entry, value: own };
}

function sizeOf({ key, value }: Entry): number {
  return key.length + value.length + 100;
}
