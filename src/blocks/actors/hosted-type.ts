import type { ActorHost, ActorTypeConfig } from '../../contracts/actor-host.ts';
import type { BlockContext } from '../../contracts/block-context.ts';
import type { Engine } from '../../contracts/engine.ts';
import type { Membership, OwnedShard, Placement } from '../../contracts/placement.ts';
import { createCall } from '../../kernel/call.ts';
import { CancelScope, type Cancellation } from '../../kernel/cancel.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Timer } from '../../kernel/ports.ts';
import { Actor, type Turn } from './actor.ts';
import { createActorMetrics, type ActorMetrics } from './actor-metrics.ts';
import { inPortions } from './in-portions.ts';

export interface HostedTypeOptions {
  readonly context: BlockContext;
  readonly engine: Engine;
  readonly placement: Placement;
  readonly config: ActorTypeConfig;
  readonly host: ActorHost;
  /** The shard's reminders may fire. */
  readonly claimed: (shard: OwnedShard) => void;
  /** The shard's reminders fire no more; resolves when none is being looked at. */
  readonly released: (index: number) => Promise<void>;
}

/** Who enters an actor. */
export interface Entry {
  readonly cancel: Cancellation;
  /** Of the chain of calls that this one belongs to. */
  readonly reentrancyId?: string;
  /** The turn is for this activation and for no later one of the same id. */
  readonly only?: Actor;
}

/** A turn under way. */
export interface Entered {
  readonly actor: Actor;
  readonly turn: Turn;
  /** The call came back into a turn of its own chain. */
  readonly nested: boolean;
  /** The shard's lapses when it began. */
  readonly lapses: number;
  /** `begun`: the app works, and the turn lasts until it has answered, even if nobody waits for the answer any more. */
  state: 'entered' | 'begun' | 'left';
}

/** Shards of a type: as many runtimes can share its actors. */
const shards = 64;
const actorsMax = 500_000;
const deactivationsAtOnce = 64;
const deactivationMsMax = 5_000;
/** Beyond `drainMs`, for telling the app that the actor goes. */
const drainExtraMs = 2_000;
const rejoinMs = 1_000;

const noop = (): void => {};

// Its first turn is a timer's: it cannot be idle before.
function isExpected({ activated, timers }: Actor): boolean {
  return !activated && timers.size > 0;
}

/** The name of the group that shares the actors of a type. */
export function actorGroup(namespace: string, type: string): string {
  return `actors/${namespace}/${type}`;
}

/**
 * The actors of one type that this runtime hosts. An actor is in memory while its shard is owned here; it gets one turn at a time, and a turn lasts until the app
 * has answered, so that not even a caller who gave up lets the next one in too early.
 */
export class HostedType {
  readonly config: ActorTypeConfig;
  readonly host: ActorHost;
  readonly metrics: ActorMetrics;
  readonly #options: HostedTypeOptions;
  readonly #actors = new Map<string, Actor>();
  #membership: Membership | undefined;
  #joining: Promise<void> | undefined;
  #scan: Timer | undefined;
  #retry: Timer | undefined;
  #closed = false;

  constructor(options: HostedTypeOptions) {
    this.#options = options;
    this.config = options.config;
    this.host = options.host;
    this.metrics = createActorMetrics(options.context.metrics, options.config.type);
  }

  /** True when this runtime takes part in hosting the type. */
  get ready(): boolean {
    return this.#membership !== undefined;
  }

  /** Actors in memory. */
  get active(): number {
    return this.#actors.size;
  }

  /** Becomes a member of the type's group; tries again until it works. Resolves after the first attempt. */
  start(): Promise<void> {
    this.#armScan();
    this.#joining = this.#join();
    return this.#joining;
  }

  /** The shard of an actor when it may have a turn here now. */
  usable(id: string): OwnedShard | undefined {
    const membership = this.#closed ? undefined : this.#membership;
    const shard = membership?.owned(membership.shardOf(id));
    return shard?.alive === true ? shard : undefined;
  }

