import type { Condition } from './engine.ts';
import type { Endpoint } from './resolver.ts';

/**
 * Shares the shards of a group (the workflows of an app, the actors of a type, its jobs) among the runtimes that joined it: a lease layer over the engine,
 * without a placement service. Every shard has a record; taking a shard rewrites it, so that each commit that tests the condition of an owned shard
 * fails from then on for whoever held it before, however long that holder was frozen. Leases only say who is alive.
 */
export interface Placement {
  /** Becomes a member and takes its share, which changes as members come and go. Fails with the engine's error. */
  join(options: JoinOptions): Promise<Membership>;
  /** Who owns the shard of `key` now, as far as is known here; undefined while nobody does. Answers from memory after the first question and may be old: the owner refuses what is not its own. */
  locate(group: string, key: string): Promise<Located | undefined>;
  /** Forgets what is known about the shard of `key`: the owner that `locate` named refused. */
  refused(group: string, key: string): void;
  /** A runtime that gave no sign of life for so long loses its shards. */
  readonly ttlMs: number;
  close(): Promise<void>;
}

export interface JoinOptions {
  /** Unique within the engine, for example `actors/<namespace>/<type>`; 256 characters at most. A runtime joins a group once. */
  readonly group: string;
  /** How many shards the group has, 1 to 1,024. The first member decides for good. */
  readonly shards: number;
  /** The shard is owned from now on. */
  claimed(shard: OwnedShard): void;
  /** Another member shall have the shard: take nothing new of it. It is given up when the answer resolves, at the latest after `drainMs`. */
  drain(shard: OwnedShard): Promise<void>;
  /** Default: the TTL. */
  readonly drainMs?: number;
  /** The shard was taken over, because this runtime seemed dead, or was not drained in time: nothing of it can be committed any more. */
  lost(shard: OwnedShard): void;
}

export interface OwnedShard {
  readonly group: string;
  readonly index: number;
  /** Rises with every change of owner; it is the version of the shard's record. */
  readonly epoch: number;
  /** Belongs into every commit that relies on owning the shard. */
  readonly condition: Condition;
  /** False while this runtime could not renew its lease for two thirds of the TTL, after it had lost it until the shard's record was read again, and for good from when its record is being given up or was lost: nothing new may begin. While it is true no other runtime owns the shard. */
  readonly alive: boolean;
  /** Rises when this runtime had lost its lease: what began before may have been overtaken, which only a commit under the condition tells. */
  readonly lapses: number;
}

export interface Membership {
  readonly shards: number;
  shardOf(key: string): number;
  /** The shard when this runtime owns it and is not giving it up. */
  owned(index: number): OwnedShard | undefined;
  /** Gives all shards up (draining them) and leaves. Fails with the engine's error; the lease runs out then. */
  leave(): Promise<void>;
}

export interface Located {
  /** The runtime that owns the shard. */
  readonly endpoint: Endpoint;
  /** It is this one. */
  readonly here: boolean;
}
