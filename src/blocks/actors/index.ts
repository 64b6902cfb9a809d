import type { ActorAnswer, ActorHost, ActorTypeConfig } from '../../contracts/actor-host.ts';
import type { InvokeRequest, InvokeResponse } from '../../contracts/app-channel.ts';
import type { StateValue } from '../../contracts/state.ts';
import type { Service } from '../../kernel/service.ts';
import type { ActorStateKey, ActorTransaction } from './actor-state.ts';
import type { TimerRequest } from './actor-timers.ts';
import type { Reminder, ReminderRequest } from './reminders.ts';
import type { ActorRequest } from './router.ts';

export type { ActorAnswer, ActorCallback, ActorHost, ActorInvocation, ActorTypeConfig } from '../../contracts/actor-host.ts';
export { actorPath } from './actor-names.ts';
export { actorDefaults, parseActorsConfig } from './actors-config.ts';
export { createActorsBlock, type ActorsDeps } from './actors-block.ts';
export { createAppActorHost } from './app-actor-host.ts';
export type { ActorStateOperation } from './actor-state.ts';
export type { ReminderRetries } from './due-reminders.ts';
export type { FailurePolicy } from './reminder-record.ts';
export type { ActorRequest, Reminder, ReminderRequest, TimerRequest };

type Named = { readonly type: string; readonly id: string; readonly name: string };

/** Types that are hosted here, until they are closed: turns under way end first, within the time that draining may take. */
export interface HostedActors {
  close(): Promise<void>;
}

/** Who is in memory here. */
export interface ActiveActors {
  readonly types: readonly { readonly type: string; readonly count: number; readonly ready: boolean; readonly actors: () => string[] }[];
  /** Every type that is to be hosted takes part in its group. */
  readonly ready: boolean;
}

/**
 * Virtual actors (Dapr reference 4.6, 5.3). `invoke` finds the actor, wherever it is; `receive` takes what other runtimes send for the actors here. State and timers are for the
 * app that runs the actor. No two turns of an actor ever commit: every write is made under the condition of the shard as it was when the actor came into memory.
 */
export interface ActorsBlock {
  readonly invoke: Service<ActorRequest, ActorAnswer>;
  readonly receive: Service<InvokeRequest, InvokeResponse>;
  readonly getState: Service<ActorStateKey, StateValue | undefined>;
  readonly transact: Service<ActorTransaction, void>;
  readonly registerTimer: Service<TimerRequest, void>;
  readonly unregisterTimer: Service<Named, void>;
  readonly registerReminder: Service<ReminderRequest, void>;
  readonly unregisterReminder: Service<Named, void>;
  readonly getReminder: Service<Named, Reminder>;
  readonly listReminders: Service<{ readonly type: string; readonly id?: string }, readonly Reminder[]>;
  readonly unregisterReminders: Service<{ readonly type: string; readonly id?: string }, void>;
  /** Takes an actor out of memory after its turn; fails with `actor.not-active`. */
  readonly deactivate: Service<{ readonly type: string; readonly id: string }, void>;
  /** Hosts types until the answer is closed. Fails with `bad-request` when one of them is hosted already. */
  serve(types: readonly ActorTypeConfig[], host: ActorHost): Promise<HostedActors>;
  active(): ActiveActors;
  close(): Promise<void>;
}
