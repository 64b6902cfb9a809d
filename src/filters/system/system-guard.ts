import type { Call, Outcome } from '../../kernel/call.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Clock, ProcessPort } from '../../kernel/ports.ts';
import type { Pair } from '../../kernel/stack.ts';

export interface SystemGuardOptions {
  readonly clock: Clock;
  readonly process: Pick<ProcessPort, 'loopTimes'>;
  /** Share of time (0 to 1) that the event loop may be busy; 1: not looked at. */
  readonly utilisationMax: number;
  /** Calls per second; Infinity: no limit. */
  readonly requestsMax: number;
  /** Calls at once; Infinity: no limit. */
  readonly concurrentMax: number;
  /** Average time of the last seconds' calls; Infinity: not looked at. */
  readonly averageMaxMs: number;
  /** Told which call was refused, and why. */
  readonly refused?: (call: Call<unknown>, why: string) => void;
}

const sampleMs = 500;
const windows = 10;

/**
 * Protects the process as a whole. A busy event loop, and a slow average, alone refuse nothing: as BBR has it, only when more calls are under way than the
 * best rate and the best time of the last seconds say can be carried (Sentinel's system rule, with the load signal that Node has).
 */
export function systemGuard(options: SystemGuardOptions): Pair {
  const guard = new SystemGuard(options);
  return {
    admit: (call) => guard.admit(call),
    settle: (_call, outcome, admitted) => guard.settle(outcome, admitted as number),
  };
}

class SystemGuard {
  readonly #options: SystemGuardOptions;
  /** Per second of the last ten: calls admitted, calls ended well, their time, the best time. */
  readonly #admitted = new Float64Array(windows);
  readonly #ended = new Float64Array(windows);
  readonly #tookMs = new Float64Array(windows);
  readonly #bestMs = new Float64Array(windows).fill(Infinity);
  #second = -1;
  #underWay = 0;
  #sampledMs = -Infinity;
  #idleMs = 0;
  #activeMs = 0;
  #utilisation = 0;

  constructor(options: SystemGuardOptions) {
    this.#options = options;
  }

  admit(call: Call<unknown>): number {
    const { clock, refused } = this.#options;
    const nowMs = clock.mono();
    const at = this.#turn(nowMs);
    const why = this.#why(nowMs, at);
    if (why !== undefined) {
      refused?.(call, why);
      throw new ProaError('overloaded', `the runtime protects itself: ${why}`, { details: { metadata: { retryAfterMs: '1000' } } });
    }
    this.#admitted[at] = (this.#admitted[at] as number) + 1;
    this.#underWay++;
    return nowMs;
  }

  settle({ ok }: Outcome, admittedMs: number): void {
    this.#underWay--;
    if (!ok) return;
    const nowMs = this.#options.clock.mono();
    const at = this.#turn(nowMs);
    const tookMs = Math.max(0.01, nowMs - admittedMs);
    this.#ended[at] = (this.#ended[at] as number) + 1;
    this.#tookMs[at] = (this.#tookMs[at] as number) + tookMs;
    this.#bestMs[at] = Math.min(this.#bestMs[at] as number, tookMs);
  }

  #why(nowMs: number, at: number): string | undefined {
    const { requestsMax, concurrentMax, averageMaxMs, utilisationMax } = this.#options;
    if ((this.#admitted[at] as number) + 1 > requestsMax) return `more than ${requestsMax} calls in this second`;
    if (this.#underWay + 1 > concurrentMax) return `${concurrentMax} calls are under way`;
    if (averageMaxMs !== Infinity && this.#average() > averageMaxMs && this.#beyondCapacity())
      return `calls take longer than ${averageMaxMs} ms on average`;
    if (utilisationMax < 1 && this.#busy(nowMs) > utilisationMax && this.#beyondCapacity())
      return `its event loop is busy more than ${Math.round(utilisationMax * 100)} % of the time`;
    return undefined;
  }

  /** More under way than the best rate and the best time carry (Little's law). */
  #beyondCapacity(): boolean {
    let rate = 0;
    let best = Infinity;
    for (let i = 0; i < windows; i++) {
      rate = Math.max(rate, this.#ended[i] as number);
      best = Math.min(best, this.#bestMs[i] as number);
    }
    return this.#underWay > 1 && (rate === 0 || this.#underWay > (rate * best) / 1_000);
  }

  #average(): number {
    let [calls, took] = [0, 0];
    for (let i = 0; i < windows; i++) {
      calls += this.#ended[i] as number;
      took += this.#tookMs[i] as number;
    }
    return calls === 0 ? 0 : took / calls;
  }

  #busy(nowMs: number): number {
    if (nowMs - this.#sampledMs < sampleMs) return this.#utilisation;
    const { idleMs, activeMs } = this.#options.process.loopTimes();
    const [idle, active] = [idleMs - this.#idleMs, activeMs - this.#activeMs];
    // The first sample covers all of the process's life and says little about now.
    this.#utilisation = this.#sampledMs === -Infinity || idle + active <= 0 ? 0 : active / (idle + active);
    [this.#sampledMs, this.#idleMs, this.#activeMs] = [nowMs, idleMs, activeMs];
    return this.#utilisation;
  }

  #turn(nowMs: number): number {
    const second = Math.floor(nowMs / 1_000);
    const passed = this.#second < 0 ? 0 : Math.min(windows, second - this.#second);
    for (let i = 0; i < passed; i++) {
      const at = (second - i) % windows;
      this.#admitted[at] = this.#ended[at] = this.#tookMs[at] = 0;
      this.#bestMs[at] = Infinity;
    }
    this.#second = second;
    return second % windows;
  }
}
