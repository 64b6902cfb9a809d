import type { ActorAnswer, ActorHost, ActorTypeConfig } from '../../contracts/actor-host.ts';
import type { InvokeRequest, InvokeResponse } from '../../contracts/app-channel.ts';
import type { BlockContext } from '../../contracts/block-context.ts';
import type { Engine } from '../../contracts/engine.ts';
import type { Placement } from '../../contracts/placement.ts';
import type { Endpoint } from '../../contracts/resolver.ts';
import type { StateStore } from '../../contracts/state.ts';
import { bytesBody, collect } from '../../kernel/body.ts';
import { withInput, type Call } from '../../kernel/call.ts';
import { isProaError, ProaError } from '../../kernel/errors.ts';
import type { Service } from '../../kernel/service.ts';
import { createShardTimers } from '../timers/index.ts';
import { checkActor, checkActorName, parseActorPath } from './actor-names.ts';
import { createActorState } from './actor-state.ts';
import { createActorStore, type ActorStore } from './actor-store.ts';
import { createActorTimers } from './actor-timers.ts';
import { actorGroup, HostedType } from './hosted-type.ts';
import type { ActorsBlock, HostedActors } from './index.ts';
import type { ReminderRetries } from './due-reminders.ts';
import { Reminders } from './reminders.ts';
import { createRouter, type ActorCall, type ActorRequest } from './router.ts';
import { createTurns, type Turns } from './turns.ts';

export interface ActorsDeps {
  /** What ownership, reminders and the built-in state are kept in. */
  readonly engine: Engine;
  readonly placement: Placement;
  /** Where state goes; asked when it is used, because components come and go. */
  readonly store: () => StateStore;
  /** Carries a call to another runtime; fails with `invoke.unreachable` when nothing was sent. */
  readonly send: (endpoint: Endpoint, call: Call<InvokeRequest>) => Promise<InvokeResponse>;
  readonly answerBytesMax: number;
  /** How reminders without a failure policy of their own come again; undefined: three times more, a second apart. */
  readonly reminderRetries?: () => ReminderRetries | undefined;
}

interface Hosted {
  readonly type: HostedType;
  readonly turns: Turns;
  readonly reminders: Reminders;
}

/** Types that were called; of more, the first is compiled again when it is next called. */
const typesMax = 1_000;

/** Builds the block. Nothing of it is written to the engine before the first type is served. */
export function createActorsBlock(context: BlockContext, deps: ActorsDeps): ActorsBlock {
  return new Actors(context, deps).block();
}

class Actors {
  readonly #context: BlockContext;
  readonly #deps: ActorsDeps;
  readonly #hosted = new Map<string, Hosted>();
  readonly #outbound = new Map<string, Service<ActorRequest, ActorAnswer>>();
  readonly #receive: Service<ActorCall, ActorAnswer>;
  readonly #route: Service<ActorRequest, ActorAnswer>;
  #store: { readonly driver: StateStore; readonly actors: ActorStore } | undefined;
  #closed = false;

