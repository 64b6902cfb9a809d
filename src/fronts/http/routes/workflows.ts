import type { WorkflowBlock, WorkflowState } from '../../../blocks/workflow/index.ts';
import type { Blocks } from '../../../blocks/runtime/index.ts';
import { ProaError } from '../../../kernel/errors.ts';
import { jsonReply, type Reply } from '../reply.ts';
import { route, type Route, type RouteRequest } from '../route.ts';
import { param, utf8 } from './state.ts';

const group = 'workflows';

function base(version: string): string {
  return `${version}/workflows/{component}/{instance}`;
}

function startRoute(version: string): Route {
  return route({
    methods: ['POST'],
    path: `${base(version)}/start`,
    name: 'StartWorkflow',
    group,
    operation: { block: 'workflow', name: 'start', idempotent: false },
    decode: async (request) => {
      const bytes = await request.bytes();
      return {
        name: param(request, 'instance'),
        instanceId: instanceId(request.query.get('instanceID')),
        appId: request.query.get('appID'),
        ...(bytes.length > 0 && { input: utf8(bytes) }),
      };
    },
    service: (blocks) => async (call) => {
      const { appId, instanceId: id, ...request } = call.input;
      return within('workflow.start', () => workflowOf(blocks, appId).start({ ...request, ...(id !== undefined && { instanceId: id }) }));
    },
    encode: (instanceID): Reply => jsonReply({ instanceID }, 202),
  });
}

function getRoute(version: string): Route {
  return route({
    methods: ['GET'],
    path: base(version),
    name: 'GetWorkflow',
    group,
    operation: { block: 'workflow', name: 'get', idempotent: true },
    decode: (request) => target(request),
    service: (blocks) => (call) => within('workflow.get', () => found(workflowOf(blocks, call.input.appId), call.input.id)),
    encode: (state): Reply => jsonReply(printState(state)),
  });
}

function raiseRoute(version: string): Route {
  return route({
    methods: ['POST'],
    path: `${base(version)}/raiseEvent/{event}`,
    name: 'RaiseEventWorkflow',
    group,
    operation: { block: 'workflow', name: 'raise_event', idempotent: false },
    decode: async (request) => {
      const bytes = await request.bytes();
      return { ...target(request), event: param(request, 'event'), input: bytes.length === 0 ? undefined : utf8(bytes) };
    },
    service: (blocks) => (call) => {
      const { appId, id, event, input } = call.input;
      return within('workflow.raise', () => workflowOf(blocks, appId).raise(id, event, input));
    },
    encode: () => accepted,
  });
}

const verbs = {
  terminate: {
    name: 'TerminateWorkflow',
    run: (workflow: WorkflowBlock, id: string) => within('workflow.terminate', () => workflow.terminate(id, undefined, true)),
  },
  pause: {
    name: 'PauseWorkflow',
    run: (workflow: WorkflowBlock, id: string) => within('workflow.pause', () => workflow.suspend(id, undefined)),
  },
  resume: {
    name: 'ResumeWorkflow',
    run: (workflow: WorkflowBlock, id: string) => within('workflow.resume', () => workflow.resume(id, undefined)),
  },
  purge: {
    name: 'PurgeWorkflow',
    run: (workflow: WorkflowBlock, id: string) =>
      within('workflow.purge', async () => void (await workflow.purge(id, { recursive: true, force: false }))),
  },
} as const;

function controlRoute(version: string, verb: keyof typeof verbs): Route {
  const { name, run } = verbs[verb];
  return route({
    methods: ['POST'],
    path: `${base(version)}/${verb}`,
    name,
    group,
    operation: { block: 'workflow', name: verb, idempotent: true },
    decode: (request) => target(request),
    service: (blocks) => (call) => run(workflowOf(blocks, call.input.appId), call.input.id),
    encode: () => accepted,
  });
}

const accepted: Reply = jsonReply({}, 202);

function target(request: RouteRequest): { readonly id: string; readonly appId: string | undefined } {
  return { id: param(request, 'instance'), appId: request.query.get('appID') };
}

function workflowOf({ workflow }: Blocks, appId: string | undefined): WorkflowBlock {
  return appId === undefined ? workflow : workflow.of(appId, undefined);
}

async function found(workflow: WorkflowBlock, id: string): Promise<WorkflowState> {
  const state = await workflow.get(id, true);
  if (state === undefined) throw new ProaError('workflow.not-found', `unable to find workflow with the provided instance ID: ${id}`);
  return state;
}

const idCharsMax = 64;

/** Ids that people choose over this API: letters, digits, dashes and underscores. */
function instanceId(id: string | undefined): string | undefined {
  if (id === undefined || id === '') return undefined;
  if (id.length > idCharsMax)
    throw new ProaError('workflow.id-too-long', `workflow instance ID exceeds the max length of ${idCharsMax} characters`);
  if (!/^[A-Za-z0-9_-]+$/.test(id)) {
    throw new ProaError(
      'workflow.id-invalid',
      `workflow instance ID '${id}' is invalid: only alphanumeric and underscore characters are allowed`,
    );
  }
  return id;
}

type Fallback =
  | 'workflow.get'
  | 'workflow.start'
  | 'workflow.terminate'
  | 'workflow.pause'
  | 'workflow.resume'
  | 'workflow.raise'
  | 'workflow.purge';

// What is no error of ours yet becomes the operation's own.
async function within<T>(code: Fallback, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw ProaError.from(error, code);
  }
}

// A status that this API has no word for.
const unknownStatuses: ReadonlySet<string> = new Set(['STALLED']);

function printState(state: WorkflowState): Record<string, unknown> {
  return {
    instanceID: state.instanceId,
    workflowName: state.name,
    createdAt: new Date(state.createdMs).toISOString(),
    lastUpdatedAt: new Date(state.updatedMs).toISOString(),
    runtimeStatus: runtimeStatus(state),
    properties: stateProperties(state),
  };
}

/** The status as this API and the one over gRPC print it. */
export function runtimeStatus({ status }: WorkflowState): string {
  return unknownStatuses.has(status) ? 'UNKNOWN' : status;
}

/** Payloads and failure under Dapr's names; the output is left out when the workflow failed. */
export function stateProperties({ customStatus, input, output, failure }: WorkflowState): Record<string, string> {
  return {
    ...(customStatus !== undefined && { 'dapr.workflow.custom_status': customStatus }),
    ...(input !== undefined && { 'dapr.workflow.input': input }),
    ...(output !== undefined && failure === undefined && { 'dapr.workflow.output': output }),
    ...(failure !== undefined && {
      'dapr.workflow.failure.error_type': failure.errorType,
      'dapr.workflow.failure.error_message': failure.errorMessage,
      ...(failure.stackTrace !== undefined && { 'dapr.workflow.failure.stack_trace': failure.stackTrace }),
    }),
  };
}

/** Dapr's workflow API over HTTP: stable, beta and alpha (Dapr reference 4.8). The component's name means nothing any more. */
export const workflowRoutes: readonly Route[] = ['/v1.0', '/v1.0-beta1', '/v1.0-alpha1'].flatMap((version) => [
  startRoute(version),
  getRoute(version),
  raiseRoute(version),
  ...(['terminate', 'pause', 'resume', 'purge'] as const).map((verb) => controlRoute(version, verb)),
]);
