import { ProaError } from '../../kernel/errors.ts';

/** Milliseconds, or a text such as `500ms`, `90s`, `15m`, `2h`, `7d`, `1h30m`, `52w`. */
export type Duration = number | string;

const unitsMs: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };
const text = /^(?:\d+(?:\.\d+)?(?:ms|s|m|h|d|w))+$/;
const part = /(\d+(?:\.\d+)?)(ms|s|m|h|d|w)/g;
/** A hundred years: far enough for anybody, and near enough to be written as a date. */
const longestMs = 100 * 365 * 86_400_000;

/** Milliseconds of a duration. Fails with `bad-request` for what is none; `what` says whose it is. */
export function durationMs(duration: Duration, what: string): number {
  const ms = typeof duration === 'number' ? duration : textMs(duration);
  if (Number.isFinite(ms) && ms >= 0 && ms <= longestMs) return ms;
  throw new ProaError('bad-request', `${what} is ${JSON.stringify(duration) ?? String(duration)}, which is no duration`, {
    hint: 'give milliseconds, or a text such as "500ms", "15m", "2h", "7d", "1h30m"; a hundred years is the most',
  });
}

function textMs(duration: string): number {
  if (typeof duration !== 'string' || !text.test(duration)) return NaN;
  let sum = 0;
  for (const [, number, unit] of duration.matchAll(part)) sum += Number(number) * (unitsMs[unit as string] as number);
  return sum;
}
