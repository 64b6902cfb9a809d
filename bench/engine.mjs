// The journal against a bare append-and-sync log of the same run, so that the disk's mood of the minute cancels out.
// node bench/engine.mjs [seconds per case]; prints one line of JSON per case. Bundles the sources, so no build is needed.
import { mkdtemp, open, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const seconds = Number(process.argv[2] ?? 2);
const root = await mkdtemp(join(process.env.PROA_BENCH_DIR ?? process.cwd(), '.bench-engine-'));
process.on('exit', () => {});

async function load() {
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
  return createRequire(import.meta.url)(pathToFileURL(outfile).pathname);
}

const percentile = (sorted, share) => Number((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0).toFixed(3));

/** How long a sync of one written page takes now: the figure beside which the others must be read. */
async function syncLatency() {
  const file = await open(join(root, 'sync'), 'w');
  const page = Buffer.alloc(4096, 1);
  const times = [];
  for (let i = 0; i < 100; i++) {
    const start = performance.now();
    await file.write(page, 0, page.length, i * page.length);
    await file.datasync();
    times.push(performance.now() - start);
  }
  await file.close();
  times.sort((a, b) => a - b);
  return { fdatasyncP50Ms: percentile(times, 0.5), fdatasyncP99Ms: percentile(times, 0.99) };
}

/** The bar: records of 1 KB, one append and one fdatasync per group, nothing else (reference: performance 3.7). */
async function bareLog() {
  const file = await open(join(root, `bare-${Math.random()}`), 'a');
  let chunks = [];
  let waiters = [];
  let running = false;
  async function commit() {
    running = true;
    while (chunks.length > 0) {
      const [writing, waiting] = [chunks, waiters];
      [chunks, waiters] = [[], []];
      await file.write(Buffer.concat(writing));
      await file.datasync();
      for (const resolve of waiting) resolve();
      await new Promise(setImmediate);
    }
    running = false;
  }
  return {
    put(key, value) {
      const head = Buffer.allocUnsafe(8 + key.length);
      head.writeUInt32LE(key.length, 0);
      head.writeUInt32LE(value.length, 4);
      head.latin1Write(key, 8);
      chunks.push(head, value);
      const done = new Promise((resolve) => waiters.push(resolve));
      if (!running) {
        running = true;
        setImmediate(() => void commit());
      }
      return done;
    },
    close: () => file.close(),
  };
}

async function drive(put, writers, forMs) {
  const value = Buffer.alloc(1024, 7);
  const times = [];
  const until = performance.now() + forMs;
  const cpu = process.cpuUsage();
  const started = performance.now();
  await Promise.all(
    Array.from({ length: writers }, async (_, writer) => {
      for (let i = 0; performance.now() < until; i++) {
        const start = performance.now();
        await put(`key-${writer}-${i % 1000}`, value);
        times.push(performance.now() - start);
      }
    }),
  );
  const elapsed = (performance.now() - started) / 1000;
  const used = process.cpuUsage(cpu);
  times.sort((a, b) => a - b);
  return {
    perSecond: Math.round(times.length / elapsed),
    p50Ms: percentile(times, 0.5),
    p99Ms: percentile(times, 0.99),
    cpuUsPerCommit: Number(((used.user + used.system) / times.length).toFixed(1)),
  };
}

const { openJournalEngine, nodeDisk, nodeClock } = await load();
try {
  for (const writers of [1, 32, 256]) {
    // Interleaved rounds: a slow minute meets both sides.
    const rounds = { bare: [], journal: [] };
    const sync = await syncLatency();
    for (let round = 0; round < 3; round++) {
      const bare = await bareLog();
      rounds.bare.push(await drive((key, value) => bare.put(key, value), writers, (seconds * 1000) / 3));
      await bare.close();
      const directory = join(root, `journal-${writers}-${round}`);
      const engine = await openJournalEngine({ ports: { clock: nodeClock, disk: nodeDisk }, directory });
      rounds.journal.push(await drive((key, value) => engine.commit({ put: [{ key, value }] }), writers, (seconds * 1000) / 3));
      await engine.close();
      await rm(directory, { recursive: true });
    }
    const best = (name) => rounds[name].sort((a, b) => a.perSecond - b.perSecond)[1];
    const [bare, journal] = [best('bare'), best('journal')];
    console.log(JSON.stringify({ writers, ...sync, bare, journal, ratio: Number((journal.perSecond / bare.perSecond).toFixed(2)) }));
  }
  const engine = await openJournalEngine({ ports: { clock: nodeClock, disk: nodeDisk }, directory: join(root, 'reads') });
  for (let i = 0; i < 1000; i++) await engine.commit({ put: [{ key: `key-${i}`, value: Buffer.alloc(1024, 7) }] });
  const start = performance.now();
  const count = 500_000;
  for (let i = 0; i < count; i++) await engine.get(`key-${i % 1000}`);
  console.log(JSON.stringify({ hotGetNs: Math.round(((performance.now() - start) / count) * 1e6) }));
  await engine.close();
} finally {
  await rm(root, { recursive: true });
}
