import type { HistoryEvent, WorkflowFilter, WorkflowState } from '../../../blocks/workflow/index.ts';
import { ProaError } from '../../../kernel/errors.ts';
import { type WorkflowStatus, workflowStatuses } from '../../../kernel/workflow-status.ts';
import type { Query } from '../query.ts';
import { jsonReply, type Reply } from '../reply.ts';
import { route, type Route, type RouteRequest } from '../route.ts';
import { param, utf8 } from './state.ts';

const root = '/proa/v1/workflows';

/** What Proa adds to Dapr's workflow API: search, whole states, histories, purging by what matches, running again from a step. For `proa wf` and for operators. */
export const workflowManagementRoutes: readonly Route[] = [
  managed(root, 'ListWorkflows', {
    method: 'GET',
    idempotent: true,
    decode: ({ query }) => ({ filter: filterOf(query), page: pageOf(query) }),
    service: (blocks) => (call) => blocks.workflow.list(call.input.filter, call.input.page),
    encode: ({ instances, token }) => jsonReply({ instances: instances.map(printed), ...(token !== undefined && { token }) }),
  }),
  managed(root, 'StartWorkflowNow', {
    method: 'POST',
    idempotent: false,
    decode: async (request) => ({ name: request.query.get('name') ?? '', ...(await input(request)), ...startOptions(request.query) }),
    service: (blocks) => (call) => blocks.workflow.start(call.input),
    encode: (instanceId) => jsonReply({ instanceId }, 201),
  }),
  managed(root, 'PurgeWorkflows', {
    method: 'DELETE',
    idempotent: true,
    decode: ({ query }) => ({ filter: filterOf(query), recursive: flag(query, 'recursive') }),
    service: (blocks) => (call) => blocks.workflow.purgeWhere(call.input.filter, call.input.recursive),
    encode: (purged) => jsonReply(purged),
  }),
  managed(`${root}/{instance}`, 'ShowWorkflow', {
    method: 'GET',
    idempotent: true,
    decode: (request) => param(request, 'instance'),
    service: (blocks) => async (call) => {
      const state = await blocks.workflow.show(call.input);
      if (state === undefined) throw new ProaError('workflow.not-found', `no such instance exists: '${call.input}'`);
      return state;
    },
    encode: (state) => jsonReply(printed(state)),
  }),
  managed(`${root}/{instance}`, 'PurgeWorkflowNow', {
    method: 'DELETE',
    idempotent: true,
    decode: (request) => ({
      id: param(request, 'instance'),
      recursive: flag(request.query, 'recursive'),
      force: flag(request.query, 'force'),
    }),
    service: (blocks) => (call) => blocks.workflow.purge(call.input.id, call.input),
    encode: (purged) => jsonReply(purged),
  }),
  managed(`${root}/{instance}/history`, 'WorkflowHistory', {
    method: 'GET',
    idempotent: true,
    decode: (request) => param(request, 'instance'),
    service: (blocks) => (call) => blocks.workflow.history(call.input),
    encode: (events) => jsonReply({ events: events.map(printedEvent) }),
  }),
  managed(`${root}/{instance}/raise/{event}`, 'RaiseWorkflowEvent', {
    method: 'POST',
    idempotent: false,
    decode: async (request) => ({ id: param(request, 'instance'), event: param(request, 'event'), ...(await input(request)) }),
    service: (blocks) => (call) => blocks.workflow.raise(call.input.id, call.input.event, call.input.input),
    encode: done,
  }),
  managed(`${root}/{instance}/suspend`, 'SuspendWorkflow', {
    method: 'POST',
    idempotent: true,
    decode: reasoned,
    service: (blocks) => (call) => blocks.workflow.suspend(call.input.id, call.input.input),
    encode: done,
  }),
  managed(`${root}/{instance}/resume`, 'ResumeSuspendedWorkflow', {
    method: 'POST',
    idempotent: true,
    decode: reasoned,
    service: (blocks) => (call) => blocks.workflow.resume(call.input.id, call.input.input),
    encode: done,
  }),
  managed(`${root}/{instance}/terminate`, 'TerminateRunningWorkflow', {
    method: 'POST',
    idempotent: true,
    decode: async (request) => ({ ...(await reasoned(request)), recursive: flag(request.query, 'recursive') }),
    service: (blocks) => (call) => blocks.workflow.terminate(call.input.id, call.input.input, call.input.recursive),
    encode: done,
  }),
  managed(`${root}/{instance}/rerun`, 'RerunWorkflow', {
    method: 'POST',
    idempotent: false,
    decode: async (request) => ({ id: param(request, 'instance'), ...rerunOptions(request.query), ...(await input(request)) }),
    service: (blocks) => (call) => {
      const { id, eventId, input: value, ...options } = call.input;
      return blocks.workflow.rerun(id, eventId, { ...options, ...(value !== undefined && { input: { value } }) });
    },
    encode: (instanceId) => jsonReply({ instanceId }, 201),
  }),
];

