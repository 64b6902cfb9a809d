import { expect, it } from 'vitest';
import { siblingSocket, workerInstance, type SiblingsOptions } from './siblings.ts';

const first = { path: '/tmp/proa-peers-me/10-a.mux' };
const second = { path: '/tmp/proa-peers-me/11-b2.mux' };
const hosts = (announced: string): boolean => announced === 'orders-1';
const inFirst: SiblingsOptions = { own: first, first: undefined, hosts };
const inSecond: SiblingsOptions = { own: second, first, hosts };

it('finds the process beside this one by the name of its runtime, and never itself', () => {
  const name = workerInstance('orders-1', second);
  expect(name).toBe('orders-1~11-b2');
  expect(siblingSocket(inFirst, name)).toEqual(second);
  expect(siblingSocket(inSecond, name)).toBeUndefined();
  expect(siblingSocket(inSecond, 'orders-1')).toEqual(first);
  expect(siblingSocket(inFirst, 'orders-1')).toBeUndefined();
});

it('takes no name of a peer for a path, and none of another app', () => {
  for (const name of [
    'orders-1~../../other/11-b',
    'orders-1~11-b/../x',
    'orders-1~',
    'orders-1~x',
    'orders-2~11-b2',
    'orders-2',
    '',
    '~11-b2',
    'orders-1~11-b~12-c',
  ])
    expect(siblingSocket(inFirst, name)).toBeUndefined();
});
