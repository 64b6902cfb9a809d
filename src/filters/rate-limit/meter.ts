/** Counts over a sliding window of ten slots: what is older than the window has left it. */
export interface Meter {
  add(nowMs: number): void;
  sum(nowMs: number): number;
  /** How long until the oldest slot that holds something leaves. */
  untilNextMs(nowMs: number): number;
}

const slots = 10;

export function createMeter(windowMs: number): Meter {
  const counts = new Float64Array(slots);
  const slotMs = windowMs / slots;
  let current = -1;
  let total = 0;
  const turn = (nowMs: number): number => {
    const slot = Math.floor(nowMs / slotMs);
    if (slot !== current) {
      const passed = current < 0 ? 0 : Math.min(slots, slot - current);
      for (let i = 0; i < passed; i++) {
        const at = (slot - i) % slots;
        total -= counts[at] as number;
        counts[at] = 0;
      }
      current = slot;
    }
    return slot % slots;
  };
  return {
    add(nowMs) {
      const at = turn(nowMs);
      counts[at] = (counts[at] as number) + 1;
      total++;
    },
    sum(nowMs) {
      turn(nowMs);
      return total;
    },
    untilNextMs(nowMs) {
      turn(nowMs);
      for (let age = slots - 1; age >= 0; age--)
        if ((counts[(current - age + slots) % slots] as number) > 0) return (current - age + slots) * slotMs - nowMs;
      return 0;
    },
  };
}
