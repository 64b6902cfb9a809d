import { fromBinary } from '@bufbuild/protobuf';
import { BytesValueSchema } from '@bufbuild/protobuf/wkt';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import type { ActorHost, ActorTypeConfig } from '../../../blocks/actors/index.ts';
import { SubscribeActorEventsRequestAlpha1Schema as Request } from '../../../gen/dapr/proto/runtime/v1/actors_pb.ts';
import { bytesBody } from '../../../kernel/body.ts';
import { createCall } from '../../../kernel/call.ts';
import { CancelScope } from '../../../kernel/cancel.ts';
import type { ServerCall } from '../../../wire/grpc/method.ts';
import type { GrpcFrontContext } from '../row.ts';
import { actorStreamRows } from './actor-events.ts';

type Sent = { readonly case: string; readonly value: Record<string, unknown> };
type Message = MessageInitShape<typeof Request>['requestType'];

/** A stream as an app holds it: `say` sends, `next` waits for what comes. */
function openStream(protocol?: string) {
  const queue: (Message | undefined)[] = [];
  const waiting: (() => void)[] = [];
  const sent: Sent[] = [];
  const arrived: (() => void)[] = [];
  const served: { types?: readonly ActorTypeConfig[]; host?: ActorHost; closed: boolean } = { closed: false };
  async function* requests() {
    for (;;) {
      while (queue.length === 0) await new Promise<void>((resolve) => waiting.push(resolve));
      const next = queue.shift();
      if (next === undefined) return;
      yield create(Request, { requestType: next });
    }
  }
  const front = {
    blocks: {
      runtime: { metadata: () => ({ appConnection: protocol === undefined ? { protocol: 'http' } : { port: 1, protocol } }) },
      actors: {
        serve: (types: readonly ActorTypeConfig[], host: ActorHost) => {
          Object.assign(served, { types, host });
          return Promise.resolve({ close: async () => void (served.closed = true) });
        },
      },
    },
  } as unknown as GrpcFrontContext;
  const cancel = new CancelScope();
  const out = {
    write: (message: { responseType?: unknown }) => {
      sent.push(message.responseType as Sent);
      for (const resolve of arrived.splice(0)) resolve();
      return Promise.resolve();
    },
  };
  const handle = actorStreamRows(front).subscribeActorEventsAlpha1 as NonNullable<
    ReturnType<typeof actorStreamRows>['subscribeActorEventsAlpha1']
  >;
  const ended = handle(requests(), { cancel } as unknown as ServerCall, out as never);
  ended.catch(() => undefined);
  let read = 0;
  return {
    ended,
    served,
    cancel,
    say(message: Message | undefined) {
      queue.push(message);
      for (const resolve of waiting.splice(0)) resolve();
    },
    async next(): Promise<Sent> {
      while (sent.length <= read) await new Promise<void>((resolve) => arrived.push(resolve));
      return sent[read++] as Sent;
    },
  };
}

const initial = { case: 'initialRequest' as const, value: { entities: ['Cart', 'Order'] } };
const callOf = <In>(input: In) => createCall({ block: 'actors', name: 'test', idempotent: false }, input);
const invocation = {
  type: 'Cart',
  id: 'x',
  method: 'add',
  path: 'actors/Cart/x/method/add',
  query: '',
  headers: ['x-mine', '1'],
  data: Buffer.from('7'),
  body: bytesBody(Buffer.from('7')),
};
const due = { type: 'Cart', id: 'x', name: 'wake', dueTime: '1s', period: '2s', data: '{"a":1}' };

