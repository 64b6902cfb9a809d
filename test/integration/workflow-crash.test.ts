import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const count = 500;
const killsMax = 12;
let root: string;
let worker: string;

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'proa-workflows-'));
  worker = join(root, 'worker.mjs');
  const entry = fileURLToPath(new URL('workflow-crash-worker.ts', import.meta.url));
  const banner = { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" };
  await build({ entryPoints: [entry], bundle: true, platform: 'node', format: 'esm', outfile: worker, banner, logLevel: 'error' });
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe('workflows under kill -9', () => {
  it('all complete, no step has two results, and the histories replay', async () => {
    const journal = join(root, 'journal');
    const attempts = join(root, 'attempts');
    const size = (): number => (existsSync(attempts) ? statSync(attempts).size : 0);
    let seed = Number(process.env['PROA_SEED'] ?? 7);
    let kills = 0;
    for (let finished = false; !finished;) {
      const child = spawn(process.execPath, [worker, 'run', journal, attempts, String(count)], { stdio: ['ignore', 'ignore', 'pipe'] });
      let printed = '';
      child.stderr.on('data', (chunk: Buffer) => (printed += chunk.toString()));
      const ended = once(child, 'exit') as Promise<[number | null]>;
      if (kills < killsMax) {
        // Some time after it began to execute steps; now and then while it recovers.
        const before = size();
        for (let i = 0; kills % 5 !== 4 && i < 2_000 && size() === before && child.exitCode === null; i++) await pause(2);
        seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
        await pause(20 + ((seed >>> 8) % 250));
        if (child.exitCode === null) {
          kills++;
          child.kill('SIGKILL');
        }
      }
      const [code] = await ended;
      if (code !== 0 && code !== null) throw new Error(`the runtime ended with ${code}: ${printed}`);
      finished = code === 0;
    }
    const { stdout, stderr } = spawnSync(process.execPath, [worker, 'check', journal, String(count)], { encoding: 'utf8' });
    if (stdout === '') throw new Error(`the checker printed nothing: ${stderr}`);
    const lines = readFileSync(attempts, 'utf8').trim().split('\n');
    console.log(
      `workflows under kill -9 (seed ${process.env['PROA_SEED'] ?? 7}): ${kills} kills, ${lines.length} attempts of ${count * 5} steps`,
    );
    expect(JSON.parse(stdout)).toEqual({ wrong: [], results: count * 5 });
    expect(kills).toBeGreaterThan(3);
    expect(new Set(lines).size).toBe(count * 5);
  });
});

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
