import { describe, expect, it } from 'vitest';
import { isTraceparent } from './trace-context.ts';

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
