import type { DurableTimer } from '../../contracts/timers.ts';
import type { Put } from '../../contracts/engine.ts';
import { givenTo } from '../../contracts/propagated-history.ts';
import type { FinalStatus, HistoryEvent, PropagatedHistory, StartedEvent } from '../../contracts/workflow.ts';
import { addressOf, startedEvent } from './action-events.ts';
import type { TaskScheduled, TurnInput, TurnOutcome } from './apply-turn.ts';
import type { Core } from './core.ts';
import { foreignTask } from './foreign-task.ts';
import { type Header, isFinal, newHeader } from './header.ts';
import { encodeLine } from './history-lines.ts';
import { type LiveInstance, readPast } from './live-instance.ts';
import type { Address, Letter } from './mail.ts';
import { withHistories } from './propagate.ts';
import { neverMs, timerFor } from './timer-data.ts';

/** How long finished instances are kept; absent is for ever. */
export interface RetentionPolicy extends Retention {
  /** Of single workflows, by name; what one of them leaves open the general rules say. */
  readonly names?: ReadonlyMap<string, Retention>;
}

/** For how long; `anyTerminalMs` where nothing is said for the status. */
export interface Retention {
  readonly anyTerminalMs?: number;
  readonly completedMs?: number;
  readonly failedMs?: number;
  readonly terminatedMs?: number;
}

/** What a turn makes of an instance, before it is put into a commit. */
export interface MadeChange {
  readonly header: Header;
  readonly events: readonly HistoryEvent[];
  readonly ended?: string;
  readonly letters: readonly Letter[];
  readonly timers: readonly DurableTimer[];
  /** Activities of this app, to be executed after the commit. */
  readonly tasks: readonly TaskScheduled[];
  readonly puts: readonly Put[];
  readonly parts: readonly Put[];
  readonly busy: boolean;
}

type Next = Extract<TurnOutcome, { readonly kind: 'next' }>;

/** A turn that the rules were applied to. */
export interface Applied {
  readonly outcome: Next;
  readonly input: TurnInput;
  /** What goes along with operations, by their ids. */
  readonly histories: ReadonlyMap<number, PropagatedHistory>;
}

/** From rules to keys, for a turn after which the execution goes on or ends. */
export function changeOfTurn(core: Core, live: LiveInstance, { outcome, histories }: Applied): MadeChange {
  const { header, events, effects } = outcome;
  const local = effects.tasks.filter((task) => task.router?.targetAppId === undefined || isOwnApp(core, task));
  const foreign = effects.tasks
    .filter((task) => !local.includes(task))
    .map((task) => foreignTask(core, { id: live.id, header, propagated: histories.get(task.id) }, task));
  const timers = effects.timers
    .filter(({ fireAtMs }) => fireAtMs < neverMs)
    .map(({ id, fireAtMs }) => {
      const purpose = { kind: 'timer', instanceId: live.id, execution: header.execution, timerId: id, fireAtMs } as const;
      return timerFor(fireAtMs, purpose);
    });
  return {
    header,
    events,
    letters: withHistories(effects.letters, { id: live.id, histories }),
    timers,
    tasks: local,
    puts: foreign.flatMap(({ puts }) => puts),
    parts: foreign.flatMap(({ parts }) => parts),
    busy: Object.values(header.open).some((operation) => operation.kind === 'task' && isOwnApp(core, operation)),
  };
}

/** True for an operation that stays in this app. */
export function isOwnApp({ self }: Core, at: { readonly app?: string; readonly namespace?: string } | TaskScheduled): boolean {
  const [app, namespace] = 'type' in at ? [at.router?.targetAppId, at.router?.targetAppNamespace] : [at.app, at.namespace];
  return (app ?? self.appId) === self.appId && (namespace ?? self.namespace) === self.namespace;
}

