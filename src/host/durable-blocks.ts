import {
  createActorsBlock,
  createAppActorHost,
  parseActorsConfig,
  type ActorsBlock,
  type HostedActors,
  type ReminderRetries,
} from '../blocks/actors/index.ts';
import { keepsActors } from '../contracts/actor-store.ts';
import { createJobsBlock, type JobsBlock } from '../blocks/jobs/index.ts';
import { createPlacement } from '../blocks/placement/index.ts';
import { encryptedStore } from '../blocks/state/index.ts';
import type { AppChannel } from '../contracts/app-channel.ts';
import type { BlockContext } from '../contracts/block-context.ts';
import type { Component, ComponentSet } from '../contracts/component-set.ts';
import type { Placement } from '../contracts/placement.ts';
import type { Endpoint } from '../contracts/resolver.ts';
import type { StateStore } from '../contracts/state.ts';
import type { PeerTransport } from '../contracts/transport.ts';
import { createEngineStore } from '../drivers/state-engine/engine-store.ts';
import { ProaError } from '../kernel/errors.ts';
import type { Machine } from './machine.ts';

export interface DurableOptions {
  readonly context: BlockContext;
  readonly machine: Machine;
  readonly peers: PeerTransport;
  /** Names this runtime; unique per start. */
  readonly instance: string;
  readonly channel: () => AppChannel | undefined;
  readonly stores: ComponentSet<'state'>;
  readonly answerBytesMax: number;
  /** Of placement; absent: the usual one. */
  readonly placementTtlMs?: number | undefined;
  /** How reminders that failed come again, where a Resiliency says it. */
  readonly reminderRetries: () => ReminderRetries | undefined;
  /** The app serves its actors from this process alone. */
  readonly hostsActors: boolean;
}

/** The blocks that own what they run: they share one placement, and so one lease, per runtime. */
export interface DurableBlocks {
  readonly placement: Placement;
  readonly actors: ActorsBlock;
  readonly jobs: JobsBlock;
  /** Where the state of actors is kept now. */
  readonly actorStore: () => StateStore;
  /** Where other runtimes reach this one; before it is told, none of its shards can be reached from elsewhere. */
  reachedAt(places: Pick<Endpoint, 'local' | 'mesh'>): void;
  /** The app is there: asks which actors it runs, and hosts them. Fails with the app's error. */
  appUp(): Promise<void>;
  /** The app is not well: its actors go to other runtimes. */
  appDown(): Promise<void>;
  close(): Promise<void>;
}

/** State of actors is kept here when no component asks for it; no component's space can have this name. */
const actorSpace = 'proa/actors';

/** Builds placement and what stands on it. Nothing is written to the engine before the app has something to host. */
export function createDurableBlocks(options: DurableOptions): DurableBlocks {
  const { context, machine, peers, instance, channel, stores, answerBytesMax } = options;
  const { ports, log, appId, namespace } = context;
  const { engine } = machine;
  let endpoint: Endpoint = { appId, namespace, instance };
  const placement = createPlacement({
    engine,
    clock: ports.clock,
    log: log.scoped('proa.placement'),
    endpoint: () => endpoint,
    machine: ports.process.hostName(),
    ...(options.placementTtlMs === undefined ? {} : { ttlMs: options.placementTtlMs }),
  });
  let builtIn: StateStore | undefined;
  const chosenStores = new WeakMap<Component<'state'>, StateStore>();
  const store = (): StateStore => {
    const chosen = stores.list().find(keepsActors);
    if (chosen !== undefined) {
      let opened = chosenStores.get(chosen);
      if (opened === undefined) chosenStores.set(chosen, (opened = encryptedStore(chosen, ports.random)));
      return opened;
    }
    builtIn ??= createEngineStore({ engine, random: ports.random, log, namespace, space: actorSpace });
    return builtIn;
  };
  const actors = createActorsBlock(
    { ...context, log: log.scoped('proa.actors') },
    { engine, placement, store, send: (to, call) => peers.actor(to, call), answerBytesMax, reminderRetries: options.reminderRetries },
  );
  const jobs = createJobsBlock(context, { engine, placement, channel });
  const app = new AppActors(options, actors);
  return {
    placement,
    actors,
    jobs,
    actorStore: store,
    reachedAt(places) {
      endpoint = { ...endpoint, ...places };
    },
    appUp: () => app.up(channel()),
    appDown: () => app.down(),
    async close() {
      await Promise.all([app.down(), jobs.close()]);
      await actors.close();
      await placement.close();
      await builtIn?.close();
    },
  };
}

/** The actors of the app behind the channel, as the app comes and goes. */
class AppActors {
  readonly #options: DurableOptions;
  readonly #actors: ActorsBlock;
  #hosted: HostedActors | undefined;

  constructor(options: DurableOptions, actors: ActorsBlock) {
    this.#options = options;
    this.#actors = actors;
  }

  async up(channel: AppChannel | undefined): Promise<void> {
    await this.down();
    const { context, answerBytesMax, hostsActors } = this.#options;
    const { appId, namespace, log } = context;
    // An app that answers every path knows nothing of actors: that is no reason not to work with it.
    const config = await channel?.config(appId).catch((error: unknown) => {
      if (ProaError.from(error).code === 'unavailable') throw error;
      log.warn('what the app answers to /dapr/config cannot be read; it hosts no actors', { error: ProaError.from(error).message });
      return undefined;
    });
    if (config === undefined) return;
    const types = parseActorsConfig(config.raw, (problem) => log.warn(problem));
    if (types.length === 0) return;
    if (!hostsActors) {
      log.error('the app lists actors, but it is served by several processes: they are not hosted; leave --workers out');
      return;
    }
    const host = createAppActorHost({ channel: this.#options.channel, appId, namespace, answerBytesMax });
    this.#hosted = await this.#actors.serve(types, host);
    log.info(`hosting actors of ${types.map(({ type }) => type).join(', ')}`);
  }

  async down(): Promise<void> {
    const hosted = this.#hosted;
    this.#hosted = undefined;
    await hosted?.close();
  }
}
