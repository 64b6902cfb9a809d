import type { DiskFile, Ports } from '../kernel/ports.ts';

/** Lines that wait for a slow disk; beyond it they are dropped and counted. */
const pendingBytesMax = 1024 * 1024;

/** A file that lines of the log are appended to, without anybody waiting for them. */
export interface AppendedLog {
  add(line: string): void;
  /** Resolves when everything that was added is in the file, or known not to be, and the file is closed; the next line opens it again. */
  flush(): Promise<void>;
}

/**
 * One per file and process: each knows where the end is. A log must not stop what it tells about: when the file cannot be written, standard error says so once, and
 * the log goes to standard output from then on. A file that somebody cuts short (`copytruncate`) goes on at its new end.
 */
export function appendTo(ports: Ports, path: string): AppendedLog {
  let pending: Uint8Array[] = [];
  let pendingBytes = 0;
  let dropped = 0;
  let file: DiskFile | undefined;
  let broken = false;
  let writing: Promise<void> | undefined;

  const giveUp = (lines: readonly Uint8Array[], thrown: unknown): void => {
    broken = true;
    const why = (thrown as { code?: string }).code ?? String(thrown);
    ports.process.writeErr(`the log file ${path} cannot be written (${why}): the log goes to standard output\n`);
    for (const line of [...lines, ...pending]) ports.process.writeOut(Buffer.from(line).toString('utf8'));
    pending = [];
    pendingBytes = 0;
  };
  const writeAll = async (): Promise<void> => {
    // Leaves the caller's turn first, so that one write carries many lines.
    await new Promise<void>((resolve) => ports.clock.soon(resolve));
    while (pending.length > 0) {
      const lines = pending;
      if (dropped > 0) lines.push(Buffer.from(`[${dropped} lines were dropped: the disk is too slow]\n`));
      [pending, pendingBytes, dropped] = [[], 0, 0];
      try {
        file ??= await ports.disk.open(path, 'write');
        await file.write(lines, await file.size());
      } catch (thrown) {
        giveUp(lines, thrown);
      }
    }
    writing = undefined;
  };
  return {
    add(line) {
      if (broken) return ports.process.writeOut(line);
      const bytes = Buffer.from(line, 'utf8');
      if (pendingBytes + bytes.length > pendingBytesMax) return void dropped++;
      pending.push(bytes);
      pendingBytes += bytes.length;
      writing ??= writeAll();
    },
    flush: async () => {
      while (writing !== undefined) await writing;
      const open = file;
      file = undefined;
      await open?.close().catch(() => {});
    },
  };
}
