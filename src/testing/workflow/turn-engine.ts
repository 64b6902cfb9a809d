import type {
  ActivityAnswer,
  ActivityTask,
  HistoryEvent,
  StartWorkflow,
  TurnAnswer,
  WorkflowAction,
  WorkflowState,
  WorkflowWorker,
} from '../../contracts/workflow.ts';
import { givenTo } from '../../contracts/propagated-history.ts';
import type { Cancellation } from '../../kernel/cancel.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { FakeClock } from '../fake-clock.ts';
import {
  createInstance,
  eventOf,
  firstOfEach,
  handedOn,
  isFinal,
  resultEvent,
  stateOf,
  type CreateRequest,
  type Instance,
  type NewEvent,
  waitingText,
} from './instance.ts';
import { TimeLine } from './time-line.ts';
import { watchedTask } from './watched-task.ts';

export interface TurnEngineOptions {
  /** Moves by itself: when nothing else is to do, to the next thing that is due. */
  readonly clock: FakeClock;
  /** Chooses what is next among so many: the order in which turns and activities run. Absent: as they came, activities side by side. */
  readonly pick?: (count: number) => number;
}

interface QueuedActivity {
  readonly instance: Instance;
  readonly task: ActivityTask;
  readonly app: string;
}

interface Watcher {
  readonly done: () => boolean;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
  /** How far time may go for it. */
  readonly untilMs: number;
}

/** An activity that answers this never answers, as if its process hung. */
export const hangs: unique symbol = Symbol('proa.testing.hangs');

/**
 * The rules of turns in memory, on a clock that skips what nobody waits for: what the engine does with histories, inboxes, timers, children and activities, without
 * an engine. One turn at a time. Nothing runs unless somebody waits for it.
 */
export class TurnEngine {
  readonly #options: TurnEngineOptions;
  readonly #workers = new Map<string, WorkflowWorker>();
  readonly #instances = new Map<string, Instance>();
  readonly #timeLine = new TimeLine();
  #activities: QueuedActivity[] = [];
  readonly #running = new Set<Promise<void>>();
  readonly #watchers = new Set<Watcher>();
  #driving = false;
  #ids = 0;

  constructor(options: TurnEngineOptions) {
    this.#options = options;
  }