  /** True when the actor may be called here: it is in memory and its shard is owned, or its shard is owned. Whether the lease still holds is judged when the turn begins. */
  hosts(id: string): boolean {
    const membership = this.#closed ? undefined : this.#membership;
    if (membership === undefined) return false;
    const shard = this.#actors.get(id)?.shard;
    return membership.owned(shard === undefined ? membership.shardOf(id) : shard.index) !== undefined;
  }

  shardOf(id: string): number | undefined {
    return this.#membership?.shardOf(id);
  }

  /** The actor when it is in memory. */
  find(id: string): Actor | undefined {
    return this.#actors.get(id);
  }

  /** The actor, in memory from now on; undefined when it is not to be run here. */
  summon(id: string): Actor | undefined {
    const found = this.#actors.get(id);
    if (found !== undefined && !found.gone) return found;
    const shard = this.usable(id);
    return shard === undefined ? undefined : this.#create(id, shard);
  }

  actors(): Actor[] {
    return Array.from(this.#actors.values());
  }

  /**
   * Runs one turn. Fails with `actor.moved` when the actor is not to be run here. What `run` lets the app do it begins with `begun` and ends with `leave`; a `run` that
   * ends before it has begun anything ends the turn too.
   */
  turn<T>(id: string, entry: Entry, run: (entered: Entered) => Promise<T>): Promise<T> {
    this.metrics.pending.add(1);
    const entered = this.#enterNow(id, entry);
    return entered === undefined ? this.#turnLater(id, entry, run) : this.#within(entered, run);
  }

  /** The app begins to work. Fails with `cancelled` when the turn is over already. */
  begun(entered: Entered): void {
    if (entered.state !== 'entered') throw new ProaError('cancelled', 'the turn of the actor is over');
    entered.state = 'begun';
    entered.actor.activated = true;
  }

  /** The turn is over, at an instant of `mono`; said twice, it changes nothing. */
  leave(entered: Entered, atMs = this.#options.context.ports.clock.mono()): void {
    if (entered.state === 'left') return;
    entered.state = 'left';
    this.metrics.pending.add(-1);
    const { actor, turn, nested } = entered;
    turn.depth--;
    actor.lastUsedMs = atMs;
    if (nested) return;
    actor.turn = undefined;
    actor.lock.release();
  }

  /** Deactivates an actor: after its turn, so that the app knows first, and before the calls that wait for it. Never fails. */
  retire(actor: Actor): Promise<void> {
    return (actor.retiring ??= this.#retire(actor));
  }

  /** Hosts the type no more: its shards go to others when the turns under way have ended, within the time that draining may take. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#scan?.cancel();
    this.#retry?.cancel();
    await this.#joining;
    await this.#membership?.leave().catch((error: unknown) => this.#warn('the group of an actor type could not be left', error));
    this.#membership = undefined;
    await inPortions(this.actors(), deactivationsAtOnce, (actor) => this.#retireWithin(actor, 0));
  }

  async #join(): Promise<void> {
    const { placement, context, config } = this.#options;
    try {
      const membership = await placement.join({
        group: actorGroup(context.namespace, config.type),
        shards,
        drainMs: config.drainMs + drainExtraMs,
        claimed: (shard) => {
          this.metrics.table('claim');
          this.#options.claimed(shard);
        },
        drain: (shard) => this.#drain(shard),
        lost: (shard) => void this.#lost(shard),
      });
      this.metrics.report(true);
      if (this.#closed) await membership.leave();
      else this.#membership = membership;
    } catch (error) {
      this.metrics.report(false, ProaError.from(error).code);
      this.#warn('an actor type cannot be hosted yet; trying again', error);
      if (!this.#closed) this.#retry = context.ports.clock.timer(rejoinMs, () => void (this.#joining = this.#join()), true);
    }
  }

  async #turnLater<T>(id: string, entry: Entry, run: (entered: Entered) => Promise<T>): Promise<T> {
    let entered: Entered;
    try {
      entered = await this.#enter(id, entry);
    } catch (error) {
      this.metrics.pending.add(-1);
      throw error;
    }
    return this.#within(entered, run);
  }

  #within<T>(entered: Entered, run: (entered: Entered) => Promise<T>): Promise<T> {
    const answer = run(entered);
    // A policy refused before the app began: nobody else ends the turn.
    if (entered.state === 'entered') answer.then(noop, noop).finally(() => entered.state === 'entered' && this.leave(entered));
    return answer;
  }

  /** What nearly every call finds: an actor in memory whose turn is free. */
  #enterNow(id: string, entry: Entry): Entered | undefined {
    const actor = this.#actors.get(id);
    if (actor === undefined || actor.lock.size > 0 || !this.#mayTurn(actor)) return undefined;
    void actor.lock.acquire(entry.cancel);
    const turn: Turn = { reentrancyId: entry.reentrancyId, depth: 1, overtaken: false };
    actor.turn = turn;
    return { actor, turn, nested: false, lapses: actor.shard.lapses, state: 'entered' };
  }

  #mayTurn({ shard }: Actor): boolean {
    return !this.#closed && this.#membership?.owned(shard.index) === shard && shard.alive;
  }

  async #enter(id: string, entry: Entry): Promise<Entered> {
    for (;;) {
      // The turn that a call comes back to waits for it, also while the shard is being given up.
      const nested = this.#nested(this.#actors.get(id), entry);
      if (nested !== undefined) return nested;
      const shard = this.usable(id);
      if (shard === undefined || entry.only?.gone === true) throw this.#moved(id);
      const actor = this.#actors.get(id) ?? this.#create(id, shard);
      const waiting = actor.lock.acquire(entry.cancel);
      if (waiting !== undefined) await waiting;
      if (!actor.gone && actor.shard.alive) {
        const turn: Turn = { reentrancyId: entry.reentrancyId, depth: 1, overtaken: false };
        actor.turn = turn;
        return { actor, turn, nested: false, lapses: actor.shard.lapses, state: 'entered' };
      }
      actor.lock.release();
      // The shard was lost and is back: the old actor goes first.
      if (!actor.gone && this.usable(id) !== undefined) await this.retire(actor);
    }
  }

