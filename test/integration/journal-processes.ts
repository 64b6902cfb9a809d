import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

/** What the checking process found. */
export interface CheckReport {
  readonly acknowledged: number;
  readonly lost: number;
  readonly wrong: number;
  readonly head: number;
  readonly gaps: number;
  readonly error: string;
}

/** Bundles the worker into `directory`; Node runs it without this project's tools. */
export async function bundleWorker(directory: string): Promise<string> {
  const outfile = join(directory, 'journal-worker.mjs');
  const entry = fileURLToPath(new URL('journal-worker.ts', import.meta.url));
  const banner = { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" };
  await build({ entryPoints: [entry], bundle: true, platform: 'node', format: 'esm', outfile, banner, logLevel: 'error' });
  return outfile;
}

/** Starts a process that writes until it is killed. */
export function startWriter(worker: string, journal: string, acknowledgements: string, syncing = 'sync'): ChildProcess {
  return spawn(process.execPath, [worker, 'write', journal, acknowledgements, syncing], { stdio: ['ignore', 'ignore', 'pipe'] });
}

/** Opens the journal in another process and compares it with what was acknowledged. */
export function checkJournal(worker: string, journal: string, acknowledgements: string): CheckReport {
  const { stdout, stderr } = spawnSync(process.execPath, [worker, 'check', journal, acknowledgements], { encoding: 'utf8' });
  if (stdout === '') throw new Error(`the checker printed nothing: ${stderr}`);
  return JSON.parse(stdout) as CheckReport;
}
