import {
  actorPath,
  type ActorAnswer,
  type ActorRequest,
  type ActorStateOperation,
  type FailurePolicy,
  type Reminder,
  type ReminderRequest,
  type TimerRequest,
} from '../../../blocks/actors/index.ts';
import { parseDuration } from '../../../kernel/duration.ts';
import { ProaError } from '../../../kernel/errors.ts';
import { canonicalMethod, encodeMethodPath } from '../../../kernel/method-path.ts';
import { ListMemo } from '../../../kernel/list-memo.ts';
import { forwardHeaders } from '../../../wire/http1/forward-headers.ts';
import { JsonFields } from '../json-fields.ts';
import { arrayElements, malformed } from '../json-members.ts';
import { jsonTextReply, metadataHeaders, noContent, type Reply } from '../reply.ts';
import { route, type Route, type RouteRequest, whenRead } from '../route.ts';
import { param } from './state.ts';

const group = 'actors';
const write = ['POST', 'PUT'] as const;

/** Actors over HTTP (Dapr reference 3, 4.6). */
export const actorRoutes: readonly Route[] = [
  route({
    methods: ['GET', 'POST', 'PUT', 'DELETE'],
    path: '/v1.0/actors/{type}/{id}/method/{method...}',
    name: 'InvokeActor',
    group,
    operation: { block: group, name: 'invoke', idempotent: false },
    subject: calledOf,
    decode: (request) => whenRead(request.bytes(), (data) => actorRequest(request, data)),
    service: (blocks) => blocks.actors.invoke,
    encode: ({ status, headers, data }: ActorAnswer): Reply => ({
      status,
      headers: (status === 204 ? passedBack : typedBack).of(headers),
      body: data,
    }),
  }),
  route({
    methods: ['GET'],
    path: '/v1.0/actors/{type}/{id}/state/{key}',
    name: 'GetActorState',
    group,
    operation: { block: group, name: 'get_state', idempotent: true },
    decode: (request) => ({ ...actorOf(request), key: param(request, 'key') }),
    service: (blocks) => blocks.actors.getState,
    encode(value): Reply {
      if (value === undefined || value.data.length === 0) return noContent;
      return { status: 200, headers: ['content-type', 'application/json', ...metadataHeaders(value.metadata)], body: value.data };
    },
  }),
  route({
    methods: write,
    path: '/v1.0/actors/{type}/{id}/state',
    name: 'ExecuteActorStateTransaction',
    group,
    operation: { block: group, name: 'transaction', idempotent: false },
    decode: (request) => whenRead(request.text(), (text) => ({ ...actorOf(request), operations: operationsOf(text) })),
    service: (blocks) => blocks.actors.transact,
    encode: () => noContent,
  }),
  ...reminderRoutes(),
  ...timerRoutes(),
];

function reminderRoutes(): Route[] {
  const path = '/v1.0/actors/{type}/{id}/reminders/{name}';
  return [
    route({
      methods: write,
      path,
      name: 'RegisterActorReminder',
      group,
      operation: { block: group, name: 'register_reminder', idempotent: false },
      decode: (request) => whenRead(request.text(), (text): ReminderRequest => reminderRequest(request, text)),
      service: (blocks) => blocks.actors.registerReminder,
      encode: () => noContent,
    }),
    route({
      methods: ['GET'],
      path,
      name: 'GetActorReminder',
      group,
      operation: { block: group, name: 'get_reminder', idempotent: true },
      decode: named,
      service: (blocks) => blocks.actors.getReminder,
      encode: (reminder) => jsonTextReply(printReminder(reminder)),
    }),
    route({
      methods: ['DELETE'],
      path,
      name: 'UnregisterActorReminder',
      group,
      operation: { block: group, name: 'unregister_reminder', idempotent: true },
      decode: named,
      service: (blocks) => blocks.actors.unregisterReminder,
      encode: () => noContent,
    }),
  ];
}

function timerRoutes(): Route[] {
  const path = '/v1.0/actors/{type}/{id}/timers/{name}';
  return [
    route({
      methods: write,
      path,
      name: 'RegisterActorTimer',
      group,
      operation: { block: group, name: 'register_timer', idempotent: false },
      decode: (request) => whenRead(request.text(), (text): TimerRequest => timerRequest(request, text)),
      service: (blocks) => blocks.actors.registerTimer,
      encode: () => noContent,
    }),
    route({
      methods: ['DELETE'],
      path,
      name: 'UnregisterActorTimer',
      group,
      operation: { block: group, name: 'unregister_timer', idempotent: true },
      decode: named,
      service: (blocks) => blocks.actors.unregisterTimer,
      encode: () => noContent,
    }),
  ];
}

function actorOf(request: RouteRequest): { readonly type: string; readonly id: string } {
  return { type: param(request, 'type'), id: param(request, 'id') };
}

function named(request: RouteRequest): { readonly type: string; readonly id: string; readonly name: string } {
  return { ...actorOf(request), name: param(request, 'name') };
}

// Lists that the parser shared are looked through once.
const [passedOn, passedBack] = [new ListMemo(forwardHeaders), new ListMemo(forwardHeaders)];
/** As daprd says of an answer whose actor says nothing about it. */
const typedBack = new ListMemo((headers: readonly string[]) => typed(forwardHeaders(headers)));

