import type { Entry } from '../../contracts/engine.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Clock } from '../../kernel/ports.ts';
import type { Key } from '../../kernel/tuple.ts';

/** Keys of one request: that many of the largest values fit into a frame. */
const keysMax = 32;
/** With these the connection or its limit is the trouble, not one of the keys. */
const ofAll: ReadonlySet<string> = new Set(['engine.unavailable', 'overloaded']);

interface Waiting {
  readonly promise: Promise<Entry | undefined>;
  readonly resolve: (entry: Entry | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Single reads that begin in one turn leave as one request, and those of one key have one answer: none of them was sent before the last of them began, so the answer is as new
 * as each of them asked for. The first read of a turn does not wait for others.
 */
export function gatherReads(
  clock: Pick<Clock, 'soon'>,
  getMany: (keys: readonly Key[]) => Promise<(Entry | undefined)[]>,
): (key: Key) => Promise<Entry | undefined> {
  let gathered = new Map<Key, Waiting>();
  let turn = false;
  const ask = (keys: readonly Key[], waiting: ReadonlyMap<Key, Waiting>): void => {
    getMany(keys).then(
      (entries) => {
        for (let i = 0; i < keys.length; i++) waiting.get(keys[i] as Key)?.resolve(entries[i]);
      },
      (error: unknown) => {
        // One key that may not be read, or cannot, must not fail the others.
        if (keys.length > 1 && !ofAll.has(ProaError.from(error).code)) for (const key of keys) ask([key], waiting);
        else for (const key of keys) waiting.get(key)?.reject(error);
      },
    );
  };
  const flush = (): void => {
    turn = false;
    if (gathered.size === 0) return;
    const waiting = gathered;
    gathered = new Map();
    const keys = [...waiting.keys()];
    for (let at = 0; at < keys.length; at += keysMax) ask(keys.slice(at, at + keysMax), waiting);
  };
  return (key) => {
    if (!turn) {
      turn = true;
      clock.soon(flush);
      return getMany([key]).then(first);
    }
    let waiting = gathered.get(key);
    if (waiting === undefined) gathered.set(key, (waiting = newWaiting()));
    return waiting.promise;
  };
}

function first(entries: readonly (Entry | undefined)[]): Entry | undefined {
  return entries[0];
}

function newWaiting(): Waiting {
  let resolve: Waiting['resolve'] = () => {};
  let reject: Waiting['reject'] = () => {};
  const promise = new Promise<Entry | undefined>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}
