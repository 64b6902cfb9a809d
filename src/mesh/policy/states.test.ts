import { expect, it } from 'vitest';
import { PolicyStates } from './states.ts';

it('keeps state while its parameters stay the same, over epochs that ask for it', () => {
  const states = new PolicyStates();
  const of = (key: string, limit = 1): unknown => states.of(key, { limit }, () => ({}));
  const [a, b] = [of('a'), of('b')];
  for (let i = 0; i < 17; i++) {
    states.turn();
    expect(of('a')).toBe(a);
  }
  expect(of('b')).not.toBe(b);
  expect(of('a', 2)).not.toBe(a);
  expect([...states.entries()].map(([key]) => key)).toEqual(['b', 'a']);
});

it('forgets what was not asked for longest when there are too many: names of apps come from callers', () => {
  const states = new PolicyStates(3);
  const of = (key: string): unknown => states.of(key, '', () => ({}));
  const a = of('a');
  for (const key of ['b', 'c', 'a', 'd', 'e']) of(key);
  expect([...states.entries()].map(([key]) => key)).toEqual(['a', 'd', 'e']);
  expect(of('a')).toBe(a);
});
