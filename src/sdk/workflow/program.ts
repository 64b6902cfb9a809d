import { ProaError } from '../../kernel/errors.ts';
import { workflowLimits } from '../../contracts/workflow.ts';
import { checked } from '../contract.ts';
import { createCalls } from './calls.ts';
import type { WorkflowContext } from './context.ts';
import { nameChecked, type AnyWorkflow, type Callable } from './definition.ts';
import type { Execution } from './execution.ts';
import type { Program } from './operation.ts';
import { rollback } from './rollback.ts';
import { Seeds } from './seeds.ts';
import { createRun, type RunState } from './steps.ts';
import { all, race } from './together.ts';
import { decodeValue, encodeValue } from './values.ts';
import { createWaits } from './waits.ts';

/** What an execution of a workflow runs: input, the function, what undoes it. */
export function programOf(definition: AnyWorkflow): Program {
  const { name, input: schema, timeoutMs } = definition;
  return {
    title: name,
    async main(started, execution) {
      if (timeoutMs !== undefined) limit(execution, timeoutMs, name);
      const state: RunState = { execution, retry: definition.retry, undos: [], counts: new Map() };
      const context = contextOf(state, definition, started.propagated?.chunks ?? []);
      const input = await checked(schema, decodeValue(started.input), { what: `the input of workflow "${name}"`, code: 'bad-request' });
      try {
        return await definition.run(context as never, input);
      } catch (error) {
        throw await rollback(error, state.undos);
      }
    },
  };
}

function limit(execution: Execution, timeoutMs: number, name: string): void {
  const fireAtMs = execution.clockMs + timeoutMs;
  execution.operation('timer timeout', { type: 'createTimer', name: 'timeout', fireAtMs }, { aside: true }).then(
    () => execution.cancel('deadline-exceeded', `workflow "${name}" was not done within ${timeoutMs} ms`),
    () => {},
  );
}

function contextOf(state: RunState, { events }: AnyWorkflow, lineage: WorkflowContext['lineage']) {
  const { execution, undos } = state;
  const { instance } = execution;
  const seeds = new Seeds(instance.executionId);
  const run = createRun(state);
  const calls = createCalls(state, seeds);
  const context = {
    instanceId: instance.instanceId,
    executionId: instance.executionId,
    lineage,
    get replaying() {
      return execution.replaying;
    },
    get signal() {
      return execution.signal;
    },
    run,
    ...createWaits(execution, events),
    ...calls,
    all,
    race,
    onRollback(what: string | Callable<unknown, unknown>, undo: never, options: object = {}) {
      if (typeof what === 'string') undos.push({ name: nameChecked(what, 'a rollback'), perform: () => run(what, undo, options) });
      else undos.push({ name: what.name, perform: () => calls.call(what, undo, options) });
    },
    continueAsNew(input?: unknown) {
      execution.continueAsNew(encodeValue(input, 'the input of the next run'));
    },
    patched: (id: string) => execution.patched(nameChecked(id, 'a patch')),
    now: () => Math.floor(execution.clockMs),
    random: () => seeds.random(),
    uuid: () => seeds.uuid('uuid'),
    setStatus: (status: unknown) => execution.setStatus(statusText(status)),
    setAttributes: (attributes: Readonly<Record<string, string>>) => execution.setAttributes(attributesChecked(attributes)),
  };
  // Its types say more than an object literal can: what events hold, what a target takes.
  return context as unknown as WorkflowContext;
}

function statusText(status: unknown): string {
  const text = encodeValue(status ?? null, 'the status') as string;
  if (Buffer.byteLength(text) <= workflowLimits.customStatusBytesMax) return text;
  throw new ProaError('workflow.value', `a status has at most ${workflowLimits.customStatusBytesMax} bytes`);
}

const attributesMax = { entries: 32, nameChars: 128, valueChars: 512 };

function attributesChecked(attributes: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const { entries, nameChars, valueChars } = attributesMax;
  const pairs = Object.entries(attributes);
  const fits = pairs.every(([name, value]) => typeof value === 'string' && name.length <= nameChars && value.length <= valueChars);
  if (fits && pairs.length <= entries) return attributes;
  throw new ProaError('bad-request', `attributes are at most ${entries} texts of ${valueChars} characters, their names of ${nameChars}`);
}
