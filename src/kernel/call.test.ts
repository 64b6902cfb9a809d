import { describe, expect, it } from 'vitest';
import { CallEnd } from './call.ts';

describe('CallEnd', () => {
  it('reads the clock once for all listeners of its end, and anew before it', () => {
    let reads = 0;
    const clock = { mono: () => ++reads };
    const end = new CallEnd();
    expect([end.atMs(clock), end.atMs(clock)]).toEqual([1, 2]);
    const seen: number[] = [];
    end.listen(() => seen.push(end.atMs(clock)));
    end.listen(() => seen.push(end.atMs(clock)));
    end.fire({ ok: true });
    end.listen(() => seen.push(end.atMs(clock)));
    expect(seen).toEqual([3, 3, 3]);
  });

  it('asks the clock anew at the end of an attempt that is not that of the call', () => {
    let reads = 0;
    const clock = { mono: () => ++reads };
    const end = new CallEnd();
    const seen: number[] = [];
    end.listen(() => seen.push(end.atMs(clock)));
    end.rewind(0, { ok: false, error: new Error('broken') });
    end.listen(() => seen.push(end.atMs(clock)));
    end.fire({ ok: true });
    expect(seen).toEqual([1, 2]);
  });
});
