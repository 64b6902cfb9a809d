import { ProaError } from '../kernel/errors.ts';

/** When a reminder or timer comes: an instant (RFC 3339) or a duration (`10s`, `PT10S`); a period may say how often (`R5/PT10S`). */
export interface Schedule {
  /** Absent: at once. */
  readonly dueTime?: string;
  /** Absent: it comes once. */
  readonly period?: string;
  /** It does not come after this. */
  readonly ttl?: string;
  /** JSON. */
  readonly data?: unknown;
}

/** The state of an actor within a turn: what is changed becomes durable all together when the turn ends well, and not at all when it fails. */
export interface ActorStateView {
  get<T = unknown>(key: string): Promise<T | undefined>;
  set(key: string, value: unknown, options?: { readonly ttlSeconds?: number }): void;
  delete(key: string): void;
  /** Makes the changes so far durable now. */
  save(): Promise<void>;
}

/** What an actor's methods work with. */
export interface ActorContext {
  readonly type: string;
  readonly id: string;
  readonly state: ActorStateView;
  /** Wakes the actor later, whatever happens to this process meanwhile: `onReminder` gets it. */
  remind(name: string, schedule: Schedule): Promise<void>;
  forget(name: string): Promise<void>;
  /** Calls a method of the actor later, as long as the actor stays in memory. */
  startTimer(name: string, method: string, schedule: Schedule): Promise<void>;
  stopTimer(name: string): Promise<void>;
  /** The headers of the call, for calls that this one makes (`dapr-reentrancy-id`, `traceparent`); empty in reminders and timers. */
  readonly headers: Readonly<Record<string, string>>;
}

/** A reminder or timer as an actor gets it. */
export interface Due {
  readonly name: string;
  readonly data: unknown;
}

/** How actors of a type are run; what is absent is as in Dapr. */
export interface ActorOptions {
  /** Default: an hour. */
  readonly idleTimeoutMs?: number;
  /** How long a turn may still take when the actor moves to another runtime; default: two seconds. */
  readonly drainMs?: number;
  /** Lets calls of a chain come back into the actor that began it. */
  readonly reentrancy?: { readonly stackDepthMax?: number };
  onActivate?(actor: ActorContext): Promise<void> | void;
  onDeactivate?(actor: ActorContext): Promise<void> | void;
  /** Answers `stop` when the reminder shall not come again. A failure brings it again. */
  onReminder?(actor: ActorContext, due: Due): Promise<void | 'stop'> | void | 'stop';
}

// In the form of a method, whose parameters may be narrower: any input type fits, and callers without the definition may pass what they like.
interface ActorMethod {
  run(actor: ActorContext, input: unknown): unknown;
}

/** The methods of an actor: each has its context and at most one input. */
export type ActorMethods = Readonly<Record<string, ActorMethod['run']>>;

/** Actors of one type: what they can do, and how they are run. */
export interface ActorDefinition<M extends ActorMethods = ActorMethods> {
  readonly type: string;
  readonly methods: M;
  readonly options: ActorOptions;
}

type InputOfMethod<F> = F extends (actor: ActorContext, ...input: infer I) => unknown ? I : never;
type AnswerOfMethod<F> = F extends (...parameters: never[]) => infer Answer ? Promise<Awaited<Answer>> : never;

/** One actor, as its callers see it. */
export type ActorProxy<M extends ActorMethods> = {
  readonly [Name in keyof M]: (...input: InputOfMethod<M[Name]>) => AnswerOfMethod<M[Name]>;
};

const typeName = /^[^/\\?#\p{Cc}]{1,256}$/u;
const methodName = /^[A-Za-z_$][\w$]*$/;

/** Defines a type of actors by functions. The state of an actor is written when a method ends well, in one transaction. Fails with `config.invalid` for names that cannot be. */
export function defineActor<const M extends ActorMethods>(type: string, methods: M, options: ActorOptions = {}): ActorDefinition<M> {
  if (!typeName.test(type) || type.startsWith('dapr.internal.'))
    throw new ProaError('config.invalid', `"${type}" cannot be the type of an actor`);
  for (const name of Object.keys(methods))
    if (!methodName.test(name))
      throw new ProaError('config.invalid', `"${name}" cannot be the method of an actor: names are those of functions`);
  return { type, methods, options };
}
