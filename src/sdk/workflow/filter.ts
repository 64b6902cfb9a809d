import type { WorkflowFilter } from '../../contracts/workflow.ts';
import { meant } from '../../kernel/closest.ts';
import { ProaError } from '../../kernel/errors.ts';
import { workflowStatuses } from '../../kernel/workflow-status.ts';

const known: Readonly<Record<keyof WorkflowFilter, true>> = {
  createdFromMs: true,
  createdToMs: true,
  statuses: true,
  name: true,
  attributes: true,
};

/** The filter without what is undefined, where no compiler has looked: a key or a status that is misspelt would match everything, or nothing. Fails with `bad-request`. */
export function filterChecked(filter: WorkflowFilter): WorkflowFilter {
  const given = Object.entries(filter).filter(([, value]) => value !== undefined);
  const stranger = given.find(([key]) => !Object.hasOwn(known, key))?.[0];
  if (stranger !== undefined) refuse(`"${shown(stranger)}" is no filter of workflows`, meant(stranger, Object.keys(known)));
  const { statuses } = filter;
  if (statuses === undefined) return Object.fromEntries(given);
  if (!Array.isArray(statuses) || statuses.length === 0) {
    refuse('statuses must be a list with at least one status', { hint: `one of ${workflowStatuses.join(', ')}; without it: any` });
  }
  const unknown: unknown = statuses.find((status) => !workflowStatuses.includes(status));
  if (unknown !== undefined)
    refuse(`"${shown(unknown)}" is no status of a workflow`, { hint: `it must be one of ${workflowStatuses.join(', ')}` });
  return Object.fromEntries(given);
}

function refuse(message: string, options: { readonly hint?: string }): never {
  throw new ProaError('bad-request', message, options);
}

function shown(value: unknown): string {
  return String(value).slice(0, 40);
}
