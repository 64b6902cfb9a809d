import { isEtagError, type Metadata, type StateOperation, type StateValue } from '../../contracts/state.ts';
import { isProaError, ProaError } from '../../kernel/errors.ts';
import type { Actor } from './actor.ts';
import { checkActor } from './actor-names.ts';
import type { ActorStore } from './actor-store.ts';
import type { HostedType } from './hosted-type.ts';

/** One key of an actor's state. */
export interface ActorStateKey {
  readonly type: string;
  readonly id: string;
  readonly key: string;
}

/** One change of an actor's state. */
export type ActorStateOperation = { readonly key: string; readonly etag?: string; readonly metadata: Metadata } & (
  | { readonly kind: 'upsert'; readonly value: Uint8Array }
  | { readonly kind: 'delete' }
);

/** All or nothing. */
export interface ActorTransaction {
  readonly type: string;
  readonly id: string;
  readonly operations: readonly ActorStateOperation[];
}

export interface ActorStateOptions {
  readonly appId: string;
  readonly hosted: (type: string) => HostedType | undefined;
  readonly store: () => ActorStore;
}

/**
 * The state of actors, for the app that runs them (Dapr reference 4.6). Reads answer for every actor of the app, as daprd's do; writes fail with `actor.not-active` for
 * those that are not in memory here.
 */
export interface ActorState {
  get(request: ActorStateKey): Promise<StateValue | undefined>;
  transact(request: ActorTransaction): Promise<void>;
}

const keyBytesMax = 512;
const illegal = /\0|\|\||[\ud800-\udfff]/u;

export function createActorState(options: ActorStateOptions): ActorState {
  const active = (type: string, id: string): { readonly hosted: HostedType; readonly actor: Actor } | undefined => {
    checkActor(type, id);
    const hosted = options.hosted(type);
    const actor = hosted?.find(id);
    return hosted === undefined || actor === undefined || !actor.activated ? undefined : { hosted, actor };
  };
  const guarded = async <T>({ hosted, actor }: { hosted: HostedType; actor: Actor }, run: (actor: Actor) => Promise<T>): Promise<T> => {
    try {
      return await run(actor);
    } catch (error) {
      if (isProaError(error) && error.code === 'engine.fenced') throw hosted.overlap(actor);
      throw error;
    }
  };
  const prefixOf = (type: string, id: string): string => `${options.appId}||${type}||${id}||`;
  return {
    async get({ type, id, key }) {
      checkKey(key);
      const here = active(type, id);
      const store = options.store();
      const whole = prefixOf(type, id) + key;
      const reading = here === undefined ? store.peek(whole) : guarded(here, (actor) => store.get(actor, whole));
      return reading.catch((error: unknown) => {
        throw failed('actor.state-get', `failed getting state of actor ${type}/${id}`, error);
      });
    },
    async transact({ type, id, operations }) {
      const store = options.store();
      if (operations.length > store.operationsMax)
        throw new ProaError(
          'state.too-many-operations',
          `a transaction of an actor has at most ${store.operationsMax} operations, not ${operations.length}`,
        );
      const prefix = prefixOf(type, id);
      const prepared = operations.map((operation) => prepare(prefix, operation));
      const here = active(type, id);
      if (here === undefined)
        throw new ProaError('actor.not-active', `actor instance is missing: ${type}/${id} is not active on this host`);
      await guarded(here, (actor) =>
        store.transact(actor, prefix, prepared).catch((error: unknown) => {
          throw failed('actor.state-save', `failed saving state of actor ${type}/${id}`, error);
        }),
      );
    },
  };
}

function prepare(prefix: string, operation: ActorStateOperation): StateOperation {
  checkKey(operation.key);
  const { kind, etag, metadata } = operation;
  const base = {
    key: prefix + operation.key,
    metadata: { ...metadata, partitionKey: prefix.slice(0, -2) },
    ...(etag === undefined || etag === '' ? {} : { etag }),
  };
  if (kind === 'delete') return { kind, ...base };
  const ttlSeconds = ttlOf(metadata);
  return { kind, ...base, data: operation.value, ...(ttlSeconds === undefined ? {} : { ttlSeconds }) };
}

function checkKey(key: string): void {
  if (key === '') throw new ProaError('malformed-request', 'the key of an actor state is missing');
  if (Buffer.byteLength(key) > keyBytesMax) throw new ProaError('bad-request', `a key of an actor has at most ${keyBytesMax} bytes`);
  if (illegal.test(key))
    throw new ProaError('bad-request', `the key ${JSON.stringify(key.slice(0, 64))} holds '||', NUL or half a character`);
}

/** Above 0: seconds; -1 and 0: for ever (Dapr reference 12.1). */
function ttlOf(metadata: Metadata): number | undefined {
  const text = metadata['ttlInSeconds'];
  if (text === undefined || text === '') return undefined;
  const seconds = /^-?\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (!(seconds >= -1)) throw new ProaError('malformed-request', `ttlInSeconds ${JSON.stringify(text.slice(0, 32))} is not valid`);
  return seconds > 0 ? seconds : undefined;
}

function failed(code: 'actor.state-get' | 'actor.state-save', message: string, error: unknown): ProaError {
  if (isProaError(error) && (error.code === 'engine.fenced' || error.spec.http < 500 || error.code === 'engine.outcome-unknown'))
    return error;
  const why = isEtagError(error) ? error.message : ProaError.from(error).message;
  return new ProaError(code, `${message}: ${why}`, { cause: error });
}
