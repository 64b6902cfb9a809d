import type { Engine, Put } from '../../contracts/engine.ts';
import type { Logger } from '../../kernel/log.ts';
import type { Key } from '../../kernel/tuple.ts';
import { LaneProgress } from './lane-progress.ts';
import { decodeLane, encodeLane } from './records.ts';

/** A lane that this member holds. */
export interface HeldLane {
  readonly index: number;
  readonly key: Key;
  readonly progress: LaneProgress;
  /** Version of the lane's record as this member wrote it last. */
  version: number;
  /** Bytes of its events in memory. */
  bytes: number;
  /** The window turned an entry away; reading goes on when there is room again. */
  full: boolean;
  /** `draining`: takes nothing new and is given up when its last verdict is there. */
  state: 'held' | 'draining' | 'releasing';
  dirty: boolean;
  writtenFloor: number;
}

export interface LaneBookOptions {
  readonly engine: Engine;
  readonly log: Logger;
  readonly member: string;
  /** Written together with the release of a lane, so that those who wait for it look again. */
  readonly releasedKey: Key;
  readonly laneKey: (index: number) => Key;
  /** Another member holds the lane now. */
  readonly lost: (lane: HeldLane) => void;
}

/** A lane as it stood when its record was written: while the write is under way the lane's state may go on. */
interface LaneWrite {
  readonly lane: HeldLane;
  readonly releases: boolean;
  readonly floor: number;
}

/**
 * The lanes that a member holds, and their records in the engine. Every write tests the version of the lane's record, and taking a lane over
 * changes it: a former holder, however long it was frozen, can no longer acknowledge anything. The leases only say who is alive.
 */
export class LaneBook {
  readonly #options: LaneBookOptions;
  readonly #held = new Map<number, HeldLane>();
  #writing: Promise<void> | undefined;

  constructor(options: LaneBookOptions) {
    this.#options = options;
  }

  get(index: number): HeldLane | undefined {
    return this.#held.get(index);
  }

  all(): IterableIterator<HeldLane> {
    return this.#held.values();
  }

  get size(): number {
    return this.#held.size;
  }

  /** Takes a lane whose record has `version`; undefined when somebody was faster. */
  async claim(index: number, version: number, value: Uint8Array): Promise<HeldLane | undefined> {
    const { engine, member, laneKey } = this.#options;
    const key = laneKey(index);
    const record = decodeLane(value);
    const result = await engine.commit({
      if: [{ kind: 'version', key, version }],
      put: [{ key, value: encodeLane({ ...record, owner: member }) }],
    });
    // An unknown outcome is left alone: the next round reads the record and claims it again if it names this member.
    if (result.status !== 'done') return undefined;
    const progress = new LaneProgress(record);
    const lane: HeldLane = {
      index,
      key,
      progress,
      version: result.versions[0] as number,
      bytes: 0,
      full: false,
      state: 'held',
      dirty: false,
      writtenFloor: progress.floor,
    };
    this.#held.set(index, lane);
    return lane;
  }

  /** The lane's record, as just read, names another holder: it was taken over while this member was thought dead. */
  superseded(lane: HeldLane, record: { readonly version: number; readonly owner: string }): boolean {
    if (record.version <= lane.version || record.owner === this.#options.member) return false;
    this.#lose(lane);
    return true;
  }

  /** Makes everything that was settled before the call durable; gives up lanes that are `releasing`. Fails with the engine's error. */
  async flush(idleToo = false): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
    const dirty: HeldLane[] = [];
    for (const lane of this.#held.values()) {
      const moved = lane.progress.floor - lane.writtenFloor;
      if (lane.dirty || lane.state === 'releasing' || moved >= (idleToo ? 1 : 4096)) dirty.push(lane);
    }
    if (dirty.length === 0) return;
    this.#writing = this.#write(dirty).finally(() => {
      this.#writing = undefined;
    });
    await this.#writing;
  }

  async #write(lanes: HeldLane[]): Promise<void> {
    let rest = lanes;
    while (rest.length > 0) {
      const writes = rest.map((lane): LaneWrite => {
        lane.dirty = false;
        return { lane, releases: lane.state === 'releasing', floor: lane.progress.floor };
      });
      const puts: Put[] = writes.map(({ lane, releases }) => {
        const owner = releases ? '' : this.#options.member;
        return { key: lane.key, value: encodeLane({ owner, ...lane.progress.snapshot() }) };
      });
      if (writes.some(({ releases }) => releases)) puts.push({ key: this.#options.releasedKey, value: new Uint8Array(0) });
      const result = await this.#commit(rest, puts);
      if (result.status === 'done') {
        writes.forEach((write, i) => this.#written(write, result.versions[i] as number));
        return;
      }
      if (result.status === 'conflict') this.#lose(rest[result.failed] as HeldLane);
      else await this.#reread(rest);
      rest = rest.filter((lane) => this.#held.get(lane.index) === lane);
    }
  }

  async #commit(lanes: HeldLane[], put: Put[]) {
    try {
      return await this.#options.engine.commit({ if: lanes.map(({ key, version }) => ({ kind: 'version', key, version })), put });
    } catch (error) {
      for (const lane of lanes) lane.dirty = true;
      throw error;
    }
  }

  #written({ lane, releases, floor }: LaneWrite, version: number): void {
    lane.version = version;
    lane.writtenFloor = floor;
    if (releases) this.#held.delete(lane.index);
  }

  /** Whether the commit happened is not known: the records tell, since nobody else writes this member's name into them. */
  async #reread(lanes: HeldLane[]): Promise<void> {
    const entries = await this.#options.engine.getMany(lanes.map(({ key }) => key));
    lanes.forEach((lane, i) => {
      const entry = entries[i];
      const owner = entry === undefined ? undefined : decodeLane(entry.value).owner;
      if (entry !== undefined && owner === this.#options.member) {
        lane.version = entry.version;
        lane.dirty = true;
      } else this.#lose(lane, owner === '' && lane.state === 'releasing');
    });
  }

  #lose(lane: HeldLane, released = false): void {
    this.#held.delete(lane.index);
    if (released) return;
    this.#options.log.info(`lane ${lane.index} went to another consumer of the group`);
    this.#options.lost(lane);
  }
}
