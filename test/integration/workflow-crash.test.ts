import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
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
    let seed = Number(process.env['PROA_SEED'] ?? 7);
    const random = (most: number): number => ((seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0) >>> 8) % most;
    let kills = 0;
    for (let finished = false; !finished;) {
      // Amidst its steps, by their number and not by time; now and then while it recovers. All kills together leave some steps to do.
      const early = kills % 5 === 4;
      const dieAfter = `${20 + random(150)},${random(6)}`;
      const child = spawn(process.execPath, [worker, 'run', journal, attempts, String(count)], {
        env: { ...process.env, ...(kills < killsMax && !early && { PROA_DIE_AFTER: dieAfter }) },
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      let printed = '';
      child.stderr.on('data', (chunk: Buffer) => (printed += chunk.toString()));
      const ended = once(child, 'exit') as Promise<[number | null]>;
      if (kills < killsMax && early) {
        await pause(20 + random(250));
        child.kill('SIGKILL');
      }
      const [code] = await ended;
      if (code === null) kills++;
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
