import { createHash } from 'node:crypto';
import type { Clock, Timer } from '../../kernel/ports.ts';
import { seededRandom } from './disk.ts';

/**
 * Virtual time. Nothing happens but timers, one after another; what is due at about the same time runs in an order that follows from the seed. A run
 * is therefore a function of its seed, and `trace` proves it: a hash over what ran when.
 */
export interface SimulatedTime {
  /** Milliseconds since the start. */
  readonly nowMs: number;
  /** The hash of everything that has run and was noted so far. */
  readonly trace: string;
  /** Timers that have run. */
  readonly events: number;
  /** The clock of one process: its wall clock is wrong by up to a second, its monotonic one starts anywhere. */
  clock(process: string): Clock;
  /** The process's timers wait from now on; its clocks go on, as for a stopped process. */
  freeze(process: string): void;
  /** What waited runs now. */
  thaw(process: string): void;
  /** The process's timers never run again. */
  kill(process: string): void;
  /** Puts something that a test saw into the trace. */
  note(text: string): void;
  /** Runs everything that is due until then. All promises that a timer settles are followed before the next timer runs. */
  run(forMs: number): Promise<void>;
}

interface Event {
  readonly dueMs: number;
  readonly order: number;
  readonly process: string;
  callback: (() => void) | undefined;
}

/** Real timers are late by a little; here the seed says by how much. */
const latenessMsMax = 0.05;
const wallStartMs = Date.UTC(2030, 0, 1);

/** Time that stands still until `run`. */
export function createSimulatedTime(seed: number): SimulatedTime {
  return new VirtualTime(seed);
}

class VirtualTime implements SimulatedTime {
  nowMs = 0;
  events = 0;
  readonly #random: { u32(): number };
  readonly #hash = createHash('sha256');
  readonly #queue: Event[] = [];
  readonly #frozen = new Map<string, Event[]>();
  readonly #dead = new Set<string>();
  #order = 0;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
  }

  get trace(): string {
    return this.#hash.copy().digest('hex');
  }

  clock(process: string): Clock {
    const wallOffsetMs = wallStartMs + (this.#random.u32() % 2_000) - 1_000;
    const monoOffsetMs = this.#random.u32() % 1_000_000;
    return {
      now: () => Math.floor(this.nowMs + wallOffsetMs),
      mono: () => this.nowMs + monoOffsetMs,
      turn: () => this.nowMs + monoOffsetMs,
      timer: (delayMs, callback) => this.#add(process, Math.max(0, delayMs) + this.#lateness(), callback),
      soon: (callback) => void this.#add(process, 0, callback),
      arriving: () => false,
    };
  }

  freeze(process: string): void {
    if (!this.#frozen.has(process)) this.#frozen.set(process, []);
  }

  thaw(process: string): void {
    const waiting = this.#frozen.get(process) ?? [];
    this.#frozen.delete(process);
    for (const event of waiting) this.#push({ ...event, dueMs: this.nowMs }, event);
  }

  kill(process: string): void {
    this.#dead.add(process);
    this.#frozen.delete(process);
  }

  note(text: string): void {
    this.#hash.update(`${this.nowMs.toFixed(3)} ${text}\n`);
  }

  async run(forMs: number): Promise<void> {
    const untilMs = this.nowMs + forMs;
    for (let next = this.#queue[0]; next !== undefined && next.dueMs <= untilMs; next = this.#queue[0]) {
      this.#pop();
      if (next.callback === undefined || this.#dead.has(next.process)) continue;
      this.nowMs = Math.max(this.nowMs, next.dueMs);
      const waiting = this.#frozen.get(next.process);
      if (waiting !== undefined) {
        waiting.push(next);
        continue;
      }
      this.events++;
      this.note(next.process);
      next.callback();
      await new Promise((resolve) => setImmediate(resolve));
    }
    this.nowMs = untilMs;
  }

  #lateness(): number {
    return (this.#random.u32() / 4_294_967_296) * latenessMsMax;
  }

  #add(process: string, delayMs: number, callback: () => void): Timer {
    const event: Event = { dueMs: this.nowMs + delayMs, order: this.#order++, process, callback };
    if (!this.#dead.has(process)) this.#push(event, event);
    return {
      cancel() {
        event.callback = undefined;
      },
    };
  }

  // `source` is what the owner of the timer may still cancel.
  #push(event: Event, source: Event): void {
    const queue = this.#queue;
    const entry = event === source ? event : linked(event, source);
    let at = queue.length;
    queue.push(entry);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (before(queue[parent] as Event, entry)) break;
      queue[at] = queue[parent] as Event;
      at = parent;
    }
    queue[at] = entry;
  }

  #pop(): void {
    const queue = this.#queue;
    const last = queue.pop() as Event;
    if (queue.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= queue.length) break;
      if (child + 1 < queue.length && before(queue[child + 1] as Event, queue[child] as Event)) child++;
      if (before(last, queue[child] as Event)) break;
      queue[at] = queue[child] as Event;
      at = child;
    }
    queue[at] = last;
  }
}

function before(a: Event, b: Event): boolean {
  return a.dueMs === b.dueMs ? a.order < b.order : a.dueMs < b.dueMs;
}

/** An event of another time whose callback is still the one of `source`. */
function linked(event: Event, source: Event): Event {
  return {
    ...event,
    get callback() {
      return source.callback;
    },
    set callback(callback) {
      source.callback = callback;
    },
  };
}
