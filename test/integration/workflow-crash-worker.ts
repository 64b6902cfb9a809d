// One process of the crash tests of workflows. `run <place> <attempts> <count>` starts the instances that do not exist yet and executes them until all have finished, or it is
// killed; `check <place> <count>` prints what is wrong with them as JSON. The place is a journal's directory, or the address of a PostgreSQL as JSON.
import { appendFileSync } from 'node:fs';
import { neverCancelled } from '../../src/kernel/cancel.ts';
import { isProaError } from '../../src/kernel/errors.ts';
import type { Engine } from '../../src/contracts/engine.ts';
import type { HistoryEvent, WorkflowAction } from '../../src/contracts/workflow.ts';
import { openJournalEngine } from '../../src/drivers/engine-journal/open-journal.ts';
import { openPostgresEngine } from '../../src/drivers/engine-postgres/engine-postgres.ts';
import type { Clock } from '../../src/kernel/ports.ts';
import { nodeClock } from '../../src/ports/node/clock.ts';
import { createNodeDisk } from '../../src/ports/node/disk.ts';
import { createNodeRandom } from '../../src/ports/node/random.ts';
import { openWorkflows, type ScriptedTurn, scriptedWorker } from '../fixtures/workflow-rig.ts';

const [mode, place, ...rest] = process.argv.slice(2) as [string, string, ...string[]];

type Flow = (turn: Pick<ScriptedTurn, 'all' | 'input'>) => readonly WorkflowAction[];

const has = (all: readonly HistoryEvent[], type: HistoryEvent['type']): number => all.filter((event) => event.type === type).length;

/** One step, a timer, a child, three steps at once: everything that a crash can tear apart. */
const order: Flow = ({ all, input }) => {
  const done = has(all, 'taskCompleted');
  const task = (id: number): WorkflowAction => ({ id, type: 'scheduleTask', name: 'step', input: `${input} ${id}` });
  const begun = (type: HistoryEvent['type']): boolean => has(all, type) > 0;
  if (!begun('taskScheduled')) return [task(1)];
  if (done === 1 && !begun('timerCreated')) return [{ id: 2, type: 'createTimer', fireAtMs: (all.at(-2)?.timeMs ?? 0) + 10 }];
  if (begun('timerFired') && !begun('childCreated'))
    return [{ id: 3, type: 'createChild', name: 'invoice', ...(input !== undefined && { input }) }];
  if (begun('childCompleted') && has(all, 'taskScheduled') === 1) return [task(4), task(5), task(6)];
  return done === 4 ? [{ id: 7, type: 'complete', status: 'COMPLETED', result: `${input} done` }] : [];
};
const invoice: Flow = ({ all, input }) =>
  has(all, 'taskCompleted') === 1
    ? [{ id: 2, type: 'complete', status: 'COMPLETED' }]
    : [{ id: 1, type: 'scheduleTask', name: 'step', input: `invoice ${input}` }];
const flows: Readonly<Record<string, Flow>> = { order, invoice };

// Minutes that this machine's clock is wrong.
const skewMs = Number(process.env['PROA_SKEW_MS'] ?? 0);
const clock: Clock = { ...nodeClock, now: () => nodeClock.now() + skewMs };
const ttlMs = Number(process.env['PROA_TTL_MS'] ?? 300);
/** Steps after which the process kills itself, and how many milliseconds later: by progress, so that no machine is too fast to be killed. */
const [dieAfterSteps, dieAfterMs] = (process.env['PROA_DIE_AFTER'] ?? 'Infinity,0').split(',').map(Number) as [number, number];

/** A directory, or the address of a PostgreSQL, which may be on its way up. */
async function openEngine(): Promise<Engine> {
  if (!place.startsWith('{')) return openJournalEngine({ ports: { clock, disk: createNodeDisk(createNodeRandom()) }, directory: place });
  const address = JSON.parse(place) as { readonly host: string };
  return again(() => openPostgresEngine({ ports: { clock, random: createNodeRandom() }, address }));
}

