import type { BlockContext } from '../../contracts/block-context.ts';
import type { Commit, Engine, Entry } from '../../contracts/engine.ts';
import type { OwnedShard } from '../../contracts/placement.ts';
import { readAll } from '../../contracts/read-all.ts';
import type { ShardTimers } from '../../contracts/timers.ts';
import { isProaError, ProaError } from '../../kernel/errors.ts';
import type { Timer } from '../../kernel/ports.ts';
import { notReached } from './app-actor-host.ts';
import type { HostedType } from './hosted-type.ts';
import {
  afterFiring,
  decodeReminder,
  encodeReminder,
  readDue,
  type FailurePolicy,
  type ReminderKeys,
  type ReminderName,
  type ReminderRecord,
} from './reminder-record.ts';
import type { Turns } from './turns.ts';

/** When a reminder that failed comes again. */
export interface ReminderRetries {
  /** How long to wait after the n-th failure, `sinceMs` after the first attempt; undefined: it does not come again. */
  afterMs(error: unknown, attempt: { readonly failures: number; readonly sinceMs: number }): number | undefined;
}

export interface DueRemindersOptions {
  readonly context: BlockContext;
  readonly engine: Engine;
  readonly type: HostedType;
  readonly turns: Turns;
  readonly keys: ReminderKeys;
  readonly timers: ShardTimers;
  readonly retries?: () => ReminderRetries | undefined;
}

/** A reminder that is due: noted durably, so that a busy actor holds up no other timer and a crash loses nothing. */
interface Due extends ReminderName {
  readonly shard: OwnedShard;
  readonly record: ReminderRecord;
  readonly version: number;
}

/** Dapr's default: three more tries, a second apart. */
const usualPolicy: FailurePolicy = { kind: 'constant', intervalMs: 1_000, retriesMax: 3 };
const runningMax = 1_000;
const notReachedMs = 1_000;
const engineRetryMs = 1_000;
/** While a shard comes or goes its actors take no turns for a moment. */
const movingMs = 100;

/**
 * Fires reminders. What is due is noted in one commit per batch of timers; each then waits for its actor's turn, and one commit takes the note away and arms the next
 * firing. A runtime that takes a shard over finds the notes and goes on: a reminder comes at least once.
 */
export class DueReminders {
  readonly #options: DueRemindersOptions;
  readonly #shards = new Map<number, OwnedShard>();
  /** By epoch and key, so that none runs twice under one ownership. */
  readonly #running = new Set<string>();
  readonly #waits = new Map<Timer, () => void>();
  #room: (() => void)[] = [];
  #closed = false;

  constructor(options: DueRemindersOptions) {
    this.#options = options;
  }

