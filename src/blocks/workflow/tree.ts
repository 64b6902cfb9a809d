import type { Core } from './core.ts';
import { type Header, isFinal } from './header.ts';
import { decodeLines, readChunks } from './history-lines.ts';
import type { HistoryEvent } from '../../contracts/workflow.ts';
import { type WorkflowKeys, workflowKeys } from './keys.ts';
import type { Address } from './mail.ts';
import { decodeRecord, type StoredRecord } from './record.ts';
import { eventLines } from './signing/marks.ts';

/** An instance that was found below another one. */
export interface TreeNode {
  readonly at: Address;
  readonly keys: WorkflowKeys;
  readonly record: StoredRecord;
}

const nodesMax = 10_000;

/** The keys of the app that an instance belongs to. */
export function keysAt({ self, keys }: Core, { namespace, appId }: Address): WorkflowKeys {
  return namespace === self.namespace && appId === self.appId ? keys : workflowKeys({ namespace, appId });
}

/** All events of the current execution of a stored instance. */
export async function historyOf(
  core: Core,
  { keys, id }: { readonly keys: WorkflowKeys; readonly id: string },
  { header, tail }: StoredRecord,
): Promise<HistoryEvent[]> {
  const lines = await readChunks(core.engine, { keys, id, execution: header.execution, chunks: header.chunks });
  return decodeLines(core.engine, { keys, id }, eventLines(header, [...lines, ...tail]));
}

/** The instance and those that it and they created, as far as they still exist; the instance first. Undefined when it does not exist. */
export async function readTree(core: Core, root: Address): Promise<readonly TreeNode[] | undefined> {
  const nodes: TreeNode[] = [];
  const seen = new Set<string>();
  const queue: Address[] = [root];
  for (let at = queue.shift(); at !== undefined; at = queue.shift()) {
    const name = `${at.namespace}/${at.appId}/${at.instanceId}`;
    if (seen.has(name)) continue;
    seen.add(name);
    const keys = keysAt(core, at);
    const entry = await core.engine.get(keys.record(at.instanceId));
    if (entry === undefined) continue;
    const record = decodeRecord(entry);
    nodes.push({ at, keys, record });
    if (nodes.length >= nodesMax) break;
    if (record.header.children === true) queue.push(...(await childrenOf(core, { at, keys, record })));
  }
  return nodes[0]?.at === root ? nodes : undefined;
}

/** Whether something below the instance has not finished: its id cannot be used again before. */
export async function hasRunningChildren(core: Core, id: string, header: Header): Promise<boolean> {
  if (header.children !== true) return false;
  const tree = await readTree(core, { ...core.self, instanceId: id });
  return (tree ?? []).slice(1).some(({ record }) => !isFinal(record.header.status));
}

async function childrenOf(core: Core, { at, keys, record }: TreeNode): Promise<Address[]> {
  const events = await historyOf(core, { keys, id: at.instanceId }, record);
  return events.flatMap((event) =>
    event.type === 'childCreated'
      ? [
          {
            namespace: event.router?.targetAppNamespace ?? at.namespace,
            appId: event.router?.targetAppId ?? at.appId,
            instanceId: event.instanceId,
          },
        ]
      : [],
  );
}
