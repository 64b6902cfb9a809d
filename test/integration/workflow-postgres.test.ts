import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { findPostgres, type PostgresServer, startPostgres } from '../../src/testing/postgres-server.ts';
import { fullDisk, roomAgain } from '../fixtures/full-disk.ts';
import { openFront, type PostgresFront } from '../fixtures/postgres-front.ts';

// Two runtimes on one PostgreSQL, and everything that can go wrong between them: all workflows complete, no step has two results, no timer is early, and the histories replay.
const bin = findPostgres();
if (bin === undefined) console.log('skipped: postgres not found');

const seed = Number(process.env['PROA_SEED'] ?? 11);
let state = seed;
/** A whole number below `most`. */
const random = (most: number): number => ((state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0) >>> 8) % most;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

let directory: string;
let worker: string;
let attempts: string;
let server: PostgresServer;
let front: PostgresFront;
let running: ChildProcess[] = [];

beforeAll(async () => {
  if (bin === undefined) return;
  directory = mkdtempSync(join(tmpdir(), 'proa-wf-pg-'));
  symlinkSync(fileURLToPath(new URL('../../node_modules', import.meta.url)), join(directory, 'node_modules'));
  worker = join(directory, 'worker.mjs');
  const entry = fileURLToPath(new URL('workflow-crash-worker.ts', import.meta.url));
  const banner = { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" };
  const shared = { bundle: true, platform: 'node', format: 'esm', banner, logLevel: 'error' } as const;
  await build({ entryPoints: [entry], outfile: worker, external: ['pg'], ...shared });
});
afterAll(() => {
  if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
});
beforeEach(async () => {
  server = await startPostgres(bin as string);
  front = await openFront(server.address);
  attempts = join(directory, `attempts-${server.address.host.slice(-6)}`);
});
afterEach(async () => {
  for (const child of running) child.kill('SIGKILL');
  running = [];
  await front.close();
  await server.destroy();
});

const place = (): string => JSON.stringify(front.address);
const progress = (): number => (existsSync(attempts) ? statSync(attempts).size : 0);

interface Runtime {
  readonly child: ChildProcess;
  /** The exit code; null after a signal. */
  readonly ended: Promise<number | null>;
  readonly completed: Promise<void>;
}

function start(count: number, env: Readonly<Record<string, string>> = {}): Runtime {
  const args = [worker, 'run', place(), attempts, String(count)];
  const child = spawn(process.execPath, args, { env: { ...process.env, PROA_TTL_MS: '2000', ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  running.push(child);
  let printed = '';
  child.stderr.on('data', (part: Buffer) => (printed += part.toString()));
  const ended = new Promise<number | null>((resolve, reject) =>
    child.once('exit', (code) =>
      code === 0 || code === null ? resolve(code) : reject(new Error(`a runtime ended with ${code}: ${printed}`)),
    ),
  );
  // Whoever kills a runtime does not wait for it.
  ended.catch(() => {});
  return { child, ended, completed: new Promise((resolve) => child.stdout.once('data', () => resolve())) };
}

/** Until the runtimes have executed some more steps. */
async function moved(): Promise<void> {
  const over = (): boolean => running.every(({ exitCode, signalCode }) => exitCode !== null || signalCode !== null);
  for (const before = progress(); progress() === before && !over();) await pause(5);
}

async function check(count: number): Promise<{ readonly lines: number }> {
  // This process serves the connections of its children: it must not wait for them in its sleep.
  const { stdout } = await promisify(execFile)(process.execPath, [worker, 'check', place(), String(count)]);
  expect(JSON.parse(stdout)).toEqual({ wrong: [], results: count * 5 });
  const lines = readFileSync(attempts, 'utf8').trim().split('\n');
  expect(new Set(lines).size).toBe(count * 5);
  return { lines: lines.length };
}

describe.runIf(bin !== undefined)('workflows of two runtimes on PostgreSQL', () => {
  it('all complete while runtimes are killed again and again', async () => {
    const count = 500;
    const kills = 10;
    let pair = [start(count), start(count)];
    for (let killed = 0; killed < kills; killed++) {
      await moved();
      await pause(random(600));
      const at = random(2);
      const victim = pair[at] as Runtime;
      victim.child.kill('SIGKILL');
      await victim.ended;
      pair = pair.map((each, i) => (i === at ? start(count) : each));
    }
    expect(await Promise.all(pair.map(({ ended }) => ended))).toEqual([0, 0]);
    const { lines } = await check(count);
    console.log(`workflows on PostgreSQL under kill -9 (seed ${seed}): ${kills} kills, ${lines} attempts of ${count * 5} steps`);
  });

  it('go on elsewhere when their runtime is killed', async () => {
    const count = 200;
    const defaultTtl = { PROA_TTL_MS: '3000' };
    // Its steps never end, so that all of its share is still there when the other one has done its own.
    const one = start(count, { ...defaultTtl, PROA_HANG: '1' });
    const other = start(count, defaultTtl);
    await moved();
    for (let still = 0, seen = progress(); still < 40; still = progress() === seen ? still + 1 : 0) {
      seen = progress();
      await pause(50);
    }
    const killedMs = performance.now();
    one.child.kill('SIGKILL');
    const since = (): string => `${Math.round(performance.now() - killedMs)} ms`;
    await moved();
    const first = since();
    await other.completed;
    console.log(`fail-over on PostgreSQL: the first step elsewhere ${first} after the kill, everything completed after ${since()}`);
    expect(await other.ended).toBe(0);
    await check(count);
  });

  it('all complete while the server restarts, and while it is killed', async () => {
    const count = 150;
    const pair = [start(count), start(count)];
    for (let round = 0; round < 4; round++) {
      await moved();
      await pause(random(300));
      if (round % 2 === 0) await server.restart();
      else {
        await server.kill();
        await pause(random(1_500));
        await server.start();
      }
    }
    expect(await Promise.all(pair.map(({ ended }) => ended))).toEqual([0, 0]);
    await check(count);
  });

  it('all complete over a slow network, and after a silence that is longer than every lease', async () => {
    const count = 60;
    // Long enough that a busy machine renews its leases over that network: nobody moves while they lapse.
    const ttl = { PROA_TTL_MS: '3000' };
    front.delay(25);
    const pair = [start(count, ttl), start(count, ttl)];
    await moved();
    front.delay(4_000);
    await pause(4_000);
    front.delay(25);
    await moved();
    front.delay(0);
    expect(await Promise.all(pair.map(({ ended }) => ended))).toEqual([0, 0]);
    await check(count);
  });

  it('all complete when the server fails over to its standby', async () => {
    const count = 150;
    const standby = await startPostgres(bin as string, { primary: server.address });
    try {
      await server.sql("alter system set synchronous_standby_names = '*'");
      await server.sql('select pg_reload_conf()');
      const pair = [start(count), start(count)];
      for (let i = 0; i < 5; i++) await moved();
      await server.kill();
      // Before it is promoted it answers, and refuses to write.
      front.lead(standby.address);
      await pause(300);
      await standby.sql('select pg_promote()');
      expect(await Promise.all(pair.map(({ ended }) => ended))).toEqual([0, 0]);
      await check(count);
    } finally {
      await standby.destroy();
    }
  });

  it('all complete when the clocks of the two machines are ten minutes apart', async () => {
    const count = 100;
    const pair = [start(count, { PROA_SKEW_MS: '300000' }), start(count, { PROA_SKEW_MS: '-300000' })];
    expect(await Promise.all(pair.map(({ ended }) => ended))).toEqual([0, 0]);
    await check(count);
  });

  it('all complete once there is room again on a full disk', async () => {
    const count = 100;
    const pair = [start(count), start(count)];
    for (let i = 0; i < 10; i++) await moved();
    await server.sql(fullDisk('proa'));
    await pause(2_500);
    await server.sql(roomAgain('proa'));
    expect(await Promise.all(pair.map(({ ended }) => ended))).toEqual([0, 0]);
    await check(count);
  });
});
