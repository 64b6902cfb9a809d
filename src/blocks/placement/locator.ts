import type { Engine } from '../../contracts/engine.ts';
import type { Located } from '../../contracts/placement.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Logger } from '../../kernel/log.ts';
import { Rounds } from '../../kernel/rounds.ts';
import { placementKeys, readGroup, type GroupTable } from './group-table.ts';
import { shardOf } from './share.ts';

export interface LocatorOptions {
  readonly engine: Engine;
  readonly log: Logger;
  /** This runtime. */
  readonly runtime: string;
  /** This machine: the sockets of members elsewhere are of no use here. */
  readonly machine: string;
}

interface Known {
  table: GroupTable;
  /** Reads it anew; whoever does not trust the table waits for one. */
  readonly rounds: Rounds;
  /** Shards whose owner refused: memory is not asked about them before the table was read anew. */
  readonly refused: Set<number>;
  readonly unwatch: () => void;
  /** Polls since it was last asked. */
  idle: number;
}

/** Groups in memory; of more, those that were not asked for longest go. */
const groupsMax = 1_024;
/** A group that nobody asked about for so many polls is forgotten. */
const idlePollsMax = 100;

/** Where shards are: tables of groups in memory, read anew at hints, at refusals and at polls. */
export class Locator {
  readonly #options: LocatorOptions;
  readonly #known = new Map<string, Known>();

  constructor(options: LocatorOptions) {
    this.#options = options;
  }

  /** See the contract. Fails with the engine's error when nothing is known yet, or nothing that may be trusted. */
  async locate(group: string, key: string): Promise<Located | undefined> {
    const known = this.#known.get(group) ?? (await this.#learn(group));
    if (known === undefined) return undefined;
    known.idle = 0;
    const index = shardOf(key, known.table.shards as number);
    if (!known.refused.has(index)) {
      const located = this.#answer(known.table, index);
      if (located !== undefined) return located;
    }
    await known.rounds.round();
    return this.#answer(known.table, index);
  }

  refused(group: string, key: string): void {
    const known = this.#known.get(group);
    if (known !== undefined) known.refused.add(shardOf(key, known.table.shards as number));
  }

  /** Time has passed: hints may have been lost. */
  poll(): void {
    for (const [group, known] of this.#known) {
      if (++known.idle > idlePollsMax) this.#forget(group, known);
      else this.#hint(known);
    }
  }

  close(): void {
    for (const [group, known] of this.#known) this.#forget(group, known);
  }

  async #learn(group: string): Promise<Known | undefined> {
    const { engine } = this.#options;
    const table = await readGroup(engine, group);
    // What nobody ever joined is not worth memory.
    if (table.shards === undefined) return undefined;
    const learned = this.#known.get(group);
    if (learned !== undefined) return learned;
    if (this.#known.size >= groupsMax) this.#makeRoom();
    const known: Known = {
      table,
      rounds: new Rounds(() => this.#load(group, known)),
      refused: new Set(),
      unwatch: engine.watch(placementKeys.table(group), () => this.#hint(known)),
      idle: 0,
    };
    this.#known.set(group, known);
    return known;
  }

  #hint({ rounds }: Known): void {
    rounds.ask((error) => this.#options.log.debug('a placement could not be read', { error: String(error) }));
  }

  async #load(group: string, known: Known): Promise<void> {
    const refused = Array.from(known.refused);
    const table = await readGroup(this.#options.engine, group);
    if (table.shards === undefined) throw new ProaError('engine.corrupt', `the record of the group ${group} is gone`);
    known.table = table;
    for (const index of refused) known.refused.delete(index);
  }

  #answer({ owners, members }: GroupTable, index: number): Located | undefined {
    const owner = owners.get(index)?.owner;
    const member = owner === undefined ? undefined : members.get(owner);
    if (member === undefined) return undefined;
    const { local: _elsewhere, ...reachable } = member.endpoint;
    return {
      endpoint: member.machine === this.#options.machine ? member.endpoint : reachable,
      here: owner === this.#options.runtime,
    };
  }

  #makeRoom(): void {
    let oldest: [string, Known] | undefined;
    for (const each of this.#known) if (oldest === undefined || each[1].idle > oldest[1].idle) oldest = each;
    if (oldest !== undefined) this.#forget(...oldest);
  }

  #forget(group: string, known: Known): void {
    known.unwatch();
    this.#known.delete(group);
  }
}
