import { resolve } from 'node:path';
import { hasPassword, isDatabaseUrl } from '../host/engine/engine-place.ts';
import { ProaError } from '../kernel/errors.ts';
import type { Ports } from '../kernel/ports.ts';
import { UsageError } from './parse-args.ts';

const elsewhere = 'put the URL into PROA_ENGINE, or into a file and name it as @file, or the password into PGPASSWORD';

/**
 * The text that names an engine on the command line: a URL, a directory, or `@file` for a file that holds one of them. A password is refused there,
 * because every user of the machine can list the arguments of processes.
 */
export async function engineText({ disk, process }: Ports, flag: string, given: string): Promise<string> {
  if (given.startsWith('@')) {
    const file = resolve(process.cwd(), given.slice(1));
    const bytes = await disk.readFile(file).catch((cause: unknown) => {
      throw new ProaError('config.invalid', `--${flag}: ${file} cannot be read`, { cause });
    });
    return Buffer.from(bytes).toString('utf8').trim();
  }
  if (isDatabaseUrl(given) && hasPassword(given)) throw new UsageError(`--${flag} must not hold a password`, elsewhere);
  return given;
}

/** The database of --engine or PROA_ENGINE that keeps what components store; undefined: the journal does. */
export async function databaseSetting(ports: Ports, flag: string | undefined): Promise<string | undefined> {
  const text = flag === undefined ? ports.process.env('PROA_ENGINE')?.trim() : await engineText(ports, 'engine', flag);
  if (text === undefined || text === '' || text === 'journal') return undefined;
  if (isDatabaseUrl(text)) return text;
  throw new UsageError(`${flag === undefined ? 'PROA_ENGINE' : '--engine'} must be "journal" or postgres://user@host/database`);
}
