import type { Reminder } from '../blocks/actors/index.ts';
import type { ActorAdmin, ReminderView } from '../contracts/admin.ts';
import { createCall } from '../kernel/call.ts';
import { ProaError } from '../kernel/errors.ts';
import type { Service } from '../kernel/service.ts';
import type { LazyDurable } from './lazy-durable.ts';

const shownMax = 1_000;

/** What a runtime tells about its actors. */
export function createActorAdmin(
  { actors, actorStore }: Pick<LazyDurable, 'actors' | 'actorStore'>,
  { id: appId, namespace }: { readonly id: string; readonly namespace: string },
): ActorAdmin {
  const ask = async <In, Out>(name: string, service: Service<In, Out>, input: In): Promise<Out> => {
    const call = createCall({ block: 'actors', name, idempotent: false }, input, { caller: { appId, namespace } });
    try {
      const answer = await service(call);
      call.end.fire({ ok: true });
      return answer;
    } catch (error) {
      call.end.fire({ ok: false, error });
      throw error;
    }
  };
  return {
    types: () =>
      actors.active().types.map(({ type, count, ready, actors: ids }) => ({ type, count, ready, ids: ids().slice(0, shownMax) })),
    async reminders(type, id) {
      const found = await ask('list_reminders', actors.listReminders, { type, ...(id === undefined ? {} : { id }) });
      return found.map(view);
    },
    async state(type, id) {
      const store = await actorStore();
      if (store.keys === undefined)
        throw new ProaError('unimplemented', 'the store that keeps the state of actors cannot list its keys', {
          hint: 'look into the store: keys begin with the app, the type and the id, separated by ||',
        });
      const prefix = `${appId}||${type}||${id}||`;
      const { keys } = await store.keys(prefix, { limit: shownMax });
      // What fences the state in stores that are not on the engine is no state.
      const own = keys.filter((key) => !key.slice(prefix.length).includes('||'));
      const values = await store.bulkGet(own.map((key) => ({ key })));
      return Object.fromEntries(
        values.flatMap(({ key, value }) => (value === undefined ? [] : [[key.slice(prefix.length), readable(value.data)]])),
      );
    },
    deactivate: (type, id) => ask('deactivate', actors.deactivate, { type, id }),
  };
}

function view({ id, name, nextMs, dueTime, period, ttl, data }: Reminder): ReminderView {
  return {
    id,
    name,
    next: new Date(nextMs).toISOString(),
    ...(dueTime ? { dueTime } : {}),
    ...(period ? { period } : {}),
    ...(ttl ? { ttl } : {}),
    ...(data === undefined ? {} : { data: JSON.parse(data) as unknown }),
  };
}

function readable(data: Uint8Array): unknown {
  const text = Buffer.from(data).toString('utf8');
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
