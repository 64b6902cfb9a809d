import { describe, expect, it } from 'vitest';
import { checkLinearizable, type Operation, type RegisterInput, type RegisterOutput, registerModel } from './linearizability.ts';

type Step = Operation<RegisterInput, RegisterOutput>;

const write = (value: string, calledAt: number, returnedAt: number): Step => ({
  input: { kind: 'write', value },
  output: {},
  calledAt,
  returnedAt,
});
const read = (value: string | undefined, calledAt: number, returnedAt: number): Step => ({
  input: { kind: 'read' },
  output: { value },
  calledAt,
  returnedAt,
});
const change = (from: string | undefined, to: string, changed: boolean | undefined, at: readonly [number, number]): Step => ({
  input: { kind: 'change', from, to },
  output: changed === undefined ? undefined : { changed },
  calledAt: at[0],
  returnedAt: at[1],
});
const check = (...steps: Step[]) => checkLinearizable(steps, registerModel);

describe('the checker of linearizability', () => {
  it('accepts what some order explains', () => {
    expect(check()).toBe('linearizable');
    expect(check(write('a', 0, 10), read(undefined, 1, 2), read('a', 3, 4))).toBe('linearizable');
    expect(check(write('a', 0, 5), write('b', 1, 6), read('b', 7, 8), read('b', 9, 10))).toBe('linearizable');
    expect(check(change(undefined, 'a', true, [0, 5]), change(undefined, 'b', false, [1, 4]), read('a', 6, 7))).toBe('linearizable');
  });

  it('refuses lost writes, stale reads, flickering and double success', () => {
    expect(check(write('a', 0, 1), read(undefined, 2, 3))).toBe('violated');
    expect(check(write('a', 0, 1), write('b', 2, 3), read('a', 4, 5))).toBe('violated');
    expect(check(write('a', 0, 10), read('a', 1, 2), read(undefined, 3, 4))).toBe('violated');
    expect(check(change(undefined, 'a', true, [0, 5]), change(undefined, 'b', true, [1, 4]))).toBe('violated');
  });

  it('lets what never returned happen late, or never, but not before its call', () => {
    const lost = change(undefined, 'a', undefined, [0, Infinity]);
    expect(check(lost, read(undefined, 1, 2), read('a', 3, 4))).toBe('linearizable');
    expect(check(lost, read(undefined, 1, 2))).toBe('linearizable');
    expect(check(read('a', 0, 1), change(undefined, 'a', undefined, [2, Infinity]))).toBe('violated');
  });

  it('decides long histories of many processes, and says when it gives up', () => {
    const steps: Step[] = [];
    for (let i = 0; i < 1_000; i++) steps.push(write(`v${i}`, i * 4, i * 4 + 6), read(`v${i}`, i * 4 + 5, i * 4 + 7));
    // Reads overlap the next write, so the order has to be searched for.
    expect(check(...steps)).not.toBe('undecided');
    expect(checkLinearizable(steps, registerModel, 10)).toBe('undecided');
  });
});
