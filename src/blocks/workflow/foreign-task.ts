import type { Put } from '../../contracts/engine.ts';
import type { PropagatedHistory } from '../../contracts/workflow.ts';
import { type Key, untuple } from '../../kernel/tuple.ts';
import { addressOf } from './action-events.ts';
import type { TaskScheduled } from './apply-turn.ts';
import type { Core } from './core.ts';
import type { Header } from './header.ts';
import { decodeLine, encodeLine } from './history-lines.ts';
import { workflowKeys } from './keys.ts';
import type { Address } from './mail.ts';

/** Rung for activities of other apps; no instance can have this id. */
export const foreignBell = '\x00activities';

/** An activity that an instance of another app asked for. */
export interface ForeignTask {
  readonly from: Address;
  readonly execution: string;
  readonly task: TaskScheduled;
  readonly propagated?: PropagatedHistory;
}

/** What hands an activity over to the app that has it: the owners of its shards execute it, and answer into the inbox of the instance. */
export function foreignTask(
  core: Core,
  { id, header, propagated }: { readonly id: string; readonly header: Header; readonly propagated?: PropagatedHistory | undefined },
  task: TaskScheduled,
): { readonly puts: readonly Put[]; readonly parts: readonly Put[] } {
  const { self, random } = core;
  const keys = workflowKeys(addressOf(task, id, self));
  const shard = core.shardOf(id, core.shards);
  const stored: ForeignTask = {
    from: { ...self, instanceId: id },
    execution: header.execution,
    task,
    ...(propagated !== undefined && { propagated }),
  };
  const order = `${id}\x00${header.execution}\x00${task.id}`;
  const place = { keys, id: foreignBell, scope: order, newBlob: () => random.hex(16) };
  const { line, parts } = encodeLine(stored, place);
  return {
    puts: [
      { key: keys.foreign(shard, order), value: Buffer.from(line, 'utf8') },
      { key: keys.bell(shard, foreignBell), value: new Uint8Array(0) },
    ],
    parts,
  };
}

/** Reads one back; `order` names its large payload. */
export async function readForeignTask(core: Core, value: Uint8Array): Promise<ForeignTask> {
  return decodeLine<ForeignTask>(core.engine, { keys: core.keys, id: foreignBell }, Buffer.from(value).toString('utf8'));
}

/** The last part of a foreign task's key. */
export function orderOf(prefix: Key, key: Key): string {
  return String(untuple(key.slice(prefix.length))[0]);
}
