import type { BlockContext } from '../../contracts/block-context.ts';
import type { Condition, Engine } from '../../contracts/engine.ts';
import { outcomeUnknown } from '../../contracts/engine-outcome.ts';
import type { OwnedShard } from '../../contracts/placement.ts';
import type { ShardTimers, ShardTimersOptions } from '../../contracts/timers.ts';
import { ProaError } from '../../kernel/errors.ts';
import { prefixEnd } from '../../kernel/tuple.ts';
import type { Actor } from './actor.ts';
import { checkActor, checkActorName } from './actor-names.ts';
import type { HostedType } from './hosted-type.ts';
import { DueReminders, type ReminderRetries } from './due-reminders.ts';
import {
  decodeReminder,
  encodeReminder,
  everyMsOf,
  readName,
  reminderKeys,
  type FailurePolicy,
  type ReminderKeys,
  type ReminderName,
  type ReminderRecord,
} from './reminder-record.ts';
import { ReminderShards } from './reminder-shards.ts';
import { readSchedule, type ScheduleText } from './schedule.ts';
import type { Turns } from './turns.ts';

/** A reminder as an app registers it. */
export interface ReminderRequest extends ScheduleText {
  readonly type: string;
  readonly id: string;
  readonly name: string;
  /** JSON text. */
  readonly data?: string;
  /** Default true. */
  readonly overwrite?: boolean;
  readonly policy?: FailurePolicy;
}

/** A reminder as it stands. */
export interface Reminder extends ScheduleText, ReminderName {
  readonly type: string;
  readonly data?: string;
  /** When it is due next, in wall milliseconds. */
  readonly nextMs: number;
}

export interface RemindersOptions {
  readonly context: BlockContext;
  readonly engine: Engine;
  readonly type: HostedType;
  readonly turns: Turns;
  readonly retries?: () => ReminderRetries | undefined;
  /** Makes the durable timers of the type's shards. */
  readonly timers: (fire: ShardTimersOptions['fire']) => ShardTimers;
}

const dataBytesMax = 256 * 1024;
const perActorMax = 1_000;
const listMax = 10_000;
const pageMax = 500;

/** The reminders of one type: records in the engine, which outlive every runtime, and durable timers that say when to look at them. */
export class Reminders {
  readonly #options: RemindersOptions;
  readonly #keys: ReminderKeys;
  readonly #timers: ShardTimers;
  readonly #due: DueReminders;
  readonly #inUse: ReminderShards;
  readonly #shards = new Map<number, OwnedShard>();
  /** Those whose timers are read. */
  readonly #read = new Set<number>();

