import type { Clock, Timer } from '../../kernel/ports.ts';

/** Something with a deadline; `expire` is called at the first tick at which `dueMs` has passed (and again while it stays so). */
export interface Timed {
  /** A `Sweep.nowMs` instant; `Infinity` for none. */
  readonly dueMs: number;
  /** Where the sweep keeps it; -1 while it does not. Written by the sweep only. */
  slot: number;
  expire(nowMs: number): void;
}

const tickMs = 100;

/**
 * The deadlines of many connections behind one timer: setting one is a store, not a timer. Each tick looks at all members,
 * 10,000 in well under a millisecond; deadlines are therefore up to a tick late. The timer runs only while there are members.
 */
export class Sweep {
  readonly #clock: Clock;
  readonly #members: Timed[] = [];
  #timer: Timer | undefined = undefined;
  #dateSecond = -1;
  #date = '';
  /** Monotonic milliseconds as of the last tick (fresh when the first member comes). */
  nowMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.nowMs = clock.mono();
  }

  /** Reads the clock now; for what starts after a pause in which no tick came. */
  refresh(): void {
    this.nowMs = this.#clock.mono();
  }

  get size(): number {
    return this.#members.length;
  }

  members(): readonly Timed[] {
    return this.#members.slice();
  }

  add(member: Timed): void {
    member.slot = this.#members.push(member) - 1;
    if (this.#timer === undefined) this.#tick();
  }

  remove(member: Timed): void {
    const { slot } = member;
    if (slot === -1) return;
    member.slot = -1;
    const last = this.#members.pop() as Timed;
    if (last !== member) {
      this.#members[slot] = last;
      last.slot = slot;
    }
    if (this.#members.length === 0) {
      this.#timer?.cancel();
      this.#timer = undefined;
    }
  }

  /** The Date header's value, as of the last tick. */
  get date(): string {
    return this.#date;
  }

  #tick(): void {
    this.nowMs = this.#clock.mono();
    const second = Math.floor(this.#clock.now() / 1000);
    if (second !== this.#dateSecond) {
      this.#dateSecond = second;
      this.#date = new Date(second * 1000).toUTCString();
    }
    // Backwards, because expiring removes: what moves into a free slot was seen already.
    for (let i = this.#members.length - 1; i >= 0; i--) {
      const member = this.#members[i];
      if (member !== undefined && member.dueMs <= this.nowMs) member.expire(this.nowMs);
    }
    if (this.#members.length > 0) this.#timer = this.#clock.timer(tickMs, () => this.#tick(), true);
    else this.#timer = undefined;
  }
}
