import type { HistoryEvent, WorkflowFilter, WorkflowState } from '../../contracts/workflow.ts';
import { ProaError } from '../../kernel/errors.ts';
import { createWorkflows, type WorkflowOperations, type Workflows } from '../../sdk/workflow/client.ts';
import type { AnyActivity, AnyWorkflow } from '../../sdk/workflow/definition.ts';
import { durationMs, type Duration } from '../../sdk/workflow/duration.ts';
import { failureOf } from '../../sdk/workflow/failures.ts';
import { createGuard } from '../../sdk/workflow/guard.ts';
import { WorkflowRegistry } from '../../sdk/workflow/registry.ts';
import { decodeValue, encodeValue } from '../../sdk/workflow/values.ts';
import type { ActivityTask, WorkflowWorker } from '../../contracts/workflow.ts';
import { createFakeClock } from '../fake-clock.ts';
import { createCheckedWorker, type TestMode } from './checked-worker.ts';
import { hangs, TurnEngine } from './turn-engine.ts';

/** The code of one app. */
export interface TestApp {
  readonly workflows?: readonly AnyWorkflow[];
  readonly activities?: readonly AnyActivity[];
}

export interface WorkflowTestOptions extends TestApp {
  /** Other apps, whose workflows and activities can be called. */
  readonly apps?: Readonly<Record<string, TestApp>>;
  /** Default `live`. */
  readonly mode?: TestMode;
  /** The time at the beginning. */
  readonly startAt?: Date;
  /** Watches for what differs in replays, such as `Date.now()`; default true. */
  readonly guard?: boolean;
  /** Chooses what is next among so many, for tests of random orders. Absent: as it comes. */
  readonly pick?: (count: number) => number;
}

/** What stands in for a step or an activity. */
export type Mock = (input: unknown, call: MockCall) => unknown;

export interface MockCall {
  readonly name: string;
  readonly instanceId: string;
  /** How often it was called by that name in this test, this call included. */
  readonly count: number;
  readonly atMs: number;
}

/** An execution of a step or an activity that happened, mocked or not. */
export interface TestCall extends MockCall {
  readonly input: unknown;
}

/** Workflows under test: no runtime, no waiting; time passes when nothing else is to do. */
export interface WorkflowTest {
  /** The client, as apps have it. `result()` makes time pass. */
  readonly workflows: Workflows;
  /** Runs instead of every step or activity of that name; `hangs` as its answer is none, as if the process hung. */
  mock(name: string, mock: Mock): WorkflowTest;
  /** Calls back at a time, or so long after now. */
  at(time: Date | Duration, action: () => unknown): WorkflowTest;
  /** Lets so much time pass, and what happens meanwhile happen. */
  advance(duration: Duration): Promise<void>;
  now(): Date;
  /** What was executed, in order; of one name, or all. */
  calls(name?: string): readonly TestCall[];
  history(instanceId: string): readonly HistoryEvent[];
  /** A deploy: other code for the app from now on. What runs is replayed. */
  deploy(code: TestApp, app?: string): void;
  /** Warnings of workflows. */
  readonly warnings: readonly string[];
  close(): void;
}

export { hangs };

/** Opens a test. Fails with `config.invalid` for names that are there twice. */
export function testWorkflows(options: WorkflowTestOptions): WorkflowTest {
  const clock = createFakeClock(options.startAt?.getTime());
  const engine = new TurnEngine({ clock, ...(options.pick !== undefined && { pick: options.pick }) });
  const guard = options.guard === false ? undefined : createGuard();
  const mocks = new Map<string, Mock>();
  const calls: TestCall[] = [];
  const warnings: string[] = [];
  const deploy = (code: TestApp, app: string): void => {
    const worker = createCheckedWorker(
      {
        registry: registryOf(code),
        clock,
        history: async (instanceId) => engine.history(instanceId),
        guard,
        warn: (message) => void warnings.push(message),
      },
      options.mode ?? 'live',
    );
    engine.attach(watched(worker, { mocks, calls, nowMs: () => clock.now() }), app);
  };
  deploy(options, 'app');
  for (const [app, code] of Object.entries(options.apps ?? {})) deploy(code, app);
  const test: WorkflowTest = {
    workflows: createWorkflows(clock, operationsOf(engine)),
    mock(name, mock) {
      mocks.set(name, mock);
      return test;
    },
    at(time, action) {
      const timeMs = time instanceof Date ? time.getTime() : clock.now() + durationMs(time, 'the time');
      engine.at(timeMs, async () => void (await action()));
      return test;
    },
    advance: (duration) => engine.advanceTo(clock.now() + durationMs(duration, 'the time')),
    now: () => new Date(clock.now()),
    calls: (name) => calls.filter((call) => name === undefined || call.name === name),
    history: (instanceId) => engine.history(instanceId),
    deploy: (code, app = 'app') => deploy(code, app),
    warnings,
    close: () => guard?.close(),
  };
  return test;
}

