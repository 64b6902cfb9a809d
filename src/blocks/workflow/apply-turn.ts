import type { FailureDetails, FinalStatus, HistoryEvent, Stall, TurnAnswer, WorkflowAction } from '../../contracts/workflow.ts';
import { applyToOpen } from './filter-mail.ts';
import { type Header, idUsed, opens, type OpenOperation, withId } from './header.ts';
import { actionEvent, type EventMaker, letterOf } from './action-events.ts';
import type { Address, Letter } from './mail.ts';
import { childAddress } from './tree.ts';
import { liftsAfter } from './without-turn.ts';

/** What a turn does beside its own history, carried out by the same commit. */
export interface Effects {
  readonly tasks: readonly TaskScheduled[];
  readonly timers: readonly { readonly id: number; readonly fireAtMs: number }[];
  readonly letters: readonly Letter[];
}

export type TaskScheduled = Extract<HistoryEvent, { readonly type: 'taskScheduled' }>;

export interface TurnInput extends EventMaker {
  readonly header: Header;
  /** What the worker got, without the leading `workflowStarted`. */
  readonly news: readonly HistoryEvent[];
  readonly answer: TurnAnswer;
  /** Of the turn's `workflowStarted`. */
  readonly startedMs: number;
  /** Who hears of a termination that is to reach everything below, beside the children that are open. */
  readonly below?: readonly Address[];
}

export type TurnOutcome =
  | ({ readonly kind: 'stalled' } & Stall)
  /** Computed from an older history: the turn runs again. */
  | { readonly kind: 'stale' }
  | {
      readonly kind: 'next';
      readonly header: Header;
      readonly events: readonly HistoryEvent[];
      readonly effects: Effects;
      readonly restart?: Restart;
    };

/** Continue-as-new: what the next execution begins with. */
export interface Restart {
  readonly input?: string;
  readonly version?: string;
  readonly carryover: readonly HistoryEvent[];
}

interface Completion {
  readonly id: number;
  readonly status: FinalStatus | 'CONTINUED_AS_NEW';
  readonly result?: string;
  readonly failure?: FailureDetails;
  readonly restart?: Restart;
}

/**
 * What an answer makes of an instance (serverless reference 5.6 to 5.8): a pure function, so that every rule can be tried without an engine. Actions take effect in
 * the order of their ids; what the history shows are its news first, then what the actions began.
 */
export function applyTurn(input: TurnInput): TurnOutcome {
  const { header, answer } = input;
  if (answer.stalled !== undefined) return { kind: 'stalled', ...answer.stalled };
  if (answer.actions.some(({ type }) => type === 'versionNotAvailable')) {
    return { kind: 'stalled', reason: 'version-not-available', description: `no worker has the version that ${header.name} began with` };
  }
  const patches = newPatches(header, answer);
  if (patches === undefined) return { kind: 'stalled', reason: 'patch-mismatch', description: patchText(header, answer) };
  const actions = [...answer.actions].sort((a, b) => a.id - b.id);
  if (actions.some((action) => recreates(header, action))) return { kind: 'stale' };
  return new TurnApplication(input, patches).apply(actions);
}

/** The newly reported patches; undefined when the stored ones are no prefix of the reported ones. An answer without any word of versions says nothing. */
function newPatches({ choice }: Header, { version }: TurnAnswer): readonly string[] | undefined {
  const stored = choice?.patches ?? [];
  const reported = version?.patches ?? (version === undefined ? stored : []);
  return stored.every((patch, i) => reported[i] === patch) ? reported.slice(stored.length) : undefined;
}

function patchText({ choice }: Header, { version }: TurnAnswer): string {
  return `the history has the patches [${choice?.patches?.join(', ') ?? ''}], the worker reports [${version?.patches?.join(', ') ?? ''}]`;
}

function recreates({ ids }: Header, { id, type }: WorkflowAction): boolean {
  return (type === 'scheduleTask' || type === 'createTimer' || type === 'createChild') && idUsed(ids, id);
}

