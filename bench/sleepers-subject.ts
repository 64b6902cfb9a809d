// Sleeping workflows on the journal, in a process of its own (with --expose-gc): `<mode> <directory> [count]`; prints one line of JSON.
//   create   makes so many instances that sleep for a month or wait for an event, and says what they cost the process that made them
//   open     what a runtime that starts over these instances costs; when there are any, some are woken and all are listed
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openJournalEngine } from '../src/drivers/engine-journal/open-journal.ts';
import { neverCancelled } from '../src/kernel/cancel.ts';
import { nodePorts } from '../src/ports/node/index.ts';
import { createWorkflows } from '../src/sdk/workflow/client.ts';
import { workflow } from '../src/sdk/workflow/definition.ts';
import { WorkflowRegistry } from '../src/sdk/workflow/registry.ts';
import { createWorker } from '../src/sdk/workflow/worker.ts';
import { openWorkflows } from '../test/fixtures/workflow-rig.ts';

const [mode, directory, count] = [process.argv[2] as 'create' | 'open', process.argv[3] as string, Number(process.argv[4])];
/** Fills what a runtime keeps at most (runs, instances, recent bytes), which is no cost of those that sleep. */
const warm = 60_000;
const writers = 256;
const woken = 1_000;
const samples = join(directory, '..', 'samples.json');
const ports = nodePorts();
const { clock } = ports;
const engine = await openJournalEngine({ ports, directory });
const runtime = openWorkflows({ engine });
const client = createWorkflows(clock, runtime.block);

const sleeper = workflow({ name: 'sleeper' }, async (ctx, ms: number) => {
  await ctx.sleep(ms);
  return 'slept';
});
const waiter = workflow({ name: 'waiter' }, async (ctx, customer: string) => {
  const amount = await ctx.waitFor('paid');
  return `${customer} paid ${String(amount)}`;
});
const registry = new WorkflowRegistry();
registry.addWorkflow(sleeper);
registry.addWorkflow(waiter);
runtime.block.attach(createWorker({ registry, clock, history: (id) => runtime.block.history(id) }));

interface Samples {
  readonly waiting: string[];
  readonly due: string[];
}

function memory(): { readonly heap: number; readonly rss: number } {
  for (let i = 0; i < 3; i++) globalThis.gc?.();
  const { rss, heapUsed, external } = process.memoryUsage();
  return { heap: (heapUsed + external) / 1e6, rss: rss / 1e6 };
}

/** At rest: nothing is under way, the index is on the disk, and looks some seconds apart find neither less heap nor less resident memory. */
async function rested(): Promise<ReturnType<typeof memory>> {
  let least = memory();
  for (let [looks, same] = [0, 0]; looks < 20 && same < 2; looks++) {
    await new Promise((resolve) => setTimeout(resolve, 4_000));
    const now = memory();
    same = least.heap - now.heap < 1 && least.rss - now.rss < 1 ? same + 1 : 0;
    least = now;
  }
  return least;
}

/** Half of them sleep, half wait for an event; each is counted when its first turn is durable. Answers the ids by what they do. */
async function put(instances: number): Promise<{ readonly slept: string[]; readonly waited: string[] }> {
  let next = 0;
  const [slept, waited]: [string[], string[]] = [[], []];
  const every = Math.max(1, Math.floor(instances / (4 * woken)));
  await Promise.all(
    Array.from({ length: writers }, async () => {
      while (next < instances) {
        const i = next++;
        const run = i % 2 === 0 ? await client.start(sleeper, 30 * 24 * 3_600_000 + i) : await client.start(waiter, `customer ${i}`);
        await runtime.block.wait(run.id, 'started', neverCancelled);
        if (i % every < 2) (i % 2 === 0 ? slept : waited).push(run.id);
      }
    }),
  );
  return { slept, waited };
}

async function create() {
  await put(warm);
  await engine.snapshot();
  const before = await rested();
  const [cpu, begun] = [process.cpuUsage(), performance.now()];
  const { waited } = await put(count);
  const used = process.cpuUsage(cpu);
  const seconds = (performance.now() - begun) / 1_000;
  const busy = process.memoryUsage.rss() / 1e6;
  await engine.snapshot();
  const after = await rested();
  // These are due when the next process looks.
  const due = await Promise.all(Array.from({ length: woken }, () => client.start(sleeper, 10_000)));
  writeFileSync(samples, JSON.stringify({ waiting: waited.slice(-woken), due: due.map(({ id }) => id) } satisfies Samples));
  return {
    perSecond: count / seconds,
    cpuUs: (used.user + used.system) / count,
    heapMb: after.heap - before.heap,
    rssMb: after.rss - before.rss,
    busyRssMb: busy - before.rss,
    ...index(),
  };
}

function index() {
  const { keys, indexBytes, diskBytes } = engine.stats();
  return { keys, indexMb: indexBytes / 1e6, indexBytesPerKey: indexBytes / keys, diskMb: diskBytes / 1e6 };
}

async function open(openMs: number) {
  const { waiting, due } = count > 0 ? (JSON.parse(readFileSync(samples, 'utf8')) as Samples) : { waiting: [], due: [] };
  const slept = await Promise.all(due.map((id) => client.get(sleeper, id).result()));
  const idle = await rested();
  const figures = { openMs, heapMb: idle.heap, rssMb: idle.rss, ...index() };
  if (!(count > 0)) return figures;
  const begun = performance.now();
  const answers = await Promise.all(
    waiting.map(async (id, i) => {
      const run = client.get(waiter, id);
      await run.raise('paid', i);
      return run.result();
    }),
  );
  const wakeMs = performance.now() - begun;
  const right =
    answers.filter((answer, i) => String(answer).endsWith(` paid ${i}`)).length + slept.filter((answer) => answer === 'slept').length;
  const listed = await list();
  const after = memory();
  return { ...figures, wakeMs, wrong: waiting.length + due.length - right, ...listed, listedRssMb: after.rss, listedHeapMb: after.heap };
}

/** Page by page, as a client would. */
async function list() {
  let [token, pages, instances]: [string | undefined, number, number] = [undefined, 0, 0];
  const begun = performance.now();
  do {
    const page: Awaited<ReturnType<typeof runtime.block.list>> = await runtime.block.list(
      {},
      { size: 1_000, ...(token !== undefined && { token }) },
    );
    pages++;
    instances += page.instances.length;
    ({ token } = page);
  } while (token !== undefined);
  // One more in each process, by which it sees that its shards are there.
  const unlisted = Math.abs(instances - (warm + count + woken + 2));
  return { pages, unlisted, pageMs: (performance.now() - begun) / pages };
}

const owned = async (): Promise<void> => {
  // An instance answers once the shards are ours.
  const run = await client.start(sleeper, 0);
  await run.result();
};
await owned();
console.log(JSON.stringify(mode === 'create' ? await create() : await open(performance.now())));
await runtime.close();
await engine.close();
process.exit(0);
