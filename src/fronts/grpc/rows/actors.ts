import type {
  ActorAnswer,
  ActorRequest,
  ActorStateOperation,
  FailurePolicy,
  Reminder,
  ReminderRequest,
} from '../../../blocks/actors/index.ts';
import type { JobFailurePolicy } from '../../../gen/dapr/proto/common/v1/common_pb.ts';
import type { TransactionalActorStateOperation } from '../../../gen/dapr/proto/runtime/v1/actors_pb.ts';
import { Dapr } from '../../../gen/dapr/proto/runtime/v1/dapr_pb.ts';
import { ProaError } from '../../../kernel/errors.ts';
import { canonicalMethod } from '../../../kernel/method-path.ts';
import type { Handlers, ServerCall } from '../../../wire/grpc/method.ts';
import { forwardHeaders } from '../../../wire/http1/forward-headers.ts';
import { httpOfMetadata, metadataOfHttp } from '../http-metadata.ts';
import { anyOfJson, jsonOfBytes } from '../reminder-data.ts';
import { unaryRows, type GrpcFrontContext } from '../row.ts';

const block = 'actors';
const { method } = Dapr;

/** Actors over gRPC (Dapr reference 7.1). */
export function actorRows(front: GrpcFrontContext): Handlers<typeof Dapr> {
  return { ...callRows(front), ...reminderRows(front) };
}

function callRows(front: GrpcFrontContext): Handlers<typeof Dapr> {
  const row = unaryRows(front);
  return {
    invokeActor: row(method.invokeActor, {
      operation: { block, name: 'invoke', idempotent: false },
      decode: (request, call): ActorRequest => actorRequest(request, call),
      service: (blocks) => blocks.actors.invoke,
      encode(answer, call) {
        for (let i = 0, metadata = metadataOfHttp(forwardHeaders(answer.headers)); i < metadata.length; i += 2)
          call.setHeader(metadata[i] as string, metadata[i + 1] as string);
        return { data: dataOf(answer) };
      },
    }),
    getActorState: row(method.getActorState, {
      operation: { block, name: 'get_state', idempotent: true },
      decode: ({ actorType: type, actorId: id, key }) => ({ type, id, key }),
      service: (blocks) => blocks.actors.getState,
      encode: (value) => (value === undefined ? {} : { data: value.data, metadata: { ...value.metadata } }),
    }),
    executeActorStateTransaction: row(method.executeActorStateTransaction, {
      operation: { block, name: 'transaction', idempotent: false },
      decode: ({ actorType: type, actorId: id, operations }) => ({ type, id, operations: operations.map(operationOf) }),
      service: (blocks) => blocks.actors.transact,
      encode: () => ({}),
    }),
    registerActorTimer: row(method.registerActorTimer, {
      operation: { block, name: 'register_timer', idempotent: false },
      decode: ({ actorType: type, actorId: id, name, dueTime, period, ttl, callback, data }, call) => ({
        ...{ type, id, name, dueTime, period, ttl, callback },
        ...jsonOfBytes(data, call),
      }),
      service: (blocks) => blocks.actors.registerTimer,
      encode: () => ({}),
    }),
    unregisterActorTimer: row(method.unregisterActorTimer, {
      operation: { block, name: 'unregister_timer', idempotent: true },
      decode: ({ actorType: type, actorId: id, name }) => ({ type, id, name }),
      service: (blocks) => blocks.actors.unregisterTimer,
      encode: () => ({}),
    }),
  };
}