  constructor(options: RemindersOptions) {
    const { context, type } = options;
    this.#options = options;
    this.#keys = reminderKeys(context.namespace, type.config.type);
    this.#timers = options.timers((shard, timers) => this.#due.fire(shard, timers));
    this.#due = new DueReminders({ ...options, keys: this.#keys, timers: this.#timers });
    this.#inUse = new ReminderShards({
      engine: options.engine,
      clock: context.ports.clock,
      log: context.log,
      prefix: this.#keys.all,
      shardOf: (id) => type.shardOf(id),
      changed: () => this.#readInUse(),
    });
  }

  /** The shard is owned here: what is due fires, also what a former owner left undone. */
  open(shard: OwnedShard): void {
    this.#shards.set(shard.index, shard);
    if (this.#inUse.has(shard.index)) this.#begin(shard);
    else this.#inUse.begin();
  }

  async release(index: number): Promise<void> {
    this.#shards.delete(index);
    await this.#end(index);
  }

  async close(): Promise<void> {
    this.#inUse.close();
    this.#due.close();
    await this.#timers.close();
  }

  /** Fails with `bad-request`, with `actor.busy` when the actor has too many, and with `actor.reminder-exists` when it is not to be overwritten. */
  async register(request: ReminderRequest): Promise<void> {
    check(request);
    const { engine, type } = this.#options;
    const { id, name, overwrite = true } = request;
    const record = recordOf(request, engine.now());
    const shard = this.#shardOf(id);
    const key = this.#keys.record(request);
    const before = await engine.get(key);
    if (!overwrite && before !== undefined) throw exists(request);
    if (before === undefined) await this.#checkRoom(request);
    const append = this.#timers.append(shard, { id: name, dueMs: record.nextMs, data: JSON.stringify([id, name]) });
    const conditions: Condition[] = overwrite ? [] : [{ kind: 'version', key, version: 0 }];
    const actor = this.#turning(id);
    if (actor !== undefined) conditions.push(actor.shard.condition);
    const result = await engine.commit({ if: conditions, put: [{ key, value: encodeReminder(record) }], append: [append] });
    if (result.status !== 'conflict') this.#inUse.seen(shard);
    if (result.status === 'unknown') throw outcomeUnknown(`whether the reminder ${name} was registered is not known`, result.cause);
    if (result.status === 'conflict')
      throw !overwrite && result.failed === 0 ? exists(request) : actor === undefined ? exists(request) : type.overlap(actor);
    if (before === undefined) type.metrics.reminders.add(1);
    this.#timers.armed(shard, append);
  }

  async get(name: ReminderName): Promise<Reminder | undefined> {
    const { engine, type } = this.#options;
    const entry = await engine.get(this.#keys.record(name));
    return entry === undefined ? undefined : shown(type.config.type, name, decodeReminder(entry));
  }

  /** Removes a reminder; nothing happens when there is none. */
  async unregister(name: ReminderName): Promise<void> {
    const key = this.#keys.record(name);
    const { engine, type } = this.#options;
    if ((await engine.get(key)) === undefined) return;
    await this.#delete([key], name.id);
    type.metrics.reminders.add(-1);
  }

  /** Fails with `actor.reminder-get` when there are more than 10,000. */
  async list(id: string | undefined): Promise<Reminder[]> {
    const found: Reminder[] = [];
    for await (const [name, record] of this.#each(id)) {
      if (found.length >= listMax)
        throw new ProaError('actor.reminder-get', `there are more than ${listMax} reminders; ask for those of one actor`);
      found.push(shown(this.#options.type.config.type, name, record));
    }
    return found;
  }

  async unregisterAll(id: string | undefined): Promise<void> {
    const { type } = this.#options;
    let keys: string[] = [];
    const flush = async (): Promise<void> => {
      await this.#delete(keys, id);
      type.metrics.reminders.add(-keys.length);
      keys = [];
    };
    for await (const [name] of this.#each(id)) {
      keys.push(this.#keys.record(name));
      if (keys.length >= pageMax) await flush();
    }
    if (keys.length > 0) await flush();
  }

  /** Registrations at the same moment may exceed the limit by as many as they are. */
  async #checkRoom({ type, id }: ReminderRequest): Promise<void> {
    const from = this.#keys.of(id);
    const { entries } = await this.#options.engine.range({ from, to: prefixEnd(from), limit: perActorMax });
    if (entries.length < perActorMax) return;
    throw new ProaError('actor.busy', `actor ${type}/${id} has ${perActorMax} reminders, which is the most`, {
      hint: 'remove some, or give one reminder the next time and keep the others in the state of the actor',
    });
  }

  /** Reads the timers of shards that have reminders by now, and no more of those that have had none for long: what lies there wakes nobody. */
  #readInUse(): void {
    for (const shard of this.#shards.values()) {
      const wanted = this.#inUse.has(shard.index);
      if (wanted && !this.#read.has(shard.index)) this.#begin(shard);
      else if (!wanted && this.#read.has(shard.index)) void this.#end(shard.index);
    }
  }

  #begin(shard: OwnedShard): void {
    this.#read.add(shard.index);
    this.#timers.open(shard);
    this.#due.open(shard);
  }

  /** Never fails. */
  async #end(index: number): Promise<void> {
    this.#read.delete(index);
    this.#due.release(index);
    await this.#timers.release(index);
  }

  async *#each(id: string | undefined): AsyncGenerator<readonly [ReminderName, ReminderRecord]> {
    const prefix = id === undefined ? this.#keys.all : this.#keys.of(id);
    const to = prefixEnd(prefix);
    for (let from = prefix; ;) {
      const page = await this.#options.engine.range({ from, to, limit: pageMax });
      for (const entry of page.entries) yield [readName(entry.key, this.#keys.all), decodeReminder(entry)];
      const last = page.entries.at(-1);
      if (!page.more || last === undefined) return;
      from = `${last.key}\x00`;
    }
  }

  /** The actor when it has a turn here: what a turn registers or removes counts only while the turn does. */
  #turning(id: string): Actor | undefined {
    const actor = this.#options.type.find(id);
    return actor?.turn === undefined ? undefined : actor;
  }

  async #delete(keys: readonly string[], id: string | undefined): Promise<void> {
    const { engine, type } = this.#options;
    const actor = id === undefined ? undefined : this.#turning(id);
    const result = await engine.commit({ if: actor === undefined ? [] : [actor.shard.condition], delete: keys });
    if (result.status === 'unknown') throw outcomeUnknown('whether reminders were removed is not known', result.cause);
    if (result.status === 'conflict' && actor !== undefined) throw type.overlap(actor);
  }

  #shardOf(id: string): number {
    const shard = this.#options.type.shardOf(id);
    if (shard === undefined)
      throw new ProaError('actor.closed', 'this runtime does not take part in hosting the actor type yet, or not any more');
    return shard;
  }
}

function check({ type, id, name, data }: ReminderRequest): void {
  checkActor(type, id);
  checkActorName(name, 'reminder name');
  if (data !== undefined && Buffer.byteLength(data) > dataBytesMax)
    throw new ProaError('bad-request', `the data of a reminder has at most ${dataBytesMax} bytes`);
}

function recordOf({ dueTime, period, ttl, data, policy }: ReminderRequest, now: number): ReminderRecord {
  const schedule = readSchedule(
    { ...(dueTime === undefined ? {} : { dueTime }), ...(period === undefined ? {} : { period }), ...(ttl === undefined ? {} : { ttl }) },
    { nowMs: now, calendar: false },
  );
  const every = schedule.period;
  return {
    text: { ...(dueTime ? { dueTime } : {}), ...(period ? { period } : {}), ...(ttl ? { ttl } : {}) },
    nextMs: schedule.firstMs,
    ...(data === undefined ? {} : { data }),
    ...(every === undefined ? {} : { everyMs: everyMsOf(every.span) }),
    ...(every === undefined || every.times === Infinity ? {} : { left: every.times }),
    ...(schedule.untilMs === undefined ? {} : { untilMs: schedule.untilMs }),
    ...(policy === undefined ? {} : { policy }),
  };
}

function shown(type: string, { id, name }: ReminderName, { text, data, nextMs }: ReminderRecord): Reminder {
  return { ...text, type, id, name, nextMs, ...(data === undefined ? {} : { data }) };
}

function exists({ type, id, name }: ReminderRequest): ProaError {
  return new ProaError('actor.reminder-exists', `reminder ${name} of actor ${type}/${id} exists already`);
}
