import { expect, it } from 'vitest';
import { jsonWithinDepth } from './json-depth.ts';

it.each([
  ['{"a":[1,{"b":2}]}', 3, true],
  ['{"a":[1,{"b":2}]}', 2, false],
  ['[[],[],[]]', 2, true],
  [String.raw`{"a":"[[[[\"{{{{"}`, 1, true],
  [String.raw`["\\",[1]]`, 2, true],
  [String.raw`["\\",[1]]`, 1, false],
  ['"[[[["', 0, true],
  ['['.repeat(1_000_000), 64, false],
])('judges %.30s within %i: %s', (text, depth, expected) => {
  expect(jsonWithinDepth(text, depth)).toBe(expected);
});
