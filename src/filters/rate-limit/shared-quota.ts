import type { Engine } from '../../contracts/engine.ts';
import type { Clock } from '../../kernel/ports.ts';
import { tuple } from '../../kernel/tuple.ts';
import { createWindowLimiter, type Limiter } from './limiter.ts';

export interface SharedQuotaOptions {
  readonly clock: Clock;
  readonly engine: Pick<Engine, 'get' | 'commit' | 'now'>;
  /** Runtimes with the same name share the quota. */
  readonly name: string;
  readonly requests: number;
  readonly perMs: number;
  /** The engine cannot be asked: until it can, calls are counted here alone. */
  readonly lost: (error: unknown) => void;
}

/** As `Limiter`, but it may have to ask the engine first. */
export interface SharedLimiter {
  take(nowMs: number): number | Promise<number>;
}

/** Shares are leased in portions, so that a busy quota costs the engine some commits per window and not one per call. */
const portions = 20;
const attemptsMax = 8;
/** How long calls are counted here alone after the engine failed. */
const lostMs = 5_000;

/**
 * A rate over all runtimes of one engine. Windows follow the engine's clock; each runtime takes a portion of the window's calls with a conditional commit and
 * spends it without asking. What is not spent when the window ends is lost, so the quota is never exceeded, and may be missed by the last portions.
 */
export function createSharedQuota(options: SharedQuotaOptions): SharedLimiter {
  return new SharedQuota(options);
}

class SharedQuota implements SharedLimiter {
  readonly #options: SharedQuotaOptions;
  readonly #portion: number;
  readonly #alone: Limiter;
  #window = -1;
  #left = 0;
  /** The window in which nothing is left for anybody. */
  #spentWindow = -1;
  #asking: Promise<void> | undefined;
  #lostUntilMs = 0;

  constructor(options: SharedQuotaOptions) {
    this.#options = options;
    this.#portion = Math.max(1, Math.ceil(options.requests / portions));
    this.#alone = createWindowLimiter(options);
  }

  take(nowMs: number): number | Promise<number> {
    if (nowMs < this.#lostUntilMs) return this.#alone.take(nowMs);
    if (this.#spend()) return 0;
    const { engine, perMs } = this.#options;
    const engineMs = engine.now();
    if (Math.floor(engineMs / perMs) === this.#spentWindow) return -(perMs - (engineMs % perMs));
    return this.#lease().then(() => this.take(this.#options.clock.mono()));
  }

  #spend(): boolean {
    const { engine, perMs } = this.#options;
    if (this.#left <= 0 || Math.floor(engine.now() / perMs) !== this.#window) return false;
    this.#left--;
    return true;
  }

  /** One question at a time; all calls that wait are served by its answer. */
  #lease(): Promise<void> {
    this.#asking ??= this.#ask()
      .catch((error: unknown) => {
        this.#lostUntilMs = this.#options.clock.mono() + lostMs;
        this.#options.lost(error);
      })
      .finally(() => {
        this.#asking = undefined;
      });
    return this.#asking;
  }

  async #ask(): Promise<void> {
    const { engine, name, requests, perMs } = this.#options;
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      const window = Math.floor(engine.now() / perMs);
      const key = tuple('policy', 'quota', name, perMs, window);
      const entry = await engine.get(key);
      const used = entry === undefined ? 0 : Number(Buffer.from(entry.value).toString('latin1'));
      const granted = Math.min(this.#portion, requests - used);
      if (granted <= 0) {
        this.#spentWindow = window;
        return;
      }
      const result = await engine.commit({
        if: [{ kind: 'version', key, version: entry?.version ?? 0 }],
        // Kept a little longer than the window, for owners whose clocks are handed over.
        put: [{ key, value: Buffer.from(String(used + granted), 'latin1'), expiresAtMs: (window + 2) * perMs + 1_000 }],
      });
      // A commit whose outcome is unknown may have counted: its portion is given up rather than used twice.
      if (result.status === 'unknown') throw result.cause instanceof Error ? result.cause : new Error('the outcome of a commit is unknown');
      if (result.status === 'conflict') continue;
      this.#window = window;
      this.#left = granted;
      return;
    }
    throw new Error(`the quota "${name}" is contended`);
  }
}
