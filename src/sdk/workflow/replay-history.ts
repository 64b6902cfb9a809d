import type { HistoryEvent } from '../../contracts/workflow.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { AnyWorkflow } from './definition.ts';
import { Execution } from './execution.ts';
import { createGuard } from './guard.ts';
import { programOf } from './program.ts';
import { WorkflowRegistry } from './registry.ts';

/** What became of one history. */
export interface ReplayResult {
  readonly instanceId: string;
  readonly workflow: string;
  readonly events: number;
  /** Why the code does not fit: both paths side by side. Undefined: it fits. */
  readonly report: string | undefined;
}

/**
 * Replays recorded histories, as `proa wf history --json` prints them, against the code of now: nothing is executed, every step answers from the record. Fails with
 * `bad-request` for what is no history.
 */
export async function replayHistories(workflows: readonly AnyWorkflow[], recorded: readonly unknown[]): Promise<readonly ReplayResult[]> {
  const registry = new WorkflowRegistry();
  for (const definition of workflows) registry.addWorkflow(definition);
  const guard = createGuard();
  try {
    const results: ReplayResult[] = [];
    for (const [i, each] of recorded.entries()) results.push(await replay(registry, historyOf(each, i), guard.scope));
    return results;
  } finally {
    guard.close();
  }
}

/** The same for CI: fails with `workflow.nondeterministic` and every report when there is any. */
export async function assertReplays(workflows: readonly AnyWorkflow[], recorded: readonly unknown[]): Promise<void> {
  const results = await replayHistories(workflows, recorded);
  const reports = results.flatMap(({ report }) => (report === undefined ? [] : [report]));
  if (reports.length === 0) return;
  throw new ProaError(
    'workflow.nondeterministic',
    `${reports.length} of ${results.length} histories do not fit the code\n\n${reports.join('\n\n')}`,
  );
}

async function replay(
  registry: WorkflowRegistry,
  history: readonly HistoryEvent[],
  scope: NonNullable<ConstructorParameters<typeof Execution>[0]['scope']>,
): Promise<ReplayResult> {
  const started = history.find((event) => event.type === 'executionStarted');
  if (started?.type !== 'executionStarted') throw new ProaError('bad-request', 'a history has no beginning');
  const { instanceId, executionId = instanceId } = started.instance;
  const result = { instanceId, workflow: started.name, events: history.length };
  const definition = registry.choose(history);
  if (typeof definition === 'string') return { ...result, report: definition };
  const execution = new Execution({ instance: { instanceId, executionId }, program: programOf(definition), scope });
  await execution.replay(history);
  return { ...result, report: execution.misfit()?.text };
}

// A list of events, or an object around one; `proa wf history` writes times for people.
function historyOf(recorded: unknown, i: number): readonly HistoryEvent[] {
  const around = (recorded ?? {}) as { readonly history?: unknown; readonly events?: unknown };
  const events: unknown = Array.isArray(recorded) ? recorded : (around.history ?? around.events);
  if (Array.isArray(events) && events.length > 0 && events.every(isEvent))
    return events.map(({ time, ...event }) => ({ ...event, timeMs: event.timeMs ?? Date.parse(time ?? '') }));
  throw new ProaError('bad-request', `history ${i + 1} is none: it must be a list of events`, {
    hint: 'record it with `proa wf history <id> --json`',
  });
}

function isEvent(event: unknown): event is HistoryEvent & { readonly time?: string } {
  if (typeof event !== 'object' || event === null) return false;
  const { id, type, timeMs, time } = event as Readonly<Record<string, unknown>>;
  return typeof id === 'number' && typeof type === 'string' && (typeof timeMs === 'number' || typeof time === 'string');
}
