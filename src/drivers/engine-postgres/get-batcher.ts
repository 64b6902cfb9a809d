import type { Entry } from '../../contracts/engine.ts';
import type { Clock } from '../../kernel/ports.ts';
import type { Key } from '../../kernel/tuple.ts';

interface Waiting {
  readonly key: Key;
  readonly resolve: (entry: Entry | undefined) => void;
  readonly reject: (error: unknown) => void;
}

const lanesMax = 2;
const batchMax = 256;

/**
 * Gathers single reads into statements for many keys: at 64 reads in flight this is several times as fast as a statement for each.
 * A read sees everything that was committed before it was asked for, because its statement is sent later.
 */
export function createGetBatcher(clock: Clock, getMany: (keys: readonly Key[]) => Promise<(Entry | undefined)[]>) {
  const waiting: Waiting[] = [];
  let lanes = 0;
  const lane = async (): Promise<void> => {
    await new Promise<void>((resolve) => clock.soon(resolve));
    while (waiting.length > 0) {
      const batch = waiting.splice(0, batchMax);
      try {
        const entries = await getMany(batch.map((one) => one.key));
        for (const [i, one] of batch.entries()) one.resolve(entries[i]);
      } catch (error) {
        for (const one of batch) one.reject(error);
      }
    }
    lanes--;
  };
  return (key: Key): Promise<Entry | undefined> =>
    new Promise((resolve, reject) => {
      waiting.push({ key, resolve, reject });
      if (lanes >= lanesMax) return;
      lanes++;
      void lane();
    });
}
