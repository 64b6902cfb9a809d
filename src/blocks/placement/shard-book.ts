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
  /** The lapses of this runtime's lease when its record was last seen to be this one's. */
  seenAfterLapses: number;
}

export interface ShardBookOptions {
  readonly engine: Engine;
  readonly liveness: Liveness;
  readonly group: string;
  readonly runtime: string;
}

/** A claim touches two conditions and one record of a commit, a release one each. */
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

  /** Takes a shard whose record is as given; undefined when somebody was faster, or when this runtime is no member any more. */
  async claim(index: number, record: ShardRecord | undefined): Promise<HeldShard | undefined> {
    const { engine, group, runtime } = this.#options;
    const key = placementKeys.shard(group, index);
    const result = await engine.commit({
      if: [
        { kind: 'version', key, version: record?.version ?? 0 },

        { kind: 'exists', key: placementKeys.member(group, runtime) },
      ],
      put: [{ key, value: encodeOwner(runtime) }],
    });
    // An unknown outcome is left alone: the next round reads the record, and claims it again or gives it up if it names this runtime.
    if (result.status !== 'done') return undefined;
    const version = result.versions[0] as number;
    const held = this.#heldShard(index, { kind: 'version', key, version });
    this.#held.set(index, held);
    return held;
  }

  /** Gives shards up that are in the book, and forgets them. Fails with the engine's error; what is still recorded then is given up by a later round. */
  async release(shards: readonly HeldShard[]): Promise<void> {
    for (const held of shards) held.state = 'releasing';
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

  #heldShard(index: number, condition: Condition & { readonly kind: 'version' }): HeldShard {
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
    return { shard, version, state: 'held', seenAfterLapses: liveness.lapses };
  }
}

function keyOf({ group, index }: OwnedShard): string {
  return placementKeys.shard(group, index);
}
