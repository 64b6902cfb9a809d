import { join, resolve } from 'node:path';
import { findRunFile } from '../host/config/run-file.ts';
import type { Ports, ProcessPort } from '../kernel/ports.ts';

/** Where Proa keeps what is not the project's: XDG state directory, `PROA_STATE_DIR` goes first. */
export function stateDirectory(system: ProcessPort): string {
  const own = system.env('PROA_STATE_DIR');
  if (own) return resolve(system.cwd(), own);
  const base = system.env('XDG_STATE_HOME') || join(system.homeDirectory(), '.local/state');
  return join(base, 'proa');
}

/**
 * Where the engine keeps its data. `run` keeps it in the project, so that two projects do not meet; sidecars of one machine share one
 * directory, because separate processes must find each other's events. `PROA_DATA_DIR` and --data-dir go first.
 */
export function dataDirectory(system: ProcessPort, given: string | undefined, project: string | undefined): string {
  const named = given ?? system.env('PROA_DATA_DIR');
  if (named) return resolve(system.cwd(), named);
  return project === undefined ? join(stateDirectory(system), 'data') : join(project, '.proa/data');
}

/** The same for a command that works on what is stored: as `proa run -f .` would have it in this directory. */
export async function dataDirectoryHere({ disk, process }: Ports, given: string | undefined): Promise<string> {
  const cwd = process.cwd();
  return dataDirectory(process, given, (await findRunFile(disk, cwd)) === undefined ? undefined : cwd);
}

/** Makes a directory that only this user can enter; false when that is not possible. */
export async function makePrivateDirectory({ disk }: Ports, path: string): Promise<boolean> {
  try {
    await disk.makeDirectory(path, 0o700);
    return true;
  } catch {
    return false;
  }
}
