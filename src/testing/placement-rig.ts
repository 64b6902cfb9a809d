import type { Commit, CommitResult, Engine } from '../contracts/engine.ts';
import type { Membership, OwnedShard, Placement } from '../contracts/placement.ts';
import type { Endpoint } from '../contracts/resolver.ts';
import { silentLogger, type Logger } from '../kernel/log.ts';
import type { Clock } from '../kernel/ports.ts';
import { tuple } from '../kernel/tuple.ts';
import type { DurableStage } from './durable-stage.ts';
import { createTestProcess, type TestProcess } from './test-process.ts';

/** A group's runtimes on one stage; each can stand still or lose the engine. */
export interface PlacementRig extends Pick<DurableStage, 'clock' | 'engine' | 'pass' | 'jump' | 'until' | 'settle'> {
  runtime(name: string, options?: RuntimeOptions): PlacementRuntime;
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
  readonly stage: DurableStage;
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
  const { clock, engine, pass, jump, until, settle } = rig.stage;
  return { clock, engine, pass, jump, until, settle, runtime: (name, options) => openRuntime(rig, name, options) };
}

function openRuntime(rig: PlacementRigOptions, name: string, options: RuntimeOptions = {}): PlacementRuntime {
  const { stage, group } = rig;
  const process = createTestProcess({ engine: stage.engineOf(name), clock: stage.clock }, options.deaf === true);
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
    commit: (shard, key = 'x') => stage.engine.commit(fenced(shard, key)),
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
