import type { MuxLimits } from './limits.ts';

/** What has to happen at a deadline of a connection. */
export type Due = 'hello' | 'write' | 'ping' | 'dead' | 'idle';

const floodWindowMs = 10_000;

/** The deadlines of one connection and its counts against floods. Times are `Sweep.nowMs` instants. */
export class Vitals {
  readonly #limits: MuxLimits;
  readonly #dialled: boolean;
  #helloDueMs: number;
  #heardMs: number;
  #pingedMs = Infinity;
  #writeDueMs = Infinity;
  #idleSinceMs: number;
  #floodSinceMs: number;
  #resets = 0;
  #pings = 0;

  constructor(limits: MuxLimits, dialled: boolean, nowMs: number) {
    this.#limits = limits;
    this.#dialled = dialled;
    this.#heardMs = nowMs;
    this.#idleSinceMs = nowMs;
    this.#floodSinceMs = nowMs;
    this.#helloDueMs = nowMs + limits.helloTimeoutMs;
  }

  get dueMs(): number {
    const { pingAfterMs, pingTimeoutMs, idleTimeoutMs } = this.#limits;
    const silenceMs = this.#pingedMs === Infinity ? this.#heardMs + pingAfterMs : this.#pingedMs + pingTimeoutMs;
    const idleMs = this.#dialled ? this.#idleSinceMs + idleTimeoutMs : Infinity;
    return Math.min(this.#helloDueMs, this.#writeDueMs, silenceMs, idleMs);
  }

  /** What is due at `nowMs`, the gravest first. */
  due(nowMs: number): Due {
    if (this.#helloDueMs <= nowMs) return 'hello';
    if (this.#writeDueMs <= nowMs) return 'write';
    if (this.#pingedMs !== Infinity) return 'dead';
    return this.#dialled && this.#idleSinceMs + this.#limits.idleTimeoutMs <= nowMs ? 'idle' : 'ping';
  }

  heard(nowMs: number): void {
    this.#heardMs = nowMs;
    this.#pingedMs = Infinity;
  }

  greeted(): void {
    this.#helloDueMs = Infinity;
  }

  asked(nowMs: number): void {
    this.#pingedMs = nowMs;
  }

  blocked(nowMs: number): void {
    if (this.#writeDueMs === Infinity) this.#writeDueMs = nowMs + this.#limits.writeTimeoutMs;
  }

  drained(): void {
    this.#writeDueMs = Infinity;
  }

  /** Everything was sent; the peer has the time of a slow reader to take it and close. */
  ending(nowMs: number): void {
    this.#writeDueMs = nowMs + this.#limits.writeTimeoutMs;
    this.#heardMs = Infinity;
    this.#pingedMs = Infinity;
    this.#idleSinceMs = Infinity;
  }

  busy(): void {
    this.#idleSinceMs = Infinity;
  }

  idle(nowMs: number): void {
    this.#idleSinceMs = nowMs;
  }

  /** Counts a reset or a ping of the peer; true when there were too many of them. */
  flood(kind: 'reset' | 'ping', nowMs: number): boolean {
    if (nowMs - this.#floodSinceMs > floodWindowMs) {
      this.#floodSinceMs = nowMs;
      this.#resets = 0;
      this.#pings = 0;
    }
    return kind === 'reset' ? ++this.#resets > this.#limits.resetsMax : ++this.#pings > this.#limits.pingsMax;
  }
}
