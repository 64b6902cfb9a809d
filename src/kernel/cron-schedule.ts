import { parseDuration } from './duration.ts';

/** When something comes again and again. Instants are wall milliseconds; undefined: never again. */
export interface Schedule {
  /** The first instant after `afterMs`. */
  next(afterMs: number): number | undefined;
  /** The first instant after `nowMs` of those that began at `lastMs`: an interval keeps its step, however many were left out. */
  resume(lastMs: number, nowMs: number): number | undefined;
}

export interface ScheduleOptions {
  /** `@every` counts whole seconds and begins at them, as cron's clock has no finer hand. Default false: milliseconds. */
  readonly wholeSeconds?: boolean;
}

/**
 * Parses the forms of robfig/cron, which Dapr uses: five or six fields (seconds first), `@every <Go duration>`, `@daily` and its like; `CRON_TZ=<zone>` may stand in front. Of an hour that
 * a change of the clocks leaves out, runs come at its end; an hour that comes twice has them once. Fails with an Error that quotes the schedule.
 */
export async function parseSchedule(text: string, options: ScheduleOptions = {}): Promise<Schedule> {
  const trimmed = text.trim();
  const zoned = /^(?:CRON_TZ|TZ)=(\S+)\s+(.+)$/.exec(trimmed);
  const zone = zoned?.[1];
  const pattern = zoned?.[2] ?? trimmed;
  if (zone !== undefined && !isZone(zone)) throw invalid(text, `there is no time zone "${zone}"; Europe/Berlin and UTC are some`);
  if (pattern.startsWith('@every')) return every(text, pattern.slice('@every'.length).trim(), options.wholeSeconds === true);
  return calendar(text, pattern, zone);
}

function every(text: string, duration: string, wholeSeconds: boolean): Schedule {
  const parsed = /[a-zµμ]$/.test(duration) ? parseDuration(duration) : undefined;
  if (parsed === undefined || parsed <= 0) throw invalid(text, `"${duration}" is not a duration such as 30s or 1h30m`);
  const unitMs = wholeSeconds ? 1_000 : 1;
  const periodMs = Math.max(1, Math.floor(parsed / unitMs)) * unitMs;
  const next = (afterMs: number): number => Math.floor(afterMs / unitMs) * unitMs + periodMs;
  return {
    next,
    resume: (lastMs, nowMs) => next(lastMs + Math.max(0, Math.floor((nowMs - lastMs) / periodMs)) * periodMs),
  };
}

function isZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name }).format();
    return true;
  } catch {
    return false;
  }
}

const nicknames = new Set(['@yearly', '@annually', '@monthly', '@weekly', '@daily', '@midnight', '@hourly']);

async function calendar(text: string, pattern: string, zone: string | undefined): Promise<Schedule> {
  if (pattern.startsWith('@')) {
    if (!nicknames.has(pattern)) throw invalid(text, `"${pattern}" is unknown; use @every, ${[...nicknames].join(', ')}`);
  } else {
    const fields = pattern.split(/\s+/).length;
    if (fields !== 5 && fields !== 6) throw invalid(text, `it has ${fields} fields where 5 or 6 (seconds first) are needed`);
  }
  const { Cron } = await import('croner');
  try {
    // Without a function croner only computes: the clock port does the waiting.
    const cron = new Cron(pattern === '@midnight' ? '@daily' : pattern, zone === undefined ? {} : { timezone: zone });
    const next = (afterMs: number): number | undefined => cron.nextRun(new Date(afterMs))?.getTime();
    // Croner looks a time zone up only when it computes.
    next(0);
    return { next, resume: (_lastMs, nowMs) => next(nowMs) };
  } catch (cause) {
    throw invalid(text, (cause as Error).message);
  }
}

function invalid(text: string, why: string): Error {
  return new Error(`invalid schedule format '${text}': ${why}`);
}
