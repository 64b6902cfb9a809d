import type { Purged, WorkflowFilter } from '../../contracts/workflow.ts';
import { outcomeUnknown } from '../../contracts/engine-outcome.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Core } from './core.ts';
import { isFinal } from './header.ts';
import { below } from './history-lines.ts';
import { listInstances } from './list.ts';
import { storedRecord } from './read-state.ts';
import { readTree, type TreeNode } from './tree.ts';

export interface PurgeParts {
  readonly core: Core;
  /** The instance is gone: forget it. */
  readonly forget: (id: string) => void;
}

/** Deletes an instance and, if asked for, what it created; children go first, so that a parent that is left still leads to them. */
export async function purgeInstance(
  parts: PurgeParts,
  id: string,
  options: { readonly recursive: boolean; readonly force: boolean },
): Promise<Purged> {
  const { core } = parts;
  const at = { ...core.self, instanceId: id };
  const tree = options.recursive ? await readTree(core, at) : await alone(core, id);
  if (tree === undefined) throw new ProaError('workflow.not-found', `no such instance exists: '${id}'`);
  const running = tree.find(({ record }) => !isFinal(record.header.status));
  if (running !== undefined && !options.force) {
    throw new ProaError(
      'workflow.running',
      // Dapr's words at the end: clients in Go compare them.
      `workflow '${running.at.instanceId}' is in state ${running.record.header.status}: orchestration has not yet completed`,
    );
  }
  let count = 0;
  for (const node of tree.toReversed()) if (await purgeNode(parts, node)) count++;
  return { count, complete: count === tree.length };
}

const purgedMax = 1_000;

/** Deletes finished instances that match, up to a bound per call: `complete` says whether there may be more. */
export async function purgeMatching(parts: PurgeParts, filter: WorkflowFilter, recursive: boolean): Promise<Purged> {
  let count = 0;
  let token: string | undefined;
  do {
    const page = await listInstances(parts.core, filter, { size: 100, ...(token !== undefined && { token }) });
    for (const { instanceId } of page.instances) {
      const found = await storedRecord(parts.core, instanceId);
      if (found === undefined || !isFinal(found.header.status)) continue;
      try {
        count += (await purgeInstance(parts, instanceId, { recursive, force: false })).count;
      } catch (error) {
        // Its child runs on, or somebody else purged it.
        if (!['workflow.running', 'workflow.not-found'].includes(ProaError.from(error).code)) throw error;
      }
    }
    ({ token } = page);
  } while (token !== undefined && count < purgedMax);
  return { count, complete: token === undefined };
}

async function alone(core: Core, id: string): Promise<TreeNode[] | undefined> {
  const record = await storedRecord(core, id);
  return record === undefined ? undefined : [{ at: { ...core.self, instanceId: id }, keys: core.keys, record }];
}

// False: it changed since it was read.
async function purgeNode({ core, forget }: PurgeParts, { at, keys, record }: TreeNode): Promise<boolean> {
  const id = at.instanceId;
  const shard = core.shardOf(id, core.shards);
  const result = await core.engine.commit({
    if: [{ kind: 'version', key: keys.record(id), version: record.version }],
    delete: [keys.record(id), keys.ready(shard, id), keys.bell(shard, id)],
    deleteRange: [below(keys.chunks(id)), below(keys.blobs(id)), below(keys.inboxes(id))],
  });
  if (result.status === 'unknown') throw outcomeUnknown(`workflow ${id} may or may not have been purged`, result.cause);
  if (result.status !== 'done') return false;
  if (keys === core.keys) forget(id);
  return true;
}
