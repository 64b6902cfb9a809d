export interface BudgetOptions {
  /** Repetitions per call that the calls themselves earn, 0.2 for 20 %. */
  readonly ratio: number;
  /** Repetitions per second that are always allowed, so that a quiet target can be retried at all. */
  readonly perSecond: number;
}

/** How many repetitions a target may have: what its calls of the last ten seconds earned, and a floor. */
export interface RetryBudget {
  /** A first attempt. */
  deposit(nowMs: number): void;
  /** That first attempt never reached the target: it earned nothing. */
  takeBack(nowMs: number): void;
  /** Takes one repetition; false: none is left. */
  withdraw(nowMs: number): boolean;
  /** Repetitions left now. */
  left(nowMs: number): number;
}

const slots = 10;
const slotMs = 1_000;

/** A budget over a window of ten slots of a second, as Finagle's and Linkerd's: what was earned expires, so a quiet hour earns no storm. */
export function createRetryBudget({ ratio, perSecond }: BudgetOptions): RetryBudget {
  const earned = new Float64Array(slots);
  const spent = new Float64Array(slots);
  let current = -1;
  const floor = (perSecond * slots * slotMs) / 1_000;
  const turn = (nowMs: number): number => {
    const slot = Math.floor(nowMs / slotMs);
    if (slot !== current) {
      const passed = current < 0 ? slots : Math.min(slots, slot - current);
      for (let i = 0; i < passed; i++) {
        earned[(slot - i) % slots] = 0;
        spent[(slot - i) % slots] = 0;
      }
      current = slot;
    }
    return slot % slots;
  };
  const left = (): number => {
    let sum = floor;
    for (let i = 0; i < slots; i++) sum += (earned[i] as number) - (spent[i] as number);
    return sum;
  };
  const earn = (amount: number, nowMs: number): void => {
    const at = turn(nowMs);
    earned[at] = (earned[at] as number) + amount;
  };
  return {
    deposit: (nowMs) => earn(ratio, nowMs),
    takeBack: (nowMs) => earn(-ratio, nowMs),
    withdraw(nowMs) {
      const at = turn(nowMs);
      // Sums of 0.2 are not exact: what lacks a billionth is enough.
      if (left() < 1 - 1e-9) return false;
      spent[at] = (spent[at] as number) + 1;
      return true;
    },
    left(nowMs) {
      turn(nowMs);
      return left();
    },
  };
}
