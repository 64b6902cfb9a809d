// A million sleeping timers and 5,000 a second on the journal, in a process of its own (with --expose-gc); prints one line of JSON.
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createShardTimers } from '../src/blocks/timers/index.ts';
import type { DurableTimer } from '../src/contracts/timers.ts';
import { openJournalEngine } from '../src/drivers/engine-journal/open-journal.ts';
import { silentLogger } from '../src/kernel/log.ts';
import { tuple } from '../src/kernel/tuple.ts';
import { nodeClock } from '../src/ports/node/clock.ts';
import { createNodeDisk } from '../src/ports/node/disk.ts';
import { createNodeRandom } from '../src/ports/node/random.ts';

const [root, sleeping, rate, seconds] = [process.argv[2] as string, ...process.argv.slice(3).map(Number)] as [
  string,
  number,
  number,
  number,
];
const shards = 16;
const writers = 64;
const perCommit = 16;
const directory = mkdtempSync(join(root, 'timers-'));
const engine = await openJournalEngine({ ports: { clock: nodeClock, disk: createNodeDisk(createNodeRandom()) }, directory });

const lateness: number[] = [];
let counting = false;
let batches = 0;
const timers = createShardTimers({
  engine,
  clock: nodeClock,
  log: silentLogger,
  group: 'bench',
  async fire(shard, batch) {
    const now = engine.now();
    if (counting) for (const { dueMs } of batch) lateness.push(now - dueMs);
    batches++;
    // What a real owner does: one durable commit per batch, under the shard's condition.
    await engine.commit({ if: [shard.condition], put: [{ key: tuple('bench', shard.index), value: Buffer.from(batch.at(-1)?.id ?? '') }] });
  },
});
for (let index = 0; index < shards; index++) {
  const key = tuple('bench-shard', index);
  const result = await engine.commit({ put: [{ key, value: Buffer.from('here') }] });
  const version = result.status === 'done' ? (result.versions[0] as number) : 0;
  timers.open({ group: 'bench', index, epoch: 1, condition: { kind: 'version', key, version }, alive: true, lapses: 0 });
}

/** Each timer is an append of its own, as each belongs to something of its own; a few share a commit, so that the disk is not what is measured. */
async function put(count: number, timerOf: (i: number) => DurableTimer): Promise<number> {
  let next = 0;
  const begun = performance.now();
  const write = async (): Promise<void> => {
    while (next < count) {
      const from = next;
      next = Math.min(count, next + perCommit);
      const append = Array.from({ length: next - from }, (_, i) => timers.append((from + i) % shards, timerOf(from + i)));
      await engine.commit({ append });
      append.forEach((each, i) => timers.armed((from + i) % shards, each));
    }
  };
  await Promise.all(Array.from({ length: writers }, write));
  return (count / (performance.now() - begun)) * 1_000;
}

function memory(): { readonly rss: number; readonly heap: number } {
  globalThis.gc?.();
  globalThis.gc?.();
  const { rss, heapUsed, external } = process.memoryUsage();
  return { rss, heap: heapUsed + external };
}

const data = JSON.stringify({ name: 'order-reminder', instance: 'a'.repeat(36) });
const year = 365 * 24 * 3_600_000;
// Warm: the code, the heap of a process that writes.
await put(50_000, (i) => ({ id: `warm-${i}`, dueMs: engine.now() + year + i, data }));
await engine.snapshot();
const before = memory();
const createdPerSecond = await put(sleeping, (i) => ({
  id: `t-${i}`,
  dueMs: engine.now() + 3_600_000 + ((i * 7_919) % 1_000_000) * (year / 1_000_000),
  data,
}));
await engine.snapshot();
const after = memory();

const start = engine.now() + 15_000;
await put(rate * seconds, (i) => ({ id: `f-${i}`, dueMs: start + i * (1_000 / rate), data }));
counting = true;
await new Promise((resolve) => setTimeout(resolve, start - engine.now()));
const cpu = process.cpuUsage();
while (lateness.length < rate * seconds && engine.now() < start + (seconds + 10) * 1_000)
  await new Promise((resolve) => setTimeout(resolve, 50));
const used = process.cpuUsage(cpu);
const during = memory();
lateness.sort((a, b) => a - b);
const at = (share: number): number => lateness[Math.min(lateness.length - 1, Math.floor(lateness.length * share))] ?? Number.NaN;
console.log(
  JSON.stringify({
    createdPerSecond,
    heapMb: (after.heap - before.heap) / 1e6,
    rssMb: (after.rss - before.rss) / 1e6,
    firingRssMb: (during.rss - before.rss) / 1e6,
    fired: lateness.length,
    early: lateness.filter((late) => late < 0).length,
    batches,
    p50: at(0.5),
    p99: at(0.99),
    max: at(1),
    cpuUs: (used.user + used.system) / lateness.length,
  }),
);
await timers.close();
await engine.close();
rmSync(directory, { recursive: true });
