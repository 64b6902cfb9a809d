import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AnswerHeads, framingEnd, type AnswerFraming } from './answer-heads.ts';
import { headerLines, statusLine } from './write-head.ts';

const first = 'Sat, 28 Nov 2026 11:28:21 GMT';
const second = 'Sat, 28 Nov 2026 11:28:22 GMT';

/** The same without memory. */
function plain(status: number, headers: readonly string[], framing: AnswerFraming, date: string): string {
  const line =
    framing === 'chunked' ? 'transfer-encoding: chunked\r\n' : typeof framing === 'number' ? `content-length: ${framing}\r\n` : '';
  const dated = headers.some((name, i) => i % 2 === 0 && name.toLowerCase() === 'date');
  return statusLine(status) + headerLines(headers) + (dated ? '' : `date: ${date}\r\n`) + line + '\r\n';
}

function outcome(write: () => string): string {
  try {
    return write();
  } catch (error) {
    return String(error);
  }
}

describe('AnswerHeads', () => {
  it('writes and refuses what it would without memory, whatever it wrote before', () => {
    const lists = [[], ['a', '1'], ['a', '1'], ['Date', 'now'], ['bad name', '1'], ['a', 'x\r\ny: z'], ['a', '1', 'b', 'é']];
    const headers = fc.constantFrom(...lists);
    const framing = fc.constantFrom<AnswerFraming>(0, 1, 64, 4096, 4097, 'chunked', 'until-close', undefined);
    const answer = fc.tuple(fc.constantFrom(200, 204, 404, 99), headers, framing, fc.constantFrom(first, second));
    fc.assert(
      fc.property(fc.array(answer, { minLength: 1, maxLength: 30 }), (answers) => {
        const dates = { date: first };
        const heads = new AnswerHeads(dates);
        for (const [status, list, framed, date] of [...answers, ...answers]) {
          dates.date = date;
          expect(outcome(() => heads.write(status, list) + framingEnd(framed))).toBe(outcome(() => plain(status, list, framed, date)));
        }
      }),
    );
  });

  it('gives the same text for the same list as long as date and status are the same', () => {
    const dates = { date: first };
    const heads = new AnswerHeads(dates);
    const headers = ['content-type', 'application/json'];
    const once = heads.write(200, headers);
    expect(heads.write(200, headers)).toBe(once);
    expect(heads.write(500, headers)).toMatch(/^HTTP\/1\.1 500 /);
    dates.date = second;
    expect(heads.write(200, headers)).toContain(second);
  });

  it('checks a header of one answer alone', () => {
    const heads = new AnswerHeads({ date: first });
    expect(heads.line('x-id', '7')).toBe('x-id: 7\r\n');
    expect(() => heads.line('x-id', 'a\nb')).toThrow('not allowed');
  });
});
