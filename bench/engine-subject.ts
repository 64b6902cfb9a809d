// The journal, driven in a process of its own: `commits`, `reads` or `start`; prints one line of JSON.
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { openJournalEngine, type JournalOptions } from '../src/drivers/engine-journal/open-journal.ts';
import { nodeClock } from '../src/ports/node/clock.ts';
import { createNodeDisk } from '../src/ports/node/disk.ts';
import { createNodeRandom } from '../src/ports/node/random.ts';
import { openBareLog } from './bare-log.ts';

const [mode, root, argument, pairs] = process.argv.slice(2) as [string, string, string, string];
const value = Buffer.alloc(1024, 7);
const openEngine = (name: string, options: JournalOptions = {}) =>
  openJournalEngine({ ports: { clock: nodeClock, disk: createNodeDisk(createNodeRandom()) }, directory: join(root, name), options });

const percentile = (times: number[], share: number) => times.toSorted((a, b) => a - b)[Math.floor(times.length * share)] ?? 0;

/** How long a sync of one written page takes now: the figure beside which the others must be read. */
async function syncMs(): Promise<number> {
  const file = await open(join(root, 'sync'), 'w');
  const times: number[] = [];
  for (let i = 0; i < 100; i++) {
    const begun = performance.now();
    await file.write(Buffer.alloc(4096, 1), 0, 4096, i * 4096);
    await file.datasync();
    times.push(performance.now() - begun);
  }
  await file.close();
  return percentile(times, 0.5);
}

type Put = (key: string) => Promise<unknown>;

/** The bar: records of 1 KB with their keys. */
async function bareLog(): Promise<{ put: Put; close(): Promise<void> }> {
  const log = await openBareLog(join(root, 'bare'), 'sync');
  return {
    put(key) {
      const head = Buffer.allocUnsafe(8 + key.length);
      head.writeUInt32LE(key.length, 0);
      head.writeUInt32LE(value.length, 4);
      head.write(key, 8, 'latin1');
      return log.put(head, value);
    },
    close: () => log.close(),
  };
}

const shotMs = 600;

/** Puts per second, and CPU microseconds of each. */
async function drive(put: Put, writers: number): Promise<{ rate: number; cpu: number }> {
  const [cpu, begun] = [process.cpuUsage(), performance.now()];
  let count = 0;
  await Promise.all(
    Array.from({ length: writers }, async (_, writer) => {
      for (let i = 0; performance.now() < begun + shotMs; i++, count++) await put(`key-${writer}-${i % 1000}`);
    }),
  );
  const used = process.cpuUsage(cpu);
  return { rate: (count / (performance.now() - begun)) * 1000, cpu: (used.user + used.system) / count };
}

/**
 * Both sides once to warm up, as every other bench does: a process that runs longer than a second does not run on unoptimised code. Then pairs; whoever
 * comes second meets what the first one left to the disk, so they take turns.
 */
async function commits(writers: number, count: number) {
  await ofBareLog(writers);
  await ofJournal(writers);
  const shots = [];
  for (let pair = 0; pair < count; pair++) {
    if (pair % 2 === 0) shots.push({ bar: await ofBareLog(writers), own: await ofJournal(writers) });
    else {
      const own = await ofJournal(writers);
      shots.push({ bar: await ofBareLog(writers), own });
    }
  }
  return { shots, syncMs: await syncMs() };
}

async function ofBareLog(writers: number) {
  const bare = await bareLog();
  const result = await drive(bare.put, writers);
  await bare.close();
  await rm(join(root, 'bare'));
  return result;
}

async function ofJournal(writers: number) {
  const engine = await openEngine('journal');
  const result = await drive((key) => engine.commit({ put: [{ key, value }] }), writers);
  await engine.close();
  // What earlier shots left would fill the page cache.
  await rm(join(root, 'journal'), { recursive: true });
  return result;
}

/** Microseconds per read: all in the cache, and of ten times the cache in random order. */
async function reads() {
  const keys = 20_000;
  const engine = await openEngine('reads', { cacheBytesMax: (keys * value.length) / 10 });
  for (let from = 0; from < keys; from += 100) {
    await engine.commit({ put: Array.from({ length: 100 }, (_, i) => ({ key: `key-${from + i}`, value })) });
  }
  const perRead = async (span: number, count: number) => {
    const begun = performance.now();
    for (let i = 0; i < count; i++) await engine.get(`key-${(i * 7919) % span}`);
    return ((performance.now() - begun) / count) * 1000;
  };
  await perRead(1000, 10_000);
  const result = { hotUs: await perRead(1000, 500_000), coldUs: await perRead(keys, 50_000) };
  await engine.close();
  return result;
}

/** How long a journal of many keys takes to write a snapshot and to open, and what its index weighs. */
async function start(keys: number) {
  let engine = await openEngine('start');
  const small = Buffer.alloc(100, 7);
  for (let from = 0; from < keys; from += 25_600) {
    const pending = [];
    for (let i = from; i < Math.min(keys, from + 25_600); i += 256) {
      pending.push(
        engine.commit({ put: Array.from({ length: 256 }, (_, j) => ({ key: `app||order-${((i + j) * 7919) % keys}`, value: small })) }),
      );
    }
    await Promise.all(pending);
  }
  // The longest turn that a snapshot takes: a timer that is late says so.
  let [latest, longestTurnMs] = [performance.now(), 0];
  const watch = setInterval(() => {
    const now = performance.now();
    longestTurnMs = Math.max(longestTurnMs, now - latest - 1);
    latest = now;
  }, 1);
  const begun = performance.now();
  await engine.snapshot();
  const snapshotMs = performance.now() - begun;
  clearInterval(watch);
  const indexBytesPerKey = engine.stats().indexBytes / keys;
  const times: number[] = [];
  for (let round = 0; round < 3; round++) {
    await engine.close();
    const reopened = performance.now();
    engine = await openEngine('start');
    times.push(performance.now() - reopened);
    if (engine.stats().keys !== keys) throw new Error(`${engine.stats().keys} keys`);
  }
  await engine.close();
  return { openMs: percentile(times, 0.5), snapshotMs, longestTurnMs, indexBytesPerKey };
}

const modes: Readonly<Record<string, () => Promise<unknown>>> = {
  commits: () => commits(Number(argument), Number(pairs)),
  reads,
  start: () => start(Number(argument)),
};
console.log(JSON.stringify(await modes[mode]?.()));
