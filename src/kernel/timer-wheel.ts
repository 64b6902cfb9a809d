import type { Clock, Timer } from './ports.ts';

const tickMs = 5;
const slots = 1_024;
const mask = slots - 1;

/** An entry of the wheel: a member of the ring of its slot. */
class Entry implements Timer {
  callback: (() => void) | undefined;
  dueTick: number;
  before: Entry;
  after: Entry;

  constructor(callback: (() => void) | undefined, dueTick: number) {
    this.callback = callback;
    this.dueTick = dueTick;
    this.before = this;
    this.after = this;
  }

  cancel(): void {
    this.callback = undefined;
    this.before.after = this.after;
    this.after.before = this.before;
    this.before = this;
    this.after = this;
  }
}

/**
 * The same clock with timers on a wheel: they are up to one tick (5 ms) late, never early, and cost a few dozen nanoseconds instead of a timer of the
 * system. For the many timers of calls that nearly never fire, in a process that something else keeps alive: the wheel does not. Timers shorter than two ticks, and those in the background, are the clock's own.
 */
export function wheelClock(clock: Clock): Clock {
  const wheel = new Wheel(clock);
  return {
    now: () => clock.now(),
    mono: () => clock.mono(),
    turn: () => clock.turn(),
    soon: (callback) => clock.soon(callback),
    arriving: () => clock.arriving(),
    timer: (delayMs, callback, background) =>
      delayMs < 2 * tickMs || background === true ? clock.timer(delayMs, callback, background) : wheel.add(delayMs, callback),
  };
}

class Wheel {
  readonly #clock: Clock;
  // Heads of rings, made when they are first needed.
  readonly #rings: (Entry | undefined)[] = Array.from({ length: slots });
  /** The last tick whose slot was looked at. */
  #seenTick = 0;
  /** When the real timer wakes us; Infinity: it does not run. */
  #armedTick = Infinity;
  #timer: Timer | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#seenTick = Math.floor(clock.mono() / tickMs);
  }

  add(delayMs: number, callback: () => void): Timer {
    const dueTick = Math.ceil((this.#clock.mono() + delayMs) / tickMs);
    const entry = new Entry(callback, dueTick);
    const ring = (this.#rings[dueTick & mask] ??= new Entry(undefined, 0));
    entry.before = ring.before;
    entry.after = ring;
    ring.before.after = entry;
    ring.before = entry;
    if (dueTick < this.#armedTick) this.#arm(dueTick);
    return entry;
  }

  // The real timer is not cancelled when the wheel gets empty: the next call would only have to set it again.
  #arm(tick: number): void {
    this.#timer?.cancel();
    this.#armedTick = tick;
    this.#timer = this.#clock.timer(Math.max(0, tick * tickMs - this.#clock.mono()), () => this.#turn(), true);
  }

  #turn(): void {
    this.#armedTick = Infinity;
    this.#timer = undefined;
    const nowTick = Math.floor(this.#clock.mono() / tickMs);
    // After a long stop every slot is looked at once.
    const from = Math.max(this.#seenTick + 1, nowTick - slots + 1);
    this.#seenTick = nowTick;
    for (let tick = from; tick <= nowTick; tick++) this.#fire(tick & mask, nowTick);
    const next = this.#next(nowTick);
    if (next < this.#armedTick) this.#arm(next);
  }

  #fire(slot: number, nowTick: number): void {
    const ring = this.#rings[slot];
    if (ring === undefined) return;
    for (let entry = ring.after; entry !== ring;) {
      const following = entry.after;
      if (entry.dueTick <= nowTick) {
        const { callback } = entry;
        entry.cancel();
        callback?.();
        // The callback may have cancelled the one that follows: begin again.
        entry = following.after === following && following !== ring ? ring.after : following;
      } else entry = following;
    }
  }

  /** The next tick at which something is due, at most one turn of the wheel away; Infinity: nothing waits. */
  #next(nowTick: number): number {
    let waits = false;
    for (let tick = nowTick + 1; tick <= nowTick + slots; tick++) {
      const ring = this.#rings[tick & mask];
      if (ring === undefined || ring.after === ring) continue;
      waits = true;
      for (let entry = ring.after; entry !== ring; entry = entry.after) if (entry.dueTick === tick) return tick;
    }
    return waits ? nowTick + slots : Infinity;
  }
}
