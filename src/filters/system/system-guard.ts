import type { Sums } from '../../contracts/news.ts';
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
  /** What other processes of the runtime count; it is told what this one does. Absent: there is none. */
  readonly sums?: (own: () => readonly number[]) => Sums;
  /** Told which call was refused, and why. */
  readonly refused?: (call: Call<unknown>, why: string) => void;
}

const sampleMs = 500;
const windows = 10;

/**
 * Protects the process as a whole. A busy event loop, and a slow average, alone refuse nothing: as BBR has it, only when more calls are under way than the
 * best rate and the best time of the last seconds say can be carried (Sentinel's system rule, with the load signal that Node has).
 *
 * Where several processes make up the runtime, calls per second and calls at once are divided as the calls are, and the average is that of all calls. An event
 * loop is a process's own: one that is busy refuses, however idle the others are, since connections cannot move.
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
  /** Per second of the last ten: calls that asked, calls admitted, calls ended well, their time, the best time. */
  readonly #asked = new Float64Array(windows);
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

  readonly #sums: Sums | undefined;

  constructor(options: SystemGuardOptions) {
    this.#options = options;
    this.#sums = options.sums?.(() => this.#counted());
  }

  admit(call: Call<unknown>): number {
    const { clock, refused } = this.#options;
    const nowMs = clock.mono();
    const at = this.#turn(nowMs);
    this.#asked[at] = (this.#asked[at] as number) + 1;
    this.#sums?.touched();
    const why = this.#why(nowMs, at);
    if (why !== undefined) {
      refused?.(call, why);
      throw new ProaError('overloaded', `the runtime protects itself: ${why}`, {
        details: { metadata: { retryAfterMs: '1000' } },
        refusedAt: 'callee',
      });
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
    const others = this.#sums?.others ?? [];
    if ((this.#admitted[at] as number) + 1 > partOf(requestsMax, this.#rate(at), others[0]))
      return `more than ${requestsMax} calls in this second`;
    if (this.#underWay + 1 > partOf(concurrentMax, this.#underWay + 1, others[1])) return `${concurrentMax} calls are under way`;
    if (averageMaxMs !== Infinity && this.#average() > averageMaxMs && this.#beyondCapacity())
      return `calls take longer than ${averageMaxMs} ms on average`;
    if (utilisationMax < 1 && this.#busy(nowMs) > utilisationMax && this.#beyondCapacity())
      return `its event loop is busy more than ${Math.round(utilisationMax * 1_000) / 10} % of the time`;
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
    const [, , calls = 0, took = 0] = this.#sums?.others ?? [];
    const [, , own = 0, ownTook = 0] = this.#counted();
    return calls + own === 0 ? 0 : (took + ownTook) / (calls + own);
  }

  /** Calls that asked in a second, of this one or the last, whichever has more: a second that has just begun says nothing. */
  #rate(at: number): number {
    return Math.max(this.#asked[at] as number, this.#asked[(at + windows - 1) % windows] as number);
  }

  /** What the others are told: the rate, what is under way, and the number and the time of the calls that ended well. */
  #counted(): readonly number[] {
    const at = this.#turn(this.#options.clock.mono());
    let [calls, took] = [0, 0];
    for (let i = 0; i < windows; i++) {
      calls += this.#ended[i] as number;
      took += this.#tookMs[i] as number;
    }
    return [this.#rate(at), this.#underWay, calls, took];
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
      this.#asked[at] = this.#admitted[at] = this.#ended[at] = this.#tookMs[at] = 0;
      this.#bestMs[at] = Infinity;
    }
    this.#second = second;
    return second % windows;
  }
}

/** Of a limit of all processes, what this one may use, by its share of what is counted. */
function partOf(max: number, here: number, elsewhere = 0): number {
  return elsewhere === 0 ? max : Math.max(1, Math.ceil((max * here) / (here + elsewhere)));
}
