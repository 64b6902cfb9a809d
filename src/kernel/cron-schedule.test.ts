import { describe, expect, it } from 'vitest';
import { parseSchedule } from './cron-schedule.ts';

describe('cron schedules', () => {
  const at = (text: string) => Date.parse(text);
  const cases: [string, string, string][] = [
    ['TZ=UTC 0 30 * * * *', '2026-01-01T12:00:00Z', '2026-01-01T12:30:00Z'],
    ['CRON_TZ=UTC 15 * * * *', '2026-01-01T12:15:00Z', '2026-01-01T13:15:00Z'],
    ['CRON_TZ=UTC */15 * * * * *', '2026-01-01T12:00:01Z', '2026-01-01T12:00:15Z'],
    ['CRON_TZ=UTC @hourly', '2026-01-01T12:00:00Z', '2026-01-01T13:00:00Z'],
    ['CRON_TZ=UTC @daily', '2026-01-01T12:00:00Z', '2026-01-02T00:00:00Z'],
    ['CRON_TZ=UTC @midnight', '2026-01-01T12:00:00Z', '2026-01-02T00:00:00Z'],
    ['CRON_TZ=Asia/Tokyo 0 0 9 * * MON-FRI', '2026-01-01T12:00:00Z', '2026-01-02T00:00:00Z'],
    ['@every 1h30m', '2026-01-01T12:00:00Z', '2026-01-01T13:30:00Z'],
    ['@every 1500ms', '2026-01-01T12:00:00.700Z', '2026-01-01T12:00:01Z'],
    ['@every 10ms', '2026-01-01T12:00:00Z', '2026-01-01T12:00:01Z'],
  ];
  it.each(cases)('%s after %s fires at %s', async (schedule, after, next) => {
    expect((await parseSchedule(schedule, { wholeSeconds: true })).next(at(after))).toBe(at(next));
  });

  it('counts milliseconds where nobody asks for whole seconds', async () => {
    const schedule = await parseSchedule('@every 1500ms');
    expect(schedule.next(700)).toBe(2_200);
    expect((await parseSchedule('@every 10ms')).next(5)).toBe(15);
  });

  it('goes on in step after an absence', async () => {
    const schedule = await parseSchedule('@every 10s');
    expect([schedule.resume(3, 3), schedule.resume(3, 10_002), schedule.resume(3, 10_003), schedule.resume(3, 95_000)]).toEqual([
      10_003, 10_003, 20_003, 100_003,
    ]);
    const daily = await parseSchedule('CRON_TZ=UTC 0 0 9 * * *');
    expect(daily.resume(at('2026-01-01T09:00:00Z'), at('2026-03-05T10:00:00Z'))).toBe(at('2026-03-06T09:00:00Z'));
  });

  // Berlin: on 29 March 2026 the clocks go from 02:00 to 03:00, on 25 October from 03:00 back to 02:00.
  it.each([
    ['CRON_TZ=Europe/Berlin 0 30 2 * * *', '2026-03-28T12:00:00Z', '2026-03-29T01:00:00Z'],
    ['CRON_TZ=Europe/Berlin 0 30 2 * * *', '2026-03-29T01:00:00Z', '2026-03-30T00:30:00Z'],
    ['CRON_TZ=Europe/Berlin 0 30 2 * * *', '2026-10-24T12:00:00Z', '2026-10-25T00:30:00Z'],
    ['CRON_TZ=Europe/Berlin 0 30 2 * * *', '2026-10-25T00:30:00Z', '2026-10-26T01:30:00Z'],
  ])('follows the clocks of its zone: %s after %s at %s', async (schedule, after, next) => {
    expect((await parseSchedule(schedule)).next(at(after))).toBe(at(next));
  });

  it('says in one sentence that there is no such time zone', async () => {
    const text = 'CRON_TZ=Europe/Nowhere 0 30 2 * * *';
    await expect(parseSchedule(text)).rejects.toThrow(
      `invalid schedule format '${text}': there is no time zone "Europe/Nowhere"; Europe/Berlin and UTC are some`,
    );
  });
});
