import type { BackupSummary } from '../contracts/engine-backup.ts';
import { copyEngine, type CopySource, type CopySummary } from '../contracts/engine-copy.ts';
import { restoreJournal } from '../drivers/engine-journal/backup.ts';
import { openJournalEngine } from '../drivers/engine-journal/open-journal.ts';
import { migratePostgresBack, openPostgresEngine } from '../drivers/engine-postgres/engine-postgres.ts';
import { ProaError } from '../kernel/errors.ts';
import type { Engine } from '../contracts/engine.ts';
import { Owner } from '../kernel/lifecycle.ts';
import { silentLogger } from '../kernel/log.ts';
import type { Ports } from '../kernel/ports.ts';
import { describePlace, type EnginePlace } from './engine/engine-place.ts';
import { openSharedEngine } from './engine/open-shared-engine.ts';
import { openMachineEngines } from './machine-engine.ts';

const journalOf = (directory: string): string => `${directory}/journal`;

/**
 * Backs up the data directory `from` into the empty directory `to`, both absolute. While something runs on it, its owner makes the copy and goes on
 * serving. Fails with `config.invalid` when there are no data or `to` is not empty.
 */
export async function backupData(ports: Ports, from: string, to: string): Promise<BackupSummary> {
  await mustHoldData(ports, from);
  const engine = await openSharedEngine({ ports, directory: from, role: 'client', name: `backup-${ports.process.pid}` });
  try {
    return await engine.backup(to);
  } finally {
    await engine.close();
  }
}

/** Makes the data directory `to` from a backup. Fails with `config.invalid` when it holds data, and `engine.corrupt` when the backup is damaged. */
export async function restoreData(ports: Ports, from: string, to: string): Promise<BackupSummary> {
  // A restore that cannot begin leaves no directory behind.
  if ((await ports.disk.stat(`${from}/backup.json`)) !== undefined) await ports.disk.makeDirectory(to, 0o700);
  return restoreJournal(ports.disk, from, journalOf(to));
}

/**
 * Copies everything from one engine into another, empty one; nobody may use either meanwhile: journals in use are refused, a database into
 * which somebody wrote meanwhile makes the copy fail. `config.invalid` too when there are no data, or the target is not empty; the source stays as it is in any case.
 */
export async function copyData(
  ports: Ports,
  places: { readonly from: EnginePlace; readonly to: EnginePlace },
  progress: (copied: CopySummary) => void,
): Promise<CopySummary> {
  const { from, to } = places;
  if (from.kind === 'journal') await mustHoldData(ports, from.directory);
  if (describePlace(from) === describePlace(to))
    throw new ProaError('config.invalid', 'source and target are the same engine', {
      hint: 'another directory, or another schema: postgres://.../database?schema=name',
    });
  const source = await openAlone(ports, from);
  try {
    const target = await openAlone(ports, to);
    try {
      await mustBeEmpty(target, to);
      return await copyEngine(source, target, { logs: await source.logNames(), progress });
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}

/**
 * Takes a database back to the format that an older Proa knows; no newer runtime may use it meanwhile, or open it afterwards. Answers both formats. Fails with
 * `config.invalid` when there is no such way, and with `engine.unavailable`.
 */
export function downgradeDatabase(place: EnginePlace, format: number): Promise<{ readonly from: number; readonly to: number }> {
  if (place.kind !== 'postgres') throw new ProaError('config.invalid', 'a journal cannot be taken back to an older format');
  return migratePostgresBack({ address: place.url, ...(place.schema === undefined ? {} : { schema: place.schema }) }, format);
}

/**
 * Lets `use` work with the engine of the runtimes on the data directory, or of the database, while they run or not; it is closed afterwards. Fails with
 * `config.invalid` when the directory holds no data.
 */
export async function useEngine<T>(
  ports: Ports,
  place: { readonly directory: string; readonly database?: string },
  use: (engine: Engine) => Promise<T>,
): Promise<T> {
  await mustHoldData(ports, place.directory);
  const owner = new Owner(ports.clock);
  try {
    const { components } = await openMachineEngines({ ports, log: silentLogger, role: 'client', ...place }, owner);
    return await use(components);
  } finally {
    await owner.close();
  }
}

/** Opens an engine that this process does not share. A journal whose owner lives is refused rather than taken over. */
async function openAlone(ports: Ports, place: EnginePlace): Promise<CopySource> {
  if (place.kind === 'postgres') {
    return openPostgresEngine({ ports, address: place.url, ...(place.schema === undefined ? {} : { schema: place.schema }) });
  }
  const { directory } = place;
  const probe = await openSharedEngine({ ports, directory, role: 'client', name: `copy-${ports.process.pid}` });
  const { owner } = probe;
  await probe.close();
  if (!owner) {
    throw new ProaError('config.invalid', `the data in ${directory} are in use`, {
      hint: '`proa list` shows what runs; `proa stop --all` ends it',
    });
  }
  // Without a socket: whoever starts meanwhile takes over and ends the copy with an error, instead of writing behind its back.
  return openJournalEngine({ ports, directory: journalOf(directory) });
}

async function mustHoldData({ disk }: Ports, directory: string): Promise<void> {
  if ((await disk.stat(journalOf(directory)))?.kind === 'directory') return;
  throw new ProaError('config.invalid', `${directory} holds no data of Proa`, {
    hint: 'name the data directory with --data-dir, or --from where there is one',
  });
}

async function mustBeEmpty(engine: CopySource, place: EnginePlace): Promise<void> {
  const { entries } = await engine.range({ from: '', to: '\xff'.repeat(16), limit: 1, keysOnly: true });
  if (entries.length === 0 && (await engine.logNames()).length === 0) return;
  const where = describePlace(place);
  throw new ProaError('config.invalid', `the engine to copy into is not empty: ${where}`, {
    hint: place.kind === 'journal' ? 'name a new directory' : 'name another schema: postgres://.../database?schema=name',
  });
}
