import type { ActorHost } from '../contracts/actor-host.ts';
import type { ActorTable } from '../sdk/actor-table.ts';
import { tracedHeaders } from '../kernel/trace-context.ts';
import { fromJson, toJson } from '../sdk/json.ts';

const json = ['content-type', 'application/json'] as const;

/** Actors whose methods are functions of this process. */
export function createFunctionActorHost(table: ActorTable): ActorHost {
  return {
    async invoke({ input: { type, id, method, headers, data }, context }) {
      const answer = await table.invoke({ type, id, method, headers: tracedHeaders(headers, context), data: fromJson(data) });
      if (answer === undefined) return { status: 200, headers: [], data: new Uint8Array(0) };
      return { status: 200, headers: json, data: toJson(answer, 'the answer of an actor', 'malformed-response') };
    },
    remind: ({ input }) => table.remind(input),
    timer: ({ input }) => table.timer(input),
    deactivate: ({ input: { type, id } }) => table.deactivate(type, id),
  };
}
