import { fromBinary } from '@bufbuild/protobuf';
import { BytesValueSchema } from '@bufbuild/protobuf/wkt';
import type { ActorStateOperation } from '../blocks/actors/index.ts';
import { Dapr } from '../gen/dapr/proto/runtime/v1/dapr_pb.ts';
import type { SubscribeActorEventsResponseAlpha1 } from '../gen/dapr/proto/runtime/v1/actors_pb.ts';
import { ProaError } from '../kernel/errors.ts';
import { codecOf, type ClientStream } from '../wire/grpc/client.ts';
import type { ActorTable } from './actor-table.ts';
import type { GrpcLink } from './grpc-link.ts';
import { keepOpen } from './grpc-streams.ts';
import { fromJson, toJson } from './json.ts';
import type { Operations } from './operations.ts';

const { method } = Dapr;
const codecs = {
  invoke: codecOf(method.invokeActor),
  getState: codecOf(method.getActorState),
  transact: codecOf(method.executeActorStateTransaction),
  remind: codecOf(method.registerActorReminder),
  forget: codecOf(method.unregisterActorReminder),
  startTimer: codecOf(method.registerActorTimer),
  stopTimer: codecOf(method.unregisterActorTimer),
  events: codecOf(method.subscribeActorEventsAlpha1),
};
// Data stays JSON, as it does over HTTP and in process; Dapr's clients register bytes.
const jsonData = { metadata: ['proa-json-data', 'true'] };
const notFound = 5;
const internal = 13;

/** Actors over the gRPC API of a runtime (Dapr reference 7.1). */
export function actorOperations(link: GrpcLink): Operations['actors'] {
  const named = ({ type, id, name }: { readonly type: string; readonly id: string; readonly name: string }) => ({
    actorType: type,
    actorId: id,
    name,
  });
  const data = (json: string | undefined) => (json === undefined ? {} : { data: Buffer.from(json, 'utf8') });
  return {
    async invoke({ type: actorType, id: actorId, method: called, headers, data: bytes }, asking) {
      const metadata: Record<string, string> = {};
      for (let i = 0; i < headers.length; i += 2) metadata[headers[i] as string] = headers[i + 1] as string;
      const answer = await link.unary(codecs.invoke, { actorType, actorId, method: called, data: bytes, metadata }, asking);
      return { status: 200, headers: ['content-type', 'application/json'], body: answer.data };
    },
    async getState({ type: actorType, id: actorId, key }, asking) {
      const answer = await link.unary(codecs.getState, { actorType, actorId, key }, asking);
      return answer.data.length === 0 ? undefined : { data: answer.data, etag: '', metadata: answer.metadata };
    },
    async transact({ type: actorType, id: actorId, operations }, asking) {
      await link.unary(codecs.transact, { actorType, actorId, operations: operations.map(operationOf) }, asking);
    },
    async registerReminder(input, asking) {
      const { dueTime = '', period = '', ttl = '', overwrite } = input;
      const more = { dueTime, period, ttl, ...data(input.data), ...(overwrite === undefined ? {} : { overwrite }) };
      await link.unary(codecs.remind, { ...named(input), ...more }, asking, jsonData);
    },
    async unregisterReminder(input, asking) {
      await link.unary(codecs.forget, named(input), asking);
    },
    async registerTimer(input, asking) {
      const { dueTime = '', period = '', ttl = '', callback = '' } = input;
      await link.unary(codecs.startTimer, { ...named(input), dueTime, period, ttl, callback, ...data(input.data) }, asking, jsonData);
    },
    async unregisterTimer(input, asking) {
      await link.unary(codecs.stopTimer, named(input), asking);
    },
  };
}

function operationOf(operation: ActorStateOperation) {
  const { kind, key, metadata } = operation;
  const value = operation.kind === 'upsert' ? { value: { typeUrl: '', value: operation.value } } : {};
  return { operationType: kind, key, metadata: { ...metadata }, ...value };
}

type Events = ClientStream<Parameters<(typeof codecs)['events']['encode']>[0], SubscribeActorEventsResponseAlpha1>;

/** Hosts the app's actors on a stream, without a port of the app (Dapr reference 7.4); opened again when it breaks, until it is ended. */
export function hostActors(link: GrpcLink, table: ActorTable): Promise<() => Promise<void>> {
  return keepOpen(link, async (scope, standing) => {
    const stream: Events = await link.stream(codecs.events, { cancel: scope, deadlineMs: Infinity, traceparent: '' });
    await stream.write({ requestType: { case: 'initialRequest', value: initialOf(table) } });
    for await (const { responseType } of stream) {
      if (responseType.case === 'initialResponse') standing();
      // Actors run side by side; an answer that cannot be sent is the end of the stream, which is told by it.
      else if (responseType.case !== undefined) void answer(stream, table, responseType).catch(() => {});
    }
  });
}

type Asked = Exclude<SubscribeActorEventsResponseAlpha1['responseType'], { case: undefined } | { case: 'initialResponse' }>;

async function answer(stream: Events, table: ActorTable, asked: Asked): Promise<void> {
  const { id } = asked.value;
  try {
    await stream.write({ requestType: await answerOf(table, asked) });
  } catch (error) {
    const { code, message } = ProaError.from(error);
    await stream.write({
      requestType: { case: 'requestFailed', value: { id, code: code === 'actor.no-method' ? notFound : internal, message } },
    });
  }
}

async function answerOf(table: ActorTable, asked: Asked) {
  const { id, actorType: type, actorId } = asked.value;
  if (asked.case === 'invokeRequest') {
    const { method: called, metadata, data } = asked.value;
    const headers = Object.entries(metadata).flat();
    const answered: unknown = await table.invoke({ type, id: actorId, method: called, headers, data: fromJson(data) });
    const bytes = answered === undefined ? new Uint8Array(0) : toJson(answered, 'the answer of an actor', 'malformed-response');
    return { case: 'invokeResponse' as const, value: { id, data: bytes } };
  }
  if (asked.case === 'deactivateRequest') {
    await table.deactivate(type, actorId);
    return { case: 'deactivateResponse' as const, value: { id } };
  }
  const { name, dueTime, period, data } = asked.value;
  const due = {
    type,
    id: actorId,
    name,
    dueTime,
    period,
    ...(data === undefined ? {} : { data: Buffer.from(fromBinary(BytesValueSchema, data.value).value).toString('utf8') }),
  };
  if (asked.case === 'reminderRequest') return { case: 'reminderResponse' as const, value: { id, ...(await table.remind(due)) } };
  return { case: 'timerResponse' as const, value: { id, ...(await table.timer({ ...due, callback: asked.value.callback })) } };
}

function initialOf(table: ActorTable) {
  const types = table.types();
  return {
    entities: types.map(({ type }) => type),
    entitiesConfig: types.map(({ type, idleTimeoutMs, drainMs, reentrancy }) => ({
      entities: [type],
      actorIdleTimeout: durationOf(idleTimeoutMs),
      drainOngoingCallTimeout: durationOf(drainMs),
      drainRebalancedActors: drainMs > 0,
      reentrancy: { enabled: reentrancy.enabled, maxStackDepth: reentrancy.stackDepthMax },
    })),
  };
}

function durationOf(ms: number): { readonly seconds: bigint; readonly nanos: number } {
  return { seconds: BigInt(Math.floor(ms / 1_000)), nanos: (ms % 1_000) * 1e6 };
}
