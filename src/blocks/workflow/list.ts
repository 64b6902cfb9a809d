import type { WorkflowFilter, WorkflowPage, WorkflowState } from '../../contracts/workflow.ts';
import { ProaError } from '../../kernel/errors.ts';
import { untuple } from '../../kernel/tuple.ts';
import type { Core } from './core.ts';
import { type Header, statusOf } from './header.ts';
import { below } from './history-lines.ts';
import { stateOf } from './read-state.ts';
import { decodeHeader } from './record.ts';

const sizeMax = 1_000;
/** Records looked at per call: a filter that hardly anything matches costs several calls, never one without end. */
const scannedMax = 10_000;

/**
 * Instances by id, those that match. There is no index to search by: one would cost memory per instance for as long as it is kept, and a record is read in microseconds. A page may
 * have fewer entries than asked for, even none, and still a token.
 */
export async function listInstances(
  core: Core,
  filter: WorkflowFilter,
  page: { readonly size?: number; readonly token?: string },
): Promise<WorkflowPage> {
  const size = Math.min(page.size ?? sizeMax, sizeMax);
  if (!(size > 0)) throw new ProaError('bad-request', 'a page has at least one entry');
  const prefix = core.keys.records;
  const { from: first, to } = below(prefix);
  let from = first;
  if (page.token !== undefined) from = `${core.keys.record(idOfToken(page.token))}\x00`;
  const instances: WorkflowState[] = [];
  for (let scanned = 0; ;) {
    const found = await core.engine.range({ from, to, limit: Math.min(256, scannedMax - scanned) });
    for (const [i, { key, value }] of found.entries.entries()) {
      const id = untuple(key.slice(prefix.length))[0] as string;
      const header = decodeHeader(value);
      if (!matches(header, filter)) continue;
      instances.push(stateOf(id, header));
      if (instances.length < size) continue;
      const last = i === found.entries.length - 1 && !found.more;
      return last ? { instances } : { instances, token: tokenOf(id) };
    }
    scanned += found.entries.length;
    const last = found.entries.at(-1);
    if (!found.more || last === undefined) return { instances };
    if (scanned >= scannedMax) return { instances, token: tokenOf(untuple(last.key.slice(prefix.length))[0] as string) };
    from = `${last.key}\x00`;
  }
}

/** Whether an instance is what was searched for. */
export function matches(header: Header, filter: WorkflowFilter): boolean {
  if (filter.createdFromMs !== undefined && header.createdMs < filter.createdFromMs) return false;
  if (filter.createdToMs !== undefined && header.createdMs > filter.createdToMs) return false;
  if (filter.statuses !== undefined && filter.statuses.length > 0 && !filter.statuses.includes(statusOf(header))) return false;
  if (filter.name !== undefined && header.name !== filter.name) return false;
  return Object.entries(filter.attributes ?? {}).every(([name, value]) => (header.attributes?.[name] ?? header.tags?.[name]) === value);
}

function tokenOf(id: string): string {
  return Buffer.from(id, 'utf8').toString('base64url');
}

function idOfToken(token: string): string {
  const id = Buffer.from(token, 'base64url').toString('utf8');
  if (token === '' || tokenOf(id) !== token) throw new ProaError('bad-request', 'the continuation token is not valid');
  return id;
}
