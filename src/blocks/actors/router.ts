import type { ActorAnswer } from '../../contracts/actor-host.ts';
import type { InvokeRequest, InvokeResponse } from '../../contracts/app-channel.ts';
import type { BlockContext } from '../../contracts/block-context.ts';
import type { Located, Placement } from '../../contracts/placement.ts';
import type { Endpoint } from '../../contracts/resolver.ts';
import { stampHeaders } from '../../contracts/stamp-headers.ts';
import { bytesBody, collect } from '../../kernel/body.ts';
import { withInput, type Call } from '../../kernel/call.ts';
import type { Cancellation } from '../../kernel/cancel.ts';
import { isProaError, ProaError } from '../../kernel/errors.ts';
import type { Clock } from '../../kernel/ports.ts';
import { actorGroup } from './hosted-type.ts';
import { actorPath } from './actor-names.ts';

/** A call of an actor's method, as a front takes it. */
export interface ActorRequest {
  readonly type: string;
  readonly id: string;
  /** Canonical (Dapr reference 6.4). */
  readonly method: string;
  /** What `actorPath` makes of these, where a front keeps it; made anew when it is not given. */
  readonly path?: string;
  readonly httpMethod: string;
  readonly query: string;
  readonly headers: readonly string[];
  readonly data: Uint8Array;
}

/** The same on its way into an app, in the terms that policies and access control know. */
export interface ActorCall extends InvokeRequest {
  readonly type: string;
  readonly id: string;
  readonly method: string;
  readonly data: Uint8Array;
}

export interface RouterOptions {
  readonly context: BlockContext;
  readonly placement: Placement;
  /** True when this runtime may run the actor now. */
  readonly here: (type: string, id: string) => boolean;
  /** What comes in for the own app's actors. */
  readonly receive: (call: Call<ActorCall>) => Promise<ActorAnswer>;
  /** Carries a call to another runtime. */
  readonly send: (endpoint: Endpoint, call: Call<InvokeRequest>) => Promise<InvokeResponse>;
  readonly answerBytesMax: number;
}

/** Long enough for a killed runtime's actors to be taken over, also with a longer TTL than the usual one. */
const lookMsUsual = 8_000;
const lookMsMax = (ttlMs: number): number => Math.max(lookMsUsual, (ttlMs * 4) / 3 + 4_000);
const lookDelayMsMax = 400;

/**
 * Finds the runtime that hosts an actor and calls it there. While nobody does, or the one that was named refuses (the actor moves) or is not reached, it looks again
 * for some seconds; a call that was sent is never sent twice from here.
 */
export function createRouter(options: RouterOptions): (call: Call<ActorRequest>) => Promise<ActorAnswer> {
  const { context, here, receive } = options;
  return (call) => {
    const { type, id } = call.input;
    return here(type, id) ? local(options, call) : search(options, call);
  };

  function local(router: RouterOptions, call: Call<ActorRequest>): Promise<ActorAnswer> {
    const { mark } = call.end;
    return receive(callFor(router, call, context)).then(undefined, (error: unknown) => {
      if (!didNotHappen(error)) throw error;
      call.end.rewind(mark, { ok: false, error });
      return search(router, call);
    });
  }
}

async function search(options: RouterOptions, call: Call<ActorRequest>): Promise<ActorAnswer> {
  const { context, placement } = options;
  const { clock } = context.ports;
  const { type, id } = call.input;
  const group = actorGroup(context.namespace, type);
  const untilMs = Math.min(call.deadlineMs, clock.mono() + lookMsMax(placement.ttlMs));
  const { mark } = call.end;
  let last: unknown;
  for (let delayMs = 25; ; delayMs = Math.min(delayMs * 2, lookDelayMsMax)) {
    const located = await placement.locate(group, id);
    if (located !== undefined) {
      try {
        return await sendTo(options, call, located);
      } catch (error) {
        if (!didNotHappen(error)) throw error;
        last = error;
        call.end.rewind(mark, { ok: false, error });
        placement.refused(group, id);
      }
    }
    if (clock.mono() + delayMs >= untilMs) throw nobody(options, call.input, last);
    await wait(clock, delayMs, call.cancel);
  }
}

async function sendTo(options: RouterOptions, call: Call<ActorRequest>, { here, endpoint }: Located): Promise<ActorAnswer> {
  call.end.place = endpoint;
  const request = callFor(options, call, endpoint);
  if (here) return options.receive(request);
  const { status, headers, body } = await options.send(endpoint, request);
  return { status, headers, data: await collect(body, options.answerBytesMax) };
}

function callFor(
  { context }: RouterOptions,
  call: Call<ActorRequest>,
  callee: { readonly appId: string; readonly namespace: string },
): Call<ActorCall> {
  const { type, id, method, path, httpMethod, query, data } = call.input;
  const leftMs = call.deadlineMs === Infinity ? undefined : call.deadlineMs - context.ports.clock.mono();
  const headers = stampHeaders(call.input.headers, {
    caller: call.caller,
    calleeAppId: callee.appId,
    leftMs,
    forwarded: undefined,
  });
  return withInput(call, {
    appId: callee.appId,
    namespace: callee.namespace,
    httpMethod,
    path: path ?? actorPath(type, id, method),
    query,
    headers,
    body: bytesBody(data),
    replayable: true,
    type,
    id,
    method,
    data,
  });
}

/** True for an error which says that a call did not happen, so that it may be made elsewhere: the actor is not there, or the runtime is not. */
export function didNotHappen(error: unknown): boolean {
  return isProaError(error) && (error.code === 'actor.moved' || error.code === 'invoke.unreachable');
}

function nobody({ context }: RouterOptions, { type, id }: ActorRequest, last: unknown): ProaError {
  const why = last === undefined ? 'no runtime hosts actors of this type' : ProaError.from(last).message;
  return new ProaError('actor.no-address', `did not find address for actor ${type}/${id} in namespace "${context.namespace}": ${why}`, {
    ...(last === undefined ? {} : { cause: last }),
  });
}

function wait(clock: Clock, delayMs: number, cancel: Cancellation): Promise<void> {
  return new Promise((resolve, reject) => {
    const work = {
      cancel(reason: unknown) {
        timer.cancel();
        reject(reason as Error);
      },
    };
    const timer = clock.timer(delayMs, () => {
      cancel.release(work);
      resolve();
    });
    cancel.guard(work);
  });
}
