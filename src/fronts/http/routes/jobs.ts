import type { FailurePolicy, Job, JobInfo, MissedRuns } from '../../../blocks/jobs/index.ts';
import type { Operation } from '../../../kernel/call.ts';
import { parseDuration } from '../../../kernel/duration.ts';
import { ProaError } from '../../../kernel/errors.ts';
import { jsonOfValue, jsonValueType, valueOfJson } from '../../../wire/grpc/any-json.ts';
import { JsonFields } from '../json-fields.ts';
import { malformed, parseJson } from '../json-members.ts';
import { jsonReply, noContent, type Reply } from '../reply.ts';
import { route, type Route, type RouteRequest } from '../route.ts';
import { param } from './state.ts';

const group = 'jobs';
const operation = (name: string, idempotent: boolean): Operation => ({ block: 'jobs', name, idempotent });

/** Jobs over HTTP (Dapr reference 4.7), stable and alpha, and what Dapr has on gRPC only, under Proa's own paths. */
export const jobRoutes: readonly Route[] = [
  ...['/v1.0', '/v1.0-alpha1'].flatMap((version) => [
    route({
      methods: ['POST'],
      path: `${version}/jobs/{name}`,
      name: 'ScheduleJob',
      group,
      operation: operation('schedule', false),
      decode: async (request) => requestOf(param(request, 'name'), new JsonFields(await request.text())),
      service: (blocks) => blocks.jobs.schedule,
      encode: () => noContent,
    }),
    route({
      methods: ['GET'],
      path: `${version}/jobs/{name}`,
      name: 'GetJob',
      group,
      operation: operation('get', true),
      decode: named,
      service: (blocks) => (call) => blocks.jobs.get(call).then(printJob),
      encode: (job): Reply => jsonReply(job),
    }),
    route({
      methods: ['DELETE'],
      path: `${version}/jobs/{name}`,
      name: 'DeleteJob',
      group,
      operation: operation('delete', true),
      decode: named,
      service: (blocks) => blocks.jobs.delete,
      encode: () => noContent,
    }),
  ]),
  route({
    methods: ['GET'],
    path: '/proa/v1/jobs',
    name: 'ListJobs',
    group,
    operation: operation('list', true),
    decode: () => ({}),
    service: (blocks) => (call) => blocks.jobs.list(call).then((jobs) => Promise.all(jobs.map(printInfo))),
    encode: (jobs): Reply => jsonReply({ jobs }),
  }),
  route({
    methods: ['GET'],
    path: '/proa/v1/jobs/{name}',
    name: 'GetJobInfo',
    group,
    operation: operation('get', true),
    decode: named,
    service: (blocks) => (call) => blocks.jobs.get(call).then(printInfo),
    encode: (job): Reply => jsonReply(job),
  }),
  route({
    methods: ['DELETE'],
    path: '/proa/v1/jobs',
    name: 'DeleteJobsByPrefix',
    group,
    operation: operation('delete_by_prefix', true),
    decode(request) {
      const [prefix] = request.query.all('prefix');
      if (prefix === undefined)
        throw new ProaError('bad-request', 'the query lacks prefix', { hint: 'an empty prefix deletes all jobs of the app' });
      return { prefix };
    },
    service: (blocks) => blocks.jobs.deleteByPrefix,
    encode: () => noContent,
  }),
  route({
    methods: ['POST'],
    path: '/proa/v1/jobs/{name}/run',
    name: 'RunJob',
    group,
    operation: operation('run', false),
    decode: named,
    service: (blocks) => blocks.jobs.run,
    encode: () => noContent,
  }),
];

function named(request: RouteRequest): { name: string } {
  return { name: param(request, 'name') };
}

async function requestOf(name: string, fields: JsonFields): Promise<{ job: Job; overwrite: boolean }> {
  if (fields.raw('name') !== undefined) throw new ProaError('jobs.name', 'the name of a job is given in the path, not in the body');
  const [schedule, dueTime, ttl] = [fields.text('schedule'), fields.text('dueTime'), fields.text('ttl')];
  const [repeats, data, policy] = [fields.number('repeats'), fields.raw('data'), fields.object('failurePolicy')];
  const missed = fields.text('missedRuns');
  return {
    overwrite: fields.flag('overwrite') ?? false,
    job: {
      name,
      ...(schedule !== undefined && { schedule }),
      ...(dueTime !== undefined && { dueTime }),
      ...(ttl !== undefined && { ttl }),
      ...(repeats !== undefined && { repeats }),
      ...(policy !== undefined && { failurePolicy: policyOf(policy) }),
      ...(missed !== undefined && { missedRuns: missed as MissedRuns }),
      ...(data !== undefined && { data: await valueOfJson(data) }),
    },
  };
}

function policyOf(fields: JsonFields): FailurePolicy {
  const constant = fields.object('constant');
  if ((fields.raw('drop') !== undefined) === (constant !== undefined)) throw malformed('"failurePolicy" holds either "drop" or "constant"');
  if (constant === undefined) return { kind: 'drop' };
  const intervalMs = parseDuration(constant.text('interval') ?? '0s');
  if (intervalMs === undefined) throw malformed('"failurePolicy.constant.interval" must be a duration such as "1s"');
  const maxRetries = wholeOf(constant.raw('maxRetries') ?? constant.raw('max_retries'));
  return { kind: 'constant', intervalMs, ...(maxRetries !== undefined && { maxRetries }) };
}

function wholeOf(raw: string | undefined): number | undefined {
  const value = raw === undefined ? undefined : parseJson(raw);
  if (value !== undefined && typeof value !== 'number') throw malformed('"failurePolicy.constant.maxRetries" must be a number');
  return value;
}

/** Dapr's form: protobuf JSON. */
async function printJob({ name, schedule, repeats, dueTime, ttl, data, failurePolicy }: JobInfo): Promise<object> {
  return {
    name,
    ...(schedule !== undefined && { schedule }),
    ...(repeats !== undefined && { repeats }),
    ...(dueTime !== undefined && { dueTime }),
    ...(ttl !== undefined && { ttl }),
    ...(data !== undefined && { data: await printData(data) }),
    ...(failurePolicy !== undefined && { failurePolicy: printPolicy(failurePolicy) }),
  };
}

async function printInfo(job: JobInfo): Promise<object> {
  const { missedRuns = 'catchUp', nextMs, runs } = job;
  return { ...(await printJob(job)), missedRuns, nextRun: new Date(nextMs).toISOString(), runs };
}

async function printData(data: NonNullable<Job['data']>): Promise<object> {
  const json = await jsonOfValue(data);
  if (json !== undefined) return { '@type': jsonValueType, value: JSON.parse(json) as unknown };
  return { '@type': data.typeUrl, value: Buffer.from(data.value).toString('base64') };
}

function printPolicy(policy: FailurePolicy): object {
  if (policy.kind === 'drop') return { drop: {} };
  const { intervalMs, maxRetries } = policy;
  return { constant: { interval: `${intervalMs / 1_000}s`, ...(maxRetries !== undefined && { maxRetries }) } };
}