type Row<In, Out> = Pick<Parameters<typeof route<In, Out>>[0], 'decode' | 'service' | 'encode'> & {
  readonly method: string;
  readonly idempotent: boolean;
};

function managed<In, Out>(path: string, name: string, { method, idempotent, ...row }: Row<In, Out>): Route {
  return route({ methods: [method], path, name, group: 'workflows', operation: { block: 'workflow', name, idempotent }, ...row });
}

function done(): Reply {
  return jsonReply({});
}

async function input(request: RouteRequest): Promise<{ readonly input?: string }> {
  const bytes = await request.bytes();
  return bytes.length === 0 ? {} : { input: utf8(bytes) };
}

async function reasoned(request: RouteRequest): Promise<{ readonly id: string; readonly input: string | undefined }> {
  return { id: param(request, 'instance'), input: (await input(request)).input };
}

function startOptions(query: Query): { readonly instanceId?: string; readonly startAtMs?: number; readonly unique?: boolean } {
  const at = time(query, 'at');
  const id = query.get('id');
  return { ...(id !== undefined && { instanceId: id }), ...(at !== undefined && { startAtMs: at }), unique: flag(query, 'unique') };
}

function rerunOptions(query: Query): { readonly eventId: number; readonly instanceId?: string; readonly childInstanceId?: string } {
  const eventId = Number(query.get('event') ?? Number.NaN);
  if (!Number.isInteger(eventId)) throw new ProaError('bad-request', 'event must be the id of an event of the history');
  const [id, child] = [query.get('id'), query.get('child')];
  return { eventId, ...(id !== undefined && { instanceId: id }), ...(child !== undefined && { childInstanceId: child }) };
}

function filterOf(query: Query): WorkflowFilter {
  const wanted = query.all('status').map((status) => status.toUpperCase());
  const unknown = wanted.find((status) => !workflowStatuses.includes(status as WorkflowStatus));
  if (unknown !== undefined)
    throw new ProaError('bad-request', `"${unknown.slice(0, 40)}" is no status of a workflow`, { hint: workflowStatuses.join(', ') });
  const [after, before, name] = [time(query, 'after'), time(query, 'before'), query.get('name')];
  const attributes = query.all('attribute').map((pair): [string, string] => {
    const equals = pair.indexOf('=');
    if (equals < 1) throw new ProaError('bad-request', 'attribute must be name=value');
    return [pair.slice(0, equals), pair.slice(equals + 1)];
  });
  return {
    statuses: wanted as WorkflowStatus[],
    ...(after !== undefined && { createdFromMs: after }),
    ...(before !== undefined && { createdToMs: before }),
    ...(name !== undefined && { name }),
    ...(attributes.length > 0 && { attributes: Object.fromEntries(attributes) }),
  };
}

function pageOf(query: Query): { readonly size: number; readonly token?: string } {
  const size = Number(query.get('size') ?? 100);
  if (!Number.isInteger(size) || size < 1 || size > 1_000) throw new ProaError('bad-request', 'size must be a number from 1 to 1,000');
  const token = query.get('token');
  return { size, ...(token !== undefined && { token }) };
}

function time(query: Query, name: string): number | undefined {
  const text = query.get(name);
  if (text === undefined) return undefined;
  const ms = Date.parse(text);
  if (Number.isNaN(ms)) throw new ProaError('bad-request', `${name} must be a time as 2026-01-31T12:00:00Z`);
  return ms;
}

function flag(query: Query, name: string): boolean {
  return query.get(name) === 'true';
}

const times = {
  createdMs: 'created',
  updatedMs: 'updated',
  startedMs: 'started',
  completedMs: 'completed',
  scheduledStartMs: 'startAt',
} as const;

// Times as people read them; everything else as it is.
function printed(state: WorkflowState): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(state).map(([name, value]) =>
      name in times ? [times[name as keyof typeof times], new Date(value as number).toISOString()] : [name, value as unknown],
    ),
  );
}

function printedEvent({ timeMs, ...event }: HistoryEvent): Record<string, unknown> {
  return { time: new Date(timeMs).toISOString(), ...event };
}
