import type { Random } from '../../kernel/ports.ts';
import { newsMs, type BreakerState, type OpenTime, type ReplicatedBreaker, type Verdict, type VerdictCounts } from './breaker.ts';

export interface WindowBreakerOptions {
  readonly random: Random;
  /** Failures in a row that open it; 0: never. */
  readonly consecutive: number;
  /** Share of failures within the window that opens it; 0: not looked at. */
  readonly errorRatio: number;
  /** Share of calls slower than `slowMs` that opens it; 0: not looked at. */
  readonly slowRatio: number;
  readonly slowMs: number;
  /** Calls within the window below which shares say nothing. */
  readonly requestsMin: number;
  readonly windowMs: number;
  /** How long it stays open at first; doubled each time that half-open fails, up to `openMaxMs`. */
  readonly openMs: number;
  readonly openMaxMs: number;
  /** Half-open: the share of calls that is let through grows from one at a time to all of them over this time. */
  readonly rampMs: number;
  /** `told`: another process said so. */
  readonly changed?: (state: BreakerState, told: boolean) => void;
}

const slots = 10;
/** While half-open a share over so few calls is enough: they are let through to find out. */
const probesMin = 3;

/**
 * A breaker over a sliding window: failures in a row, share of failures, share of slow calls. Recovery is a ramp: one probe decides nothing, and a target
 * that has just come back is not met by the whole load at once.
 */
export function createWindowBreaker(options: WindowBreakerOptions): ReplicatedBreaker {
  return new WindowBreaker(options);
}

class WindowBreaker implements ReplicatedBreaker {
  readonly countsProbes = false;
  readonly #options: WindowBreakerOptions;
  readonly #calls = new Int32Array(slots);
  readonly #bad = new Int32Array(slots);
  readonly #slow = new Int32Array(slots);
  #slot = -1;
  #state: BreakerState = 'closed';
  #generation = 0;
  #inRow = 0;
  #sinceMs = 0;
  #openMs: number;
  #probes = 0;

  constructor(options: WindowBreakerOptions) {
    this.#options = options;
    this.#openMs = options.openMs;
  }

  get slowMs(): number {
    return this.#options.slowMs;
  }

  enter(nowMs: number): number {
    this.#turn(nowMs);
    if (this.#state === 'open') return -1;
    if (this.#state === 'half-open') {
      const share = (nowMs - this.#sinceMs) / this.#options.rampMs;
      if (this.#probes > 0 && this.#options.random.u32() / 2 ** 32 >= share) return -1;
      this.#probes++;
    }
    return this.#generation;
  }

  leave(token: number, verdict: Verdict, nowMs: number): boolean {
    this.#turn(nowMs);
    if (token !== this.#generation || this.#state === 'open') return false;
    if (this.#state === 'half-open') this.#probes = Math.max(0, this.#probes - 1);
    if (verdict === 'ignored') return true;
    this.#count(verdict, nowMs);
    if (this.#tooBad()) this.#open(nowMs);
    return true;
  }

  absorb({ good, slow, bad, badAtEnd }: VerdictCounts, nowMs: number): void {
    this.#turn(nowMs);
    if (this.#state === 'open') return;
    const at = this.#advance(nowMs);
    this.#calls[at] = (this.#calls[at] as number) + good + slow + bad;
    this.#slow[at] = (this.#slow[at] as number) + slow;
    this.#bad[at] = (this.#bad[at] as number) + bad;
    this.#inRow = good + slow > 0 ? badAtEnd : this.#inRow + bad;
    if (bad + slow > 0 && this.#tooBad()) this.#open(nowMs);
  }

  // The ramp draws for each call: copies need not know of each other's.
  probing(): void {}

  become(state: { readonly open: OpenTime } | 'closed', nowMs: number): void {
    this.#turn(nowMs);
    const leftMs = this.#state === 'open' ? this.openTime(nowMs).leftMs : 0;
    if (state === 'closed') {
      if (this.#state !== 'closed' && leftMs <= newsMs) this.#enterState('closed', nowMs, true);
      return;
    }
    if (this.#state === 'open' && state.open.leftMs < leftMs) return;
    if (this.#state !== 'open') this.#enterState('open', nowMs, true);
    this.#openMs = Math.min(state.open.ofMs, this.#options.openMaxMs);
    this.#sinceMs = nowMs - Math.max(0, this.#openMs - state.open.leftMs);
  }

  openTime(nowMs: number): OpenTime {
    return { leftMs: Math.max(0, this.#sinceMs + this.#openMs - nowMs), ofMs: this.#openMs };
  }

  state(nowMs: number): BreakerState {
    this.#turn(nowMs);
    return this.#state;
  }

  #count(verdict: Verdict, nowMs: number): void {
    const bad = verdict === 'bad';
    const at = this.#advance(nowMs);
    this.#calls[at] = (this.#calls[at] as number) + 1;
    if (verdict === 'slow') this.#slow[at] = (this.#slow[at] as number) + 1;
    if (bad) this.#bad[at] = (this.#bad[at] as number) + 1;
    this.#inRow = bad ? this.#inRow + 1 : 0;
  }

  #tooBad(): boolean {
    const { consecutive, errorRatio, slowRatio, requestsMin } = this.#options;
    const half = this.#state === 'half-open';
    if (consecutive > 0 && this.#inRow >= (half ? Math.min(probesMin, consecutive) : consecutive)) return true;
    const calls = sum(this.#calls);
    if (calls < (half ? Math.min(probesMin, requestsMin) : requestsMin)) return false;
    if (errorRatio > 0 && sum(this.#bad) >= calls * errorRatio) return true;
    return slowRatio > 0 && sum(this.#slow) >= calls * slowRatio;
  }

  #open(nowMs: number): void {
    const { openMs, openMaxMs } = this.#options;
    this.#openMs = this.#state === 'half-open' ? Math.min(openMaxMs, this.#openMs * 2) : openMs;
    this.#enterState('open', nowMs);
  }

  #turn(nowMs: number): void {
    if (this.#state === 'open' && nowMs - this.#sinceMs >= this.#openMs) this.#enterState('half-open', nowMs);
    // Time alone closes nothing: calls must have gone well.
    else if (this.#state === 'half-open' && nowMs - this.#sinceMs >= this.#options.rampMs && sum(this.#calls) > 0)
      this.#enterState('closed', nowMs);
  }

  #enterState(state: BreakerState, nowMs: number, told = false): void {
    this.#state = state;
    this.#sinceMs = nowMs;
    this.#generation++;
    this.#probes = this.#inRow = 0;
    for (const counts of [this.#calls, this.#bad, this.#slow]) counts.fill(0);
    this.#options.changed?.(state, told);
  }

  #advance(nowMs: number): number {
    const slot = Math.floor(nowMs / (this.#options.windowMs / slots));
    const passed = this.#slot < 0 ? 0 : Math.min(slots, slot - this.#slot);
    for (let i = 0; i < passed; i++) for (const counts of [this.#calls, this.#bad, this.#slow]) counts[(slot - i) % slots] = 0;
    this.#slot = slot;
    return slot % slots;
  }
}

function sum(counts: Int32Array): number {
  let total = 0;
  for (let i = 0; i < slots; i++) total += counts[i] as number;
  return total;
}
