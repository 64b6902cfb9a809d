import type { ActorStateOperation, ReminderRequest, TimerRequest } from '../blocks/actors/index.ts';
import { ProaError } from '../kernel/errors.ts';
import { encodeMethodPath } from '../kernel/method-path.ts';
import type { ActorInput, ActorTable } from './actor-table.ts';
import type { HttpExchange } from './http-exchange.ts';
import { fromJson } from './json.ts';
import type { InvocationAnswer, Operations } from './operations.ts';
import { answerOf, failureAnswer, type Received } from './request.ts';

const part = encodeURIComponent;

/** Actors over the HTTP API of a runtime (Dapr reference 4.6). */
export function actorOperations(exchange: HttpExchange): Operations['actors'] {
  const at = ({ type, id }: { readonly type: string; readonly id: string }, rest: string): string =>
    `/v1.0/actors/${part(type)}/${part(id)}/${rest}`;
  return {
    async invoke({ type, id, method, headers, data }, asking) {
      const target = at({ type, id }, `method/${encodeMethodPath(method)}`);
      const answer = await exchange.send({ method: 'POST', target, headers, body: data }, asking);
      if (answer.header('x-proa-error') !== undefined) throw exchange.failure(answer);
      return answer;
    },
    async getState({ type, id, key }, asking) {
      const answer = await exchange.ask('GET', at({ type, id }, `state/${part(key)}`), { asking });
      return answer.status === 204 ? undefined : { data: answer.body, etag: '', metadata: answer.metadata() };
    },
    async transact({ type, id, operations }, asking) {
      await exchange.ask('POST', at({ type, id }, 'state'), { body: operations.map(written), asking });
    },
    async registerReminder(input, asking) {
      const { overwrite } = input;
      const body = { ...schedule(input), ...(overwrite === undefined ? {} : { overwrite }) };
      await exchange.ask('POST', at(input, `reminders/${part(input.name)}`), { body, asking });
    },
    async unregisterReminder(input, asking) {
      await exchange.ask('DELETE', at(input, `reminders/${part(input.name)}`), { asking });
    },
    async registerTimer(input, asking) {
      const body = { ...schedule(input), callback: input.callback ?? '' };
      await exchange.ask('POST', at(input, `timers/${part(input.name)}`), { body, asking });
    },
    async unregisterTimer(input, asking) {
      await exchange.ask('DELETE', at(input, `timers/${part(input.name)}`), { asking });
    },
  };
}

function written(operation: ActorStateOperation): object {
  const { kind, key, metadata } = operation;
  const value = operation.kind === 'upsert' ? { value: fromJson(operation.value) } : {};
  return { operation: kind, request: { key, ...value, metadata } };
}

function schedule({ dueTime, period, ttl, data }: ReminderRequest | TimerRequest): object {
  return { dueTime, period, ttl, ...(data === undefined ? {} : { data: JSON.parse(data) as unknown }) };
}

/** What the runtime asks of an app with actors (Dapr reference 5.2, 5.3); undefined for paths that are none of an actor's here. */
export async function answerActors(table: ActorTable, received: Received): Promise<InvocationAnswer | undefined> {
  const { path, httpMethod } = received;
  if (httpMethod === 'GET' && path === 'dapr/config') return table.types().length === 0 ? undefined : answerOf(configOf(table));
  const [actors, type = '', id = '', kind, ...rest] = path.split('/');
  if (actors !== 'actors' || !table.has(type) || id === '') return undefined;
  try {
    if (httpMethod === 'DELETE' && kind === undefined) {
      await table.deactivate(type, id);
      return await answerOf({});
    }
    if (httpMethod !== 'PUT' || kind !== 'method' || rest.length === 0) return undefined;
    return await called(table, { type, id, method: rest.join('/'), headers: received.headers, data: fromJson(received.body) });
  } catch (error) {
    return failureAnswer(error, '');
  }
}

async function called(table: ActorTable, input: ActorInput): Promise<InvocationAnswer> {
  const [kind, name, ...more] = input.method.split('/');
  if ((kind !== 'remind' && kind !== 'timer') || name === undefined || more.length > 0) {
    const answer: unknown = await table.invoke(input);
    // Dapr takes nothing but 200 for success.
    return answer === undefined ? { status: 200, headers: [], body: new Uint8Array(0) } : answerOf(answer);
  }
  const {
    data,
    callback,
    dueTime = '',
    period = '',
  } = (input.data ?? {}) as { data?: unknown; callback?: string; dueTime?: string; period?: string };
  if (callback !== undefined && typeof callback !== 'string') throw new ProaError('bad-request', 'the callback of a timer is a text');
  const { type, id } = input;
  const due = {
    type,
    id,
    name,
    dueTime,
    period,
    ...(data === undefined ? {} : { data: JSON.stringify(data) }),
    ...(callback === undefined ? {} : { callback }),
  };
  const { cancel } = await table[kind](due);
  return { status: 200, headers: cancel ? ['x-daprremindercancel', 'true'] : [], body: new Uint8Array(0) };
}

function configOf(table: ActorTable): object {
  const types = table.types();
  return {
    entities: types.map(({ type }) => type),
    entitiesConfig: types.map(({ type, idleTimeoutMs, drainMs, reentrancy }) => ({
      entities: [type],
      actorIdleTimeout: `${idleTimeoutMs}ms`,
      drainOngoingCallTimeout: `${drainMs}ms`,
      drainRebalancedActors: drainMs > 0,
      reentrancy: { enabled: reentrancy.enabled, maxStackDepth: reentrancy.stackDepthMax },
    })),
  };
}
