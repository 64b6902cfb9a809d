import type { Engine } from '../../contracts/engine.ts';
import type { HistorySigning } from '../../contracts/history-signing.ts';
import type { Membership, OwnedShard, Placement } from '../../contracts/placement.ts';
import type { Endpoint } from '../../contracts/resolver.ts';
import type { DurableTimer, ShardTimers, ShardTimersOptions } from '../../contracts/timers.ts';
import { noTracer, type Tracer } from '../../contracts/tracer.ts';
import type { BlockContext } from '../../contracts/block-context.ts';
import type { HistoryEvent, WorkflowState } from '../../contracts/workflow.ts';
import { neverCancelled } from '../../kernel/cancel.ts';
import { ProaError } from '../../kernel/errors.ts';
import { AbsentApps } from './absent-apps.ts';
import { publishAccess } from './access.ts';
import { Activities } from './activities.ts';
import { Bells } from './bells.ts';
import { type Core, workflowShards } from './core.ts';
import { Exposed } from './exposed.ts';
import { type Header, isFinal } from './header.ts';
import { guardedBlock } from './guarded-block.ts';
import type { WorkflowBlock } from './index.ts';
import { InstanceCache } from './instance-cache.ts';
import { type AppScope, workflowKeys } from './keys.ts';
import { listInstances } from './list.ts';
import type { Address, Fate } from './mail.ts';
import { Postman } from './postman.ts';
import { purgeInstance, purgeMatching } from './purge.ts';
import { stateOf, stateWithPayloads, storedRecord } from './read-state.ts';
import type { StoredRecord } from './record.ts';
import { rerunInstance } from './rerun.ts';
import { groupOf, ShardKeeper } from './shard-keeper.ts';
import { headerOf, mindOwner, raiseEvent, signal, type SignalsParts } from './signals.ts';
import { SharedPlaces } from './shared-places.ts';
import { mustBeProven, signaturesOf } from './signing/examine.ts';
import { checkPayload, startInstance } from './start-instance.ts';
import { purposeOf, type TimerPurpose } from './timer-data.ts';
import { historyOf, isHome, runningBelowFinished } from './tree.ts';
import type { RetentionPolicy } from './turn-change.ts';
import { TurnRunner } from './turn-runner.ts';
import { Waits } from './waits.ts';
import { watchedEngine } from './watched-engine.ts';
import { type ConcurrencyLimits, type ShareLimit, WorkerPool } from './worker-pool.ts';
import { createWorkflowMetrics, type OperationName } from './workflow-metrics.ts';

export interface WorkflowDeps {
  readonly engine: Engine;
  readonly placement: Placement;
  /** Durable timers of a group (`workflowGroup`). */
  readonly createTimers: (group: string, options: ShardTimersOptions) => ShardTimers;
  /** How keys are spread over shards: the placement's own. */
  readonly shardOf: (key: string, shards: number) => number;
  /** The apps that run, for hints about names; absent: none is known. */
  readonly announced?: () => Promise<readonly Endpoint[]>;
  readonly tracer?: Tracer;
  readonly retention?: RetentionPolicy;
  /** Histories are signed, and verified; absent: they are not. */
  readonly signing?: HistorySigning;
  readonly limits?: { readonly workflows: ConcurrencyLimits; readonly activities: ConcurrencyLimits };
  /** Memory for instances that have nothing under way; 64 MB by default. */
  readonly cacheBytesMax?: number;
}

const unlimited: ConcurrencyLimits = { max: Infinity, shared: { max: Infinity, names: new Map() } };
/** Other apps whose workflows clients of this one asked for. */
const othersMax = 256;
// The runs that a worker of the same process keeps (5,000) take as much again.
const cacheBytesDefault = 32 * 1024 * 1024;

/** The workflows of one app, over the engine. Nothing runs before a worker is attached. */
export function createWorkflowBlock(context: BlockContext, deps: WorkflowDeps): WorkflowBlock {
  return new Workflows(context, deps);
}

