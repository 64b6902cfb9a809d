import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

let collect: (() => void) | undefined;

/** Bytes of memory that what `make` answers keeps, buffers included; what is garbage by then does not count. It is no exact figure: compare it with a wide margin. */
export async function keptBytes(make: () => unknown): Promise<number> {
  const before = usedBytes();
  const kept: unknown[] = [await make()];
  const after = usedBytes();
  // Until here it is needed.
  kept.length = 0;
  return after - before;
}

function usedBytes(): number {
  if (collect === undefined) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as () => void;
  }
  // Buffers are counted out when what held them has gone.
  collect();
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** The text as parsers answer it: a piece of a message of `bytes` bytes, which it keeps in memory. */
export function cutOut(text: string, bytes = 16_384): string {
  return Buffer.from(text.padEnd(bytes, '.'), 'latin1').toString('latin1').slice(0, text.length);
}
