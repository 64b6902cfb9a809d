import type { AttemptEnd, Member } from './member.ts';
import type { OutlierSettings } from './plan.ts';
import type { Ejection } from './shared-ejections.ts';

/** Counts how an attempt ended and ejects the endpoint when it failed too often. True: who is usable has changed. */
export function judge(
  member: Member,
  end: AttemptEnd,
  { members, nowMs, settings }: { readonly members: readonly Member[]; readonly nowMs: number; readonly settings: OutlierSettings },
): boolean {
  if (end === 'ignored') return false;
  if (nowMs >= member.intervalEndsMs) {
    member.intervalEndsMs = nowMs + settings.intervalMs;
    member.good = member.bad = 0;
    // A quiet interval pays one ejection back.
    if (member.ejections > 0 && nowMs > member.ejectedUntilMs + settings.intervalMs) member.ejections--;
  }
  if (end === 'good') {
    member.good++;
    member.failures = 0;
    return false;
  }
  member.lastBadMs = nowMs;
  // It works, and does what it should: fewer calls are what balancing gives it, and none at all would load the others as much again.
  if (end === 'overloaded') return false;
  member.bad++;
  member.failures++;
  if (nowMs < member.ejectedUntilMs || !tooBad(member, settings) || !mayEject(members, nowMs, settings)) return false;
  member.ejections++;
  member.failures = 0;
  member.ejectedUntilMs = nowMs + Math.min(settings.ejectionMaxMs, settings.ejectionMs * member.ejections);
  return true;
}

/** Another process of the runtime ejected it for `forMs`, as its `count`-th in a row. True: who is usable has changed. */
export function ejectedElsewhere(
  member: Member,
  { forMs, count }: Pick<Ejection, 'forMs' | 'count'>,
  { members, nowMs, settings }: Parameters<typeof judge>[2],
): boolean {
  const untilMs = nowMs + Math.min(forMs, settings.ejectionMaxMs);
  if (untilMs <= member.ejectedUntilMs || (nowMs >= member.ejectedUntilMs && !mayEject(members, nowMs, settings))) return false;
  member.ejections = Math.max(member.ejections, count);
  member.failures = 0;
  member.lastBadMs = nowMs;
  member.ejectedUntilMs = untilMs;
  return true;
}

function tooBad(member: Member, settings: OutlierSettings): boolean {
  if (settings.consecutive > 0 && member.failures >= settings.consecutive) return true;
  const calls = member.good + member.bad;
  return settings.failureRatio > 0 && calls >= settings.requestsMin && member.bad / calls >= settings.failureRatio;
}

function mayEject(members: readonly Member[], nowMs: number, { ejectedShareMax }: OutlierSettings): boolean {
  let ejected = 0;
  for (const member of members) if (nowMs < member.ejectedUntilMs) ejected++;
  return ejected + 1 <= members.length * ejectedShareMax;
}
