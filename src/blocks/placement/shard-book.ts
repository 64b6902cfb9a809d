import type { Condition, Engine } from '../../contracts/engine.ts';
import type { Liveness } from '../../contracts/liveness.ts';
import type { OwnedShard } from '../../contracts/placement.ts';
import { encodeOwner, placementKeys, type ShardRecord } from './group-table.ts';

/** A shard that this runtime owns. */
export interface HeldShard {
  readonly shard: OwnedShard;
  /** Version of its record as it was written here. */
  readonly version: number;
  /** `draining`: takes nothing new; `releasing`: its record is being given up. */
  state: 'held' | 'draining' | 'releasing';
  /** The lapses of this runtime's lease before its record was last seen to be this one's; -1 when it is believed in no more. */
  seenAfterLapses: number;
}

export interface ShardBookOptions {
  readonly engine: Engine;
  readonly liveness: Liveness;
  readonly group: string;
  readonly runtime: string;
}

/** A release touches one condition and one record of a commit. */
const releasedPerCommit = 200;

/**
 * The shards that this runtime owns, and their records in the engine. Taking a shard rewrites its record, and its version is the epoch: whoever tests the
 * version that it claimed with can commit nothing once another has taken the shard.
 */
export class ShardBook {
  readonly #options: ShardBookOptions;
  readonly #held = new Map<number, HeldShard>();

  constructor(options: ShardBookOptions) {
    this.#options = options;
  }

  get(index: number): HeldShard | undefined {
    return this.#held.get(index);
  }

  all(): HeldShard[] {
    return Array.from(this.#held.values());
  }

  /**
   * Takes a shard whose record is as given; undefined when somebody was faster, when this runtime is no member any more, or when the owner in the record has become one again: whoever
   * comes back becomes a member before it looks which shards it still has, so that either it sees the claim or the claim fails.
   */
  async claim(index: number, record: ShardRecord | undefined): Promise<HeldShard | undefined> {
    const { engine, group, runtime, liveness } = this.#options;
    // Lost while the claim was under way, the lease is taken again by one who does not know what happened to the claim meanwhile.
    const { lapses } = liveness;
    const key = placementKeys.shard(group, index);
    const { owner = '', version: before = 0 } = record ?? {};
    const absent: Condition[] =
      owner === '' || owner === runtime ? [] : [{ kind: 'version', key: placementKeys.member(group, owner), version: 0 }];
    const result = await engine.commit({
      if: [
        { kind: 'version', key, version: before },
        // Whoever was struck off becomes a member again before it claims anything.
        { kind: 'exists', key: placementKeys.member(group, runtime) },
        ...absent,
      ],
      put: [{ key, value: encodeOwner(runtime) }],
    });
    // An unknown outcome is left alone: the next round reads the record, and claims it again or gives it up if it names this runtime.
    if (result.status !== 'done') return undefined;
    const version = result.versions[0] as number;
    const held = this.#heldShard(index, { kind: 'version', key, version }, lapses);
    this.#held.set(index, held);
    return held;
  }

  /** Gives shards up that are in the book, and forgets them. Fails with the engine's error; what is still recorded then is given up by a later round. */
  async release(shards: readonly HeldShard[]): Promise<void> {
    for (const held of shards) {
      held.state = 'releasing';
      // From now on another may have it at any moment.
      held.seenAfterLapses = -1;
    }
    try {
      for (let at = 0; at < shards.length; at += releasedPerCommit) await this.#write(shards.slice(at, at + releasedPerCommit));
    } finally {
      for (const held of shards) this.forget(held);
    }
  }

  /** Gives a shard up whose record names this runtime although it does not hold it: a claim whose outcome was not known. */
  async disown(index: number, { version }: ShardRecord): Promise<void> {
    const key = placementKeys.shard(this.#options.group, index);
    await this.#options.engine.commit({ if: [{ kind: 'version', key, version }], put: [{ key, value: encodeOwner('') }] });
  }

  forget(held: HeldShard): void {
    if (this.#held.get(held.shard.index) === held) this.#held.delete(held.shard.index);
  }

  async #write(shards: readonly HeldShard[]): Promise<void> {
    const { engine } = this.#options;
    const put = shards.map(({ shard }) => ({ key: keyOf(shard), value: encodeOwner('') }));
    const result = await engine.commit({ if: shards.map(({ shard }) => shard.condition), put });
    if (result.status !== 'conflict' || shards.length === 1) return;
    // One of them was taken over; the others must not stay behind for it.
    for (const held of shards) await this.#write([held]);
  }

  #heldShard(index: number, condition: Condition & { readonly kind: 'version' }, lapses: number): HeldShard {
    const { liveness, group } = this.#options;
    const { version } = condition;
    // After a lapse nothing is believed before the record was read again.
    const holds = (): boolean => {
      const held = this.#held.get(index);
      return held?.version === version && held.seenAfterLapses === liveness.lapses;
    };
    const shard: OwnedShard = {
      group,
      index,
      epoch: version,
      condition,
      get alive() {
        return liveness.alive && holds();
      },
      get lapses() {
        return liveness.lapses;
      },
    };
    return { shard, version, state: 'held', seenAfterLapses: lapses };
  }
}

function keyOf({ group, index }: OwnedShard): string {
  return placementKeys.shard(group, index);
}
