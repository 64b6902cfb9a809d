import type { Engine } from '../contracts/engine.ts';
import type { Clock } from '../kernel/ports.ts';
import type { FakeClock } from './fake-clock.ts';

/** A process of a test: it can stand still, and lose the engine. */
export interface TestProcess {
  readonly engine: Engine;
  readonly clock: Clock;
  /** A stopped process: its timers stand still and it hears nothing, while its clocks go on. */
  frozen: boolean;
  /** The engine is not reached. */
  down: boolean;
}

/** Follows the promises that the last step left behind. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 30; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** A process over an engine that others share. `deaf`: no hint arrives. */
export function createTestProcess({ engine, clock }: { readonly engine: Engine; readonly clock: FakeClock }, deaf = false): TestProcess {
  const waiting: (() => void)[] = [];
  let frozen = false;
  const process: TestProcess = {
    engine: reached(engine, () => ({ deaf: deaf || frozen, down: process.down })),
    clock: {
      now: () => clock.now(),
      mono: () => clock.mono(),
      turn: () => clock.turn(),
      timer: (ms, callback) => clock.timer(ms, () => (frozen ? waiting.push(callback) : callback())),
      soon: (callback) => clock.soon(callback),
      arriving: () => clock.arriving(),
    },
    down: false,
    get frozen() {
      return frozen;
    },
    set frozen(next) {
      frozen = next;
      if (!next) for (const callback of waiting.splice(0)) callback();
    },
  };
  return process;
}

/** The engine as one runtime reaches it. */
function reached(engine: Engine, state: () => { readonly deaf: boolean; readonly down: boolean }): Engine {
  return new Proxy(engine, {
    get(target, member) {
      const value = Reflect.get(target, member) as unknown;
      if (typeof value !== 'function') return value;
      const call = value.bind(target) as (...parameters: unknown[]) => unknown;
      const heard = (changed: () => void) => () => void (state().deaf || state().down || changed());
      if (member === 'watch') return (prefix: string, changed: () => void) => target.watch(prefix, heard(changed));
      if (member === 'now') return call;
      return (...parameters: unknown[]) => (state().down ? Promise.reject(new Error('engine down')) : call(...parameters));
    },
  });
}
