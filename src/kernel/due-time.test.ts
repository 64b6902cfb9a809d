import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addSpan, parseDue, parsePeriod, parseSpan } from './due-time.ts';

const now = Date.UTC(2028, 0, 31, 12);

describe('a span', () => {
  it.each([
    ['1h30m', { months: 0, days: 0, ms: 5_400_000 }],
    ['500ms', { months: 0, days: 0, ms: 500 }],
    ['0s', { months: 0, days: 0, ms: 0 }],
    ['PT10S', { months: 0, days: 0, ms: 10_000 }],
    ['p1dt2h', { months: 0, days: 1, ms: 7_200_000 }],
    ['P1Y2M3W4DT5H6M7S', { months: 14, days: 25, ms: 18_367_000 }],
  ])('%s', (text, span) => {
    expect(parseSpan(text)).toEqual(span);
  });

  it.each(['', 'P', 'PT', 'P1DT', 'PT0.5S', '-1s', '-PT1S', 'soon', 'P1S', 'PT1Y', 'R5/PT1S', '1000000000h', 'P99999Y', '500'])(
    'is not "%s"',
    (text) => {
      expect(parseSpan(text)).toBeUndefined();
    },
  );

  it('never throws and never answers nonsense', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[PTRYMWDHS0-9/.hms+-]{0,16}$/), (text) => {
        const due = parseDue(text, now);
        if (due !== undefined) expect(due).toBeGreaterThanOrEqual(now);
      }),
    );
  });
});

describe('a due time', () => {
  it('is an instant or a span from now', () => {
    expect(parseDue('2028-02-01T00:00:00Z', now)).toBe(Date.UTC(2028, 1, 1));
    expect(parseDue('2028-02-01T00:00:00.5+01:00', now)).toBe(Date.UTC(2028, 0, 31, 23, 0, 0, 500));
    expect(parseDue('10s', now)).toBe(now + 10_000);
    expect(parseDue('P1M', now)).toBe(Date.UTC(2028, 1, 29, 12));
    for (const bad of ['2028-02-01', '2028-13-01T00:00:00Z', 'tomorrow', '']) expect(parseDue(bad, now)).toBeUndefined();
  });

  it('a month later is in the next month, at its last day when it is shorter', () => {
    expect(addSpan(now, { months: 1, days: 1, ms: 0 })).toBe(Date.UTC(2028, 2, 1, 12));
    expect(addSpan(Date.UTC(2027, 11, 31), { months: 2, days: 0, ms: 0 })).toBe(Date.UTC(2028, 1, 29));
  });
});

describe('a period', () => {
  it('may say how often', () => {
    expect(parsePeriod('R5/PT10S')).toEqual({ times: 5, span: { months: 0, days: 0, ms: 10_000 } });
    expect(parsePeriod('1s')).toEqual({ times: Infinity, span: { months: 0, days: 0, ms: 1_000 } });
  });

  it.each(['R0/PT10S', 'R/PT1S', 'R5', 'R-1/PT1S', '0s', 'PT0S', 'R3/0s', ''])('is not "%s"', (text) => {
    expect(parsePeriod(text)).toBeUndefined();
  });
});
