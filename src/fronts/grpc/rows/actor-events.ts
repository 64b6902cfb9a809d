import {
  actorDefaults,
  type ActorAnswer,
  type ActorCallback,
  type ActorHost,
  type ActorInvocation,
  type ActorTypeConfig,
} from '../../../blocks/actors/index.ts';
import type {
  ActorEntityConfig,
  SubscribeActorEventsRequestAlpha1,
  SubscribeActorEventsRequestInitialAlpha1,
} from '../../../gen/dapr/proto/runtime/v1/actors_pb.ts';
import type { Dapr } from '../../../gen/dapr/proto/runtime/v1/dapr_pb.ts';
import type { Call } from '../../../kernel/call.ts';
import { ProaError } from '../../../kernel/errors.ts';
import { tracedHeaders } from '../../../kernel/trace-context.ts';
import type { Handlers, ServerCall } from '../../../wire/grpc/method.ts';
import { httpOfMetadata, metadataOfHttp } from '../http-metadata.ts';
import { anyOfJson } from '../reminder-data.ts';
import type { GrpcFrontContext } from '../row.ts';

type Stream = NonNullable<Handlers<typeof Dapr>['subscribeActorEventsAlpha1']>;
type Out = Parameters<Stream>[2];
type Written = NonNullable<Parameters<Out['write']>[0]['responseType']>;
type Answer = SubscribeActorEventsRequestAlpha1['requestType'];

const notFound = 5;
const waitingMax = 100_000;

/** Actors of an app that opened a stream instead of a port (Dapr reference 7.4). */
export function actorStreamRows(front: GrpcFrontContext): Handlers<typeof Dapr> {
  return { subscribeActorEventsAlpha1: (requests, call, out) => host(front, requests, { call, out }) };
}

async function host(
  front: GrpcFrontContext,
  requests: AsyncIterable<SubscribeActorEventsRequestAlpha1>,
  { call, out }: { readonly call: ServerCall; readonly out: Out },
): Promise<void> {
  const { port, protocol } = front.blocks.runtime.metadata().appConnection;
  if (port !== undefined && protocol !== 'grpc' && protocol !== 'grpcs')
    throw new ProaError('actor.no-address', `the app is reached over ${protocol}: it hosts actors there, and not on a stream`, {
      hint: 'start with --app-protocol grpc, or without an app port',
    });
  const incoming = requests[Symbol.asyncIterator]();
  const first = await incoming.next();
  const request = first.done === true ? undefined : first.value.requestType;
  if (request?.case !== 'initialRequest') throw new ProaError('bad-request', 'initial_request is required as the first message');
  const stream = new ActorStream(out);
  const unlink = call.cancel.onCancel((reason) => stream.fail(reason));
  const hosted = await front.blocks.actors.serve(typesOf(request.value), stream);
  try {
    await out.write({ responseType: { case: 'initialResponse', value: {} } });
    for (let next = await incoming.next(); next.done !== true; next = await incoming.next()) stream.answered(next.value.requestType);
  } finally {
    unlink();
    stream.fail(new ProaError('unavailable', 'the app closed the stream on which its actors ran'));
    await hosted.close();
  }
}

function typesOf(initial: SubscribeActorEventsRequestInitialAlpha1): ActorTypeConfig[] {
  const shared = settingsOf(initial, actorDefaults);
  const own = new Map(initial.entitiesConfig.flatMap((entry) => entry.entities.map((type) => [type, settingsOf(entry, shared)] as const)));
  return Array.from(new Set(initial.entities), (type) => ({ ...(own.get(type) ?? shared), type }));
}

type Settings = Omit<ActorTypeConfig, 'type'>;
type WrittenSettings = Pick<ActorEntityConfig, 'actorIdleTimeout' | 'drainOngoingCallTimeout' | 'drainRebalancedActors' | 'reentrancy'>;

function settingsOf(written: WrittenSettings, base: Settings): Settings {
  const idleTimeoutMs = Math.max(1, msOf(written.actorIdleTimeout) ?? base.idleTimeoutMs);
  const drainMs = msOf(written.drainOngoingCallTimeout) ?? base.drainMs;
  const { reentrancy } = written;
  return {
    idleTimeoutMs,
    scanIntervalMs: Math.min(base.scanIntervalMs, idleTimeoutMs),
    drainMs: written.drainRebalancedActors === false ? 0 : drainMs,
    reentrancy:
      reentrancy === undefined
        ? base.reentrancy
        : { enabled: reentrancy.enabled, stackDepthMax: reentrancy.maxStackDepth || base.reentrancy.stackDepthMax },
  };
}

