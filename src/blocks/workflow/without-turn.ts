import { type Header, isFinal } from './header.ts';
import type { InboxItem } from './mail.ts';

/** What mail changes of an instance although its code does not run for it. */
export interface Controlled {
  readonly header: Header;
  readonly consumed: readonly InboxItem[];
}

/**
 * What takes effect without a turn, and so without any worker: a stall is lifted by resuming (the turn that follows tries again), and what has not begun is held or let go.
 * A termination goes before all of it. Undefined: nothing of the kind waits.
 */
export function withoutTurn(header: Header, waiting: readonly InboxItem[], nowMs: number): Controlled | undefined {
  if (isFinal(header.status) || waiting.some(({ event }) => event.type === 'executionTerminated')) return undefined;
  const own = waiting.filter(({ execution }) => execution === undefined || execution === header.execution);
  if (header.stall !== undefined) {
    const consumed = own.filter(({ event }) => event.type === 'executionResumed');
    const { stall: _lifted, ...rest } = header;
    return consumed.length === 0 ? undefined : { header: { ...rest, updatedMs: nowMs, lifts: liftsAfter(header) }, consumed };
  }
  if (header.pending === undefined) return undefined;
  const consumed = own.filter(({ event }) => event.type === 'executionSuspended' || event.type === 'executionResumed');
  const last = consumed.at(-1);
  if (last === undefined) return undefined;
  const { suspended: _before, ...rest } = header;
  const suspended = last.event.type === 'executionSuspended' ? { suspended: true as const } : {};
  return { header: { ...rest, ...suspended, updatedMs: nowMs }, consumed };
}

/** The count of lifted stalls when the one that is there, if any, has gone. */
export function liftsAfter({ stall, lifts = 0 }: Header): number {
  return stall === undefined ? lifts : lifts + 1;
}

/** Suspended before its first turn: that is not made until somebody resumes it. */
export function isHeld({ pending, suspended }: Header): boolean {
  return pending !== undefined && suspended === true;
}