class TurnApplication {
  readonly #input: TurnInput;
  readonly #patches: readonly string[];
  readonly #open: Map<string, OpenOperation>;
  readonly #made: HistoryEvent[] = [];
  readonly #tasks: TaskScheduled[] = [];
  readonly #timers: { id: number; fireAtMs: number }[] = [];
  readonly #letters: Letter[] = [];
  #ids: Header['ids'];
  #suspended: boolean;
  #completion: Completion | undefined;
  #children: boolean;

  constructor(input: TurnInput, patches: readonly string[]) {
    this.#input = input;
    this.#patches = patches;
    this.#open = new Map(Object.entries(input.header.open));
    this.#ids = input.header.ids;
    this.#suspended = input.header.suspended === true;
    this.#children = input.header.children === true;
  }

  apply(actions: readonly WorkflowAction[]): TurnOutcome {
    const { news } = this.#input;
    for (const event of news) {
      applyToOpen(this.#open, event);
      if (event.type === 'executionSuspended') this.#suspended = true;
      if (event.type === 'executionResumed') this.#suspended = false;
    }
    for (const action of actions) this.#act(action);
    this.#mindTermination();
    const completion = this.#completion;
    if (completion?.status === 'CONTINUED_AS_NEW') return this.#restart(completion);
    if (completion !== undefined) this.#complete(completion, completion.status);
    return { kind: 'next', header: this.#header(), events: this.#events(), effects: this.#effects() };
  }

  #act(action: WorkflowAction): void {
    if (action.type === 'complete') {
      this.#completion ??= completionOf(action);
      return;
    }
    const event = actionEvent(action, this.#input);
    if (event !== undefined) {
      this.#made.push(event);
      if (action.id >= 0) this.#ids = withId(this.#ids, action.id);
      const operation = opens(event);
      if (operation !== undefined) this.#begin(event, operation);
    }
    const letter = letterOf(action, this.#input);
    if (letter !== undefined) this.#letters.push(letter);
  }

  #begin(event: HistoryEvent, operation: OpenOperation): void {
    this.#open.set(String(event.id), operation);
    if (event.type === 'taskScheduled') this.#tasks.push(event);
    else if (event.type === 'timerCreated') this.#timers.push({ id: event.id, fireAtMs: event.fireAtMs });
    else this.#children = true;
  }

  // A completion that the worker made beats a termination of the same batch; a termination beats continue-as-new, and is carried out when the worker says nothing.
  #mindTermination(): void {
    const terminated = terminationIn(this.#input.news);
    if (terminated === undefined) return;
    const made = this.#completion;
    if (made === undefined || made.status === 'CONTINUED_AS_NEW' || made.status === 'TERMINATED') {
      const result = made?.status === 'TERMINATED' ? (made.result ?? terminated.input) : terminated.input;
      const id = made?.status === 'TERMINATED' ? made.id : -1;
      this.#completion = { id, status: 'TERMINATED', ...(result !== undefined && { result }) };
    }
  }

  // What was begun in the last turn is begun no more, but letters go out; what is below is told when that is asked for, also by an instance that made its own end first.
  #complete(completion: Completion, status: FinalStatus): void {
    const { id, result, failure } = completion;
    const { header, stamp, self, news, below = [] } = this.#input;
    const terminated = terminationIn(news);
    if (terminated?.recurse === true) {
      const { input } = terminated;
      const children = [...this.#open.values()].flatMap((operation) => (operation.kind === 'child' ? [childAddress(self, operation)] : []));
      for (const to of [...children, ...below]) {
        const event = {
          type: 'executionTerminated',
          id: -1,
          timeMs: stamp(),
          ...(input !== undefined && { input }),
          recurse: true,
        } as const;
        this.#letters.push({ to, event });
      }
    }
    this.#made.push({
      type: 'executionCompleted',
      id,
      timeMs: stamp(),
      status,
      ...(result !== undefined && { result }),
      ...(failure !== undefined && { failure }),
    });
    const parent = parentLetter(header, { ...completion, status }, this.#input);
    if (parent !== undefined) this.#letters.push(parent);
    this.#tasks.length = 0;
    this.#timers.length = 0;
    this.#open.clear();
  }

  #restart({ restart }: Completion): TurnOutcome {
    const effects = { tasks: [], timers: [], letters: this.#letters };
    const { suspended: _none, ...header } = this.#header();
    return { kind: 'next', header, events: [], effects, restart: restart ?? { carryover: [] } };
  }

  #events(): HistoryEvent[] {
    const { startedMs, answer, header, news } = this.#input;
    const name = answer.version?.name;
    const version = {
      ...(name !== undefined && header.choice?.name === undefined && { name }),
      ...(this.#patches.length > 0 && { patches: this.#patches }),
    };
    const choice = Object.keys(version).length === 0 ? {} : { version };
    return [{ type: 'workflowStarted', id: -1, timeMs: startedMs, ...choice }, ...news, ...this.#made];
  }

  #effects(): Effects {
    return { tasks: this.#tasks, timers: this.#timers, letters: this.#letters };
  }

  #header(): Header {
    const { answer, stamp, startedMs } = this.#input;
    const { stall, suspended: _suspended, pending: _pending, choice, ...header } = this.#input.header;
    const status = this.#completion?.status;
    const nowMs = stamp();
    const name = choice?.name ?? answer.version?.name;
    const patches = [...(choice?.patches ?? []), ...this.#patches];
    const chosen = { ...(name !== undefined && { name }), ...(patches.length > 0 && { patches }) };
    return {
      ...header,
      status: status === undefined || status === 'CONTINUED_AS_NEW' ? 'RUNNING' : status,
      ...(this.#suspended && { suspended: true as const }),
      ...(stall !== undefined && { lifts: liftsAfter(this.#input.header) }),
      updatedMs: nowMs,
      startedMs: header.startedMs ?? startedMs,
      ...(status !== undefined && status !== 'CONTINUED_AS_NEW' && { completedMs: nowMs }),
      lastMs: nowMs,
      ids: this.#ids,
      open: Object.fromEntries(this.#open),
      ...(answer.customStatus !== undefined && { customStatus: answer.customStatus }),
      ...(Object.keys(chosen).length > 0 && { choice: chosen }),
      ...(answer.attributes !== undefined && { attributes: { ...header.attributes, ...answer.attributes } }),
      ...(this.#children && { children: true as const }),
    };
  }
}

/** The termination among what a turn consumes. */
export function terminationIn(news: readonly HistoryEvent[]): Extract<HistoryEvent, { readonly type: 'executionTerminated' }> | undefined {
  return news.find((event) => event.type === 'executionTerminated');
}

function completionOf(action: Extract<WorkflowAction, { readonly type: 'complete' }>): Completion {
  const { id, status, result, failure, newVersion, carryover } = action;
  const restart: Restart = {
    ...(result !== undefined && { input: result }),
    ...(newVersion !== undefined && { version: newVersion }),
    carryover: carryover ?? [],
  };
  return {
    id,
    status,
    ...(result !== undefined && { result }),
    ...(failure !== undefined && { failure }),
    ...(status === 'CONTINUED_AS_NEW' && { restart }),
  };
}

/** What the parent is told: a result, or a failure for everything but COMPLETED. */
function parentLetter(header: Header, { status, result, failure }: Completion, { stamp, self }: EventMaker): Letter | undefined {
  const { parent } = header;
  if (parent === undefined) return undefined;
  const to = { namespace: parent.appNamespace ?? self.namespace, appId: parent.appId, instanceId: parent.instanceId };
  const base = { id: -1, timeMs: stamp(), scheduledId: parent.taskScheduledId };
  const execution = parent.executionId === undefined ? {} : { execution: parent.executionId };
  if (status === 'COMPLETED')
    return { to, ...execution, event: { type: 'childCompleted', ...base, ...(result !== undefined && { result }) } };
  const why = failure ?? { errorType: status, errorMessage: `child workflow ${header.name} ended as ${status}` };
  return { to, ...execution, event: { type: 'childFailed', ...base, failure: why } };
}