  /** Resolves when all that still counts is noted durably. Fails with the engine's error; the timers come again then. */
  async fire(shard: OwnedShard, timers: readonly { readonly dueMs: number; readonly data?: string }[]): Promise<void> {
    const { engine, keys } = this.#options;
    while (this.#running.size >= runningMax) await new Promise<void>((resolve) => this.#room.push(resolve));
    const names = timers.map(({ data }) => nameOf(data));
    const entries = await engine.getMany(names.map((name) => keys.record(name)));
    const due: Due[] = [];
    entries.forEach((entry, i) => {
      const record = entry === undefined ? undefined : decodeReminder(entry);
      // A timer of a schedule that was replaced since counts no more.
      if (entry === undefined || record?.nextMs !== timers[i]?.dueMs) return;
      due.push({ ...(names[i] as ReminderName), shard, record: record as ReminderRecord, version: entry.version });
    });
    if (due.length === 0) return;
    const put = due.map((each) => ({ key: keys.due(shard.index, each, each.record.nextMs), value: new Uint8Array(0) }));
    const result = await engine.commit({ if: [shard.condition], put });
    if (result.status !== 'done') throw new ProaError('engine.unavailable', 'reminders that are due could not be noted');
    for (const each of due) this.#start(each);
  }

  /** The shard is owned here: goes on with what a former owner left undone. */
  open(shard: OwnedShard): void {
    this.#shards.set(shard.index, shard);
    this.#resume(shard).catch((error: unknown) => {
      this.#options.context.log.warn('reminders that are due could not be read; trying again', { error: String(error) });
      this.#later(engineRetryMs, () => this.#gone(shard) || this.open(shard));
    });
  }

  /** What is under way ends; nothing of the shard is begun again here. */
  release(index: number): void {
    this.#shards.delete(index);
  }

  close(): void {
    this.#closed = true;
    for (const [wait, closed] of this.#waits) {
      wait.cancel();
      closed();
    }
    this.#waits.clear();
    this.#makeRoom();
  }

  async #resume(shard: OwnedShard): Promise<void> {
    const { engine, keys } = this.#options;
    const prefix = keys.pending(shard.index);
    for (const note of await readAll(engine, prefix)) {
      const { dueMs, ...name } = readDue(note.key, prefix);
      const entry: Entry | undefined = await engine.get(keys.record(name));
      const record = entry === undefined ? undefined : decodeReminder(entry);
      if (entry === undefined || record?.nextMs !== dueMs) await engine.commit({ if: [shard.condition], delete: [note.key] });
      else this.#start({ ...name, shard, record, version: entry.version });
    }
  }

  #gone(shard: OwnedShard): boolean {
    return this.#closed || this.#shards.get(shard.index) !== shard;
  }

  #start(due: Due): void {
    const key = `${due.shard.epoch} ${this.#options.keys.due(due.shard.index, due, due.record.nextMs)}`;
    if (this.#closed || this.#running.has(key)) return;
    this.#running.add(key);
    void this.#run(due).finally(() => {
      this.#running.delete(key);
      this.#makeRoom();
    });
  }

  #makeRoom(): void {
    for (const resolve of this.#room.splice(0)) resolve();
  }

  async #run(due: Due): Promise<void> {
    const { turns, type, context, engine } = this.#options;
    const { clock } = context.ports;
    const { id, name, record, shard } = due;
    const startedMs = clock.mono();
    const { dueTime = '', period = '' } = record.text;
    // Its time to live ended while nobody was there to fire it.
    if (record.untilMs !== undefined && engine.now() > record.untilMs) return this.#done(due, true);
    let cancel = false;
    for (let failures = 0; ;) {
      try {
        ({ cancel } = await turns.remind({
          type: type.config.type,
          id,
          name,
          dueTime,
          period,
          ...(record.data === undefined ? {} : { data: record.data }),
        }));
        type.metrics.reminderFired(true);
        break;
      } catch (error) {
        // The actor is another runtime's now: that one finds the note.
        if (this.#gone(shard)) return;
        if (isMoved(error)) {
          await this.#pause(movingMs);
          // The shard may be here again meanwhile, and the note be done with: whoever takes it looks for what is left.
          if (this.#gone(shard)) return;
          continue;
        }
        const waitMs = notReached(error)
          ? notReachedMs
          : this.#retryAfter(record, error, { failures: ++failures, sinceMs: clock.mono() - startedMs });
        context.log.warn('a reminder of an actor failed', {
          type: type.config.type,
          actor: id,
          reminder: name,
          error: ProaError.from(error).message,
        });
        if (waitMs === undefined) {
          type.metrics.reminderFired(false);
          break;
        }
        await this.#pause(waitMs);
        if (this.#gone(shard)) return;
      }
    }
    await this.#done(due, cancel);
  }

  /** Takes the note away and arms what comes next: once at least, because a shard that is being given up can still be written, then until the engine has done it. */
  async #done(due: Due, cancel: boolean): Promise<void> {
    do {
      try {
        if (await this.#settle(due, cancel)) return;
      } catch (error) {
        this.#options.context.log.warn('that a reminder has fired could not be noted; trying again', { error: String(error) });
      }
      await this.#pause(engineRetryMs);
    } while (!this.#gone(due.shard));
  }

  async #settle({ shard, record, version, id, name }: Due, cancel: boolean): Promise<boolean> {
    const { engine, keys, timers, type } = this.#options;
    const key = keys.record({ id, name });
    const next = cancel ? undefined : afterFiring(record, engine.now());
    const note = keys.due(shard.index, { id, name }, record.nextMs);
    const append = next && timers.append(shard.index, { id: name, dueMs: next.nextMs, data: JSON.stringify([id, name]) });
    const commit: Commit = {
      if: [shard.condition, { kind: 'version', key, version }],
      delete: next === undefined ? [note, key] : [note],
      ...(next === undefined ? {} : { put: [{ key, value: encodeReminder(next) }] }),
      ...(append === undefined ? {} : { append: [append] }),
    };
    const result = await engine.commit(commit);
    if (result.status === 'unknown') return this.#isDone(note);
    if (result.status === 'conflict') {
      if (result.failed === 0) return true;
      // It was replaced or removed meanwhile: only the note is left to be taken away.
      return (await engine.commit({ if: [shard.condition], delete: [note] })).status !== 'unknown';
    }
    if (append !== undefined) timers.armed(shard.index, append);
    else type.metrics.reminders.add(-1);
    return true;
  }

  /** After an outcome that is not known: done when the note is gone. */
  async #isDone(note: string): Promise<boolean> {
    return (await this.#options.engine.get(note)) === undefined;
  }

  /** What the reminder itself says goes before what the policies say. */
  #retryAfter(
    { policy }: ReminderRecord,
    error: unknown,
    attempt: { readonly failures: number; readonly sinceMs: number },
  ): number | undefined {
    const retries = policy === undefined ? this.#options.retries?.() : undefined;
    if (retries !== undefined) return retries.afterMs(error, attempt);
    const constant = policy ?? usualPolicy;
    return constant.kind === 'drop' || attempt.failures > constant.retriesMax ? undefined : constant.intervalMs;
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.#later(ms, resolve, resolve));
  }

  #later(ms: number, then: () => void, closed: () => void = () => {}): void {
    if (this.#closed) return closed();
    const timer = this.#options.context.ports.clock.timer(
      ms,
      () => {
        this.#waits.delete(timer);
        then();
      },
      true,
    );
    this.#waits.set(timer, closed);
  }
}

function nameOf(data: string | undefined): ReminderName {
  try {
    const [id, name] = JSON.parse(data ?? '') as unknown[];
    if (typeof id === 'string' && typeof name === 'string') return { id, name };
  } catch {
    // Falls through: a timer without a name wakes nobody.
  }
  return { id: '', name: '' };
}

function isMoved(error: unknown): boolean {
  return isProaError(error) && (error.code === 'actor.moved' || error.code === 'actor.overlap');
}