function registryOf({ workflows = [], activities = [] }: TestApp): WorkflowRegistry {
  const registry = new WorkflowRegistry();
  for (const definition of workflows) registry.addWorkflow(definition);
  for (const definition of activities) registry.addActivity(definition);
  return registry;
}

interface Watching {
  readonly mocks: ReadonlyMap<string, Mock>;
  readonly calls: TestCall[];
  readonly nowMs: () => number;
}

function watched(worker: WorkflowWorker, { mocks, calls, nowMs }: Watching): WorkflowWorker {
  return {
    ...worker,
    async activity(task) {
      const { name } = task;
      const input = decodeValue(task.input);
      const count = calls.filter((other) => other.name === name).length + 1;
      const call = { name, instanceId: task.instance.instanceId, count, atMs: nowMs(), input };
      calls.push(call);
      const mock = mocks.get(name);
      return mock === undefined ? worker.activity(task) : mocked(mock, call, task);
    },
  };
}

async function mocked(mock: Mock, call: TestCall, task: ActivityTask) {
  let value: unknown;
  try {
    value = await mock(call.input, call);
    if (value !== hangs) {
      const result = encodeValue(value, `the result of "${task.name}"`);
      return result === undefined ? {} : { result };
    }
  } catch (error) {
    return { failure: failureOf(error) };
  }
  // Not a failure of the activity: the engine hears nothing of it any more.
  throw hangs as unknown as Error;
}

// The engine of turns as the client asks for it.
function operationsOf(engine: TurnEngine, app = 'app'): WorkflowOperations {
  const finalStates = new Set(['COMPLETED', 'FAILED', 'TERMINATED', 'CANCELED']);
  const isFinal = (state: WorkflowState | undefined): boolean => state !== undefined && finalStates.has(state.status);
  return {
    start: async (request) => engine.start({ ...request, app }),
    get: async (instanceId) => engine.state(instanceId),
    async wait(instanceId, until, cancel) {
      const done = (): boolean => {
        const state = engine.state(instanceId);
        return until === 'started' ? state !== undefined && state.status !== 'PENDING' : isFinal(state);
      };
      await engine.until(done, Infinity, cancel);
      return engine.state(instanceId) as WorkflowState;
    },
    raise: async (instanceId, name, input) =>
      engine.inform(instanceId, { id: -1, type: 'eventRaised', name, ...(input !== undefined && { input }) }),
    async terminate(instanceId, output) {
      engine.terminate(engine.instance(instanceId).instanceId, output);
      await engine.until(() => isFinal(engine.state(instanceId)));
    },
    async suspend(instanceId, reason) {
      engine.inform(instanceId, { id: -1, type: 'executionSuspended', ...(reason !== undefined && { reason }) });
      await engine.until(() => engine.state(instanceId)?.status === 'SUSPENDED' || isFinal(engine.state(instanceId)));
    },
    async resume(instanceId, reason) {
      engine.instance(instanceId).stall = undefined;
      engine.inform(instanceId, { id: -1, type: 'executionResumed', ...(reason !== undefined && { reason }) });
      await engine.until(() => engine.state(instanceId)?.status !== 'SUSPENDED');
    },
    async purge(instanceId) {
      engine.purge(instanceId);
      return { count: 1, complete: true };
    },
    async purgeWhere(filter) {
      const finished = engine.list().filter((state) => matches(state, filter) && isFinal(state));
      for (const { instanceId } of finished) engine.purge(instanceId);
      return { count: finished.length, complete: true };
    },
    list: async (filter) => ({ instances: engine.list().filter((state) => matches(state, filter)) }),
    history: async (instanceId) => engine.history(instanceId),
    of: (other) => operationsOf(engine, other),
    rerun: () => Promise.reject(new ProaError('unimplemented', 'a test has no rerun: start another instance, or use a runtime')),
  };
}

function matches(
  state: WorkflowState,
  { name, statuses, attributes = {}, createdFromMs = -Infinity, createdToMs = Infinity }: WorkflowFilter,
): boolean {
  const known: Readonly<Record<string, string>> = { ...state.tags, ...state.attributes };
  return (
    (name === undefined || state.name === name) &&
    (statuses === undefined || statuses.includes(state.status)) &&
    createdFromMs <= state.createdMs &&
    state.createdMs <= createdToMs &&
    Object.entries(attributes).every(([key, value]) => known[key] === value)
  );
}
