import { describe, expect, it } from 'vitest';
import type { Random } from '../../kernel/ports.ts';
import { createWindowBreaker, type WindowBreakerOptions } from './window-breaker.ts';

const drawing = (...values: number[]): Random => {
  let at = 0;
  return {
    u32: () => (values[at++ % values.length] as number) * (2 ** 32 - 1),
    bytes: (n) => new Uint8Array(n),
    hex: () => '',
    uuid: () => '',
  };
};
const base: WindowBreakerOptions = {
  random: drawing(0.5),
  consecutive: 0,
  errorRatio: 0,
  slowRatio: 0,
  slowMs: 100,
  requestsMin: 10,
  windowMs: 1_000,
  openMs: 5_000,
  openMaxMs: 15_000,
  rampMs: 10_000,
};

function run(options: Partial<WindowBreakerOptions>) {
  const states: string[] = [];
  const breaker = createWindowBreaker({ ...base, ...options, changed: (state) => states.push(state) });
  const call = (nowMs: number, bad: boolean, tookMs = 1): boolean => {
    const token = breaker.enter(nowMs);
    if (token < 0) return false;
    breaker.leave(token, bad ? 'bad' : tookMs > breaker.slowMs ? 'slow' : 'good', nowMs);
    return true;
  };
  return { breaker, call, states };
}

describe('a breaker over a window', () => {
  it('opens after failures in a row, and a success begins the row anew', () => {
    const { call, states } = run({ consecutive: 3 });
    for (const bad of [true, true, false, true, true]) expect(call(0, bad)).toBe(true);
    expect(call(0, true)).toBe(true);
    expect(call(0, false)).toBe(false);
    expect(states).toEqual(['open']);
  });

  it('opens at a share of failures, once there are enough calls, and forgets what left the window', () => {
    const { call, states } = run({ errorRatio: 0.5 });
    for (let i = 0; i < 9; i++) call(0, true);
    expect(states).toEqual([]);
    for (let i = 0; i < 10; i++) call(1_100, false);
    for (let i = 0; i < 9; i++) call(1_200, true);
    expect(states).toEqual([]);
    call(1_250, true);
    expect(states).toEqual(['open']);
  });

  it('opens at a share of slow calls', () => {
    const { call, states } = run({ slowRatio: 0.3 });
    for (let i = 0; i < 8; i++) call(0, false, 10);
    for (let i = 0; i < 3; i++) call(0, false, 200);
    expect(states).toEqual([]);
    call(0, false, 200);
    expect(states).toEqual(['open']);
  });

  it('lets a growing share through while half-open, and closes after the ramp', () => {
    const { breaker, call, states } = run({ consecutive: 1 });
    call(0, true);
    expect(breaker.enter(4_999)).toBe(-1);
    const probe = breaker.enter(5_000);
    expect(probe).toBeGreaterThan(0);
    // A second one beside it only by its luck, which is 0.5 here: not at a tenth of the ramp, but at six tenths.
    expect(breaker.enter(6_000)).toBe(-1);
    const lucky = breaker.enter(11_000);
    expect(lucky).toBeGreaterThan(0);
    breaker.leave(probe, 'good', 11_000);
    breaker.leave(lucky, 'good', 11_000);
    expect(states).toEqual(['open', 'half-open']);
    expect(call(15_000, false)).toBe(true);
    expect(states).toEqual(['open', 'half-open', 'closed']);
  });

  it('does not close by time alone', () => {
    const { breaker, states } = run({ consecutive: 1 });
    breaker.leave(breaker.enter(0), 'bad', 0);
    expect(breaker.state(60_000)).toBe('half-open');
    expect(breaker.state(600_000)).toBe('half-open');
    expect(states).toEqual(['open', 'half-open']);
  });

  it('stays open longer each time that the probes fail, up to a limit', () => {
    const { call, breaker } = run({ consecutive: 1 });
    call(0, true);
    call(5_000, true);
    expect(breaker.state(14_999)).toBe('open');
    expect(breaker.state(15_000)).toBe('half-open');
    call(15_000, true);
    expect(breaker.state(29_999)).toBe('open');
    expect(breaker.state(30_000)).toBe('half-open');
  });

  it('counts neither abandoned calls nor those of an earlier state', () => {
    const { breaker } = run({ consecutive: 1 });
    const [early, gone] = [breaker.enter(0), breaker.enter(0)];
    breaker.leave(gone, 'ignored', 0);
    breaker.leave(breaker.enter(0), 'bad', 0);
    breaker.leave(early, 'bad', 5_000);
    expect(breaker.state(5_000)).toBe('half-open');
  });
});
