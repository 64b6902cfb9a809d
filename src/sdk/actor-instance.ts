import type { ActorStateOperation } from '../blocks/actors/index.ts';
import { CancelScope } from '../kernel/cancel.ts';
import type { ActorContext, ActorStateView, Schedule } from './actor.ts';
import { toJson } from './json.ts';
import type { Asking, Operations } from './operations.ts';

export interface ActorInstanceOptions {
  readonly type: string;
  readonly id: string;
  readonly operations: () => Operations;
}

/** A value that a turn wrote and that is not durable yet; undefined: it is deleted. */
interface Change {
  readonly json: string | undefined;
  readonly ttlSeconds?: number;
}

/** Keys whose values stay in memory; of more, the first go. */
const cachedMax = 1_000;

/** An actor in memory: its state as it knows it, and what its turn has changed. */
export class ActorInstance {
  readonly #options: ActorInstanceOptions;
  /** JSON by key: nobody else writes while the actor is here, so that it needs to be read once. */
  readonly #known = new Map<string, string | undefined>();
  readonly #changed = new Map<string, Change>();

  constructor(options: ActorInstanceOptions) {
    this.#options = options;
  }

  /** Runs a method: what it changed is durable when this resolves, and forgotten when it fails. */
  async turn<T>(headers: readonly string[], run: (context: ActorContext) => T | Promise<T>): Promise<T> {
    try {
      const answer = await run(this.#context(headers));
      await this.#save();
      return answer;
    } catch (error) {
      this.#changed.clear();
      throw error;
    }
  }

  #context(pairs: readonly string[]): ActorContext {
    const { type, id, operations } = this.#options;
    const name = (text: string) => ({ type, id, name: text });
    const headers: Record<string, string> = {};
    for (let i = 0; i < pairs.length; i += 2) headers[pairs[i] as string] ??= pairs[i + 1] as string;
    return {
      type,
      id,
      headers,
      state: this.#view(),
      remind: (text, schedule) => operations().actors.registerReminder({ ...name(text), ...scheduleOf(schedule) }, asking()),
      forget: (text) => operations().actors.unregisterReminder(name(text), asking()),
      startTimer: (text, method, schedule) =>
        operations().actors.registerTimer({ ...name(text), callback: method, ...scheduleOf(schedule) }, asking()),
      stopTimer: (text) => operations().actors.unregisterTimer(name(text), asking()),
    };
  }

  #view(): ActorStateView {
    return {
      get: async <T>(key: string) => {
        const json = this.#changed.has(key) ? this.#changed.get(key)?.json : await this.#read(key);
        return json === undefined ? undefined : (JSON.parse(json) as T);
      },
      set: (key, value, { ttlSeconds } = {}) => {
        const json = Buffer.from(toJson(value, `the state ${key} of an actor`)).toString('utf8');
        this.#changed.set(key, ttlSeconds === undefined ? { json } : { json, ttlSeconds });
      },
      delete: (key) => void this.#changed.set(key, { json: undefined }),
      save: () => this.#save(),
    };
  }

  async #read(key: string): Promise<string | undefined> {
    if (this.#known.has(key)) return this.#known.get(key);
    const { type, id, operations } = this.#options;
    const value = await operations().actors.getState({ type, id, key }, asking());
    const json = value === undefined || value.data.length === 0 ? undefined : Buffer.from(value.data).toString('utf8');
    // What expires has to be asked for again.
    if (value?.metadata?.['ttlExpireTime'] === undefined) this.#keep(key, json);
    return json;
  }

  async #save(): Promise<void> {
    if (this.#changed.size === 0) return;
    const changes = Array.from(this.#changed);
    this.#changed.clear();
    const { type, id, operations } = this.#options;
    try {
      await operations().actors.transact({ type, id, operations: changes.map(operationOf) }, asking());
    } catch (error) {
      // What is stored now is not known: everything is read again.
      this.#known.clear();
      throw error;
    }
    for (const [key, { json, ttlSeconds }] of changes) {
      if (ttlSeconds === undefined) this.#keep(key, json);
      else this.#known.delete(key);
    }
  }

  #keep(key: string, json: string | undefined): void {
    this.#known.set(key, json);
    if (this.#known.size > cachedMax) this.#known.delete(this.#known.keys().next().value as string);
  }
}

function operationOf([key, { json, ttlSeconds }]: readonly [string, Change]): ActorStateOperation {
  const metadata = ttlSeconds === undefined ? {} : { ttlInSeconds: String(ttlSeconds) };
  return json === undefined ? { kind: 'delete', key, metadata } : { kind: 'upsert', key, value: Buffer.from(json), metadata };
}

function scheduleOf({ dueTime, period, ttl, data }: Schedule) {
  return {
    ...(dueTime === undefined ? {} : { dueTime }),
    ...(period === undefined ? {} : { period }),
    ...(ttl === undefined ? {} : { ttl }),
    ...(data === undefined ? {} : { data: Buffer.from(toJson(data, 'the data of a reminder or timer')).toString('utf8') }),
  };
}

function asking(): Asking {
  return { cancel: new CancelScope(), deadlineMs: Infinity, traceparent: '' };
}
