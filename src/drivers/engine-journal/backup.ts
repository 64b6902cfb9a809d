import type { BackupSummary } from '../../contracts/engine-backup.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Disk } from '../../kernel/ports.ts';
import { crc32 } from './crc32.ts';
import { fileNames, formatVersion, parseListing } from './format.ts';
import type { JournalEngine } from './journal-engine.ts';

const manifestName = 'backup.json';
const otherBackup = 'restore from another backup, or from another copy of this one';
const chunkBytes = 1024 * 1024;

interface BackedUpFile {
  readonly name: string;
  readonly bytes: number;
  readonly crc: number;
}

interface Manifest {
  readonly format: number;
  readonly timeMs: number;
  readonly files: readonly BackedUpFile[];
}

/**
 * Copies a running journal into an empty directory; commits go on meanwhile. Everything that was acknowledged before the call is in it.
 * The manifest comes last: a directory without it is no backup. Fails with `config.invalid` when `to` is not empty.
 */
export function backupJournal(engine: JournalEngine, disk: Disk, to: string): Promise<BackupSummary> {
  return engine.inspect(async ({ directory, segments, state }) => {
    await mustBeEmpty(disk, to);
    const { timeMs } = state;
    const [snapshot] = parseListing(await disk.list(directory)).snapshots;
    const files: BackedUpFile[] = [];
    if (snapshot !== undefined) files.push(await copy(disk, { from: directory, to, name: snapshot.name, bytes: undefined }));
    for (const segment of segments.all()) {
      const name = fileNames.segment(segment.number, segment.epoch);
      files.push(await copy(disk, { from: directory, to, name, bytes: segment.bytes }));
    }
    const body = JSON.stringify({ format: formatVersion, timeMs, files } satisfies Manifest);
    await disk.syncDirectory(to);
    await disk.replaceFile(`${to}/${manifestName}`, Buffer.from(`${crc32(Buffer.from(body))}\n${body}\n`));
    return { files: files.length, bytes: files.reduce((sum, file) => sum + file.bytes, 0), timeMs };
  });
}

/**
 * Makes a journal in the empty directory `to` from a backup. Every file is checked on the way: `engine.corrupt` names the first that
 * is damaged, and nothing that could be opened is left behind.
 */
export async function restoreJournal(disk: Disk, from: string, to: string): Promise<BackupSummary> {
  const { files, timeMs } = await readManifest(disk, from);
  await mustBeEmpty(disk, to);
  const copied: string[] = [];
  try {
    for (const file of files) {
      copied.push(file.name);
      const { crc, bytes } = await copy(disk, { from, to, name: file.name, bytes: file.bytes });
      if (crc !== file.crc || bytes !== file.bytes)
        throw new ProaError('engine.corrupt', `${from}/${file.name} is not what was backed up`, {
          hint: otherBackup,
        });
    }
  } catch (error) {
    for (const name of copied) await disk.remove(`${to}/${name}`).catch(() => {});
    throw error;
  }
  await disk.syncDirectory(to);
  return { files: files.length, bytes: files.reduce((sum, file) => sum + file.bytes, 0), timeMs };
}

async function mustBeEmpty(disk: Disk, directory: string): Promise<void> {
  await disk.makeDirectory(directory, 0o700);
  if ((await disk.list(directory)).length > 0) {
    throw new ProaError('config.invalid', `${directory} is not empty`, { hint: 'name a new directory' });
  }
}

async function readManifest(disk: Disk, from: string): Promise<Manifest> {
  const path = `${from}/${manifestName}`;
  if ((await disk.stat(path)) === undefined)
    throw new ProaError('config.invalid', `${from} holds no finished backup: ${manifestName} is missing`, {
      hint: 'name a directory that `proa engine backup --to` filled',
    });
  const [sum, body] = Buffer.from(await disk.readFile(path))
    .toString()
    .split('\n');
  if (body === undefined || Number(sum) !== crc32(Buffer.from(body)))
    throw new ProaError('engine.corrupt', `${path} is damaged`, { hint: otherBackup });
  const manifest = JSON.parse(body) as Manifest;
  if (manifest.format > formatVersion) {
    throw new ProaError('engine.format', `${path} has format ${manifest.format}, this version of Proa knows up to ${formatVersion}`);
  }
  return manifest;
}

/** Copies the first `bytes` bytes (all when undefined), synced, and sums them. */
async function copy(disk: Disk, file: { from: string; to: string; name: string; bytes: number | undefined }): Promise<BackedUpFile> {
  const source = await disk.open(`${file.from}/${file.name}`, 'read');
  try {
    const target = await disk.open(`${file.to}/${file.name}`, 'exclusive');
    try {
      const bytes = Math.min(file.bytes ?? Infinity, await source.size());
      let crc = 0;
      for (let at = 0; at < bytes; at += chunkBytes) {
        const chunk = await source.read(at, Math.min(chunkBytes, bytes - at));
        crc = crc32(chunk, crc);
        await target.write([chunk], at);
      }
      await target.sync();
      return { name: file.name, bytes, crc };
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}