async function open() {
  const engine = await openEngine();
  return { engine, runtime: openWorkflows({ engine, ttlMs, clock }) };
}

/** As a client of a runtime would: until the engine answers. */
async function again<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 0; ; tries++) {
    try {
      return await work();
    } catch (error) {
      if (!isProaError(error) || !/^(?:engine|unavailable|overloaded)/.test(error.code) || tries === 600) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

async function run(attempts: string, count: number): Promise<void> {
  const { engine, runtime } = await open();
  const { block } = runtime;
  let steps = 0;
  block.attach(
    scriptedWorker({
      workflows: flows,
      activities: {
        step({ idempotencyKey, input }) {
          if (process.env['PROA_HANG'] !== undefined) return new Promise<never>(() => {});
          appendFileSync(attempts, `${idempotencyKey}\n`);
          if (++steps === dieAfterSteps) setTimeout(() => process.kill(process.pid, 'SIGKILL'), dieAfterMs);
          return input;
        },
      },
    }),
  );
  const ids = Array.from({ length: count }, (_, i) => `w${i}`);
  const start = async (instanceId: string): Promise<void> => {
    await again(() => block.start({ name: 'order', instanceId, input: instanceId, unique: true })).catch((error: unknown) => {
      if (!isProaError(error) || error.code !== 'workflow.exists') throw error;
    });
  };
  if (place.startsWith('{')) await Promise.all(ids.map(start));
  else for (const id of ids) await start(id);
  await Promise.all(ids.map((id) => again(() => block.wait(id, 'completed', neverCancelled))));
  process.stdout.write('all have completed\n');
  await runtime.close();
  await engine.close();
}

async function check(count: number): Promise<void> {
  const { engine, runtime } = await open();
  const wrong: string[] = [];
  let results = 0;
  for (let i = 0; i < count; i++) {
    const state = await runtime.block.get(`w${i}`, true);
    if (state?.status !== 'COMPLETED' || state.output !== `w${i} done`) wrong.push(`w${i}: ${JSON.stringify(state)}`);
    for (const id of [`w${i}`, `w${i}:0003`]) {
      const history = await runtime.block.history(id);
      const resolved = history.flatMap((event) => (event.type === 'taskCompleted' ? [event.scheduledId] : []));
      results += resolved.length;
      if (new Set(resolved).size !== resolved.length) wrong.push(`${id}: a step has two results`);
      const early = history.some((event) => event.type === 'timerFired' && event.timeMs < event.fireAtMs);
      if (early) wrong.push(`${id}: a timer came early`);
      wrong.push(...replay(id, history));
    }
  }
  await runtime.close();
  await engine.close();
  process.stdout.write(JSON.stringify({ wrong: wrong.slice(0, 5), results }));
}

/** The code of today against the history: each turn must begin again what it began then. */
function replay(id: string, history: readonly HistoryEvent[]): string[] {
  const started = history.find((event) => event.type === 'executionStarted');
  const flow = started?.type === 'executionStarted' ? flows[started.name] : undefined;
  if (started?.type !== 'executionStarted' || flow === undefined) return [`${id}: no start`];
  const starts = history.flatMap(({ type }, i) => (type === 'workflowStarted' ? [i] : []));
  return starts.flatMap((from, turn) => {
    const to = starts[turn + 1] ?? history.length;
    const made = history.slice(from, to).filter(({ id: actionId }) => actionId >= 0);
    const seen = history.slice(0, to - made.length);
    const again = flow({ all: seen, input: started.input });
    const same = again.length === made.length && again.every((action, i) => action.id === made[i]?.id);
    return same ? [] : [`${id}: turn ${turn} begins ${JSON.stringify(again.map((action) => action.id))}`];
  });
}

await (mode === 'run' ? run(rest[0] as string, Number(rest[1])) : check(Number(rest[0])));
