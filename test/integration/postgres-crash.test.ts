import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findPostgres, type PostgresServer, startPostgres } from '../../src/testing/postgres-server.ts';

// PostgreSQL and the runtimes that share it are killed under load, again and again: what was acknowledged is there afterwards, once, and no log has a gap.
const bin = findPostgres();
if (bin === undefined) console.log('skipped: postgres not found');

const rounds = 6;
const perRound = 400;

describe.runIf(bin !== undefined)('the engine on PostgreSQL, killed', () => {
  let server: PostgresServer;
  let directory: string;
  let worker: string;
  let acknowledgements: string;
  const running = new Map<string, ChildProcess>();
  let names = 0;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'proa-pg-crash-'));
    const root = fileURLToPath(new URL('../..', import.meta.url));
    symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'));
    worker = join(directory, 'worker.mjs');
    const entry = fileURLToPath(new URL('postgres-worker.ts', import.meta.url));
    await build({
      entryPoints: [entry],
      bundle: true,
      platform: 'node',
      format: 'esm',
      outfile: worker,
      external: ['pg'],
      logLevel: 'error',
    });
    acknowledgements = join(directory, 'acknowledged');
    writeFileSync(acknowledgements, '');
    server = await startPostgres(bin as string);
  });
  afterAll(async () => {
    for (const child of running.values()) child.kill('SIGKILL');
    await server?.destroy();
    rmSync(directory, { recursive: true, force: true });
  });

  const startWriter = (): void => {
    const name = `w${names++}`;
    running.set(
      name,
      spawn(process.execPath, [worker, 'write', JSON.stringify(server.address), acknowledgements, name], { stdio: 'ignore' }),
    );
  };
  const killWriter = async (): Promise<void> => {
    const [name, child] = [...running][0] as [string, ChildProcess];
    running.delete(name);
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
  };
  const acknowledged = (): number => (existsSync(acknowledgements) ? readFileSync(acknowledgements, 'utf8').split('\n').length - 1 : 0);
  const progress = async (more: number): Promise<void> => {
    const goal = acknowledged() + more;
    for (let tries = 0; acknowledged() < goal; tries++) {
      if (tries === 1_200) throw new Error(`no progress: ${acknowledged()} of ${goal}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };

  it('loses nothing that it acknowledged, and writes nothing twice', async () => {
    for (let count = 0; count < 3; count++) startWriter();
    for (let round = 0; round < rounds; round++) {
      // Killed by progress and not by time, in the midst of the others' commits.
      await progress(perRound + round * 37);
      if (round % 3 === 0) await server.kill();
      else if (round % 3 === 1) await server.killBackend();
      else await killWriter();
      if (round % 3 === 0) await server.start();
      if (round % 3 === 2) startWriter();
    }
    await progress(perRound);
    while (running.size > 0) await killWriter();
    const { stdout, stderr } = spawnSync(process.execPath, [worker, 'check', JSON.stringify(server.address), acknowledgements], {
      encoding: 'utf8',
    });
    expect(stderr).toBe('');
    const report = JSON.parse(stdout) as Record<string, number>;
    expect(report).toMatchObject({ lost: 0, twice: 0, gaps: 0 });
    expect(report['acknowledged']).toBeGreaterThan(rounds * perRound);
    // Only what was under way at a kill may be there without an acknowledgement.
    expect((report['head'] ?? 0) - (report['acknowledged'] ?? 0)).toBeLessThanOrEqual(names * 8);
  });
});
