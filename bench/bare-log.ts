import { constants } from 'node:fs';
import { open } from 'node:fs/promises';

const { O_APPEND, O_CREAT, O_DSYNC, O_WRONLY } = constants;

/** A log that knows nothing: what arrives while a group is written becomes the next group. */
export interface BareLog {
  /** Resolves when the parts are on the disk. */
  put(...parts: readonly Uint8Array[]): Promise<void>;
  close(): Promise<void>;
}

/**
 * The bar for everything durable: what the disk and the promises of the writers take, and nothing else. `sync`: an append and an fdatasync for each group;
 * `write`: one write that is durable when it returns, which takes one trip through the thread pool less.
 */
export async function openBareLog(path: string, by: 'sync' | 'write'): Promise<BareLog> {
  const file = await open(path, O_WRONLY | O_APPEND | O_CREAT | (by === 'write' ? O_DSYNC : 0), 0o600);
  let chunks: Uint8Array[] = [];
  let waiters: (() => void)[] = [];
  let running = false;
  async function commit() {
    while (chunks.length > 0) {
      const [writing, waiting] = [chunks, waiters];
      [chunks, waiters] = [[], []];
      await file.write(Buffer.concat(writing));
      if (by === 'sync') await file.datasync();
      for (const resolve of waiting) resolve();
      await new Promise(setImmediate);
    }
    running = false;
  }
  return {
    put(...parts) {
      chunks.push(...parts);
      const done = new Promise<void>((resolve) => waiters.push(resolve));
      if (!running) {
        running = true;
        setImmediate(() => void commit());
      }
      return done;
    },
    close: () => file.close(),
  };
}
