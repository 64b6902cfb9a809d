import type { Commit, CommitResult, Engine } from '../contracts/engine.ts';
import type { Membership, OwnedShard, Placement } from '../contracts/placement.ts';
import type { Endpoint } from '../contracts/resolver.ts';
import { silentLogger, type Logger } from '../kernel/log.ts';
import type { Clock } from '../kernel/ports.ts';
import { tuple } from '../kernel/tuple.ts';
import type { FakeClock } from './fake-clock.ts';

/** Follows the promises that the last step left behind. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 30; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** A group's runtimes over one engine, on a fake clock; each can stand still or lose the engine. */
export interface PlacementRig {
  readonly clock: FakeClock;
  readonly memory: Engine;
  runtime(name: string, options?: RuntimeOptions): PlacementRuntime;
  pass(ms: number): Promise<void>;
}

interface RuntimeOptions {
  readonly machine?: string;
  /** Holds a shard's drain until it resolves. */
  readonly drain?: (shard: OwnedShard) => Promise<void>;
  readonly shards?: number;
  /** No hint arrives. */
  readonly deaf?: boolean;
}

/** One runtime of the rig, and what placement told it. */
export interface PlacementRuntime {
  readonly placement: Placement;
  readonly owned: Map<number, OwnedShard>;
  readonly lost: number[];
  readonly drained: number[];
  /** A stopped process: its timers stand still. */
  frozen: boolean;
  /** The engine is not reached. */
  down: boolean;
  join(): Promise<Membership>;
  commit(shard: OwnedShard, key?: string): Promise<CommitResult>;
}

export interface PlacementRigOptions {
  readonly clock: FakeClock;
  readonly memory: Engine;
  /** The group that runtimes join. */
  readonly group: string;
  open(options: {
    readonly engine: Engine;
    readonly clock: Clock;
    readonly log: Logger;
    readonly endpoint: () => Endpoint;
    readonly machine: string;
  }): Placement;
}

/** Runtimes over one engine that find each other by a placement. */
export function createPlacementRig(rig: PlacementRigOptions): PlacementRig {
  const { clock, memory } = rig;
  return {
    clock,
    memory,
    runtime: (name, options) => openRuntime(rig, name, options),
    async pass(ms) {
      for (let left = ms; left > 0; left -= 100) {
        clock.advance(Math.min(left, 100));
        await settle();
      }
    },
  };
}

function openRuntime(rig: PlacementRigOptions, name: string, options: RuntimeOptions = {}): PlacementRuntime {
  const { clock, memory, group } = rig;
  const engine = reached(memory, () => ({ deaf: options.deaf === true || runtime.frozen, down: runtime.down }));
  const waiting: (() => void)[] = [];
  const endpoint: Endpoint = {
    appId: 'shop',
    namespace: 'default',
    instance: name,
    local: { path: `/${name}` },
    mesh: { host: name, port: 1 },
  };
  const placement = rig.open({
    engine,
    clock: {
      ...clock,
      now: () => clock.now(),
      mono: () => clock.mono(),
      timer: (ms, callback) => clock.timer(ms, () => (runtime.frozen ? waiting.push(callback) : callback())),
    },
    log: silentLogger,
    endpoint: () => endpoint,
    machine: options.machine ?? 'here',
  });
  let frozen = false;
  const runtime: PlacementRuntime = {
    placement,
    owned: new Map(),
    lost: [],
    drained: [],
    down: false,
    get frozen() {
      return frozen;
    },
    set frozen(next) {
      frozen = next;
      if (!next) for (const callback of waiting.splice(0)) callback();
    },
    join: () =>
      placement.join({
        group,
        shards: options.shards ?? 16,
        claimed: (shard) => void runtime.owned.set(shard.index, shard),
        async drain(shard) {
          await options.drain?.(shard);
          runtime.drained.push(shard.index);
          runtime.owned.delete(shard.index);
        },
        lost(shard) {
          runtime.lost.push(shard.index);
          if (runtime.owned.get(shard.index) === shard) runtime.owned.delete(shard.index);
        },
      }),
    commit: (shard, key = 'x') => memory.commit(fenced(shard, key)),
  };
  return runtime;
}

/** The engine as one runtime reaches it. */
function reached(memory: Engine, state: () => { readonly deaf: boolean; readonly down: boolean }): Engine {
  return new Proxy(memory, {
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

function fenced(shard: OwnedShard, key: string): Commit {
  return { if: [shard.condition], put: [{ key: tuple('work', key), value: new Uint8Array(1) }] };
}

/** The shards that it owns, in order. */
export function indices(runtime: PlacementRuntime): number[] {
  return Array.from(runtime.owned.keys()).sort((a, b) => a - b);
}
