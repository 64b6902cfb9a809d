import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { Owner } from '../kernel/lifecycle.ts';
import type { Disk, DiskFile } from '../kernel/ports.ts';
import { nodePorts } from '../ports/node/index.ts';
import { createLogger } from '../telemetry/log-lines.ts';
import { openMachineEngines } from './machine-engine.ts';

/** The disk, whose files of the journal have no room while `full` says so. */
function fillable(disk: Disk, full: () => boolean): Disk {
  return {
    ...disk,
    async open(path, mode) {
      const file = await disk.open(path, mode);
      const write = (chunks: readonly Uint8Array[], position: number): Promise<void> =>
        full()
          ? Promise.reject(Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' }))
          : file.write(chunks, position);
      return path.includes('segment') ? ({ ...asPlain(file), write } satisfies DiskFile) : file;
    },
  };
}

function asPlain(file: DiskFile): DiskFile {
  return {
    write: (chunks, position) => file.write(chunks, position),
    read: (position, length) => file.read(position, length),
    sync: () => file.sync(),
    truncate: (bytes) => file.truncate(bytes),
    size: () => file.size(),
    close: () => file.close(),
  };
}

it('the log says once that the disk is full, and that there is room again', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'proa-full-'));
  const ports = nodePorts();
  const owner = new Owner(ports.clock);
  const lines: string[] = [];
  const log = createLogger({
    clock: ports.clock,
    format: 'human',
    level: 'info',
    appId: 'shop',
    instance: 'i',
    version: '1',
    write: (line) => void lines.push(line),
  });
  let full = false;
  try {
    const disk = fillable(ports.disk, () => full);
    const { local } = await openMachineEngines({ ports: { ...ports, disk }, log, directory, role: 'host' }, owner);
    const write = async (): Promise<string> => (await local.commit({ put: [{ key: 'k', value: new Uint8Array(10) }] })).status;
    const told = (text: string): number => lines.filter((line) => line.includes(text)).length;
    expect(await write()).toBe('done');
    full = true;
    for (let i = 0; i < 3; i++) await write().catch(() => {});
    expect([told('the journal cannot be written'), told('the journal is written again')]).toEqual([1, 0]);
    full = false;
    await expect.poll(() => write().catch(() => 'refused'), { timeout: 30_000 }).toBe('done');
    expect([told('the journal cannot be written'), told('the journal is written again')]).toEqual([1, 1]);
    expect(lines.join('')).toContain('free disk space');
  } finally {
    await owner.close();
    rmSync(directory, { recursive: true, force: true });
  }
});
