// Workflows of five activities in one process with their runtime, on the journal: `<directory> <seconds> <lanes>`.
import { join } from 'node:path';
import { neverCancelled } from '../src/kernel/cancel.ts';
import type { WorkflowAction, WorkflowWorker } from '../src/contracts/workflow.ts';
import { openJournalEngine } from '../src/drivers/engine-journal/open-journal.ts';
import { nodeClock } from '../src/ports/node/clock.ts';
import { createNodeDisk } from '../src/ports/node/disk.ts';
import { createNodeRandom } from '../src/ports/node/random.ts';
import { openWorkflows } from '../test/fixtures/workflow-rig.ts';
import { measure } from './workflow-load.mjs';

const [directory, seconds, lanes] = [process.argv[2] as string, Number(process.argv[3]), Number(process.argv[4])];
const steps = 5;

/** A worker that keeps what it computed, as functions in the same process do: it never asks for the past. */
function worker(): WorkflowWorker {
  const done = new Map<string, number>();
  return {
    turnsMax: 1_000,
    activitiesMax: 1_000,
    forget: (id) => void done.delete(id),
    async turn({ instance, news }) {
      const id = instance.instanceId;
      const before = done.get(id) ?? 0;
      const count = before + news.filter(({ type }) => type === 'taskCompleted').length;
      done.set(id, count);
      const action: WorkflowAction =
        count === steps
          ? { id: steps + 1, type: 'complete', status: 'COMPLETED', result: String(count) }
          : { id: count + 1, type: 'scheduleTask', name: 'step', input: String(count) };
      return { actions: [action] };
    },
    activity: async ({ input }) => ({ result: String(Number(input) + 1) }),
  };
}

const engine = await openJournalEngine({
  ports: { clock: nodeClock, disk: createNodeDisk(createNodeRandom()) },
  directory: join(directory, `workflows-${process.pid}`),
});
const { block, close } = openWorkflows({ engine });
block.attach(worker());
const one = async (): Promise<void> => {
  const id = await block.start({ name: 'chain', input: '"x"' });
  const state = await block.wait(id, 'completed', neverCancelled);
  if (state.output !== String(steps)) throw new Error(JSON.stringify(state));
};
await measure(one, seconds, lanes);
await close();
await engine.close();
process.exit(0);
