import { parseDuration } from '../../kernel/duration.ts';

/** The first instant of the schedule after `afterMs`, both in wall milliseconds; undefined when there is none. */
export type Schedule = (afterMs: number) => number | undefined;

/** Parses the forms of robfig/cron, which Dapr uses: see `config.ts`. Fails with an Error that quotes the schedule. */
export async function parseSchedule(text: string): Promise<Schedule> {
  const trimmed = text.trim();
  const zoned = /^(?:CRON_TZ|TZ)=(\S+)\s+(.+)$/.exec(trimmed);
  const zone = zoned?.[1];
  const pattern = zoned?.[2] ?? trimmed;
  if (pattern.startsWith('@every')) return every(text, pattern.slice('@every'.length).trim());
  return calendar(text, pattern, zone);
}

function every(text: string, duration: string): Schedule {
  const parsed = /[a-zµμ]$/.test(duration) ? parseDuration(duration) : undefined;
  if (parsed === undefined || parsed <= 0) throw invalid(text, `"${duration}" is not a duration such as 30s or 1h30m`);
  const periodMs = Math.max(1, Math.floor(parsed / 1000)) * 1000;
  // Whole seconds, as cron's clock has no finer hand.
  return (afterMs) => Math.floor(afterMs / 1000) * 1000 + periodMs;
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
    return next;
  } catch (cause) {
    throw invalid(text, (cause as Error).message);
  }
}

function invalid(text: string, why: string): Error {
  return new Error(`invalid schedule format '${text}': ${why}`);
}
