import type { Core } from './core.ts';
import { type Header, isFinal, type OpenOperation } from './header.ts';
import { decodeLines, readChunks } from './history-lines.ts';
import type { HistoryEvent } from '../../contracts/workflow.ts';
import { type AppScope, type WorkflowKeys, workflowKeys } from './keys.ts';
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

/** Whether it is of our own app. */
export function isHome({ self }: Core, { namespace, appId }: AppScope): boolean {
  return namespace === self.namespace && appId === self.appId;
}

/** The keys of the app that an instance belongs to. */
export function keysAt(core: Core, at: Address): WorkflowKeys {
  return isHome(core, at) ? core.keys : workflowKeys({ namespace: at.namespace, appId: at.appId });
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
  const nodes = await walk(core, [root], { into: () => true, seen: new Set() });
  return nodes[0]?.at === root ? nodes : undefined;
}

/**
 * The nearest instances that still run below children that have finished. A termination of an instance that is to reach all below it goes to these as well as to the
 * children that `header` has open: nobody between them and it is left to pass it on.
 */
export async function runningBelowFinished(core: Core, id: string, header: Header): Promise<readonly Address[]> {
  if (header.children !== true) return [];
  const root = { ...core.self, instanceId: id };
  const open = Object.values(header.open).flatMap((operation) =>
    operation.kind === 'child' ? [nameOf(childAddress(core.self, operation))] : [],
  );
  const ended = ({ record }: TreeNode): boolean => isFinal(record.header.status);
  const nodes = await walk(core, [root], { into: (node) => node.at === root || ended(node), seen: new Set(open) });
  return nodes.filter((node) => node.at !== root && !ended(node)).map(({ at }) => at);
}

/** Where a child is that an instance of `self` has open. */
export function childAddress(self: AppScope, { instanceId, app, namespace }: Extract<OpenOperation, { readonly kind: 'child' }>): Address {
  return { namespace: namespace ?? self.namespace, appId: app ?? self.appId, instanceId };
}

interface Walk {
  /** Whether those that the instance created follow. */
  readonly into: (node: TreeNode) => boolean;
  /** Who is left out, by name. */
  readonly seen: Set<string>;
}

/** The instances from `queue` on, breadth first, as far as they exist. */
async function walk(core: Core, queue: Address[], { into, seen }: Walk): Promise<TreeNode[]> {
  const nodes: TreeNode[] = [];
  for (let at = queue.shift(); at !== undefined && nodes.length < nodesMax; at = queue.shift()) {
    const name = nameOf(at);
    if (seen.has(name)) continue;
    seen.add(name);
    const keys = keysAt(core, at);
    const entry = await core.engine.get(keys.record(at.instanceId));
    if (entry === undefined) continue;
    const node = { at, keys, record: decodeRecord(entry) };
    nodes.push(node);
    if (node.record.header.children === true && into(node)) queue.push(...(await childrenOf(core, node)));
  }
  return nodes;
}

function nameOf({ namespace, appId, instanceId }: Address): string {
  return `${namespace}/${appId}/${instanceId}`;
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
