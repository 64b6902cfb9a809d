import { expect, it } from 'vitest';
import { appIdOfFolder, isAppId, splitAppName } from './app-name.ts';

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

it.each([
  ['orders', 'orders'],
  ['My App (2)', 'My-App-2'],
  ['.hidden', 'hidden'],
  ['a.b', 'a-b'],
  ['___', 'app'],
  ['日本', 'app'],
])('the folder %s gives an app its id', (folder, id) => {
  expect(appIdOfFolder(folder)).toBe(id);
  expect(isAppId(id)).toBe(true);
});