class Workflows implements WorkflowBlock {
  readonly #core: MutableCore;
  readonly #pool: WorkerPool;
  readonly #cache: InstanceCache;
  readonly #postman: Postman;
  readonly #exposed: Exposed;
  readonly #runner: TurnRunner;
  readonly #activities: Activities;
  readonly #keeper: ShardKeeper;
  readonly #waits: Waits;
  readonly #signals: SignalsParts;
  readonly #elsewhere: (self: AppScope) => WorkflowBlock;
  readonly #others = new Map<string, WorkflowBlock>();
  readonly #shared: SharedPlaces[] = [];
  #bells: Bells | undefined;

  constructor(context: BlockContext, deps: WorkflowDeps) {
    this.#elsewhere = (self) => {
      const other = new Workflows({ ...context, ...self }, { ...deps, cacheBytesMax: 0 });
      return guardedBlock(other, other.#core, { caller: core.self, of: (appId, namespace) => this.of(appId, namespace) });
    };
    const away = (): void => this.#keeper.engineAway();
    const engine = watchedEngine(deps.engine, away);
    const core = new MutableCore(context, { ...deps, engine }, () => this.#keeper?.membership);
    this.#core = core;
    this.#pool = new WorkerPool(core.clock, deps.limits ?? { workflows: unlimited, activities: unlimited }, this.#shareLimits(core));
    this.#cache = new InstanceCache(deps.cacheBytesMax ?? cacheBytesDefault);
    this.#postman = new Postman(core);
    this.#exposed = new Exposed(core, (live) => this.#runner.nudge(live));
    this.#waits = new Waits(core, (id) => this.#cache.get(id)?.header);
    const parts = { core, pool: this.#pool, cache: this.#cache, postman: this.#postman, exposed: this.#exposed };
    this.#runner = new TurnRunner({
      ...parts,
      activities: () => this.#activities,
      absent: new AbsentApps({ core, placement: deps.placement, announced: deps.announced ?? (async () => []) }),
      timers: () => this.#keeper.timers,
      retention: deps.retention ?? {},
      changed: (id, header) => this.#waits.changed(id, header),
      away,
    });
    this.#activities = new Activities({ ...parts, arrived: (id, item) => this.#runner.wake(id, item) });
    const foreign = (shard: OwnedShard): void => {
      this.#activities.resumeForeign(shard).catch((error: unknown) => {
        core.log.warn('activities for other apps cannot be read', { error: ProaError.from(error).message });
      });
    };
    this.#keeper = new ShardKeeper({
      ...parts,
      placement: deps.placement,
      createTimers: (options) => deps.createTimers(groupOf(core.self), options),
      runner: this.#runner,
      fire: (timer) => this.#fire(timer),
      claimed: (shard) => {
        foreign(shard);
        this.#bells?.listen();
      },
      waiting: () => this.#pool.waiting,
    });
    this.#signals = {
      core,
      postman: this.#postman,
      runner: this.#runner,
      keeper: this.#keeper,
      placement: deps.placement,
      workers: () => this.#pool.size,
    };
    this.#openBells = () => (this.#bells ??= new Bells({ core, postman: this.#postman, rang: (id) => this.#runner.wake(id), foreign }));
  }

  readonly #openBells: () => Bells;

  // Every runtime has a row of its own in the records of the limits.
  #shareLimits(core: Core): ShareLimit {
    const name = core.random.hex(16);
    return ({ kind, name: limited = '', max, more }) => {
      const { engine, clock, log, keys } = core;
      const places = new SharedPlaces({ engine, clock, log, key: keys.places(kind, limited), max, name, more });
      this.#shared.push(places);
      return places;
    };
  }

  of(appId: string, namespace: string = this.#core.self.namespace): WorkflowBlock {
    if (appId === this.#core.self.appId && namespace === this.#core.self.namespace) return this;
    if (!/^[\w.-]{1,128}$/.test(appId) || !/^[\w.-]{0,128}$/.test(namespace)) {
      throw new ProaError('workflow.app-id-invalid', `'${appId.slice(0, 128)}' is no app id`);
    }
    const name = `${namespace}/${appId}`;
    let other = this.#others.get(name);
    if (other === undefined) {
      if (this.#others.size >= othersMax) throw new ProaError('overloaded', `workflows of at most ${othersMax} other apps are asked for`);
      this.#others.set(name, (other = this.#elsewhere({ appId, namespace })));
    }
    return other;
  }

  setAccess(rules: Parameters<WorkflowBlock['setAccess']>[0]): Promise<void> {
    return publishAccess(this.#core.engine, this.#core.keys.access, rules);
  }

  get workers(): number {
    return this.#pool.size;
  }

  start(request: Parameters<WorkflowBlock['start']>[0]): Promise<string> {
    const parts = {
      core: this.#core,
      timers: this.#keeper.timers,
      adopt: this.#runner.adopt.bind(this.#runner),
      forget: (id: string) => this.#forget(id),
    };
    return this.#counted('create_workflow', () => startInstance(parts, request));
  }

  get(instanceId: string, payloads: boolean): Promise<WorkflowState | undefined> {
    return this.#counted('get_workflow', async () => {
      const record = await storedRecord(this.#core, instanceId);
      if (record === undefined) return undefined;
      if (payloads) return this.#proven(instanceId, record);
      const { customStatus: _status, ...state } = stateOf(instanceId, record.header);
      return state;
    });
  }

  async wait(instanceId: string, until: 'started' | 'completed', cancel: Parameters<WorkflowBlock['wait']>[2]): Promise<WorkflowState> {
    let seen = false;
    const test = (header: Header | undefined): boolean => {
      // One that was never there may come; one that was there was purged.
      if (header === undefined) return seen;
      seen = true;
      return isFinal(header.status) || (until === 'started' && header.startedMs !== undefined);
    };
    const record = await this.#waits.until(instanceId, test, cancel);
    if (record === undefined) throw new ProaError('workflow.not-found', `instance '${instanceId}' was purged`);
    return this.#proven(instanceId, record);
  }

  raise(instanceId: string, name: string, input: string | undefined): Promise<void> {
    return this.#counted('add_event', async () => {
      checkPayload(input);
      await raiseEvent(this.#signals, instanceId, { name, input });
    });
  }

  async terminate(instanceId: string, output: string | undefined, recursive: boolean): Promise<void> {
    const input = output === undefined ? {} : { input: output };
    const event: HistoryEvent = { type: 'executionTerminated', ...base(this.#core), ...input, recurse: recursive };
    const told = await this.#control(instanceId, event, hasEnded);
    if (told || !recursive) return;
    // One that had finished before passes nothing on.
    checkPayload(output);
    const below = await runningBelowFinished(this.#core, instanceId, await headerOf(this.#core, instanceId));
    await Promise.all(below.map((at) => this.#terminateBelow(at, event).catch(ignoreGone)));
  }

  async #terminateBelow(at: Address, event: HistoryEvent): Promise<void> {
    if (isHome(this.#core, at)) await this.#control(at.instanceId, event, hasEnded);
    else await signal(this.#signals, at, event);
  }

  async suspend(instanceId: string, reason: string | undefined): Promise<void> {
    const event: HistoryEvent = { type: 'executionSuspended', ...base(this.#core), ...(reason !== undefined && { reason }) };
    const { stall } = await headerOf(this.#core, instanceId);
    if (stall !== undefined) throw new ProaError('workflow.stalled', `workflow '${instanceId}' is stalled: ${stall.description}`);
    await this.#control(instanceId, event, (header) => isFinal(header.status) || header.suspended === true);
  }

  async resume(instanceId: string, reason: string | undefined): Promise<void> {
    const event: HistoryEvent = { type: 'executionResumed', ...base(this.#core), ...(reason !== undefined && { reason }) };
    const before = await headerOf(this.#core, instanceId);
    // A stall that was lifted may be there again before anybody looks: what counts is that it was lifted since.
    const lifted = ({ status, stall, lifts, execution }: Header): boolean =>
      isFinal(status) || stall === undefined || lifts !== before.lifts || execution !== before.execution;
    if (before.stall !== undefined) await this.#control(instanceId, event, lifted);
    await this.#control(instanceId, event, (header) => isFinal(header.status) || header.suspended !== true);
  }

  purge(instanceId: string, options: Parameters<WorkflowBlock['purge']>[1]): ReturnType<WorkflowBlock['purge']> {
    const parts = { core: this.#core, forget: (id: string) => this.#forget(id) };
    return this.#counted('purge_workflow', () => purgeInstance(parts, instanceId, options));
  }

  purgeWhere(filter: Parameters<WorkflowBlock['purgeWhere']>[0], recursive: boolean): ReturnType<WorkflowBlock['purgeWhere']> {
    const parts = { core: this.#core, forget: (id: string) => this.#forget(id) };
    return this.#counted('purge_workflow', () => purgeMatching(parts, filter, recursive));
  }

  list(filter: Parameters<WorkflowBlock['list']>[0], page: Parameters<WorkflowBlock['list']>[1]): ReturnType<WorkflowBlock['list']> {
    return listInstances(this.#core, filter, page);
  }

  async history(instanceId: string): Promise<readonly HistoryEvent[]> {
    const record = await storedRecord(this.#core, instanceId);
    if (record === undefined) throw new ProaError('workflow.not-found', `no such instance exists: '${instanceId}'`);
    return historyOf(this.#core, { keys: this.#core.keys, id: instanceId }, record);
  }

  async show(instanceId: string): Promise<WorkflowState | undefined> {
    const record = await storedRecord(this.#core, instanceId);
    if (record === undefined) return undefined;
    const [state, signing] = [await stateWithPayloads(this.#core, instanceId, record), await signaturesOf(this.#core, instanceId, record)];
    return signing === undefined ? state : { ...state, signing };
  }

  async #proven(id: string, record: StoredRecord): Promise<WorkflowState> {
    if (this.#core.signing !== undefined) await mustBeProven(this.#core, id, record);
    return stateWithPayloads(this.#core, id, record);
  }

  rerun(source: string, eventId: number, options: Parameters<WorkflowBlock['rerun']>[2]): Promise<string> {
    const parts = { core: this.#core, postman: this.#postman, timers: this.#keeper.timers, rang: () => this.#bells?.listen() };
    return rerunInstance(parts, source, { eventId, options });
  }

  attach(worker: Parameters<WorkflowBlock['attach']>[0]): () => void {
    const detach = this.#pool.attach(worker);
    this.#openBells();
    this.#keeper.join();
    this.#runner.workerCame();
    return () => {
      detach();
      if (this.#pool.size === 0) this.#keeper.leaveSoon();
    };
  }

  async close(graceMs: number): Promise<void> {
    const shares = this.#shared.map((places) => places.close());
    const left = Promise.all([this.#keeper.close(), ...shares, ...[...this.#others.values()].map((other) => other.close(graceMs))]);
    await Promise.race([left, new Promise<void>((resolve) => void this.#core.clock.timer(graceMs, resolve, true))]);
    this.#core.closed = true;
    this.#bells?.close();
    this.#exposed.close();
    for (const live of this.#cache.values()) {
      this.#waits.changed(live.id);
      this.#runner.drop(live);
    }
  }

  /** False when there was nothing to do. */
  async #control(id: string, event: HistoryEvent, done: (header: Header) => boolean): Promise<boolean> {
    const header = await headerOf(this.#core, id);
    if (done(header)) return false;
    // Nobody here can sign that it ended.
    if (event.type === 'executionTerminated' && header.stall?.reason === 'signing') {
      throw new ProaError('workflow.stalled', `workflow '${id}' is stalled: ${header.stall.description}`);
    }
    checkPayload('input' in event ? event.input : 'reason' in event ? event.reason : undefined);
    this.#openBells();
    const owned = await mindOwner(this.#signals, id);
    try {
      await this.#counted('add_event', () => signal(this.#signals, { ...this.#core.self, instanceId: id }, event));
      await this.#waits.until(id, (now) => now === undefined || done(now), neverCancelled);
      return true;
    } finally {
      owned();
    }
  }

  /** Resolves when what the timer says is durable, or means nothing any more. */
  async #fire(timer: DurableTimer): Promise<void> {
    const purpose = purposeOf(timer);
    if (purpose === undefined) return;
    if (purpose.kind === 'purge') {
      const record = await storedRecord(this.#core, purpose.instanceId);
      if (record?.header.execution !== purpose.execution || !isFinal(record.header.status)) return;
      await purgeInstance({ core: this.#core, forget: (id) => this.#forget(id) }, purpose.instanceId, {
        recursive: false,
        force: false,
      }).catch(ignoreGone);
      return;
    }
    const live = await this.#runner.loaded(purpose.instanceId);
    if (live === undefined) throw new ProaError('unavailable', 'the shard of the workflow is not ours any more');
    if (purpose.kind === 'start') await this.#markReady(purpose.instanceId);
    else await this.#timerFired(purpose);
  }

  async #markReady(id: string): Promise<void> {
    const { engine, keys } = this.#core;
    const shard = this.#core.owned(this.#core.shardOf(id, this.#core.shards));
    if (shard === undefined) throw new ProaError('unavailable', 'the shard of the workflow is not ours any more');
    const put = [{ key: keys.ready(shard.index, id), value: new Uint8Array(0) }];
    const result = await engine.commit({ if: [shard.condition, { kind: 'exists', key: keys.record(id) }], put });
    if (result.status === 'unknown') throw new ProaError('engine.outcome-unknown', 'a workflow may or may not have been woken');
    this.#runner.wake(id);
  }

  #timerFired({ instanceId, execution, timerId, fireAtMs }: Extract<TimerPurpose, { readonly kind: 'timer' }>): Promise<void> {
    const event: HistoryEvent = { type: 'timerFired', ...base(this.#core), timerId, fireAtMs };
    return new Promise((resolve, reject) => {
      const settled = (fate: Fate): void => {
        // Its shard went elsewhere, or the engine takes nothing at the moment.
        if (fate === 'lost') reject(new ProaError('engine.unavailable', 'what a timer woke was not noted'));
        else resolve();
      };
      this.#runner.wake(instanceId, { event, execution, settled, sinceMs: this.#core.clock.mono() });
    });
  }

  #forget(id: string): void {
    const live = this.#cache.get(id);
    if (live !== undefined) this.#runner.drop(live);
    this.#waits.changed(id);
  }

  async #counted<T>(operation: OperationName, run: () => Promise<T>): Promise<T> {
    const { clock, metrics } = this.#core;
    const startedMs = clock.mono();
    try {
      const result = await run();
      metrics.operation(operation, true, clock.mono() - startedMs);
      return result;
    } catch (error) {
      metrics.operation(operation, false, clock.mono() - startedMs);
      throw error;
    }
  }
}

function base({ engine }: Core): { readonly id: -1; readonly timeMs: number } {
  return { id: -1, timeMs: engine.now() };
}

const hasEnded = ({ status }: Header): boolean => isFinal(status);

function ignoreGone(error: unknown): void {
  if (!['workflow.not-found', 'workflow.running'].includes(ProaError.from(error).code)) throw error;
}

class MutableCore implements Core {
  readonly engine: Core['engine'];
  readonly clock: Core['clock'];
  readonly random: Core['random'];
  readonly log: Core['log'];
  readonly tracer: Tracer;
  readonly metrics: Core['metrics'];
  readonly self: Core['self'];
  readonly keys: Core['keys'];
  readonly shards = workflowShards;
  readonly shardOf: Core['shardOf'];
  readonly signing?: HistorySigning;
  readonly #membership: () => Membership | undefined;
  closed = false;

  constructor({ ports, log, metrics, namespace, appId }: BlockContext, deps: WorkflowDeps, membership: () => Membership | undefined) {
    this.engine = deps.engine;
    this.clock = ports.clock;
    this.random = ports.random;
    this.log = log.scoped('proa.workflow');
    this.tracer = deps.tracer ?? noTracer;
    this.metrics = createWorkflowMetrics(metrics, namespace);
    this.self = { namespace, appId };
    this.keys = workflowKeys(this.self);
    this.shardOf = deps.shardOf;
    if (deps.signing !== undefined) this.signing = deps.signing;
    this.#membership = membership;
  }

  get membership(): Membership | undefined {
    return this.#membership();
  }

  holds({ index, epoch }: OwnedShard): boolean {
    return !this.closed && this.membership?.owned(index)?.epoch === epoch;
  }

  owned(index: number): ReturnType<Core['owned']> {
    if (this.closed) return undefined;
    const shard = this.membership?.owned(index);
    return shard?.alive === true ? shard : undefined;
  }
}
