import type { Engine } from '../../contracts/engine.ts';
import type { HistorySigning } from '../../contracts/history-signing.ts';
import type { Membership, OwnedShard } from '../../contracts/placement.ts';
import type { Tracer } from '../../contracts/tracer.ts';
import type { Logger } from '../../kernel/log.ts';
import type { Clock, Random } from '../../kernel/ports.ts';
import type { AppScope, WorkflowKeys } from './keys.ts';
import type { WorkflowMetrics } from './workflow-metrics.ts';

/** What all parts of the block share. */
export interface Core {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly tracer: Tracer;
  readonly metrics: WorkflowMetrics;
  readonly self: AppScope;
  readonly keys: WorkflowKeys;
  readonly shards: number;
  /** Absent: histories are not signed. */
  readonly signing?: HistorySigning;
  /** How a key is spread over the shards of a group, the same everywhere. */
  shardOf(key: string, shards: number): number;
  /** The shard when it is ours, alive, and not being given up. */
  owned(index: number): OwnedShard | undefined;
  /** The shard was not taken from us, although we may not be able to renew our lease just now: what waits for it goes on later. */
  holds(shard: OwnedShard): boolean;
  /** Set while this runtime is a member of the group. */
  readonly membership: Membership | undefined;
  readonly closed: boolean;
}

/** How many shards the workflows of an app have; the first member decides for good. */
export const workflowShards = 64;
