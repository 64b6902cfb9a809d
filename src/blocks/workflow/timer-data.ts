import type { Append } from '../../contracts/engine.ts';
import type { DurableTimer, ShardTimers } from '../../contracts/timers.ts';

/** What a timer of workflows is for. */
export type TimerPurpose =
  | { readonly kind: 'timer'; readonly instanceId: string; readonly execution: string; readonly timerId: number; readonly fireAtMs: number }
  | { readonly kind: 'start'; readonly instanceId: string }
  /** Its retention is over. */
  | { readonly kind: 'purge'; readonly instanceId: string; readonly execution: string };

/** Waits for events without a limit have a timer in this year, which says what an instance waits for; it is never armed (serverless reference 5.10). */
export const neverMs = 253_402_300_799_000;

/** The durable form of a timer. */
export function timerFor(dueMs: number, purpose: TimerPurpose): DurableTimer {
  return { id: '', dueMs, data: JSON.stringify(purpose) };
}

/** What a timer that fired was made for; undefined for bytes that are not ours. */
export function purposeOf({ data }: DurableTimer): TimerPurpose | undefined {
  try {
    return JSON.parse(data ?? '') as TimerPurpose;
  } catch {
    return undefined;
  }
}

/** The part of a commit that makes timers of one shard durable. */
export function timerAppends(timers: ShardTimers | undefined, shard: number, due: readonly DurableTimer[]): Append[] {
  if (timers === undefined || due.length === 0) return [];
  const logs = new Map<string, Append>();
  for (const timer of due) {
    const append = timers.append(shard, timer);
    const known = logs.get(append.log);
    logs.set(append.log, known === undefined ? append : { log: append.log, entries: [...known.entries, ...append.entries] });
  }
  return [...logs.values()];
}
