import { ProaError } from '../../kernel/errors.ts';
import type { Clock } from '../../kernel/ports.ts';
import { type ActivityTask, type HistoryEvent, isStep, type Turn, type TurnAnswer, type WorkflowWorker } from '../../contracts/workflow.ts';
import { Execution } from './execution.ts';
import { type OpenStep } from './operation.ts';
import type { Guard } from './guard.ts';
import { programOf } from './program.ts';
import type { WorkflowRegistry } from './registry.ts';
import { ActivityRuns } from './activity-runs.ts';
import { versionText } from './registry.ts';

export interface WorkerOptions {
  readonly registry: WorkflowRegistry;
  readonly clock: Clock;
  /** The committed history of an instance: asked for when a step comes whose run is not in memory. */
  readonly history: (instanceId: string) => Promise<readonly HistoryEvent[]>;
  readonly guard?: Guard | undefined;
  readonly warn?: (message: string) => void;
  /** Runs that wait in memory; the one that was not touched for longest goes first. Default 5,000: one takes 6 to 8 KB and what its function holds. */
  readonly liveMax?: number;
  /** Default 256. */
  readonly turnsMax?: number;
  /** Default 1,024. */
  readonly activitiesMax?: number;
}

/** A worker of this process. */
export interface LocalWorker extends WorkflowWorker {
  /** Forgets a run that waits in memory; its steps go on. The next turn replays it. */
  evict(instanceId: string): void;
  /** Runs that wait in memory. */
  readonly live: number;
}

/** Executes the workflows and activities of a registry. Runs stay in memory between their turns and are replayed only when they are not there any more. */
export function createWorker(options: WorkerOptions): LocalWorker {
  const { registry, clock, guard, liveMax = 5_000 } = options;
  const lives = new Lives(options, liveMax);
  const runs = new ActivityRuns(clock, guard);
  return {
    workflows: registry.workflowNames,
    // Steps have names of their own: who has workflows takes whatever their runs ask for.
    ...(registry.workflowNames.size === 0 && { activities: registry.activityNames }),
    keeps: true,
    turnsMax: options.turnsMax ?? 256,
    activitiesMax: options.activitiesMax ?? 1_024,
    turn: (turn) => lives.turn(turn),
    async activity(task) {
      if (!isStep(task.taskExecutionId)) return runs.declared(task, registry);
      const { execution, step } = await lives.step(task);
      return runs.step(task, step, execution);
    },
    forget(instanceId) {
      lives.drop(instanceId);
      runs.stop(instanceId);
    },
    evict: (instanceId) => lives.drop(instanceId),
    get live() {
      return lives.size;
    },
  };
}

type LivesOptions = Pick<WorkerOptions, 'registry' | 'history' | 'guard' | 'warn'>;

/** Runs in memory. What happens to one instance happens one after another. */
class Lives {
  readonly #options: LivesOptions;
  readonly #max: number;
  readonly #kept = new Map<string, Execution>();
  readonly #busy = new Map<string, Promise<unknown>>();

  constructor(options: LivesOptions, max: number) {
    this.#options = options;
    this.#max = max;
  }

  get size(): number {
    return this.#kept.size;
  }

  drop(instanceId: string): void {
    this.#kept.delete(instanceId);
  }

  turn(turn: Turn): Promise<TurnAnswer> {
    return this.#alone(turn.instance.instanceId, () => this.#turn(turn));
  }

  /** The function of a step, its run replayed when it is not in memory. Fails with `aborted` when no run waits for it. */
  step(task: ActivityTask): Promise<{ readonly execution: Execution; readonly step: OpenStep }> {
    const { instanceId, executionId } = task.instance;
    return this.#alone(instanceId, async () => {
      const kept = this.#kept.get(instanceId);
      let execution = kept?.instance.executionId === executionId ? kept : undefined;
      let step = execution?.step(task.taskId);
      if (execution === undefined || step === undefined) {
        execution = await this.#replayed(task);
        step = execution.step(task.taskId);
      }
      if (step === undefined) throw new ProaError('aborted', `no run of ${instanceId} waits for step "${task.name}"`);
      return { execution, step };
    });
  }

  async #turn({ instance, pastCount, past, news }: Turn): Promise<TurnAnswer> {
    const { instanceId, executionId } = instance;
    const kept = this.#kept.get(instanceId);
    // Out of the map while it works: a turn that fails leaves nothing behind.
    this.#kept.delete(instanceId);
    let execution = kept?.instance.executionId === executionId && kept.seen === pastCount ? kept : undefined;
    let version: string | undefined;
    if (execution === undefined) {
      const before = pastCount === 0 ? [] : await past();
      const found = this.#create(instance, [...before, ...news]);
      if (typeof found === 'string') return { actions: [], stalled: { reason: 'version-not-available', description: found } };
      ({ execution } = found);
      if (before.length === 0) version = found.version;
      await execution.replay(before);
    }
    const answer = await execution.turn(news);
    if (answer.stalled === undefined && !answer.actions.some(({ type }) => type === 'complete')) this.#keep(execution);
    return version === undefined || version === '' || answer.stalled !== undefined ? answer : { ...answer, version: { name: version } };
  }

  async #replayed(task: ActivityTask): Promise<Execution> {
    const { instanceId, executionId } = task.instance;
    const history = await this.#options.history(instanceId);
    const begun = history.find((event) => event.type === 'executionStarted');
    if (begun?.type === 'executionStarted' && begun.instance.executionId !== executionId)
      throw new ProaError('aborted', `the run of ${instanceId} that asked for step "${task.name}" has ended`);
    const found = this.#create(task.instance, history);
    if (typeof found === 'string') throw new ProaError('workflow.nondeterministic', found);
    await found.execution.replay(history);
    const misfit = found.execution.misfit();
    if (misfit !== undefined) throw new ProaError('workflow.nondeterministic', misfit.text);
    this.#keep(found.execution);
    return found.execution;
  }

  #create(
    instance: Turn['instance'],
    events: readonly HistoryEvent[],
  ): { readonly execution: Execution; readonly version: string } | string {
    const { registry, guard, warn } = this.#options;
    const definition = registry.choose(events);
    if (typeof definition === 'string') return definition;
    const execution = new Execution({
      instance,
      program: programOf(definition),
      ...(guard !== undefined && { scope: (own, run) => guard.scope(own, run) }),
      ...(warn !== undefined && { warn }),
    });
    return { execution, version: versionText(definition) };
  }

  #keep(execution: Execution): void {
    const { instanceId } = execution.instance;
    this.#kept.delete(instanceId);
    this.#kept.set(instanceId, execution);
    if (this.#kept.size <= this.#max) return;
    const [oldest] = this.#kept.keys();
    if (oldest !== undefined) this.#kept.delete(oldest);
  }

  async #alone<T>(instanceId: string, work: () => Promise<T>): Promise<T> {
    const before = this.#busy.get(instanceId);
    const done = before === undefined ? work() : before.then(work, work);
    this.#busy.set(instanceId, done);
    try {
      return await done;
    } finally {
      if (this.#busy.get(instanceId) === done) this.#busy.delete(instanceId);
    }
  }
}
