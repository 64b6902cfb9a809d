import type { Engine, Entry } from '../../contracts/engine.ts';
import type { Liveness } from '../../contracts/liveness.ts';
import type { Logger } from '../../kernel/log.ts';
import { Rounds } from '../../kernel/rounds.ts';
import { readMembers, type Member } from './group.ts';
import type { BusKeys } from './keys.ts';
import type { HeldLane, LaneBook } from './lanes.ts';
import { decodeLane, encodeRecord, type MemberRecord } from './records.ts';

export interface RebalancerOptions {
  readonly engine: Engine;
  readonly log: Logger;
  readonly keys: BusKeys;
  readonly topic: string;
  readonly group: string;
  readonly member: string;
  readonly broker: string;
  readonly liveness: Liveness;
  readonly book: LaneBook;
  /** Lanes were taken. */
  readonly claimed: () => void;
  /** Resolves when nothing of the lane is under way any more. */
  readonly drain: (lane: HeldLane) => Promise<void>;
}

/**
 * Shares a group's lanes among its members without a leader: every member computes the same share from the sorted list of members, gives up
 * what is another's (after draining it) and takes what is its own as soon as it is free. A lane is free when it has no owner, or an owner that
 * is no member any more; members whose lease has run out are struck off by whoever notices.
 */
export class Rebalancer {
  readonly #options: RebalancerOptions;
  readonly #rounds = new Rounds(() => this.#balance());
  #lanes = 0;
  #strike = false;

  constructor(options: RebalancerOptions) {
    this.#options = options;
  }

  /** Becomes a member and takes what is free. Fails with the engine's error. */
  join(lanes: number): Promise<void> {
    this.#lanes = lanes;
    this.#strike = true;
    return this.#rounds.round();
  }

  /** Members or lanes may have changed. */
  wake(): void {
    if (this.#lanes === 0) return;
    const { log } = this.#options;
    this.#rounds.ask((error) => log.warn('the lanes of a group could not be shared out; trying again', { error: String(error) }));
  }

  /** Looks at everything, and for members that no longer live. */
  poll(): void {
    this.#strike = true;
    this.wake();
  }

  /** Takes no further lanes. */
  stop(): Promise<void> {
    return this.#rounds.close();
  }

  /** Is no member any more; the lanes must have been released before. */
  async leave(): Promise<void> {
    const { engine, keys, topic, group, member } = this.#options;
    await engine.commit({ delete: [keys.member(topic, group, member)] });
  }

  async #balance(): Promise<void> {
    const { engine, keys, topic, group } = this.#options;
    const laneKeys = Array.from({ length: this.#lanes }, (_, index) => keys.lane(topic, group, index));
    // Lanes before members: an owner that is read here was a member before, so its absence below means that it left.
    const records = await engine.getMany(laneKeys);
    const members = await this.#members();
    const ids = members.map(({ id }) => id);
    const claims: Promise<HeldLane | undefined>[] = [];
    for (let index = 0; index < records.length; index++) this.#settleLane(index, records[index], { ids, claims });
    const taken = await Promise.all(claims);
    if (taken.some((lane) => lane !== undefined)) this.#options.claimed();
  }

  #settleLane(
    index: number,
    record: Entry | undefined,
    { ids, claims }: { ids: readonly string[]; claims: Promise<HeldLane | undefined>[] },
  ): void {
    const { book, member } = this.#options;
    const held = book.get(index);
    const mine = ids[index % ids.length] === member;
    if (record === undefined) return;
    const { owner } = decodeLane(record.value);
    if (held !== undefined && !book.superseded(held, { version: record.version, owner })) {
      if (!mine && held.state === 'held') this.#giveUp(held);
      return;
    }
    if (!mine || this.#rounds.closed) return;
    if (owner === '' || owner === member || !ids.includes(owner)) claims.push(book.claim(index, record.version, record.value));
  }

  #giveUp(lane: HeldLane): void {
    const { book, drain, log } = this.#options;
    lane.state = 'draining';
    drain(lane)
      .then(() => {
        if (book.get(lane.index) !== lane) return undefined;
        lane.state = 'releasing';
        return book.flush();
      })
      .catch((error: unknown) => log.warn('a lane could not be released yet', { error: String(error) }));
  }

  async #members(): Promise<Member[]> {
    const { engine, keys, topic, group, member, broker } = this.#options;
    const prefix = keys.members(topic, group);
    let members = await readMembers(engine, prefix);
    if (!members.some(({ id }) => id === member)) {
      await engine.commit({ put: [{ key: keys.member(topic, group, member), value: encodeRecord({ broker } satisfies MemberRecord) }] });
      members = await readMembers(engine, prefix);
    }
    if (!this.#strike) return members;
    this.#strike = false;
    const gone = await this.#struckOff(members);
    return members.filter((each) => !gone.has(each.broker));
  }

  /** Brokers whose lease had run out, and whose members are none any more: one that comes back meanwhile stays. */
  async #struckOff(members: readonly Member[]): Promise<Set<string>> {
    const { engine, keys, topic, group, broker, liveness } = this.#options;
    const gone = new Set<string>();
    for (const other of new Set(members.map((each) => each.broker))) {
      if (other === broker) continue;
      const records = members.filter((each) => each.broker === other).map(({ id }) => keys.member(topic, group, id));
      await liveness.fencing(other, async (fenced) => {
        const { status } = await engine.commit({ if: [fenced], delete: records });
        if (status === 'done') gone.add(other);
      });
    }
    return gone;
  }
}
