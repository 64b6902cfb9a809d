import type { WorkflowBlock, WorkflowState } from '../../../blocks/workflow/index.ts';
import type { Blocks } from '../../../blocks/runtime/index.ts';
import type {
  GetWorkflowRequest,
  PurgeWorkflowRequest,
  RaiseEventWorkflowRequest,
  StartWorkflowRequest,
} from '../../../gen/dapr/proto/runtime/v1/workflow_pb.ts';
import { Dapr } from '../../../gen/dapr/proto/runtime/v1/dapr_pb.ts';
import { ProaError } from '../../../kernel/errors.ts';
import type { Handlers } from '../../../wire/grpc/method.ts';
import { unaryRows, type GrpcFrontContext } from '../row.ts';
import { wireTime } from '../taskhub/times.ts';
import { runtimeStatus, stateProperties } from '../../http/routes/workflows.ts';

const { method } = Dapr;

/** Dapr's workflow API over gRPC, beta and alpha (Dapr reference 4.8, 7.1). The work stream has its own service. */
export function workflowRows(front: GrpcFrontContext): Handlers<typeof Dapr> {
  const row = unaryRows(front);
  const rows = rowsOf();
  return {
    startWorkflowAlpha1: row(method.startWorkflowAlpha1, rows.start),
    startWorkflowBeta1: row(method.startWorkflowBeta1, rows.start),
    getWorkflowAlpha1: row(method.getWorkflowAlpha1, rows.get),
    getWorkflowBeta1: row(method.getWorkflowBeta1, rows.get),
    raiseEventWorkflowAlpha1: row(method.raiseEventWorkflowAlpha1, rows.raise),
    raiseEventWorkflowBeta1: row(method.raiseEventWorkflowBeta1, rows.raise),
    terminateWorkflowAlpha1: row(method.terminateWorkflowAlpha1, rows.terminate),
    terminateWorkflowBeta1: row(method.terminateWorkflowBeta1, rows.terminate),
    pauseWorkflowAlpha1: row(method.pauseWorkflowAlpha1, rows.pause),
    pauseWorkflowBeta1: row(method.pauseWorkflowBeta1, rows.pause),
    resumeWorkflowAlpha1: row(method.resumeWorkflowAlpha1, rows.resume),
    resumeWorkflowBeta1: row(method.resumeWorkflowBeta1, rows.resume),
    purgeWorkflowAlpha1: row(method.purgeWorkflowAlpha1, rows.purge),
    purgeWorkflowBeta1: row(method.purgeWorkflowBeta1, rows.purge),
  };
}

interface Target {
  readonly instanceId: string;
  readonly appId?: string | undefined;
}

function rowsOf() {
  const control = (name: string, run: (workflow: WorkflowBlock, id: string) => Promise<unknown>) => ({
    operation: { block: 'workflow', name, idempotent: true },
    decode: (request: Target) => request,
    service: (blocks: Blocks) => (call: { readonly input: Target }) => run(at(blocks, call.input), named(call.input)),
    encode: () => ({}),
  });
  return {
    start: {
      operation: { block: 'workflow', name: 'start', idempotent: false },
      decode: (request: StartWorkflowRequest) => request,
      service: (blocks: Blocks) => (call: { readonly input: StartWorkflowRequest }) => start(at(blocks, call.input), call.input),
      encode: (instanceId: string) => ({ instanceId }),
    },
    get: {
      operation: { block: 'workflow', name: 'get', idempotent: true },
      decode: (request: GetWorkflowRequest) => request,
      service: (blocks: Blocks) => (call: { readonly input: GetWorkflowRequest }) => at(blocks, call.input).get(named(call.input), true),
      // An unknown instance is no error here.
      encode: (state: WorkflowState | undefined, _call: unknown, { instanceId }: GetWorkflowRequest) =>
        state === undefined ? { instanceId } : wireState(state),
    },
    raise: {
      operation: { block: 'workflow', name: 'raise_event', idempotent: false },
      decode: (request: RaiseEventWorkflowRequest) => request,
      service: (blocks: Blocks) => (call: { readonly input: RaiseEventWorkflowRequest }) => {
        const { eventName, eventData } = call.input;
        return at(blocks, call.input).raise(
          named(call.input),
          eventName,
          eventData.length === 0 ? undefined : Buffer.from(eventData).toString('utf8'),
        );
      },
      encode: () => ({}),
    },
    terminate: control('terminate', (workflow, id) => workflow.terminate(id, undefined, true)),
    pause: control('pause', (workflow, id) => workflow.suspend(id, undefined)),
    resume: control('resume', (workflow, id) => workflow.resume(id, undefined)),
    purge: {
      operation: { block: 'workflow', name: 'purge', idempotent: true },
      decode: (request: PurgeWorkflowRequest) => request,
      service: (blocks: Blocks) => (call: { readonly input: PurgeWorkflowRequest }) =>
        at(blocks, call.input).purge(named(call.input), { recursive: true, force: false }),
      encode: () => ({}),
    },
  };
}

function at({ workflow }: Blocks, { appId }: { readonly appId?: string | undefined }): WorkflowBlock {
  return appId === undefined || appId === '' ? workflow : workflow.of(appId, undefined);
}

function named({ instanceId }: Target): string {
  if (instanceId === '') throw new ProaError('workflow.id-missing', 'no instance ID was provided');
  return instanceId;
}

async function start(workflow: WorkflowBlock, { instanceId, workflowName, input, options }: StartWorkflowRequest): Promise<string> {
  const at = options['dapr.workflow.start_time'];
  const startAtMs = at === undefined ? undefined : Date.parse(at);
  if (startAtMs !== undefined && Number.isNaN(startAtMs)) {
    throw new ProaError('bad-request', `dapr.workflow.start_time '${at}' is not an RFC 3339 time`);
  }
  return workflow.start({
    instanceId,
    name: workflowName,
    ...(input.length > 0 && { input: Buffer.from(input).toString('utf8') }),
    ...(startAtMs !== undefined && { startAtMs }),
  });
}

function wireState(state: WorkflowState) {
  return {
    instanceId: state.instanceId,
    workflowName: state.name,
    createdAt: wireTime(state.createdMs),
    lastUpdatedAt: wireTime(state.updatedMs),
    runtimeStatus: runtimeStatus(state),
    properties: stateProperties(state),
  };
}
