import type { TurnAnswer, WorkflowWorker } from '../../contracts/workflow.ts';
import { ProaError } from '../../kernel/errors.ts';
import { createWorker, type LocalWorker, type WorkerOptions } from '../../sdk/workflow/worker.ts';

/**
 * How a test executes workflows. `live`: as in production. `crash`: the run is dropped before every turn and every step, and replayed from its history. `double`:
 * every turn is executed by the run in memory and by one that is replayed, and both must want the same.
 */
export type TestMode = 'live' | 'crash' | 'double';

/** A worker that checks what production would only find after a crash. */
export function createCheckedWorker(options: WorkerOptions, mode: TestMode): WorkflowWorker {
  const worker = createWorker(options);
  if (mode === 'crash') return crashing(worker);
  return mode === 'double' ? doubled(worker, createWorker(options)) : worker;
}

function crashing(worker: LocalWorker): WorkflowWorker {
  return {
    ...worker,
    turn(turn) {
      worker.evict(turn.instance.instanceId);
      return worker.turn(turn);
    },
    activity(task) {
      worker.evict(task.instance.instanceId);
      return worker.activity(task);
    },
  };
}

function doubled(worker: LocalWorker, second: LocalWorker): WorkflowWorker {
  return {
    ...worker,
    async turn(turn) {
      const { instanceId } = turn.instance;
      second.evict(instanceId);
      const answer = await worker.turn(turn);
      const again = await second.turn(turn);
      const difference = differenceOf(answer, again);
      if (difference !== undefined)
        throw new ProaError(
          'workflow.nondeterministic',
          `instance ${instanceId} wants one thing, and another when it is replayed\n${difference}`,
        );
      return answer;
    },
  };
}

const shownChars = 300;

// The first action that differs, or what else does.
function differenceOf(live: TurnAnswer, replay: TurnAnswer): string | undefined {
  const count = Math.max(live.actions.length, replay.actions.length);
  for (let i = 0; i <= count; i++) {
    // Behind the actions: status, attributes, version.
    const [one, two] = [live, replay].map((answer) => comparable(i < count ? answer.actions[i] : { ...answer, actions: count })) as [
      string,
      string,
    ];
    if (one !== two) return `  live:   ${one.slice(0, shownChars)}\n  replay: ${two.slice(0, shownChars)}`;
  }
  return undefined;
}

// Stacks differ: a replay comes to the same place by another way.
function comparable(part: unknown): string {
  return JSON.stringify(part, (key, value: unknown) => (key === 'stackTrace' ? undefined : value)) ?? 'nothing';
}
