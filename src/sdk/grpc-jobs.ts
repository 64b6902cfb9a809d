import type { FailurePolicy } from '../blocks/jobs/index.ts';
import { Dapr } from '../gen/dapr/proto/runtime/v1/dapr_pb.ts';
import type { Job } from '../gen/dapr/proto/runtime/v1/jobs_pb.ts';
import { jsonOfValue, valueOfJson } from '../wire/grpc/any-json.ts';
import { codecOf } from '../wire/grpc/client.ts';
import type { GrpcLink } from './grpc-link.ts';
import type { Operations, PlainJob } from './operations.ts';

const { method } = Dapr;
const codecs = {
  schedule: codecOf(method.scheduleJob),
  get: codecOf(method.getJob),
  list: codecOf(method.listJobs),
  remove: codecOf(method.deleteJob),
  removeByPrefix: codecOf(method.deleteJobsByPrefix),
};

/** Jobs over the gRPC API of a runtime. */
export function grpcJobs(link: GrpcLink): Operations['jobs'] {
  return {
    async schedule({ job, overwrite }, asking) {
      const { json, failurePolicy, missedRuns, ...rest } = job;
      const message = {
        ...rest,
        ...(json !== undefined && { data: await valueOfJson(json) }),
        ...(failurePolicy !== undefined && { failurePolicy: { policy: policyOf(failurePolicy) } }),
      };
      const hooks = missedRuns === undefined ? {} : { metadata: ['proa-missed-runs', missedRuns] };
      await link.unary(codecs.schedule, { job: message, overwrite }, asking, hooks);
    },
    async get({ name }, asking) {
      const { job } = await link.unary(codecs.get, { name }, asking);
      return plainJob(job as Job);
    },
    async list(_input, asking) {
      return Promise.all((await link.unary(codecs.list, {}, asking)).jobs.map(plainJob));
    },
    async delete({ name }, asking) {
      await link.unary(codecs.remove, { name }, asking);
    },
    async deleteByPrefix({ prefix }, asking) {
      await link.unary(codecs.removeByPrefix, { namePrefix: prefix }, asking);
    },
  };
}

async function plainJob({ name, schedule, repeats, dueTime, ttl, data, failurePolicy }: Job): Promise<PlainJob> {
  const json = data === undefined ? undefined : await jsonOfValue(data);
  const policy = failurePolicy?.policy;
  return {
    name,
    ...(schedule !== undefined && { schedule }),
    ...(repeats !== undefined && { repeats }),
    ...(dueTime !== undefined && { dueTime }),
    ...(ttl !== undefined && { ttl }),
    ...(json !== undefined && { json }),
    ...(policy?.case === 'drop' && { failurePolicy: { kind: 'drop' as const } }),
    ...(policy?.case === 'constant' && {
      failurePolicy: {
        kind: 'constant' as const,
        intervalMs: Number(policy.value.interval?.seconds ?? 0n) * 1_000 + (policy.value.interval?.nanos ?? 0) / 1e6,
        ...(policy.value.maxRetries !== undefined && { maxRetries: policy.value.maxRetries }),
      },
    }),
  };
}

function policyOf(policy: FailurePolicy) {
  if (policy.kind === 'drop') return { case: 'drop' as const, value: {} };
  const { intervalMs, maxRetries } = policy;
  const seconds = Math.floor(intervalMs / 1_000);
  const interval = { seconds: BigInt(seconds), nanos: Math.round((intervalMs - seconds * 1_000) * 1e6) };
  return { case: 'constant' as const, value: { interval, ...(maxRetries !== undefined && { maxRetries }) } };
}
