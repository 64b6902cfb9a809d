import { join, resolve } from 'node:path';
import type { Ports, ProcessPort } from '../kernel/ports.ts';

/** Where Proa keeps what is not the project's: XDG state directory, `PROA_STATE_DIR` goes first. */
export function stateDirectory(process: ProcessPort): string {
  const own = process.env('PROA_STATE_DIR');
  if (own) return resolve(process.cwd(), own);
  const base = process.env('XDG_STATE_HOME') || join(process.homeDirectory(), '.local/state');
  return join(base, 'proa');
}

/**
 * Where the engine keeps its data. `run` keeps it in the project, so that two projects do not meet; sidecars of one machine share one
 * directory, because separate processes must find each other's events. `PROA_DATA_DIR` and --data-dir go first.
 */
export function dataDirectory(process: ProcessPort, given: string | undefined, project: string | undefined): string {
  const named = given ?? process.env('PROA_DATA_DIR');
  if (named) return resolve(process.cwd(), named);
  return project === undefined ? join(stateDirectory(process), 'data') : join(project, '.proa/data');
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
