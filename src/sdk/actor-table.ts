import type { ActorCallback, ActorTypeConfig } from '../blocks/actors/index.ts';
import { actorDefaults } from '../blocks/actors/index.ts';
import { isProaError, ProaError } from '../kernel/errors.ts';
import { ActorInstance } from './actor-instance.ts';
import type { ActorDefinition } from './actor.ts';
import { fromJson } from './json.ts';
import type { Operations } from './operations.ts';
import { telling, type Told } from './told.ts';

/** What a call of an actor's method brings. */
export interface ActorInput {
  readonly type: string;
  readonly id: string;
  readonly method: string;
  readonly headers: readonly string[];
  readonly data: unknown;
}

/** The actors of an app: the definitions, and those that are in memory. The runtime sees to it that each has one turn at a time. */
export class ActorTable {
  readonly #definitions = new Map<string, ActorDefinition>();
  readonly #instances = new Map<string, ActorInstance>();
  readonly #told: Told;
  #operations: Operations | undefined;

  constructor(told: Told = telling()) {
    this.#told = told;
  }

  /** Fails with `config.invalid` for a type that is there already. */
  add(definition: ActorDefinition): void {
    if (this.#definitions.has(definition.type))
      throw new ProaError('config.invalid', `actors of type "${definition.type}" are defined twice`);
    this.#definitions.set(definition.type, definition);
  }

  /** How actors reach their runtime. */
  attach(operations: Operations): void {
    this.#operations = operations;
  }

  has(type: string): boolean {
    return this.#definitions.has(type);
  }

  types(): ActorTypeConfig[] {
    return Array.from(this.#definitions.values(), ({ type, options }) => {
      const idleTimeoutMs = options.idleTimeoutMs ?? actorDefaults.idleTimeoutMs;
      return {
        type,
        idleTimeoutMs,
        scanIntervalMs: Math.min(actorDefaults.scanIntervalMs, idleTimeoutMs),
        drainMs: options.drainMs ?? actorDefaults.drainMs,
        reentrancy: {
          enabled: options.reentrancy !== undefined,
          stackDepthMax: options.reentrancy?.stackDepthMax ?? actorDefaults.reentrancy.stackDepthMax,
        },
      };
    });
  }

  /** Fails with `actor.no-method`, and with what the method failed with. */
  async invoke({ type, id, method, headers, data }: ActorInput): Promise<unknown> {
    const { methods } = this.#definition(type);
    const run = Object.hasOwn(methods, method) ? methods[method] : undefined;
    if (run === undefined) throw new ProaError('actor.no-method', `actors of type ${type} have no method ${method}`);
    return this.#turn({ type, id, method }, (instance) => instance.turn(headers, (context) => run(context, data)));
  }

  async remind({ type, id, name, data }: ActorCallback): Promise<{ cancel: boolean }> {
    const { options } = this.#definition(type);
    const due = { name, data: data === undefined ? undefined : (JSON.parse(data) as unknown) };
    const said = await this.#turn({ type, id, method: `remind/${name}` }, (instance) =>
      instance.turn([], (context) => options.onReminder?.(context, due)),
    );
    return { cancel: said === 'stop' };
  }

  async timer({ type, id, callback, data }: ActorCallback): Promise<{ cancel: boolean }> {
    const value = data === undefined ? undefined : fromJson(Buffer.from(data));
    await this.invoke({ type, id, method: callback ?? '', headers: [], data: value });
    return { cancel: false };
  }

  async deactivate(type: string, id: string): Promise<void> {
    const key = `${type}/${id}`;
    const known = this.#instances.get(key);
    this.#instances.delete(key);
    const { onDeactivate } = this.#definition(type).options;
    if (known === undefined || onDeactivate === undefined) return;
    await this.#turn({ type, id, method: 'deactivate' }, (instance) => instance.turn([], (context) => onDeactivate(context)), known);
  }

  /** Of the actor that is known, or begins. What is no ProaError is `actor.invoke` outside, and its text stays here. */
  async #turn<T>(
    { type, id, method }: Pick<ActorInput, 'type' | 'id' | 'method'>,
    run: (instance: ActorInstance) => Promise<T>,
    known = this.#instances.get(`${type}/${id}`),
  ): Promise<T> {
    try {
      return await run(known ?? (await this.#activated(type, id)));
    } catch (cause) {
      if (isProaError(cause)) throw cause;
      this.#told(cause, `the method ${JSON.stringify(method)} of the actor ${JSON.stringify(`${type}/${id}`)}`);
      throw new ProaError('actor.invoke', 'the method of the actor failed', { cause });
    }
  }

  #definition(type: string): ActorDefinition {
    const definition = this.#definitions.get(type);
    if (definition === undefined) throw new ProaError('actor.no-method', `this app has no actors of type ${type}`);
    return definition;
  }

  async #activated(type: string, id: string): Promise<ActorInstance> {
    const key = `${type}/${id}`;
    const { options } = this.#definition(type);
    const instance = new ActorInstance({ type, id, operations: () => this.#attached() });
    this.#instances.set(key, instance);
    try {
      await instance.turn([], (context) => options.onActivate?.(context));
    } catch (error) {
      this.#instances.delete(key);
      throw error;
    }
    return instance;
  }

  #attached(): Operations {
    if (this.#operations !== undefined) return this.#operations;
    throw new ProaError('unavailable', 'this actor cannot reach its runtime', { hint: 'start the app with `serve`' });
  }
}
