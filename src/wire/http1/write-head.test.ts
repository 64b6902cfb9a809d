import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HeaderWriter, headerLines } from './write-head.ts';

function outcome(write: () => string): string {
  try {
    return write();
  } catch (error) {
    return String(error);
  }
}

describe('HeaderWriter', () => {
  // Few names and values, so that lists repeat each other; some that must be refused wherever and how often they come.
  const name = fc.constantFrom('', 'a', 'A', 'host', 'Host', 'date', 'connection', 'Content-Length', 'bad name', 'x-long', 'é');
  const value = fc.constantFrom('', '1', '2', 'é', 'a\r\nb: c', 'nul\0', '\u0100', 'x'.repeat(300));
  const list = fc.array(fc.tuple(name, value), { maxLength: 30 }).map((pairs) => pairs.flat());

  it('writes and refuses what headerLines does, whatever it wrote before', () => {
    fc.assert(
      fc.property(fc.array(list, { minLength: 1, maxLength: 8 }), (lists) => {
        const writer = new HeaderWriter();
        for (const headers of [...lists, ...lists, ...lists.toReversed()]) {
          expect(outcome(() => writer.lines(headers))).toBe(outcome(() => headerLines(headers)));
          expect(outcome(() => writer.line(headers[0] ?? 'n', headers[1] ?? 'v'))).toBe(
            outcome(() => headerLines([headers[0] ?? 'n', headers[1] ?? 'v'])),
          );
        }
      }),
    );
  });

  it('knows whether the last list held Host and Date', () => {
    const writer = new HeaderWriter();
    const seen = [
      ['a', 'b', 'HOST', 'h'],
      ['Date', 'd'],
      ['a', 'b', 'HOST', 'h', 'date', 'd'],
      ['a', 'b'],
    ].map((headers) => {
      writer.lines(headers);
      return [writer.hasHost, writer.hasDate];
    });
    expect(seen).toEqual([
      [true, false],
      [false, true],
      [true, true],
      [false, false],
    ]);
  });

  it('writes a value right that was another one for long and then stays', () => {
    const writer = new HeaderWriter();
    for (let i = 0; i < 100; i++) expect(writer.lines(['a', '1', 'id', String(i), 'b', '2'])).toBe(`a: 1\r\nid: ${i}\r\nb: 2\r\n`);
    for (let i = 0; i < 40; i++) expect(writer.lines(['a', '1', 'id', 'same', 'b', '2'])).toBe('a: 1\r\nid: same\r\nb: 2\r\n');
    expect(() => writer.lines(['a', '1', 'id', 'line\nfeed', 'b', '2'])).toThrow('not allowed');
    expect(() => writer.lines(['a', '1', 'id', 'line\nfeed', 'b', '2'])).toThrow('not allowed');
    expect(writer.lines(['a', '1'])).toBe('a: 1\r\n');
    expect(writer.lines(['a', '2', 'id', 'same'])).toBe('a: 2\r\nid: same\r\n');
  });

  it('knows of the same list what it held, whatever was written beside it', () => {
    const writer = new HeaderWriter();
    const list = ['host', 'h', 'x', '1'];
    for (let i = 0; i < 3; i++) {
      expect(writer.lines(list)).toBe('host: h\r\nx: 1\r\n');
      expect([writer.hasHost, writer.hasDate]).toEqual([true, false]);
      writer.line('traceparent', String(i));
    }
  });
});
