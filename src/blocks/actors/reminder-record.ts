import type { Entry } from '../../contracts/engine.ts';
import { addSpan } from '../../kernel/due-time.ts';
import { ProaError } from '../../kernel/errors.ts';
import { tuple, untuple, type Key } from '../../kernel/tuple.ts';
import type { ScheduleText } from './schedule.ts';

/** What happens when a firing fails: nothing more, or tries at fixed distances. */
export type FailurePolicy =
  | { readonly kind: 'drop' }
  | { readonly kind: 'constant'; readonly intervalMs: number; readonly retriesMax: number };

/** A reminder as it is stored. The truth: timers only say when to look. */
export interface ReminderRecord {
  /** As the app wrote it. */
  readonly text: ScheduleText;
  /** JSON text. */
  readonly data?: string;
  /** When it is due next. */
  readonly nextMs: number;
  readonly everyMs?: number;
  /** Firings that are left, this one included; absent: no limit. */
  readonly left?: number;
  readonly untilMs?: number;
  readonly policy?: FailurePolicy;
}

/** A reminder's name in its type. */
export interface ReminderName {
  readonly id: string;
  readonly name: string;
}

const space = 'actors';

/** Where the reminders of a type are kept. */
export interface ReminderKeys {
  /** All of the type. */
  readonly all: Key;
  of(id: string): Key;
  record(reminder: ReminderName): Key;
  /** Reminders of a shard that are due and not done. */
  pending(shard: number): Key;
  due(shard: number, reminder: ReminderName, dueMs: number): Key;
}

export function reminderKeys(namespace: string, type: string): ReminderKeys {
  const records = tuple(space, 'reminder', namespace, type);
  const pending = tuple(space, 'reminder-due', namespace, type);
  return {
    all: records,
    of: (id) => records + tuple(id),
    record: ({ id, name }) => records + tuple(id, name),
    pending: (shard) => pending + tuple(shard),
    due: (shard, { id, name }, dueMs) => pending + tuple(shard, id, name, dueMs),
  };
}

/** Id and name of a key below `prefix`, which ends before the id. */
export function readName(key: Key, prefix: Key): ReminderName {
  const [id, name] = untuple(key.slice(prefix.length));
  return { id: String(id), name: String(name) };
}

/** What a key below `pending` says. */
export function readDue(key: Key, prefix: Key): ReminderName & { readonly dueMs: number } {
  const [id, name, dueMs] = untuple(key.slice(prefix.length));
  return { id: String(id), name: String(name), dueMs: Number(dueMs) };
}

export function encodeReminder(record: ReminderRecord): Uint8Array {
  return Buffer.from(JSON.stringify(record), 'utf8');
}

/** Fails with `engine.corrupt`. */
export function decodeReminder({ value }: Entry): ReminderRecord {
  try {
    const record = JSON.parse(Buffer.from(value.buffer, value.byteOffset, value.length).toString('utf8')) as Partial<ReminderRecord> | null;
    if (typeof record?.nextMs === 'number' && typeof record.text === 'object') return record as ReminderRecord;
  } catch {
    // Falls through: not JSON is as damaged as JSON of another kind.
  }
  throw new ProaError('engine.corrupt', 'the record of a reminder cannot be read');
}

/** The record after a firing, or undefined when it was the last. What was missed while nobody was there is left out. */
export function afterFiring(record: ReminderRecord, now: number): ReminderRecord | undefined {
  const { everyMs, left, untilMs, nextMs } = record;
  if (everyMs === undefined || (left !== undefined && left <= 1)) return undefined;
  const next = nextMs + Math.max(1, Math.ceil((now + 1 - nextMs) / everyMs)) * everyMs;
  if (untilMs !== undefined && next > untilMs) return undefined;
  return { ...record, nextMs: next, ...(left === undefined ? {} : { left: left - 1 }) };
}

/** Milliseconds of a period of the clock. */
export function everyMsOf(span: Parameters<typeof addSpan>[1]): number {
  return addSpan(0, span);
}
