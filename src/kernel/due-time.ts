import { parseDuration } from './duration.ts';

/** A span of the calendar and of the clock: months and days are as long as the calendar says when they are added to an instant. */
export interface Span {
  readonly months: number;
  readonly days: number;
  readonly ms: number;
}

/** How often something comes: every `span`, `times` times in all (`Infinity`: for ever). */
export interface Period {
  readonly span: Span;
  readonly times: number;
}

const iso = /^P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?$/i;
const instant = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:\d{2})$/i;
const repeated = /^R(\d{1,9})\/(.+)$/i;
/** A thousand years: beyond it a number of milliseconds is a mistake, and dates end. */
const spanMsMax = 1_000 * 366 * 86_400_000;

/** A Go duration (`1h30m`, `500ms`) or an ISO 8601 duration without fractions (`PT10S`, `P1D`), not negative; undefined for anything else. */
export function parseSpan(text: string): Span | undefined {
  const match = iso.exec(text);
  if (match !== null && /\d/.test(text) && !/T$/i.test(text)) {
    const [years, months, weeks, days, hours, minutes, seconds] = match.slice(1).map((part) => Number(part ?? 0)) as [
      ...[number, number, number, number, number, number, number],
    ];
    return checked({ months: years * 12 + months, days: weeks * 7 + days, ms: ((hours * 60 + minutes) * 60 + seconds) * 1_000 });
  }
  // A bare number is a duration elsewhere; here whoever means milliseconds would wait a thousand times too long.
  const ms = /^[1-9]\d*$/.test(text) ? undefined : parseDuration(text);
  return ms === undefined || ms < 0 ? undefined : checked({ months: 0, days: 0, ms });
}

/** When something is due: an instant (RFC 3339), or a span from `nowMs` on. In milliseconds since 1970; undefined for anything else. */
export function parseDue(text: string, nowMs: number): number | undefined {
  if (instant.test(text)) {
    const at = Date.parse(text);
    return Number.isNaN(at) ? undefined : at;
  }
  const span = parseSpan(text);
  return span === undefined ? undefined : addSpan(nowMs, span);
}

/** A span, or `R5/PT10S`: five times in all. Undefined for anything else, for no time at all, and for zero repetitions. */
export function parsePeriod(text: string): Period | undefined {
  const match = repeated.exec(text);
  const times = match === null ? Infinity : Number(match[1]);
  const span = parseSpan(match === null ? text : (match[2] as string));
  if (span === undefined || times === 0 || addSpan(0, span) === 0) return undefined;
  return { span, times };
}

/** The instant a span later: months and days in UTC; a day that a month does not have is its last one. */
export function addSpan(atMs: number, { months, days, ms }: Span): number {
  if (months === 0) return atMs + days * 86_400_000 + ms;
  const date = new Date(atMs);
  const day = date.getUTCDate();
  date.setUTCDate(1);
  date.setUTCMonth(date.getUTCMonth() + months);
  const last = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate();
  date.setUTCDate(Math.min(day, last));
  return date.getTime() + days * 86_400_000 + ms;
}

function checked(span: Span): Span | undefined {
  return span.months * 31 * 86_400_000 + span.days * 86_400_000 + span.ms > spanMsMax ? undefined : span;
}
