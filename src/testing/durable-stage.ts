import type { Engine } from '../contracts/engine.ts';
import { ProaError } from '../kernel/errors.ts';
import { createFakeClock, type FakeClock } from './fake-clock.ts';

/**
 * What a test of a durable block stands on: an engine, as several processes have it, and a time that moves only when the test says so, for the engine as for
 * the processes. In memory a step is over when nothing happens any more; a real server works meanwhile, and a step is over when it has answered everything.
 */
export interface DurableStage {
  readonly clock: FakeClock;
  /** As the test itself uses it. */
  readonly engine: Engine;
  /** The engine as that process has it: the same for the same name. */
  engineOf(process: string): Engine;
  /** Lets that time go by, in steps. */
  pass(ms: number, stepMs?: number): Promise<void>;
  /** What the clocks of machines show moves at once, and nothing happens meanwhile. */
  jump(ms: number): Promise<void>;
  /** Lets time go by until it holds; fails after some hours of it. What hints tell of other processes comes when it comes, so that no test may count on a moment for it. */
  until(holds: () => unknown): Promise<void>;
  /** There is no room for anything new in the engine, or there is again. */
  fill(full: boolean): Promise<void>;
  /** Follows what was begun to its end, while the time stands. */
  settle(): Promise<void>;
  close(): Promise<void>;
}

export interface StageOptions {
  readonly clock?: FakeClock;
  /** One more process's engine over the same data. */
  open(clock: FakeClock): Engine;
  /** Moves the time of the engine where that is not the clock's, before the clock moves. */
  moveTo?(wallMs: number): Promise<void>;
  /** After a jump: every process learns the time of the engine, which it would else hear of with one of its next answers, whenever that comes. */
  jumped?(): Promise<void>;
  /** Default: what would write is refused. */
  fill?(full: boolean): Promise<void>;
  close?(): Promise<void>;
}

const stepMsUsual = 100;
/** Much more than anything takes: a server that has to answer between the steps may be slow while its time runs. */
const untilMsMax = 6 * 3_600_000;
/** So many turns without a call to the engine: what waits then waits for time. */
const quietTurns = 12;

/** A stage whose engines are opened as they are asked for. */
export function createStage({ clock = createFakeClock(), open, moveTo, jumped, fill, close }: StageOptions): DurableStage {
  const calls = new Calls();
  const engines = new Map<string, Engine>();
  const engineOf = (process: string): Engine => {
    const known = engines.get(process) ?? calls.counted(open(clock));
    engines.set(process, known);
    return known;
  };
  const step = async (ms: number): Promise<void> => {
    await moveTo?.(clock.now() + ms);
    clock.advance(ms);
    await calls.settle();
  };
  return {
    clock,
    get engine() {
      return engineOf('test');
    },
    engineOf,
    settle: () => calls.settle(),
    async fill(full) {
      if (fill === undefined) calls.full = full;
      else await fill(full);
    },
    async pass(ms, stepMs = stepMsUsual) {
      await calls.settle();
      for (let left = ms; left > 0; left -= stepMs) await step(Math.min(left, stepMs));
    },
    async jump(ms) {
      await moveTo?.(clock.now() + ms);
      clock.jump(ms);
      await jumped?.();
      await calls.settle();
    },
    async until(holds) {
      await calls.settle();
      for (let passed = 0; !(await holds()); passed += stepMsUsual) {
        if (passed > untilMsMax) throw new Error(`what the test waits for did not come within ${untilMsMax / 3_600_000} hours of its time`);
        await step(stepMsUsual);
      }
    },
    close: async () => close?.(),
  };
}

const writing = new Set<string | symbol>(['commit', 'acquireLease', 'renewLease', 'releaseLease', 'trim']);

/** The calls to the engine that are under way. */
class Calls {
  full = false;
  #begun = 0;
  #open = 0;
  #idle: (() => void)[] = [];

  counted(engine: Engine): Engine {
    return new Proxy(engine, {
      get: (target, member) => {
        const value = Reflect.get(target, member) as unknown;
        if (typeof value !== 'function') return value;
        return (...parameters: unknown[]) => {
          if (this.full && writing.has(member)) return Promise.reject(new ProaError('engine.read-only', 'the disk is full'));
          const answer = (value as (...all: unknown[]) => unknown).apply(target, parameters);
          return answer instanceof Promise ? this.#count(answer) : answer;
        };
      },
    });
  }

  async settle(): Promise<void> {
    for (let quiet = 0; quiet < quietTurns;) {
      const before = this.#begun;
      if (this.#open > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
      await new Promise((resolve) => setImmediate(resolve));
      quiet = this.#open === 0 && this.#begun === before ? quiet + 1 : 0;
    }
  }

  #count<T>(answer: Promise<T>): Promise<T> {
    this.#begun++;
    this.#open++;
    return answer.finally(() => {
      if (--this.#open === 0) for (const resolve of this.#idle.splice(0)) resolve();
    });
  }
}
