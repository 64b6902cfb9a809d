import type { ActorsBlock } from '../../blocks/actors/index.ts';
import type { Blocks, RuntimeMetadata } from '../../blocks/runtime/index.ts';
import type { ActorTypeView, AdminSource } from '../../contracts/admin.ts';
import type { Call } from '../../kernel/call.ts';
import { isProaError } from '../../kernel/errors.ts';
import { actorOperations, errorOf, type Answered, type ReportPart } from './questions.ts';
import { onlyProcess, type ProcessRole } from './role.ts';

/** The blocks as the fronts of one process see them, with what has to be known or asked in every process that serves the app in `place`. */
export function acrossProcesses(blocks: Blocks, role: ProcessRole, place: number): Blocks {
  if (role === onlyProcess) return blocks;
  return {
    ...blocks,
    actors: { ...blocks.actors, ...actorsAnywhere(blocks.actors, role, place) },
    runtime: {
      ...blocks.runtime,
      putMetadata(key, value) {
        blocks.runtime.putMetadata(key, value);
        role.metadataPut(place, key, value);
      },
      async report() {
        const own = blocks.runtime.metadata();
        return withParts(own, answersIn(await role.ask(place, 'report', undefined)));
      },
    },
    configuration: {
      ...blocks.configuration,
      async unsubscribe(call) {
        const here = await blocks.configuration.unsubscribe(call);
        if (here.ok) return here;
        const { store, id } = call.input;
        return answersIn(await role.ask(place, 'unsubscribe', { store, id })).includes(true) ? { ok: true } : here;
      },
    },
  };
}

/** What the admin API tells, of all processes together. */
export function adminAcross(admin: AdminSource, role: ProcessRole, place: number): AdminSource {
  if (role === onlyProcess) return admin;
  return {
    ...admin,
    async why(traceId) {
      const others = answersIn(await role.ask(place, 'why', traceId)).flat();
      return [...(await admin.why(traceId)), ...others].toSorted((a, b) => a.startedAtMs - b.startedAtMs);
    },
    actors: {
      ...admin.actors,
      async types() {
        return sumOfTypes([...(await admin.actors.types()), ...answersIn(await role.ask(place, 'actorTypes', undefined)).flat()]);
      },
      reminders: (type, id) => admin.actors.reminders(type, id),
      deactivate: (type, id) =>
        admin.actors
          .deactivate(type, id)
          .catch((error: unknown) => elsewhere(error, () => role.ask(place, 'actor', { operation: 'deactivate', input: { type, id } })))
          .then(() => {}),
    },
  };
}

type Operation = (typeof actorOperations)[number];

/** An actor is in memory in one process; what its app asks for may arrive at any. */
function actorsAnywhere(actors: ActorsBlock, role: ProcessRole, place: number): Pick<ActorsBlock, Operation> {
  const anywhere = (operation: Operation) => {
    const here = actors[operation] as (call: Call<unknown>) => Promise<unknown>;
    const ask = (input: unknown) => role.ask(place, 'actor', { operation, input });
    if (operation !== 'unregisterTimer')
      return (call: Call<unknown>) => here(call).catch((error) => elsewhere(error, () => ask(call.input)));
    // That one fails nowhere: where the timer is not, nothing happens.
    return async (call: Call<unknown>) => {
      await here(call);
      await ask(call.input);
    };
  };
  return Object.fromEntries(actorOperations.map((operation) => [operation, anywhere(operation)])) as Pick<ActorsBlock, Operation>;
}

const notHere: ReadonlySet<string> = new Set(['actor.not-active', 'actor.reminder-not-hosted']);

/** What another process says, when this one does not have the actor; if none has it, this one's error. */
async function elsewhere(error: unknown, ask: () => Promise<readonly Answered<'actor'>[]>): Promise<unknown> {
  if (!isProaError(error) || !notHere.has(error.code)) throw error;
  for (const answered of await ask()) {
    if ('answer' in answered) return answered.answer;
    if (!notHere.has(answered.failure.code)) throw errorOf(answered.failure);
  }
  throw error;
}

function answersIn<T>(answered: readonly ({ readonly answer: T } | { readonly failure: unknown })[]): T[] {
  return answered.flatMap((each) => ('answer' in each ? [each.answer] : []));
}

function withParts(own: RuntimeMetadata, parts: readonly ReportPart[]): RuntimeMetadata {
  const hosting = [own, ...parts].flatMap(({ actors }) => (actors === undefined ? [] : [actors]));
  const counts = new Map<string, number>();
  for (const { active } of hosting) for (const { type, count } of active) counts.set(type, (counts.get(type) ?? 0) + count);
  return {
    ...own,
    workflowWorkers: [own, ...parts].reduce((sum, { workflowWorkers }) => sum + workflowWorkers, 0),
    ...(hosting.length > 0 && {
      actors: { ready: hosting.every(({ ready }) => ready), active: Array.from(counts, ([type, count]) => ({ type, count })) },
    }),
  };
}

function sumOfTypes(views: readonly ActorTypeView[]): ActorTypeView[] {
  const byType = new Map<string, ActorTypeView>();
  for (const view of views) {
    const known = byType.get(view.type);
    byType.set(
      view.type,
      known === undefined
        ? view
        : {
            type: view.type,
            count: known.count + view.count,
            ready: known.ready && view.ready,
            ids: [...known.ids, ...view.ids].slice(0, 1_000),
          },
    );
  }
  return [...byType.values()];
}
