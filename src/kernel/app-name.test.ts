import { expect, it } from 'vitest';
import { splitAppName } from './app-name.ts';

it.each([
  ['shop', { appId: 'shop' }],
  ['shop.prod', { appId: 'shop', namespace: 'prod' }],
  ['a.b.c', { appId: 'a.b', namespace: 'c' }],
  ['.hidden', { appId: '.hidden' }],
  ['open.', { appId: 'open.' }],
  ['', { appId: '' }],
])('%s names an app and perhaps its namespace', (name, parts) => {
  expect(splitAppName(name)).toEqual(parts);
});
