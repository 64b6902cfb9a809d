import type { Engine } from '../contracts/engine.ts';

/** An engine with some methods exchanged, for faults and delays. Each call looks `methods` up anew, so that they may come and go while it is in use. */
export function changedEngine(engine: Engine, methods: Partial<Engine>): Engine {
  return new Proxy(engine, {
    get(target, name: keyof Engine) {
      const value = methods[name] ?? target[name];
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
