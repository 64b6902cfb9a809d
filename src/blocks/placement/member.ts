import type { Engine } from '../../contracts/engine.ts';
import type { Liveness } from '../../contracts/liveness.ts';
import type { JoinOptions, Membership, OwnedShard } from '../../contracts/placement.ts';
import type { Logger } from '../../kernel/log.ts';
import type { Clock } from '../../kernel/ports.ts';
import { Rounds } from '../../kernel/rounds.ts';
import { encodeMember, placementKeys, readGroup, type GroupTable, type MemberRecord, type ShardRecord } from './group-table.ts';
import { shardOf, shareOut } from './share.ts';
import { ShardBook, type HeldShard } from './shard-book.ts';

export interface MemberOptions {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly log: Logger;
  readonly liveness: Liveness;
  readonly ttlMs: number;
  readonly runtime: string;
  readonly record: MemberRecord;
  readonly join: JoinOptions;
  /** As the group's record says. */
  readonly shards: number;
  /** True when that runtime's lease has run out; asked at most once per tick. */
  readonly expired: (runtime: string) => Promise<boolean>;
  readonly left: () => void;
}

/**
 * One runtime's membership in a group. Every member computes the same share from the list of members, gives up what is another's (after draining it) and
 * takes what is its own as soon as it is free: without an owner, or with one that is no member any more. Nobody leads.
 */
export class Member implements Membership {
  readonly shards: number;
  readonly #options: MemberOptions;
  readonly #book: ShardBook;
  readonly #rounds = new Rounds(() => this.#balance());
  #others: readonly string[] = [];
  #strike = false;
  #leaving: Promise<void> | undefined;

  constructor(options: MemberOptions) {
    this.#options = options;
    this.shards = options.shards;
    this.#book = new ShardBook({ ...options, group: options.join.group });
  }

  shardOf(key: string): number {
    return shardOf(key, this.shards);
  }

  owned(index: number): OwnedShard | undefined {
    const held = this.#book.get(index);
    return held?.state === 'held' ? held.shard : undefined;
  }

  /** Becomes a member and takes what is free. Fails with the engine's error. */
  start(): Promise<void> {
    this.#strike = true;
    return this.#rounds.round();
  }

  /** Members or shards may have changed. */
  wake(): void {
    const { log, join } = this.#options;
    this.#rounds.ask((error) => log.warn(`the shards of ${join.group} could not be shared out; trying again`, { error: String(error) }));
  }

  /** Time has passed: looks whether the next member in line still lives, and with `whole` at everything, because hints may be lost. */
  poll(whole: boolean): void {
    if (whole) this.wake();
    const next = nextInLine(this.#others, this.#options.runtime);
    if (next === undefined) return;
    this.#options.expired(next).then(
      (dead) => {
        if (!dead) return;
        this.#strike = true;
        this.wake();
      },
      (error: unknown) => this.#options.log.debug('whether a member lives could not be seen', { error: String(error) }),
    );
  }

  leave(): Promise<void> {
    this.#leaving ??= this.#leave();
    return this.#leaving;
  }

