// Sleeping workflows on the journal, each started and put to sleep by the real engine: what a million of them cost the runtime that made them, and one that starts over them.
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { bundle, directory } from './harness.mjs';

const count = Number(process.env.BENCH_SLEEPERS ?? 1_000_000);

export async function run() {
  const subject = await bundle('bench/sleepers-subject.ts');
  const ask = (mode, journal, instances) =>
    JSON.parse(execFileSync(process.execPath, ['--expose-gc', subject, mode, join(directory, journal), String(instances)]).toString());
  const journal = 'sleepers/journal';
  mkdirSync(join(directory, 'sleepers'));
  try {
    const empty = ask('open', 'sleepers/empty', 0);
    const made = ask('create', journal, count);
    const again = ask('open', journal, count);
    return {
      conditions: `${count} workflows, half of them in ctx.sleep for a month, half in ctx.waitFor, ids of 36 characters; made 256 at a time; memory is that of a process at rest, less what it was at rest before them; after a restart 1,000 events are raised, 1,000 timers are due and all instances are listed`,
      rows: [{ name: 'workflows put to sleep', rate: made.perSecond, cpu: made.cpuUs }],
      figures: [
        { name: 'heap of the sleeping ones, in the runtime that made them (MB)', value: made.heapMb, atMost: 100 },
        { name: 'resident memory of the sleeping ones, in the runtime that made them (MB)', value: made.rssMb, atMost: 100 },
        { name: 'resident memory at the last start of them, before it comes to rest (MB)', value: made.busyRssMb },
        { name: 'heap of the sleeping ones, after a restart (MB)', value: again.heapMb - empty.heapMb, atMost: 100 },
        { name: 'resident memory of the sleeping ones, after a restart (MB)', value: again.rssMb - empty.rssMb, atMost: 100 },
        { name: 'index, as the engine counts it (MB)', value: again.indexMb },
        { name: 'index per key, as the engine counts it (bytes)', value: again.indexBytesPerKey },
        { name: 'start of the process to its first completed workflow (ms)', value: again.openMs },
        { name: '1,000 woken by events (ms)', value: again.wakeMs },
        { name: 'woken that did not go on, or wrongly', value: again.wrong },
        { name: 'a page of 1,000 instances (ms)', value: again.pageMs },
        { name: 'instances that were not listed', value: again.unlisted },
      ],
    };
  } finally {
    rmSync(join(directory, 'sleepers'), { recursive: true });
  }
}