function typed(headers: string[]): readonly string[] {
  const at = headers.findIndex((text, i) => i % 2 === 0 && text === 'content-type');
  if (at < 0) return [...headers, 'content-type', 'application/json'];
  return headers[at + 1] === '' ? headers.with(at + 1, 'application/json') : headers;
}

/** Whom a path calls, and the path that the app sees; or why not. */
type Called = { readonly type: string; readonly id: string; readonly method: string; readonly path: string } | { readonly refusal: string };

// The router has unescaped the method once; cleaning works on the escaped form.
function calledOf(params: Readonly<Record<string, string>>): Called {
  const [type, id] = [params['type'] ?? '', params['id'] ?? ''];
  const method = canonicalMethod(encodeMethodPath(params['method'] ?? ''));
  if ('error' in method) return { refusal: `the method of the actor is not valid: ${method.error}` };
  if (method.path === '') return { refusal: 'the method of the actor is missing' };
  return { type, id, method: method.path, path: actorPath(type, id, method.path) };
}

function actorRequest(request: RouteRequest, data: Uint8Array): ActorRequest {
  const called = request.subject as Called;
  if ('refusal' in called) throw new ProaError('bad-request', called.refusal);
  const { type, id, method, path } = called;
  return {
    type,
    id,
    method,
    path,
    httpMethod: request.method,
    query: request.query.raw,
    headers: passedOn.of(request.headers),
    data,
  };
}

function operationsOf(text: string): ActorStateOperation[] {
  return arrayElements(text).map((raw) => {
    const fields = new JsonFields(raw);
    const operation = fields.text('operation') ?? '';
    const request = fields.object('request') ?? new JsonFields('{}');
    const etag = request.text('etag');
    const base = { key: request.text('key') ?? '', metadata: request.texts('metadata') ?? {}, ...(etag === undefined ? {} : { etag }) };
    if (operation === 'upsert') return { kind: operation, ...base, value: Buffer.from(request.raw('value') ?? 'null', 'utf8') };
    if (operation === 'delete') return { kind: operation, ...base };
    throw new ProaError('state.operation-not-supported', `operation type ${operation} not supported`);
  });
}

/** An empty body is a schedule without members: due at once. */
function fieldsOf(text: string): JsonFields {
  return new JsonFields(text.trim() === '' ? '{}' : text);
}

function scheduleOf(fields: JsonFields): Pick<TimerRequest, 'dueTime' | 'period' | 'ttl' | 'data'> {
  const [dueTime, period, ttl, data] = [fields.text('dueTime'), fields.text('period'), fields.text('ttl'), fields.raw('data')];
  return {
    ...(dueTime === undefined ? {} : { dueTime }),
    ...(period === undefined ? {} : { period }),
    ...(ttl === undefined ? {} : { ttl }),
    ...(data === undefined ? {} : { data }),
  };
}

function timerRequest(request: RouteRequest, text: string): TimerRequest {
  const fields = fieldsOf(text);
  const callback = fields.text('callback');
  return { ...named(request), ...scheduleOf(fields), ...(callback === undefined ? {} : { callback }) };
}

function reminderRequest(request: RouteRequest, text: string): ReminderRequest {
  const fields = fieldsOf(text);
  const overwrite = fields.flag('overwrite');
  const policy = policyOf(fields.object('failure_policy') ?? fields.object('failurePolicy'));
  return {
    ...named(request),
    ...scheduleOf(fields),
    ...(overwrite === undefined ? {} : { overwrite }),
    ...(policy === undefined ? {} : { policy }),
  };
}

// Protobuf JSON of a JobFailurePolicy: `{"drop": {}}` or `{"constant": {"interval": "5s", "maxRetries": 3}}`.
function policyOf(fields: JsonFields | undefined): FailurePolicy | undefined {
  if (fields === undefined) return undefined;
  if (fields.object('drop') !== undefined) return { kind: 'drop' };
  const constant = fields.object('constant');
  if (constant === undefined) return undefined;
  const interval = constant.text('interval') ?? '0s';
  const intervalMs = parseDuration(interval);
  if (intervalMs === undefined || intervalMs < 0)
    throw malformed(`the interval ${JSON.stringify(interval.slice(0, 32))} of the failure policy is no duration`);
  const retriesMax = constant.number('maxRetries') ?? constant.number('max_retries');
  return { kind: 'constant', intervalMs, retriesMax: retriesMax === undefined ? Infinity : wholeNumber(retriesMax) };
}

function wholeNumber(value: number): number {
  if (!Number.isInteger(value) || value < 0) throw malformed('maxRetries of the failure policy must be a whole number');
  return value;
}

function printReminder({ type, id, data, dueTime, period, ttl }: Reminder): string {
  const parts = [`"actorID":${JSON.stringify(id)}`, `"actorType":${JSON.stringify(type)}`];
  if (data !== undefined) parts.push(`"data":${data}`);
  for (const [name, text] of Object.entries({ dueTime, period, ttl })) if (text) parts.push(`"${name}":${JSON.stringify(text)}`);
  return `{${parts.join(',')}}`;
}
