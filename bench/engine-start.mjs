// How long a journal of a million keys takes to open. node bench/engine-start.mjs [keys]; prints one line of JSON.
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { build } from 'esbuild';

const keys = Number(process.argv[2] ?? 1_000_000);
const root = await mkdtemp(join(process.env.PROA_BENCH_DIR ?? process.cwd(), '.bench-engine-'));
const outfile = join(root, 'engine.cjs');
const contents = `export { openJournalEngine } from './src/drivers/engine-journal/open-journal.ts';
export { nodeDisk } from './src/ports/node/disk.ts';
export { nodeClock } from './src/ports/node/clock.ts';`;
await build({
  stdin: { contents, resolveDir: process.cwd(), loader: 'ts' },
  bundle: true,
  platform: 'node',
  format: 'cjs',
  outfile,
  logLevel: 'error',
});
const { openJournalEngine, nodeDisk, nodeClock } = createRequire(import.meta.url)(outfile);
const directory = join(root, 'journal');
const open = () => openJournalEngine({ ports: { clock: nodeClock, disk: nodeDisk }, directory });
try {
  let engine = await open();
  const value = Buffer.alloc(100, 7);
  const fillStart = performance.now();
  for (let from = 0; from < keys; from += 25_600) {
    const commits = [];
    for (let i = from; i < Math.min(keys, from + 25_600); i += 256) {
      const put = Array.from({ length: 256 }, (_, j) => ({ key: `app||order-${((i + j) * 7919) % keys}`, value }));
      commits.push(engine.commit({ put }));
    }
    await Promise.all(commits);
  }
  const fillMs = performance.now() - fillStart;
  // The longest turn that a snapshot under load takes: a timer that is late says so.
  let latest = performance.now();
  let longestTurnMs = 0;
  const watch = setInterval(() => {
    const now = performance.now();
    longestTurnMs = Math.max(longestTurnMs, now - latest - 1);
    latest = now;
  }, 1);
  const snapshotStart = performance.now();
  await engine.snapshot();
  const snapshotMs = performance.now() - snapshotStart;
  clearInterval(watch);
  const { indexBytes } = engine.stats();
  await engine.close();
  const times = [];
  for (let round = 0; round < 3; round++) {
    const start = performance.now();
    engine = await open();
    times.push(Math.round(performance.now() - start));
    if (engine.stats().keys !== keys) throw new Error(`${engine.stats().keys} keys`);
    if (round < 2) await engine.close();
  }
  const files = await Promise.all((await readdir(directory)).map(async (name) => [name, (await stat(join(directory, name))).size]));
  const snapshotMb = Math.round(files.filter(([name]) => name.startsWith('snapshot')).reduce((sum, [, size]) => sum + size, 0) / 1048576);
  console.log(
    JSON.stringify({
      keys,
      openMs: times,
      fillMs: Math.round(fillMs),
      snapshotMs: Math.round(snapshotMs),
      longestTurnMs: Math.round(longestTurnMs),
      snapshotMb,
      indexMb: Math.round(indexBytes / 1048576),
    }),
  );
  await engine.close();
} finally {
  await rm(root, { recursive: true });
}