  /** After a start that failed: what a hint had it claim meanwhile is lost, and the next who joins for this runtime takes it anew. */
  async abandon(): Promise<void> {
    await this.#rounds.close();
    for (const held of this.#book.all()) this.#lose(held);
  }

  async #leave(): Promise<void> {
    const { engine, join, runtime, left } = this.#options;
    await this.#rounds.close();
    left();
    const held = this.#book.all();
    for (const each of held) each.state = 'draining';
    await Promise.all(held.map((each) => this.#drained(each)));
    await this.#book.release(held);
    await engine.commit({ delete: [placementKeys.member(join.group, runtime)] });
  }

  async #balance(): Promise<void> {
    const { liveness, runtime, join } = this.#options;
    const { lapses } = liveness;
    const table = await this.#seen();
    const members = Array.from(table.members.keys());
    this.#others = members;
    const share = shareOut(members, this.shards);
    // Struck off and not alive yet again: what was not taken over may stay until this runtime is back among the members, but is not believed in, because anybody may take it.
    const absent = !table.members.has(runtime);
    const work: Promise<unknown>[] = [];
    for (let index = 0; index < this.shards; index++) {
      const record = table.owners.get(index);
      const mine = absent || share[index] === runtime;
      const held = this.#book.get(index);
      if (held !== undefined) this.#keep(held, record, { mine, lapses: absent ? undefined : lapses });
      else if (!mine && record?.owner === runtime) work.push(this.#book.disown(index, record));
      else if (mine && !absent && liveness.alive && !this.#rounds.closed && isFree(record, runtime, table))
        work.push(this.#book.claim(index, record));
    }
    for (const held of await Promise.all(work)) if (held !== undefined) join.claimed((held as HeldShard).shard);
  }

  /** A shard that is held: it was taken over, or another shall have it, or all is well. */
  #keep(
    held: HeldShard,
    record: ShardRecord | undefined,
    { mine, lapses }: { readonly mine: boolean; readonly lapses: number | undefined },
  ): void {
    if (held.state === 'releasing') return;
    if (record?.version !== held.version) {
      this.#lose(held);
      return;
    }
    if (lapses !== undefined) held.seenAfterLapses = lapses;
    if (mine || held.state === 'draining') return;
    held.state = 'draining';
    this.#drained(held)
      .then(() => (this.#book.get(held.shard.index) === held ? this.#book.release([held]) : undefined))
      .catch((error: unknown) => this.#options.log.warn('a shard could not be given up yet', { error: String(error) }));
  }

  /** Resolves when nothing of the shard is under way any more, at the latest after the time for it; then what is still under way is told that it is lost. */
  #drained(held: HeldShard): Promise<void> {
    const { clock, ttlMs, join, log } = this.#options;
    return new Promise((resolve) => {
      const timer = clock.timer(join.drainMs ?? ttlMs, () => {
        log.warn(`shard ${held.shard.index} of ${held.shard.group} was not drained in time`);
        this.#lose(held);
        // Forgotten, but the record still names this runtime: the next round disowns it.
        this.wake();
        resolve();
      });
      const end = (): void => {
        timer.cancel();
        resolve();
      };
      join.drain(held.shard).then(end, (error: unknown) => {
        log.warn('a shard could not be drained', { error: String(error) });
        end();
      });
    });
  }

  #lose(held: HeldShard): void {
    this.#book.forget(held);
    this.#options.join.lost(held.shard);
  }

  /** The table, with this runtime in it and, when time has passed, without those that no longer live. */
  async #seen(): Promise<GroupTable> {
    const { engine, join, runtime, record, liveness } = this.#options;
    const { group } = join;
    let table = await readGroup(engine, group);
    if (!table.members.has(runtime) && liveness.alive) {
      await engine.commit({ put: [{ key: placementKeys.member(group, runtime), value: encodeMember(record) }] });
      table = await readGroup(engine, group);
    }
    if (!this.#strike) return table;
    this.#strike = false;
    const dead = await this.#deadAfter(Array.from(table.members.keys()));
    if (dead.length === 0) return table;
    await Promise.all(dead.map((each) => this.#strikeOff(each)));
    return readGroup(engine, group);
  }

  /** A member that is back is not struck off; one whose record could not be deleted is found by a later look. */
  async #strikeOff(dead: string): Promise<void> {
    const { engine, join, liveness } = this.#options;
    await liveness.fencing(dead, async (gone) => {
      await engine.commit({ if: [gone], delete: [placementKeys.member(join.group, dead)] });
    });
  }

  // Everyone looks after the next in line, and after those behind it as far as they are dead: a look per member, and nobody is overlooked.
  async #deadAfter(members: readonly string[]): Promise<string[]> {
    const dead: string[] = [];
    for (let rest = members; ;) {
      const next = nextInLine(rest, this.#options.runtime);
      if (next === undefined || !(await this.#options.expired(next))) return dead;
      dead.push(next);
      rest = rest.filter((each) => each !== next);
    }
  }
}

/** The member behind this one in the sorted ring; undefined when there is no other. */
function nextInLine(members: readonly string[], self: string): string | undefined {
  const next = members[(members.indexOf(self) + 1) % members.length];
  return next === self ? undefined : next;
}

function isFree(record: ShardRecord | undefined, self: string, table: GroupTable): boolean {
  if (record === undefined || record.owner === '' || record.owner === self) return true;
  return !table.members.has(record.owner);
}