  /** Another worker for an app takes the place of the one that it had. */
  attach(worker: WorkflowWorker, app: string): void {
    this.#workers.set(app, worker);
    for (const instance of this.#instances.values()) instance.stall = undefined;
  }

  start({ app = 'app', ...request }: StartWorkflow & { readonly app?: string }): string {
    const instanceId = request.instanceId ?? this.#id('instance');
    const existing = this.#instances.get(instanceId);
    if (existing !== undefined && (!isFinal(existing) || request.unique === true))
      throw new ProaError('already-exists', `there is an instance ${instanceId}`);
    this.#create({ ...request, instanceId }, request.router?.targetAppId ?? app);
    return instanceId;
  }

  state(instanceId: string): WorkflowState | undefined {
    const instance = this.#instances.get(instanceId);
    return instance === undefined ? undefined : stateOf(instance);
  }

  list(): readonly WorkflowState[] {
    return [...this.#instances.values()].map(stateOf);
  }

  purge(instanceId: string): void {
    if (!isFinal(this.instance(instanceId))) throw new ProaError('failed-precondition', `instance ${instanceId} runs`);
    this.#instances.delete(instanceId);
  }

  /** What the next turn would get as its past. Fails with `not-found`. */
  history(instanceId: string): readonly HistoryEvent[] {
    return [...this.instance(instanceId).history];
  }

  instance(instanceId: string): Instance {
    const instance = this.#instances.get(instanceId);
    if (instance === undefined) throw new ProaError('not-found', `there is no instance ${instanceId}`);
    return instance;
  }

  /** An event from outside. For finished instances it is accepted and dropped. */
  inform(instanceId: string, event: NewEvent): void {
    this.#inform(this.instance(instanceId), event);
  }

  /** Calls back at a time of the clock. */
  at(timeMs: number, callback: () => Promise<void> | void): void {
    this.#timeLine.add(timeMs, callback);
  }

  /** Runs what there is to run, and skips time up to `untilMs`, until `done` says so. Fails when nothing happens any more before it does. */
  async until(done: () => boolean, untilMs = Infinity, cancel?: Cancellation): Promise<void> {
    if (done()) return;
    await new Promise<void>((resolve, reject) => {
      const watcher = { done, resolve, reject, untilMs };
      this.#watchers.add(watcher);
      cancel?.onCancel((reason) => {
        if (this.#watchers.delete(watcher)) reject(reason);
      });
      if (!this.#driving) void this.#drive();
    });
  }

  /** Runs what there is to run now, and then time up to that instant. */
  async advanceTo(timeMs: number): Promise<void> {
    const { clock } = this.#options;
    await this.until(() => clock.now() >= timeMs && this.#idle(), timeMs);
  }

  #idle(): boolean {
    return (
      this.#running.size === 0 &&
      this.#activities.length === 0 &&
      this.#ready().length === 0 &&
      this.#timeLine.nextMs > this.#options.clock.now()
    );
  }

  async #drive(): Promise<void> {
    this.#driving = true;
    try {
      while (this.#watchers.size > 0) {
        for (const watcher of this.#watchers)
          if (watcher.done()) {
            this.#watchers.delete(watcher);
            watcher.resolve();
          }
        if (this.#watchers.size > 0) await this.#step();
      }
    } catch (error) {
      this.#failAll(error);
    } finally {
      this.#driving = false;
    }
  }

  async #step(): Promise<void> {
    const { clock, pick } = this.#options;
    const ready = this.#ready();
    if (pick !== undefined && ready.length + this.#activities.length > 0) return this.#stepOf(ready, pick);
    if (ready.length > 0) return this.#turn(ready[0] as Instance, Infinity);
    const begun = this.#activities.splice(0);
    for (const activity of begun) this.#begin(activity);
    if (this.#running.size > 0) return Promise.race(this.#running);
    if (begun.length > 0) return;
    const untilMs = Math.max(...[...this.#watchers].map((watcher) => watcher.untilMs));
    const dueMs = this.#timeLine.nextMs;
    if (dueMs <= untilMs && dueMs !== Infinity) {
      clock.advance(Math.max(0, dueMs - clock.now()));
      await this.#timeLine.take()?.();
    } else if (untilMs !== Infinity && clock.now() < untilMs) clock.advance(untilMs - clock.now());
    else this.#failAll(new ProaError('failed-precondition', `nothing happens any more\n${waitingText(this.#instances.values())}`));
  }

  async #stepOf(ready: readonly Instance[], pick: (count: number) => number): Promise<void> {
    const at = pick(ready.length + this.#activities.length);
    const instance = ready[at];
    if (instance !== undefined) return this.#turn(instance, 1 + pick(instance.inbox.length));
    const [activity] = this.#activities.splice(at - ready.length, 1);
    this.#begin(activity as QueuedActivity);
    return Promise.race(this.#running);
  }

  #ready(): readonly Instance[] {
    return [...this.#instances.values()].filter(
      (instance) =>
        instance.inbox.length > 0 &&
        instance.stall === undefined &&
        !isFinal(instance) &&
        instance.notBeforeMs <= this.#options.clock.now(),
    );
  }

  #failAll(error: unknown): void {
    for (const { reject } of this.#watchers) reject(error);
    this.#watchers.clear();
  }

  #create(request: CreateRequest, app: string): Instance {
    const nowMs = this.#options.clock.now();
    const instance = createInstance({ ...request, executionId: this.#id('execution'), app, nowMs });
    this.#instances.set(request.instanceId, instance);
    if (instance.notBeforeMs > nowMs) this.#timeLine.add(instance.notBeforeMs, () => {});
    return instance;
  }

  #inform(instance: Instance, event: NewEvent): void {
    if (!isFinal(instance)) instance.inbox.push(eventOf(instance, event, this.#options.clock.now()));
  }

  async #turn(instance: Instance, most: number): Promise<void> {
    const taken = instance.inbox.splice(0, most);
    const inbox = firstOfEach(taken.filter((event) => instance.accepts(event)));
    if (inbox.length === 0) return;
    const worker = this.#worker(instance.app);
    const began = eventOf(instance, { id: -1, type: 'workflowStarted' }, this.#options.clock.now());
    const news = [began, ...inbox];
    const { instanceId, executionId, history } = instance;
    const answer = await worker.turn({
      instance: { instanceId, executionId },
      pastCount: history.length,
      past: async () => [...history],
      news,
    });
    if (answer.stalled !== undefined) {
      instance.stall = answer.stalled;
      instance.inbox.unshift(...taken);
      this.#failAll(new ProaError('workflow.nondeterministic', answer.stalled.description));
    } else this.#apply(instance, news, answer);
  }

  #apply(instance: Instance, news: readonly HistoryEvent[], answer: TurnAnswer): void {
    const [began, ...inbox] = news as [HistoryEvent, ...HistoryEvent[]];
    instance.history.push({ ...began, ...(answer.version !== undefined && { version: answer.version }) } as HistoryEvent, ...inbox);
    for (const event of inbox) instance.consumed(event);
    if (answer.customStatus !== undefined) instance.customStatus = answer.customStatus;
    if (answer.attributes !== undefined) instance.attributes = { ...instance.attributes, ...answer.attributes };
    if (answer.version?.name !== undefined) instance.version = answer.version.name;
    for (const action of answer.actions) {
      this.#act(instance, action);
      // Finished, or another run has its place.
      if (isFinal(instance) || this.#instances.get(instance.instanceId) !== instance) break;
    }
    const terminated = inbox.find(({ type }) => type === 'executionTerminated');
    if (terminated?.type === 'executionTerminated' && !isFinal(instance)) {
      const result = terminated.input === undefined ? {} : { result: terminated.input };
      this.#act(instance, { id: -1, type: 'complete', status: 'TERMINATED', ...result });
    }
    if (isFinal(instance)) this.#finished(instance);
  }

  #act(instance: Instance, action: WorkflowAction): void {
    const nowMs = this.#options.clock.now();
    const record = (event: NewEvent): void => instance.record(eventOf(instance, event, nowMs));
    const { id } = action;
    switch (action.type) {
      case 'scheduleTask': {
        const { type: _, ...rest } = action;
        record({ ...rest, type: 'taskScheduled' });
        this.#schedule(instance, action);
        return;
      }
      case 'createTimer': {
        const { type: _, ...rest } = action;
        record({ ...rest, type: 'timerCreated' });
        this.#timeLine.add(action.fireAtMs, () =>
          this.#inform(instance, { id: -1, type: 'timerFired', timerId: id, fireAtMs: action.fireAtMs }),
        );
        return;
      }
      case 'createChild':
        this.#createChild(instance, action, record);
        return;
      case 'sendEvent': {
        const { type: _, ...rest } = action;
        record({ ...rest, type: 'eventSent' });
        const target = this.#instances.get(action.instanceId);
        if (target !== undefined)
          this.#inform(target, {
            id: -1,
            type: 'eventRaised',
            name: action.name,
            ...(action.input !== undefined && { input: action.input }),
          });
        return;
      }
      case 'createDetached':
        record({ id, type: 'detachedCreated', instanceId: action.instanceId });
        this.#createDetached(instance, action);
        return;
      case 'record': {
        const { type: _, ...rest } = action;
        record({ ...rest, type: 'recorded' });
        return;
      }
      case 'terminate':
        this.terminate(action.instanceId, undefined);
        return;
      case 'complete':
        this.#complete(instance, action, record);
        return;
      case 'versionNotAvailable':
        instance.stall = { reason: 'version-not-available', description: 'the worker has no such version' };
    }
  }

  /** Ends an instance and its children. */
  terminate(instanceId: string, output: string | undefined): void {
    const instance = this.#instances.get(instanceId);
    if (instance === undefined || isFinal(instance)) return;
    this.#inform(instance, { id: -1, type: 'executionTerminated', recurse: true, ...(output !== undefined && { input: output }) });
  }

  #schedule(instance: Instance, action: WorkflowAction & { readonly type: 'scheduleTask' }): void {
    const task = watchedTask({
      ...{ instance, action, timeLine: this.#timeLine, clock: this.#options.clock },
      fail: (errorMessage) => {
        const failure = { errorType: 'deadline-exceeded', errorMessage };
        this.#inform(instance, { id: -1, type: 'taskFailed', scheduledId: action.id, failure });
      },
    });
    this.#activities.push({ instance, task, app: action.router?.targetAppId ?? instance.app });
  }

  #createChild(instance: Instance, action: WorkflowAction & { readonly type: 'createChild' }, record: (event: NewEvent) => void): void {
    const { type: _, ...rest } = action;
    const instanceId = action.instanceId ?? `${instance.instanceId}:${action.id.toString(16).padStart(4, '0')}`;
    record({ ...rest, type: 'childCreated', instanceId });
    const app = action.router?.targetAppId ?? instance.app;
    const existing = this.#instances.get(instanceId);
    const refusal =
      existing !== undefined && !isFinal(existing)
        ? `there is an instance ${instanceId}`
        : this.#workers.has(app)
          ? undefined
          : `there is no app "${app}"`;
    if (refusal !== undefined) {
      const failure = { errorType: existing === undefined ? 'not-found' : 'already-exists', errorMessage: refusal };
      this.#inform(instance, { id: -1, type: 'childFailed', scheduledId: action.id, failure });
      return;
    }
    const parent = {
      ...{ taskScheduledId: action.id, name: instance.name, appId: instance.app },
      ...{ instanceId: instance.instanceId, executionId: instance.executionId },
    };
    this.#create({ ...action, instanceId, parent, ...handedOn(instance, action) }, app);
  }

  #createDetached({ app }: Instance, action: WorkflowAction & { readonly type: 'createDetached' }): void {
    if (this.#instances.has(action.instanceId)) return;
    const { scheduledStartMs, router, ...request } = action;
    this.#create({ ...request, ...(scheduledStartMs !== undefined && { startAtMs: scheduledStartMs }) }, router?.targetAppId ?? app);
  }

  #complete(instance: Instance, action: WorkflowAction & { readonly type: 'complete' }, record: (event: NewEvent) => void): void {
    const { status, result, failure, carryover = [] } = action;
    if (status === 'CONTINUED_AS_NEW') {
      const { parent, name, version } = instance;
      const request = { name, ...(version !== undefined && { version }), ...(result !== undefined && { input: result }) };
      const next = this.#create(
        { ...request, instanceId: instance.instanceId, parent, propagated: givenTo(instance.history) },
        instance.app,
      );
      next.customStatus = instance.customStatus;
      const kept = new Set(['eventRaised', 'executionTerminated', 'executionSuspended', 'executionResumed']);
      for (const event of [...carryover, ...instance.inbox]) if (kept.has(event.type)) this.#inform(next, event);
      return;
    }
    record({
      id: action.id,
      type: 'executionCompleted',
      status,
      ...(result !== undefined && { result }),
      ...(failure !== undefined && { failure }),
    });
    instance.end = {
      status,
      atMs: this.#options.clock.now(),
      ...(result !== undefined && { result }),
      ...(failure !== undefined && { failure }),
    };
  }

  #finished(instance: Instance): void {
    const { end, parent, instanceId } = instance;
    this.#worker(instance.app).forget(instanceId);
    const target = parent === undefined ? undefined : this.#instances.get(parent.instanceId);
    if (end?.status === 'TERMINATED')
      for (const child of this.#instances.values())
        if (child.parent?.instanceId === instanceId) this.terminate(child.instanceId, end.result);
    if (target === undefined || parent === undefined || target.executionId !== parent.executionId) return;
    const scheduledId = parent.taskScheduledId;
    if (end?.status === 'COMPLETED')
      this.#inform(target, { id: -1, type: 'childCompleted', scheduledId, ...(end.result !== undefined && { result: end.result }) });
    else {
      const failure = end?.failure ?? { errorType: 'workflow.terminated', errorMessage: `workflow ${instanceId} was terminated` };
      this.#inform(target, { id: -1, type: 'childFailed', scheduledId, failure });
    }
  }

  #begin({ instance, task, app }: QueuedActivity): void {
    const answered = (answer: ActivityAnswer): void => this.#inform(instance, resultEvent(task, answer));
    const worker = this.#workers.get(app);
    if (worker === undefined) {
      answered({ failure: { errorType: 'not-found', errorMessage: `there is no app "${app}"` } });
      return;
    }
    const running = worker
      .activity(task)
      .then(answered)
      .catch((error: unknown) => {
        if (error !== hangs) this.#failAll(error);
      })
      .finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  #worker(app: string): WorkflowWorker {
    const worker = this.#workers.get(app);
    if (worker === undefined) throw new ProaError('not-found', `there is no app "${app}"`);
    return worker;
  }

  #id(what: string): string {
    return `${what}-${++this.#ids}`;
  }
}