/** Whom in other apps the effects of a turn wait for. */
export function askedElsewhere(core: Core, instanceId: string, { letters, tasks }: Next['effects']): readonly Address[] {
  const addresses = [...letters.map(({ to }) => to), ...tasks.map((task) => addressOf(task, instanceId, core.self))];
  return addresses.filter(({ appId, namespace }) => appId !== core.self.appId || namespace !== core.self.namespace);
}

/**
 * A new execution of the same instance: its first turn gets the new start and what was carried over. The trace begins afresh, or an endless loop would be one endless trace.
 */
export async function restartChange(core: Core, live: LiveInstance, { outcome, input, histories }: Applied): Promise<MadeChange> {
  const { header, effects, restart } = outcome;
  const { stamp, newExecution } = input;
  const execution = newExecution();
  const version = restart?.version ?? header.version;
  const started: StartedEvent = {
    name: header.name,
    ...(version !== undefined && { version }),
    ...(restart?.input !== undefined && { input: restart.input }),
    instance: { instanceId: live.id, executionId: execution },
    ...(header.parent !== undefined && { parent: header.parent }),
    ...(header.tags !== undefined && { tags: header.tags }),
    ...(header.given === true && { ...given(await readPast(core, live), input.news) }),
    ...(core.signing !== undefined && header.parent !== undefined && { ...created(await readPast(core, live), input.news) }),
  };
  const place = { keys: core.keys, id: live.id, scope: execution, newBlob: () => core.random.hex(16) };
  const carried = (restart?.carryover ?? []).map((event) => ({ ...event, id: -1, timeMs: stamp() }));
  const encoded = [startedEvent(started, { stamp }), ...carried].map((event) => encodeLine(event, place));
  const next: Header = {
    ...newHeader(
      started,
      encoded.map(({ line }) => line),
      header.createdMs,
    ),
    status: 'RUNNING',
    updatedMs: header.updatedMs,
    lastMs: stamp(),
    ...(header.startedMs !== undefined && { startedMs: header.startedMs }),
    ...(header.customStatus !== undefined && { customStatus: header.customStatus }),
    ...(header.attributes !== undefined && { attributes: header.attributes }),
    ...(header.children === true && { children: true as const }),
  };
  return {
    header: next,
    events: [],
    ended: header.execution,
    letters: withHistories(effects.letters, { id: live.id, histories }),
    timers: [],
    tasks: [],
    puts: [],
    parts: encoded.flatMap(({ parts }) => parts),
    busy: true,
  };
}

// Its parent knows the input that it gave, not those of later executions.
function created(past: readonly HistoryEvent[], news: readonly HistoryEvent[]): Pick<StartedEvent, 'created'> {
  const started = [...past, ...news].find((event) => event.type === 'executionStarted');
  if (started?.type !== 'executionStarted') return {};
  return { created: started.created ?? (started.input === undefined ? {} : { input: started.input }) };
}

function given(past: readonly HistoryEvent[], news: readonly HistoryEvent[]): Pick<StartedEvent, 'propagated'> {
  const propagated = givenTo(past) ?? givenTo(news);
  return propagated === undefined ? {} : { propagated };
}

function keptFor({ completedMs, failedMs, terminatedMs, anyTerminalMs }: Retention, status: FinalStatus): number | undefined {
  return { COMPLETED: completedMs, FAILED: failedMs, TERMINATED: terminatedMs, CANCELED: undefined }[status] ?? anyTerminalMs;
}

/** The timer that purges a finished instance when its retention is over. */
export function retentionTimer(
  core: Core,
  instanceId: string,
  { header, policy }: { readonly header: Header; readonly policy: RetentionPolicy },
): DurableTimer | undefined {
  if (!isFinal(header.status)) return undefined;
  const named = policy.names?.get(header.name);
  const keepMs = (named === undefined ? undefined : keptFor(named, header.status)) ?? keptFor(policy, header.status);
  if (keepMs === undefined) return undefined;
  return timerFor(core.engine.now() + keepMs, { kind: 'purge', instanceId, execution: header.execution });
}
