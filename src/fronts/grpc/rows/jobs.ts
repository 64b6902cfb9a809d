import type { FailurePolicy, Job as BlockJob, JobInfo, MissedRuns } from '../../../blocks/jobs/index.ts';
import { Dapr } from '../../../gen/dapr/proto/runtime/v1/dapr_pb.ts';
import type { JobFailurePolicy } from '../../../gen/dapr/proto/common/v1/common_pb.ts';
import type { ScheduleJobRequest } from '../../../gen/dapr/proto/runtime/v1/jobs_pb.ts';
import { ProaError } from '../../../kernel/errors.ts';
import { headerValue } from '../../../wire/grpc/metadata.ts';
import type { Handlers, ServerCall } from '../../../wire/grpc/method.ts';
import { unaryRows, type GrpcFrontContext } from '../row.ts';

const { method } = Dapr;
/** Proa's addition, which the message has no field for. */
const missedRunsHeader = 'proa-missed-runs';

/** Jobs over gRPC (Dapr reference 7.1), under their stable and their alpha names. */
export function jobRows(front: GrpcFrontContext): Handlers<typeof Dapr> {
  const row = unaryRows(front);
  const schedule = {
    operation: { block: 'jobs', name: 'schedule', idempotent: false },
    decode: scheduleOf,
    service: (blocks: GrpcFrontContext['blocks']) => blocks.jobs.schedule,
    encode: () => ({}),
  };
  const get = {
    operation: { block: 'jobs', name: 'get', idempotent: true },
    decode: ({ name }: { readonly name: string }) => ({ name }),
    service: (blocks: GrpcFrontContext['blocks']) => blocks.jobs.get,
    encode: (job: JobInfo) => ({ job: printed(job) }),
  };
  const remove = {
    operation: { block: 'jobs', name: 'delete', idempotent: true },
    decode: ({ name }: { readonly name: string }) => ({ name }),
    service: (blocks: GrpcFrontContext['blocks']) => blocks.jobs.delete,
    encode: () => ({}),
  };
  const removeByPrefix = {
    operation: { block: 'jobs', name: 'delete_by_prefix', idempotent: true },
    decode: ({ namePrefix }: { readonly namePrefix?: string | undefined }) => ({ prefix: namePrefix ?? '' }),
    service: (blocks: GrpcFrontContext['blocks']) => blocks.jobs.deleteByPrefix,
    encode: () => ({}),
  };
  const list = {
    operation: { block: 'jobs', name: 'list', idempotent: true },
    decode: () => ({}),
    service: (blocks: GrpcFrontContext['blocks']) => blocks.jobs.list,
    encode: (jobs: readonly JobInfo[]) => ({ jobs: jobs.map(printed) }),
  };
  return {
    scheduleJob: row(method.scheduleJob, schedule),
    scheduleJobAlpha1: row(method.scheduleJobAlpha1, schedule),
    getJob: row(method.getJob, get),
    getJobAlpha1: row(method.getJobAlpha1, get),
    deleteJob: row(method.deleteJob, remove),
    deleteJobAlpha1: row(method.deleteJobAlpha1, remove),
    deleteJobsByPrefix: row(method.deleteJobsByPrefix, removeByPrefix),
    deleteJobsByPrefixAlpha1: row(method.deleteJobsByPrefixAlpha1, removeByPrefix),
    listJobs: row(method.listJobs, list),
    listJobsAlpha1: row(method.listJobsAlpha1, list),
  };
}

function scheduleOf({ job, overwrite }: ScheduleJobRequest, call: ServerCall): { job: BlockJob; overwrite: boolean } {
  if (job === undefined) throw new ProaError('jobs.empty', 'the request holds no job');
  const { name, schedule, repeats, dueTime, ttl, data, failurePolicy } = job;
  const missed = headerValue(call.metadata, missedRunsHeader);
  const policy = policyOf(failurePolicy);
  return {
    overwrite,
    job: {
      name,
      ...(schedule !== undefined && { schedule }),
      ...(repeats !== undefined && { repeats }),
      ...(dueTime !== undefined && { dueTime }),
      ...(ttl !== undefined && { ttl }),
      ...(data !== undefined && { data: { typeUrl: data.typeUrl, value: data.value } }),
      ...(policy !== undefined && { failurePolicy: policy }),
      ...(missed !== undefined && { missedRuns: missed as MissedRuns }),
    },
  };
}

function policyOf(policy: JobFailurePolicy | undefined): FailurePolicy | undefined {
  if (policy?.policy.case === 'drop') return { kind: 'drop' };
  if (policy?.policy.case !== 'constant') return undefined;
  const { interval, maxRetries } = policy.policy.value;
  const intervalMs = interval === undefined ? 0 : Number(interval.seconds) * 1_000 + interval.nanos / 1e6;
  return { kind: 'constant', intervalMs, ...(maxRetries !== undefined && { maxRetries }) };
}

function printed({ name, schedule, repeats, dueTime, ttl, data, failurePolicy }: JobInfo) {
  return {
    name,
    ...(schedule !== undefined && { schedule }),
    ...(repeats !== undefined && { repeats }),
    ...(dueTime !== undefined && { dueTime }),
    ...(ttl !== undefined && { ttl }),
    ...(data !== undefined && { data: { typeUrl: data.typeUrl, value: data.value } }),
    ...(failurePolicy !== undefined && { failurePolicy: { policy: printedPolicy(failurePolicy) } }),
  };
}

function printedPolicy(policy: FailurePolicy) {
  if (policy.kind === 'drop') return { case: 'drop' as const, value: {} };
  const { intervalMs, maxRetries } = policy;
  const seconds = Math.floor(intervalMs / 1_000);
  const interval = { seconds: BigInt(seconds), nanos: Math.round((intervalMs - seconds * 1_000) * 1e6) };
  return { case: 'constant' as const, value: { interval, ...(maxRetries !== undefined && { maxRetries }) } };
}
