import type { Blocks } from '../../blocks/runtime/index.ts';
import { createCall } from '../../kernel/call.ts';
import { onlyProcess, type ProcessRole } from './role.ts';

const unsubscribing = { block: 'configuration', name: 'unsubscribe', idempotent: true } as const;

/** The blocks as the fronts of one process see them, with what has to be known in every process that serves the app in `place`. */
export function acrossProcesses(blocks: Blocks, role: ProcessRole, place: number): Blocks {
  if (role === onlyProcess) return blocks;
  return {
    ...blocks,
    runtime: {
      ...blocks.runtime,
      putMetadata(key, value) {
        blocks.runtime.putMetadata(key, value);
        role.metadataPut(place, key, value);
      },
    },
    configuration: {
      ...blocks.configuration,
      async unsubscribe(call) {
        const here = await blocks.configuration.unsubscribe(call);
        return here.ok || !(await role.unsubscribe(place, call.input.store, call.input.id)) ? here : { ok: true };
      },
    },
  };
}

/** Ends a configuration subscription that was made in this process; false when there is none of that id. */
export async function unsubscribeHere(blocks: Pick<Blocks, 'configuration'>, store: string, id: string): Promise<boolean> {
  const call = createCall(unsubscribing, { store, id });
  try {
    return (await blocks.configuration.unsubscribe(call)).ok;
  } finally {
    call.end.fire({ ok: true });
  }
}