  #nested(actor: Actor | undefined, { reentrancyId }: Entry): Entered | undefined {
    const turn = actor?.turn;
    const { enabled, stackDepthMax } = this.config.reentrancy;
    if (actor === undefined || turn === undefined || !enabled) return undefined;
    if (reentrancyId === undefined || turn.reentrancyId !== reentrancyId) return undefined;
    if (!actor.shard.alive) {
      // The shard is here again: the actor that comes next waits for this turn, which would wait for itself.
      if (this.usable(actor.id) !== undefined) throw this.overlap(actor);
      return undefined;
    }
    if (turn.depth >= stackDepthMax)
      throw new ProaError(
        'actor.stack-depth',
        `calls of one chain are ${turn.depth} deep in actor ${actor.type}/${actor.id}: that is the limit`,
      );
    turn.depth++;
    return { actor, turn, nested: true, lapses: actor.shard.lapses, state: 'entered' };
  }

  async #retire(actor: Actor): Promise<void> {
    const waiting = actor.lock.acquireLast();
    if (waiting !== undefined) await waiting;
    this.metrics.timers.add(-actor.stopTimers());
    if (actor.activated) await this.#tellGone(actor);
    this.#remove(actor);
    actor.lock.release();
  }

  #create(id: string, shard: OwnedShard): Actor {
    if (this.#actors.size >= actorsMax)
      throw new ProaError('actor.busy', `${actorsMax} actors of type ${this.config.type} are active here`);
    const actor = new Actor({ type: this.config.type, id }, shard, this.#options.context.ports.clock.mono());
    this.#actors.set(id, actor);
    this.metrics.active.add(1);
    return actor;
  }

  #remove(actor: Actor): void {
    actor.gone = true;
    if (this.#actors.get(actor.id) !== actor) return;
    this.#actors.delete(actor.id);
    this.metrics.active.add(-1);
  }

  async #tellGone({ type, id }: Actor): Promise<void> {
    const { clock } = this.#options.context.ports;
    const scope = new CancelScope();
    const timer = clock.timer(deactivationMsMax, () =>
      scope.cancel(new ProaError('deadline-exceeded', 'the app did not deactivate the actor in time')),
    );
    const call = createCall({ block: 'actors', name: 'deactivate', idempotent: false }, { type, id }, { cancel: scope });
    try {
      await this.host.deactivate(call);
      this.metrics.deactivated.add(1);
      call.end.fire({ ok: true });
    } catch (error) {
      call.end.fire({ ok: false, error });
      this.metrics.deactivationFailed.add(1);
      this.#options.context.log.debug('the app did not deactivate an actor', { error: String(error) });
    } finally {
      timer.cancel();
    }
  }

  async #drain(shard: OwnedShard): Promise<void> {
    this.metrics.table('drain');
    await this.#options.released(shard.index);
    const actors = this.actors().filter((actor) => actor.shard.index === shard.index);
    for (const actor of actors) actor.lock.refuseWaiting(this.#moved(actor.id));
    await inPortions(actors, deactivationsAtOnce, (actor) => this.#retireWithin(actor, this.config.drainMs));
    this.metrics.rebalanced.add(actors.length);
  }

  /** Nothing of the shard can be committed any more: its actors go when their turns have ended, and what waits for them goes elsewhere. */
  async #lost(shard: OwnedShard): Promise<void> {
    this.metrics.table('lose');
    void this.#options.released(shard.index);
    const actors = this.actors().filter((actor) => actor.shard === shard);
    for (const actor of actors) actor.lock.refuseWaiting(this.#moved(actor.id));
    this.metrics.rebalanced.add(actors.length);
    await inPortions(actors, deactivationsAtOnce, (actor) => this.retire(actor));
  }

  /** Waits for the end of a turn that is under way for `waitMs` at most; the actor then goes when the turn has ended. */
  #retireWithin(actor: Actor, waitMs: number): Promise<void> {
    const { clock } = this.#options.context.ports;
    return new Promise((resolve) => {
      const timer = clock.timer(actor.turn === undefined ? deactivationMsMax : waitMs, resolve);
      void this.retire(actor).finally(() => {
        timer.cancel();
        resolve();
      });
    });
  }

  /** The lease was not renewed in time while the turn ran: only the engine knows whether another runtime took the actor over. Fails with `actor.overlap` when one did. */
  async confirm({ actor, turn }: Pick<Entered, 'actor' | 'turn'>): Promise<void> {
    const result = await this.#options.engine.commit({ if: [actor.shard.condition] });
    if (result.status === 'done') return;
    if (result.status === 'unknown')
      throw new ProaError('engine.outcome-unknown', `whether actor ${actor.type}/${actor.id} is still here is not known`);
    throw this.overlap(actor, turn);
  }

  /** The refusal of what a turn does whose actor another runtime took over. The turn is counted and told once, however much of it is refused. */
  overlap(actor: Actor, turn: Turn | undefined = actor.turn): ProaError {
    if (turn?.overtaken !== true) {
      if (turn !== undefined) turn.overtaken = true;
      this.metrics.overlaps.add(1);
      this.#options.context.log.warn(
        'another runtime took an actor over while its turn ran here: what the turn wrote and answered is refused',
        { type: actor.type, actor: actor.id },
      );
    }
    return new ProaError('actor.overlap', `another runtime took actor ${actor.type}/${actor.id} over while its turn ran`);
  }

  #moved(id: string): ProaError {
    return new ProaError('actor.moved', `actor ${this.config.type}/${id} is not hosted here`);
  }

  #armScan(): void {
    this.#scan = this.#options.context.ports.clock.timer(
      this.config.scanIntervalMs,
      () => {
        this.#armScan();
        this.#retireIdle();
      },
      true,
    );
  }

  #retireIdle(): void {
    const before = this.#options.context.ports.clock.mono() - this.config.idleTimeoutMs;
    const idle = this.actors().filter((actor) => actor.lock.size === 0 && actor.lastUsedMs <= before && !isExpected(actor));
    void inPortions(idle, deactivationsAtOnce, (actor) => (actor.lock.size === 0 ? this.retire(actor) : Promise.resolve()));
  }

  #warn(message: string, error: unknown): void {
    this.#options.context.log.warn(message, { type: this.config.type, error: String(error) });
  }
}