  constructor(context: BlockContext, deps: ActorsDeps) {
    this.#context = context;
    this.#deps = deps;
    this.#receive = context.govern({ block: 'actors', name: context.appId, operation: 'receive', direction: 'inbound' }, (call) =>
      this.#take(call),
    );
    this.#route = createRouter({
      context,
      placement: deps.placement,
      here: (type, id) => this.#hosted.get(type)?.type.hosts(id) === true,
      receive: (call) => this.#receive(call),
      send: deps.send,
      answerBytesMax: deps.answerBytesMax,
    });
  }

  block(): ActorsBlock {
    const state = createActorState({
      appId: this.#context.appId,
      hosted: (type) => this.#hosted.get(type)?.type,
      store: () => this.#stateStore(),
    });
    const timers = createActorTimers({ context: this.#context, hosted: (type) => this.#hosted.get(type) });
    return {
      invoke: (call) => this.#invoke(call),
      receive: (call) => this.#arrived(call),
      getState: ({ input }) => state.get(input),
      transact: ({ input }) => state.transact(input),
      registerTimer: async ({ input }) => timers.register(input),
      unregisterTimer: async ({ input }) => timers.unregister(input),
      registerReminder: async ({ input }) => telling('actor.reminder-create', this.#reminders(input).register(input)),
      unregisterReminder: async ({ input }) => telling('actor.reminder-delete', this.#reminders(input).unregister(input)),
      getReminder: async ({ input }) => {
        const found = await telling('actor.reminder-get', this.#reminders(input).get(input));
        if (found !== undefined) return found;
        throw new ProaError('actor.reminder-not-found', `actor ${input.type}/${input.id} has no reminder ${input.name}`);
      },
      listReminders: async ({ input }) => telling('actor.reminder-get', this.#remindersOf(input.type).list(input.id)),
      unregisterReminders: async ({ input }) => telling('actor.reminder-delete', this.#remindersOf(input.type).unregisterAll(input.id)),
      deactivate: ({ input }) => this.#deactivate(input.type, input.id),
      serve: (types, host) => this.#serve(types, host),
      active: () => this.#active(),
      close: () => this.#close(),
    };
  }

  #invoke(call: Call<ActorRequest>): Promise<ActorAnswer> {
    const { type, id } = call.input;
    try {
      // What is called again was checked before, and so was an actor that is in memory.
      const known = this.#outbound.get(type);
      if (known === undefined || this.#hosted.get(type)?.type.find(id) === undefined) checkActor(type, id);
      if (this.#closed) throw new ProaError('actor.closed', 'this runtime stops');
      return (known ?? this.#compile(type))(call);
    } catch (error) {
      return Promise.reject(ProaError.from(error));
    }
  }

  #compile(type: string): Service<ActorRequest, ActorAnswer> {
    const service = this.#context.govern({ block: 'actors', name: type, operation: 'call', direction: 'outbound' }, this.#route);
    if (this.#outbound.size >= typesMax) this.#outbound.delete(this.#outbound.keys().next().value as string);
    this.#outbound.set(type, service);
    return service;
  }

  /** A call of another runtime: its path is the app's. */
  async #arrived(call: Call<InvokeRequest>): Promise<InvokeResponse> {
    const named = parseActorPath(call.input.path);
    const data = await collect(call.input.body, this.#deps.answerBytesMax);
    const {
      status,
      headers,
      data: answer,
    } = await this.#receive(withInput(call, { ...call.input, ...named, data, body: bytesBody(data) }));
    return { status, headers, body: bytesBody(answer) };
  }

  #take(call: Call<ActorCall>): Promise<ActorAnswer> {
    const { type } = call.input;
    const hosted = this.#hosted.get(type);
    if (hosted === undefined) return Promise.reject(new ProaError('actor.moved', `this runtime does not host actors of type ${type}`));
    return hosted.turns.invoke(call);
  }

  #stateStore(): ActorStore {
    const driver = this.#deps.store();
    if (this.#store?.driver !== driver)
      this.#store = { driver, actors: createActorStore(driver, this.#deps.engine, this.#context.ports.random) };
    return this.#store.actors;
  }

  #reminders({ type, id, name }: { readonly type: string; readonly id: string; readonly name: string }): Reminders {
    checkActor(type, id);
    checkActorName(name, 'reminder name');
    return this.#remindersOf(type);
  }

  #remindersOf(type: string): Reminders {
    checkActorName(type, 'actor type');
    const hosted = this.#hosted.get(type);
    if (hosted !== undefined) return hosted.reminders;
    throw new ProaError('actor.reminder-not-hosted', `the app does not host actors of type ${type}`);
  }

  async #deactivate(type: string, id: string): Promise<void> {
    checkActor(type, id);
    const hosted = this.#hosted.get(type);
    const actor = hosted?.type.find(id);
    if (hosted === undefined || actor === undefined)
      throw new ProaError('actor.not-active', `actor ${type}/${id} is not active on this host`);
    await hosted.type.retire(actor);
  }

  async #serve(types: readonly ActorTypeConfig[], host: ActorHost): Promise<HostedActors> {
    for (const { type } of types) {
      checkActor(type, 'any');
      if (this.#hosted.has(type)) throw new ProaError('bad-request', `actors of type ${type} are hosted by this app already`);
    }
    const served = types.map((config) => this.#open(config, host));
    // The very object that `#release` takes out again.
    for (const each of served) this.#hosted.set(each.type.config.type, each);
    await Promise.all(served.map(({ type }) => type.start()));
    let closing: Promise<void> | undefined;
    return { close: () => (closing ??= this.#release(served)) };
  }

  #open(config: ActorTypeConfig, host: ActorHost): Hosted {
    const { engine, placement } = this.#deps;
    const context = this.#context;
    const type: HostedType = new HostedType({
      context,
      engine,
      placement,
      config,
      host,
      claimed: (shard) => hosted.reminders.open(shard),
      released: (index) => hosted.reminders.release(index),
    });
    const turns = createTurns(context, type);
    const group = actorGroup(context.namespace, config.type);
    const { clock } = context.ports;
    const { reminderRetries } = this.#deps;
    const reminders = new Reminders({
      context,
      ...(reminderRetries === undefined ? {} : { retries: reminderRetries }),
      engine,
      type,
      turns,
      timers: (fire) => createShardTimers({ engine, clock, log: context.log, group, fire }),
    });
    const hosted: Hosted = { type, turns, reminders };
    return hosted;
  }

  async #release(served: readonly Hosted[]): Promise<void> {
    await Promise.all(
      served.map(async (each) => {
        await each.type.close();
        await each.reminders.close();
        if (this.#hosted.get(each.type.config.type) === each) this.#hosted.delete(each.type.config.type);
      }),
    );
  }

  #active(): ReturnType<ActorsBlock['active']> {
    const types = Array.from(this.#hosted.values(), ({ type }) => ({
      type: type.config.type,
      count: type.active,
      ready: type.ready,
      actors: () => type.actors().map(({ id }) => id),
    }));
    return { types, ready: types.every(({ ready }) => ready) };
  }

  async #close(): Promise<void> {
    this.#closed = true;
    await this.#release(Array.from(this.#hosted.values()));
  }
}

/** A failure of the engine as the API's own; what says more than that stays. */
async function telling<T>(code: 'actor.reminder-create' | 'actor.reminder-get' | 'actor.reminder-delete', work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (isProaError(error) && (error.code.startsWith('actor.') || error.spec.http < 500 || error.code === 'engine.outcome-unknown'))
      throw error;
    throw new ProaError(code, ProaError.from(error).message, { cause: error });
  }
}
