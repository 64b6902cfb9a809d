import type { Clock } from '../kernel/ports.ts';
import type { ActorDefinition, ActorMethods, ActorProxy } from './actor.ts';
import { asked, type CallOptions } from './asking.ts';
import { invoked } from './invoke.ts';
import { payload } from './json.ts';
import type { Operations } from './operations.ts';

/** Calls actors, wherever they are. */
export interface ActorClient {
  /** An actor of a definition, its methods typed by it. Headers of a turn (`actor.headers`) given along keep the chain of calls together. */
  actor<M extends ActorMethods>(
    definition: ActorDefinition<M>,
    id: string,
    options?: CallOptions & { readonly headers?: Readonly<Record<string, string>> },
  ): ActorProxy<M>;
  /** The same by name, for actors of other languages. */
  invokeActor<T = unknown>(
    type: string,
    id: string,
    method: string,
    options?: CallOptions & { readonly input?: unknown; readonly headers?: Readonly<Record<string, string>> },
  ): Promise<T>;
}

const chained = ['dapr-reentrancy-id', 'traceparent'] as const;

/** The client over one way of asking. */
export function createActorClient(clock: Clock, operations: Operations): ActorClient {
  const invokeActor: ActorClient['invokeActor'] = async (type, id, method, options = {}) => {
    const { bytes, type: contentType } =
      options.input === undefined
        ? { bytes: new Uint8Array(0), type: 'application/json' }
        : payload(options.input, undefined, 'the input of an actor');
    const along = chained.flatMap((name) => (options.headers?.[name] === undefined ? [] : [name, options.headers[name]]));
    const headers = ['content-type', contentType, ...along];
    const answer = await asked(clock, options, (asking) => operations.actors.invoke({ type, id, method, headers, data: bytes }, asking));
    return invoked(`actor ${type}/${id}`, method, answer) as never;
  };
  return {
    invokeActor,
    actor(definition, id, options = {}) {
      const proxy: Record<string, (input?: unknown) => Promise<unknown>> = {};
      for (const method of Object.keys(definition.methods))
        proxy[method] = (input) => invokeActor(definition.type, id, method, { ...options, ...(input === undefined ? {} : { input }) });
      return proxy as never;
    },
  };
}