function msOf(duration: { readonly seconds: bigint; readonly nanos: number } | undefined): number | undefined {
  return duration === undefined ? undefined : Math.max(0, Number(duration.seconds) * 1_000 + duration.nanos / 1e6);
}

/** Calls on their way to an app that opened a stream, by the id under which it answers them. */
class ActorStream implements ActorHost {
  readonly #out: Out;
  readonly #waiting = new Map<string, { resolve: (answer: Answer) => void; reject: (error: unknown) => void }>();
  #last = 0;
  #failed: { readonly reason: unknown } | undefined;

  constructor(out: Out) {
    this.#out = out;
  }

  async invoke(call: Call<ActorInvocation>): Promise<ActorAnswer> {
    const { type: actorType, id: actorId, method, headers, data } = call.input;
    const metadata = Object.fromEntries(pairsOf(metadataOfHttp(tracedHeaders(headers, call.context))));
    const answer = await this.#ask(call, (id) => ({ case: 'invokeRequest', value: { id, actorType, actorId, method, data, metadata } }));
    if (answer.case !== 'invokeResponse') throw unexpected(answer);
    const { value } = answer;
    const own = httpOfMetadata(Object.entries(value.metadata).flatMap(([name, text]) => [name.toLowerCase(), text]));
    const failed = value.error ? ['x-daprerrorresponseheader', 'true'] : [];
    return { status: 200, headers: ['content-type', 'application/json', ...own, ...failed], data: value.data };
  }

  async remind(call: Call<ActorCallback>): Promise<{ cancel: boolean }> {
    const answer = await this.#ask(call, (id) => ({ case: 'reminderRequest', value: { id, ...dueOf(call.input) } }));
    if (answer.case !== 'reminderResponse') throw unexpected(answer);
    return { cancel: answer.value.cancel };
  }

  async timer(call: Call<ActorCallback>): Promise<{ cancel: boolean }> {
    const callback = call.input.callback ?? '';
    const answer = await this.#ask(call, (id) => ({ case: 'timerRequest', value: { id, callback, ...dueOf(call.input) } }));
    if (answer.case !== 'timerResponse') throw unexpected(answer);
    return { cancel: answer.value.cancel };
  }

  async deactivate(call: Call<{ readonly type: string; readonly id: string }>): Promise<void> {
    const { type: actorType, id: actorId } = call.input;
    const answer = await this.#ask(call, (id) => ({ case: 'deactivateRequest', value: { id, actorType, actorId } }));
    if (answer.case !== 'deactivateResponse') throw unexpected(answer);
  }

  answered(answer: Answer): void {
    if (answer.case === 'initialRequest' || answer.case === undefined)
      throw new ProaError('bad-request', 'a second initial_request came on the stream');
    const waiting = this.#waiting.get(answer.value.id);
    this.#waiting.delete(answer.value.id);
    waiting?.resolve(answer);
  }

  fail(reason: unknown): void {
    this.#failed ??= { reason };
    for (const { reject } of this.#waiting.values()) reject(reason);
    this.#waiting.clear();
  }

  async #ask(call: Call<unknown>, request: (id: string) => Written): Promise<Exclude<Answer, { case: 'requestFailed' }>> {
    if (this.#failed !== undefined) throw ProaError.from(this.#failed.reason, 'unavailable');
    if (this.#waiting.size >= waitingMax) throw new ProaError('actor.busy', `the app owes ${waitingMax} answers on its stream`);
    const id = String(++this.#last);
    const answering = new Promise<Answer>((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
    answering.catch(() => undefined);
    const given = call.cancel.onCancel((reason) => {
      this.#waiting.get(id)?.reject(reason);
      this.#waiting.delete(id);
    });
    try {
      await this.#out.write({ responseType: request(id) });
      const answer = await answering;
      if (answer.case === 'requestFailed') throw failure(answer.value);
      return answer;
    } finally {
      given();
    }
  }
}

function dueOf({ type: actorType, id: actorId, name, dueTime, period, data }: ActorCallback) {
  return { actorType, actorId, name, dueTime, period, ...anyOfJson(data) };
}

function failure({ code, message }: { readonly code: number; readonly message: string }): ProaError {
  if (code === notFound) return new ProaError('actor.no-method', `error from actor service: ${message}`);
  return new ProaError('actor.invoke', `error from actor service: ${message}`, { details: { metadata: { status: String(code) } } });
}

function unexpected(answer: { readonly case: string | undefined }): ProaError {
  return new ProaError('actor.invoke', `the app answered with ${answer.case ?? 'nothing'}, which does not fit the request`);
}

function* pairsOf(flat: readonly string[]): Generator<readonly [string, string]> {
  for (let i = 0; i < flat.length; i += 2) yield [flat[i] as string, flat[i + 1] as string];
}
