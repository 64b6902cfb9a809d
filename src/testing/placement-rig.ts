import type { Commit, CommitResult, Engine } from '../contracts/engine.ts';
import type { Membership, OwnedShard, Placement } from '../contracts/placement.ts';
import type { Endpoint } from '../contracts/resolver.ts';
import { silentLogger, type Logger } from '../kernel/log.ts';
import type { Clock } from '../kernel/ports.ts';
import { tuple } from '../kernel/tuple.ts';
import type { FakeClock } from './fake-clock.ts';
import { createTestProcess, settle, type TestProcess } from './test-process.ts';

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
  /** What of the engine the runtime sees: for answers that are late or lost. */
  readonly through?: (engine: Engine) => Engine;
}

/** One runtime of the rig, and what placement told it. */
export interface PlacementRuntime {
  readonly placement: Placement;
  readonly owned: Map<number, OwnedShard>;
  readonly lost: number[];
  readonly drained: number[];
  readonly process: TestProcess;
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
  const { memory, group } = rig;
  const process = createTestProcess(rig, options.deaf === true);
  const endpoint: Endpoint = {
    appId: 'shop',
    namespace: 'default',
    instance: name,
    local: { path: `/${name}` },
    mesh: { host: name, port: 1 },
  };
  const placement = rig.open({
    engine: options.through?.(process.engine) ?? process.engine,
    clock: process.clock,
    log: silentLogger,
    endpoint: () => endpoint,
    machine: options.machine ?? 'here',
  });
  const runtime: PlacementRuntime = {
    placement,
    owned: new Map(),
    lost: [],
    drained: [],
    process,
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

function fenced(shard: OwnedShard, key: string): Commit {
  return { if: [shard.condition], put: [{ key: tuple('work', key), value: new Uint8Array(1) }] };
}

/** The shards that it owns, in order. */
export function indices(runtime: PlacementRuntime): number[] {
  return Array.from(runtime.owned.keys()).sort((a, b) => a - b);
}
