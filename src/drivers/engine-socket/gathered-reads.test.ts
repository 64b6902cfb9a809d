import { expect, it } from 'vitest';
import type { Entry } from '../../contracts/engine.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Key } from '../../kernel/tuple.ts';
import { gatherReads } from './gathered-reads.ts';

function rig(failing: (keys: readonly Key[]) => ProaError | undefined = () => undefined) {
  const asked: string[][] = [];
  let turns: (() => void)[] = [];
  let version = 0;
  const read = gatherReads({ soon: (callback) => void turns.push(callback) }, (keys) => {
    asked.push([...keys]);
    const error = failing(keys);
    version++;
    return error === undefined
      ? Promise.resolve(keys.map((key): Entry | undefined => (key === 'none' ? undefined : { key, value: new Uint8Array(0), version })))
      : Promise.reject(error);
  });
  const endTurn = (): void => {
    const now = turns;
    turns = [];
    for (const callback of now) callback();
  };
  return { asked, read, endTurn };
}

it('sends the first read of a turn at once, the others together, and each key once', async () => {
  const { asked, read, endTurn } = rig();
  const reads = ['a', 'b', 'a', 'none', 'b', 'b'].map((key) => read(key));
  expect(asked).toEqual([['a']]);
  endTurn();
  expect(asked).toEqual([['a'], ['b', 'a', 'none']]);
  expect((await Promise.all(reads)).map((entry) => entry && `${entry.key}${entry.version}`)).toEqual([
    'a1',
    'b2',
    'a2',
    undefined,
    'b2',
    'b2',
  ]);
});

it('never answers a read with what was asked for before it began', async () => {
  const { asked, read, endTurn } = rig();
  const first = [read('a'), read('k')];
  endTurn();
  const second = [read('b'), read('k')];
  endTurn();
  expect(asked).toEqual([['a'], ['k'], ['b'], ['k']]);
  expect((await first[1])?.version).not.toBe((await second[1])?.version);
});

it('asks for no more at once than fits into a frame', () => {
  const { asked, read, endTurn } = rig();
  for (let i = 0; i < 101; i++) void read(`k${i}`);
  endTurn();
  expect(asked.map((keys) => keys.length)).toEqual([1, 32, 32, 32, 4]);
});

it('fails only the read of the key that may not be read', async () => {
  const { asked, read, endTurn } = rig((keys) => (keys.includes('secret') ? new ProaError('engine.denied', 'no') : undefined));
  const reads = ['x', 'a', 'secret', 'b'].map((key) =>
    read(key).then(
      (entry) => entry?.key,
      (error: unknown) => ProaError.from(error).code,
    ),
  );
  endTurn();
  expect(await Promise.all(reads)).toEqual(['x', 'a', 'engine.denied', 'b']);
  expect(asked).toHaveLength(5);
});

it.each(['engine.unavailable', 'overloaded'] as const)('asks nobody again when the answer is %s', async (code) => {
  const { asked, read, endTurn } = rig((keys) => (keys.length > 1 ? new ProaError(code, 'no') : undefined));
  const reads = ['x', 'a', 'b'].map((key) =>
    read(key).then(
      () => 'read',
      (error: unknown) => ProaError.from(error).code,
    ),
  );
  endTurn();
  expect(await Promise.all(reads)).toEqual(['read', code, code]);
  expect(asked).toHaveLength(2);
});
