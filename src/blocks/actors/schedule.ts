import { addSpan, parseDue, parsePeriod, type Period } from '../../kernel/due-time.ts';
import { ProaError } from '../../kernel/errors.ts';

/** When a reminder or timer comes, as an app writes it (Dapr reference 4.6). Empty texts are as good as none. */
export interface ScheduleText {
  readonly dueTime?: string;
  readonly period?: string;
  readonly ttl?: string;
}

/** The same, understood at one instant. */
export interface Schedule {
  readonly firstMs: number;
  readonly period: Period | undefined;
  /** It does not come after this. */
  readonly untilMs: number | undefined;
}

/** Reads a schedule; `calendar`: periods may have months and days, which reminders may not. Fails with `bad-request`, also for one that has expired already. */
export function readSchedule(text: ScheduleText, { nowMs, calendar }: { readonly nowMs: number; readonly calendar: boolean }): Schedule {
  const dueTime = text.dueTime ?? '';
  const firstMs = dueTime === '' ? nowMs : due('dueTime', dueTime, nowMs);
  const period = periodOf(text.period ?? '', calendar);
  const ttl = text.ttl ?? '';
  const untilMs = ttl === '' ? undefined : due('ttl', ttl, firstMs);
  if (untilMs !== undefined && (untilMs <= nowMs || untilMs < firstMs))
    throw new ProaError('bad-request', `the ttl ${JSON.stringify(ttl)} has expired before it is due`);
  return { firstMs, period, untilMs };
}

function due(name: string, text: string, fromMs: number): number {
  const at = parseDue(text, fromMs);
  if (at !== undefined && at < 8.64e15) return Math.max(at, 0);
  throw new ProaError(
    'bad-request',
    `${name} ${JSON.stringify(text.slice(0, 64))} is neither an instant (RFC 3339) nor a duration (1h30m, PT10S)`,
  );
}

function periodOf(text: string, calendar: boolean): Period | undefined {
  if (text === '') return undefined;
  const period = parsePeriod(text);
  if (period === undefined)
    throw new ProaError(
      'bad-request',
      `period ${JSON.stringify(text.slice(0, 64))} is no duration above 0 (1h30m, PT10S, R5/PT10S for five times)`,
    );
  if (!calendar && (period.span.months > 0 || period.span.days > 0))
    throw new ProaError('bad-request', `period ${JSON.stringify(text.slice(0, 64))}: years, months and days are not allowed for reminders`);
  return period;
}

/** The first time after `nowMs` that follows `lastMs` by whole periods: what was missed meanwhile is left out. Undefined when nothing follows any more. */
export function nextDue({ period, untilMs }: Pick<Schedule, 'period' | 'untilMs'>, lastMs: number, nowMs: number): number | undefined {
  if (period === undefined) return undefined;
  const { span } = period;
  let next = addSpan(lastMs, span);
  if (next <= nowMs && span.months === 0) {
    const everyMs = addSpan(0, span);
    next += Math.floor((nowMs - next) / everyMs + 1) * everyMs;
  }
  while (next <= nowMs) next = addSpan(next, span);
  return untilMs !== undefined && next > untilMs ? undefined : next;
}