describe('the stream of an app with actors', () => {
  it('takes over what the app says about its types, each with its own settings', async () => {
    const stream = openStream();
    stream.say({
      case: 'initialRequest',
      value: {
        entities: ['Cart', 'Order'],
        actorIdleTimeout: { seconds: 10n },
        reentrancy: { enabled: true },
        entitiesConfig: [{ entities: ['Order'], drainRebalancedActors: false, reentrancy: { enabled: true, maxStackDepth: 5 } }],
      },
    });
    expect(await stream.next()).toMatchObject({ case: 'initialResponse' });
    expect(stream.served.types).toMatchObject([
      { type: 'Cart', idleTimeoutMs: 10_000, drainMs: 2_000, reentrancy: { enabled: true, stackDepthMax: 32 } },
      { type: 'Order', idleTimeoutMs: 10_000, drainMs: 0, reentrancy: { enabled: true, stackDepthMax: 5 } },
    ]);
  });

  it('carries calls, reminders, timers and ends of actors, answered in any order', async () => {
    const stream = openStream('grpc');
    stream.say(initial);
    await stream.next();
    const host = stream.served.host as ActorHost;
    const [called, reminded, timed, gone] = [
      host.invoke(callOf(invocation)),
      host.remind(callOf(due)),
      host.timer(callOf({ ...due, callback: 'tick' })),
      host.deactivate(callOf({ type: 'Cart', id: 'x' })),
    ];
    const asked = [await stream.next(), await stream.next(), await stream.next(), await stream.next()];
    expect(asked.map((each) => each.case)).toEqual(['invokeRequest', 'reminderRequest', 'timerRequest', 'deactivateRequest']);
    expect(asked[0]?.value).toMatchObject({ actorType: 'Cart', actorId: 'x', method: 'add', metadata: { 'x-mine': '1' } });
    expect(asked[2]?.value).toMatchObject({ name: 'wake', callback: 'tick', dueTime: '1s', period: '2s' });
    const { typeUrl, value } = (asked[1] as (typeof asked)[0]).value['data'] as { typeUrl: string; value: Uint8Array };
    expect(typeUrl).toBe('type.googleapis.com/google.protobuf.BytesValue');
    expect(Buffer.from(fromBinary(BytesValueSchema, value).value).toString()).toBe('{"a":1}');
    const ids = asked.map((each) => String(each.value['id'])) as [string, string, string, string];
    stream.say({ case: 'deactivateResponse', value: { id: ids[3] } });
    stream.say({ case: 'timerResponse', value: { id: ids[2], cancel: true } });
    stream.say({ case: 'reminderResponse', value: { id: ids[1] } });
    stream.say({ case: 'invokeResponse', value: { id: ids[0], data: Buffer.from('8'), metadata: { 'X-Own': 'yes' }, error: true } });
    expect(await gone).toBeUndefined();
    expect(await timed).toEqual({ cancel: true });
    expect(await reminded).toEqual({ cancel: false });
    const answer = await called;
    expect(Buffer.from(answer.data).toString()).toBe('8');
    expect(answer.headers).toEqual(expect.arrayContaining(['x-own', 'yes', 'x-daprerrorresponseheader', 'true']));
  });

  it('says what failed, and whether the method is there at all', async () => {
    const stream = openStream();
    stream.say(initial);
    await stream.next();
    const host = stream.served.host as ActorHost;
    const failing = async (code: number): Promise<unknown> => {
      const call = host.invoke(callOf(invocation));
      const { value } = await stream.next();
      stream.say({ case: 'requestFailed', value: { id: String(value['id']), code, message: 'no' } });
      return call.catch((error: { code: string }) => error.code);
    };
    expect(await failing(5)).toBe('actor.no-method');
    expect(await failing(13)).toBe('actor.invoke');
    const mixedUp = host.remind(callOf(due));
    stream.say({ case: 'deactivateResponse', value: { id: String((await stream.next()).value['id']) } });
    await expect(mixedUp).rejects.toMatchObject({ code: 'actor.invoke' });
  });

  it('gives up what nobody waits for, and fails what is open when it ends', async () => {
    const stream = openStream();
    stream.say(initial);
    await stream.next();
    const host = stream.served.host as ActorHost;
    const scope = new CancelScope();
    const cancelled = host.invoke(createCall({ block: 'actors', name: 'test', idempotent: false }, invocation, { cancel: scope }));
    await stream.next();
    scope.cancel(new Error('enough'));
    await expect(cancelled).rejects.toThrow('enough');
    const open = host.invoke(callOf(invocation));
    await stream.next();
    stream.say(undefined);
    await stream.ended;
    await expect(open).rejects.toMatchObject({ code: 'unavailable' });
    await expect(host.invoke(callOf(invocation))).rejects.toMatchObject({ code: 'unavailable' });
    expect(stream.served.closed).toBe(true);
  });

  it.each([
    ['nothing', undefined],
    ['an answer', { case: 'invokeResponse' as const, value: { id: '1' } }],
  ])('is refused when it begins with %s', async (_what, first) => {
    const stream = openStream();
    stream.say(first);
    await expect(stream.ended).rejects.toMatchObject({ code: 'bad-request' });
  });

  it('is refused when it begins twice, and for apps that listen for HTTP', async () => {
    const stream = openStream();
    stream.say(initial);
    stream.say(initial);
    await expect(stream.ended).rejects.toMatchObject({ code: 'bad-request' });
    expect(stream.served.closed).toBe(true);
    const overHttp = openStream('http');
    overHttp.say(initial);
    await expect(overHttp.ended).rejects.toMatchObject({ spec: { grpc: 'FAILED_PRECONDITION' } });
  });
});
