import { describe, expect, it } from 'vitest';
import { isSampled, isTraceparent, readTraceparent, readTracestate } from './trace-context.ts';

const valid = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

describe('a traceparent', () => {
  it('is judged at every character', () => {
    expect(isTraceparent(valid)).toBe(true);
    const hex = '0123456789abcdef';
    for (let at = 0; at < valid.length; at++) {
      const digit = hex.includes(valid[at] as string) && at >= 3;
      // Beyond 127 are those whose lower bits are a digit's.
      for (const code of [...Array(256).keys(), 0x130, 0x161, 0x2030, 0xff10]) {
        const other = String.fromCharCode(code);
        const changed = `${valid.slice(0, at)}${other}${valid.slice(at + 1)}`;
        expect([at, code, isTraceparent(changed)]).toEqual([at, code, digit ? hex.includes(other) : other === valid[at]]);
      }
    }
  });

  it('has ids that are not all zero, and one length', () => {
    expect(isTraceparent(valid.replace('0af7651916cd43dd8448eb211c80319c', '0'.repeat(32)))).toBe(false);
    expect(isTraceparent(valid.replace('b7ad6b7169203331', '0'.repeat(16)))).toBe(false);
    for (const text of ['', valid.slice(1), `${valid}0`, `${valid}-00`]) expect(isTraceparent(text)).toBe(false);
  });
});

it('a trace is sampled when the last bit of the flags is set, whichever digit says it', () => {
  for (let flags = 0; flags < 256; flags++)
    expect([flags, isSampled(`${valid.slice(0, -2)}${flags.toString(16).padStart(2, '0')}`)]).toEqual([flags, flags % 2 === 1]);
});

describe('a traceparent of a later version', () => {
  const later = (rest: string): string => readTraceparent(`01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-${rest}`);

  it('is read as far as version 00 goes', () => {
    expect(readTraceparent(valid)).toBe(valid);
    for (const rest of ['01', '01-', '01-more', 'ff']) expect(later(rest)).toBe(valid);
    expect(later('02')).toBe(`${valid.slice(0, -2)}00`);
  });

  it('is none when its beginning is not that of version 00', () => {
    for (const rest of ['', '0', '0g', '01x', '0-1']) expect(later(rest)).toBe('');
    for (const version of ['ff', '0g', 'AA', '00']) expect(readTraceparent(`${version}${valid.slice(2)}-more`)).toBe('');
    expect(readTraceparent(`01${valid.slice(2).replace('b7ad6b7169203331', '0'.repeat(16))}`)).toBe('');
  });
});

describe('a tracestate', () => {
  it('is a list of members, without the spaces around them', () => {
    for (const text of ['a=b', 'a=b,c@d=e f', '0a@z=!', 'a_-*/9==~'.replace('==', '=x')]) expect(readTracestate(text)).toBe(text);
    expect(readTracestate(' a=b ,,\tc=d')).toBe('a=b,c=d');
    expect(readTracestate('')).toBe('');
  });

  it('is none when a member is none, a key comes twice, or there are more than 32', () => {
    for (const text of [
      'zap',
      '=b',
      'a=',
      'A=b',
      'a=b=c',
      '9=b',
      'a@=b',
      `a@${'b'.repeat(15)}=c`,
      `a=${'x'.repeat(257)}`,
      'a=b,a=c',
      'a=\u0080',
    ])
      expect([text, readTracestate(text)]).toEqual([text, '']);
    const members = Array.from({ length: 33 }, (_, i) => `k${i}=v`);
    expect(readTracestate(members.join(','))).toBe('');
    expect(readTracestate(members.slice(1).join(','))).toBe(members.slice(1).join(','));
  });
});