function reminderRows(front: GrpcFrontContext): Handlers<typeof Dapr> {
  const row = unaryRows(front);
  return {
    registerActorReminder: row(method.registerActorReminder, {
      operation: { block, name: 'register_reminder', idempotent: false },
      decode: ({ actorType: type, actorId: id, name, dueTime, period, ttl, data, overwrite, failurePolicy }, call): ReminderRequest => ({
        ...{ type, id, name, dueTime, period, ttl },
        ...jsonOfBytes(data, call),
        ...(overwrite === undefined ? {} : { overwrite }),
        ...policyOf(failurePolicy),
      }),
      service: (blocks) => blocks.actors.registerReminder,
      encode: () => ({}),
    }),
    unregisterActorReminder: row(method.unregisterActorReminder, {
      operation: { block, name: 'unregister_reminder', idempotent: true },
      decode: ({ actorType: type, actorId: id, name }) => ({ type, id, name }),
      service: (blocks) => blocks.actors.unregisterReminder,
      encode: () => ({}),
    }),
    getActorReminder: row(method.getActorReminder, {
      operation: { block, name: 'get_reminder', idempotent: true },
      decode: ({ actorType: type, actorId: id, name }) => ({ type, id, name }),
      service: (blocks) => blocks.actors.getReminder,
      encode: (reminder) => wireReminder(reminder),
    }),
    listActorReminders: row(method.listActorReminders, {
      operation: { block, name: 'list_reminders', idempotent: true },
      decode: ({ actorType: type, actorId: id }) => ({ type, ...(id === undefined ? {} : { id }) }),
      service: (blocks) => blocks.actors.listReminders,
      encode: (reminders) => ({ reminders: reminders.map((reminder) => ({ name: reminder.name, reminder: wireReminder(reminder) })) }),
    }),
    unregisterActorRemindersByType: row(method.unregisterActorRemindersByType, {
      operation: { block, name: 'unregister_reminders', idempotent: true },
      decode: ({ actorType: type, actorId: id }) => ({ type, ...(id === undefined ? {} : { id }) }),
      service: (blocks) => blocks.actors.unregisterReminders,
      encode: () => ({}),
    }),
  };
}

interface WireCall {
  readonly actorType: string;
  readonly actorId: string;
  readonly method: string;
  readonly data: Uint8Array;
  readonly metadata: Readonly<Record<string, string>>;
}

function actorRequest(request: WireCall, call: ServerCall): ActorRequest {
  const named = canonicalMethod(request.method);
  if ('error' in named) throw new ProaError('bad-request', `the method of the actor is not valid: ${named.error}`);
  if (named.path === '') throw new ProaError('bad-request', 'the method of the actor is missing');
  const own = Object.entries(request.metadata).flatMap(([name, value]) => [name.toLowerCase(), value]);
  // What the message says wins over what travels with the call.
  const names = new Set(own.filter((_, i) => i % 2 === 0));
  const travelling = httpOfMetadata(call.metadata).filter((_, i, all) => !names.has(all[i - (i % 2)] as string));
  const type = names.has('content-type') ? [] : ['content-type', 'application/json'];
  return {
    type: request.actorType,
    id: request.actorId,
    method: named.path,
    httpMethod: 'POST',
    query: '',
    headers: [...type, ...httpOfMetadata(own), ...travelling],
    data: request.data,
  };
}

// An error of the actor in an answer that looks like success has no place in the message: gRPC says it with a status.
function dataOf({ headers, data }: ActorAnswer): Uint8Array {
  const failed = headers.some((name, i) => i % 2 === 0 && name === 'x-daprerrorresponseheader' && headers[i + 1] === 'true');
  if (failed) throw new ProaError('actor.invoke', `error from actor service: ${Buffer.from(data).toString('utf8').slice(0, 512)}`);
  return data;
}

function operationOf({ operationType, key, value, metadata }: TransactionalActorStateOperation): ActorStateOperation {
  if (operationType === 'upsert') return { kind: operationType, key, metadata, value: value?.value ?? new Uint8Array(0) };
  if (operationType === 'delete') return { kind: operationType, key, metadata };
  throw new ProaError('state.operation-not-supported', `operation type ${operationType} not supported`);
}

function policyOf(policy: JobFailurePolicy | undefined): { readonly policy?: FailurePolicy } {
  if (policy?.policy.case === 'drop') return { policy: { kind: 'drop' } };
  if (policy?.policy.case !== 'constant') return {};
  const { interval, maxRetries } = policy.policy.value;
  const intervalMs = interval === undefined ? 0 : Number(interval.seconds) * 1_000 + interval.nanos / 1e6;
  if (!(intervalMs >= 0)) throw new ProaError('bad-request', 'the interval of the failure policy is negative');
  return { policy: { kind: 'constant', intervalMs, retriesMax: maxRetries ?? Infinity } };
}

function wireReminder({ type, id, data, dueTime, period, ttl }: Reminder) {
  return {
    actorType: type,
    actorId: id,
    ...(dueTime ? { dueTime } : {}),
    ...(period ? { period } : {}),
    ...(ttl ? { ttl } : {}),
    ...anyOfJson(data),
  };
}
