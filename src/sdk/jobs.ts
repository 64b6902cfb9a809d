import type { FailurePolicy, MissedRuns } from '../blocks/jobs/index.ts';
import type { Clock } from '../kernel/ports.ts';
import { asked, type CallOptions } from './asking.ts';
import { toJson } from './json.ts';
import type { Operations, PlainJob } from './operations.ts';

/** When a job runs and with what. At least one of `schedule` and `dueTime` is needed. */
export interface JobOptions {
  /** Cron with six fields (seconds first), `@every 1m`, `@daily` and its like, `CRON_TZ=Europe/Berlin ` in front. */
  readonly schedule?: string;
  /** The first run: an instant, or a duration from now (`10m`, `PT10M`). */
  readonly dueTime?: string | Date;
  /** How often in all. */
  readonly repeats?: number;
  /** No run is later: an instant, or a duration from the first run when `dueTime` is given, else from now. */
  readonly ttl?: string | Date;
  /** What the handler gets: anything that JSON can say. */
  readonly data?: unknown;
  /** Replaces a job of the same name; otherwise that is an error (`jobs.exists`). */
  readonly overwrite?: boolean;
  /** What becomes of a run that fails. Default: three more attempts, a second apart. Without `maxRetries` it is tried for ever. */
  readonly failurePolicy?: 'drop' | { readonly intervalMs: number; readonly maxRetries?: number };
  /** What becomes of runs whose time passed while nobody could run them. Default `catchUp`. */
  readonly missedRuns?: MissedRuns;
}

/** A job that is scheduled. */
export interface ScheduledJob {
  readonly name: string;
  readonly schedule?: string;
  readonly dueTime?: string;
  readonly repeats?: number;
  readonly ttl?: string;
  readonly data?: unknown;
  readonly failurePolicy?: JobOptions['failurePolicy'];
}

/** The jobs of this app; `App.onJob` runs them. */
export interface JobsClient {
  schedule(name: string, job: JobOptions, options?: CallOptions): Promise<void>;
  /** Fails with `jobs.get` when there is none. */
  get(name: string, options?: CallOptions): Promise<ScheduledJob>;
  /** By name. */
  list(options?: CallOptions): Promise<readonly ScheduledJob[]>;
  /** There need not be one of the name. */
  delete(name: string, options?: CallOptions): Promise<void>;
  /** All whose name begins so; an empty text means all. */
  deleteAll(prefix: string, options?: CallOptions): Promise<void>;
}

export function createJobsClient(clock: Clock, jobs: Operations['jobs']): JobsClient {
  return {
    schedule: (name, { overwrite = false, ...job }, options = {}) =>
      asked(clock, options, (asking) => jobs.schedule({ job: plainJob(name, job), overwrite }, asking)),
    get: async (name, options = {}) => shown(await asked(clock, options, (asking) => jobs.get({ name }, asking))),
    list: async (options = {}) => (await asked(clock, options, (asking) => jobs.list({}, asking))).map(shown),
    delete: (name, options = {}) => asked(clock, options, (asking) => jobs.delete({ name }, asking)),
    deleteAll: (prefix, options = {}) => asked(clock, options, (asking) => jobs.deleteByPrefix({ prefix }, asking)),
  };
}

function plainJob(name: string, { data, dueTime, ttl, failurePolicy, ...rest }: Omit<JobOptions, 'overwrite'>): PlainJob {
  const policy: FailurePolicy | undefined =
    failurePolicy === undefined ? undefined : failurePolicy === 'drop' ? { kind: 'drop' } : { kind: 'constant', ...failurePolicy };
  return {
    name,
    ...rest,
    ...(dueTime !== undefined && { dueTime: instant(dueTime) }),
    ...(ttl !== undefined && { ttl: instant(ttl) }),
    ...(policy !== undefined && { failurePolicy: policy }),
    ...(data !== undefined && { json: Buffer.from(toJson(data, `the data of job ${name}`)).toString('utf8') }),
  };
}

function instant(time: string | Date): string {
  return typeof time === 'string' ? time : time.toISOString();
}

function shown({ name, schedule, dueTime, repeats, ttl, json, failurePolicy }: PlainJob): ScheduledJob {
  return {
    name,
    ...(schedule !== undefined && { schedule }),
    ...(dueTime !== undefined && { dueTime }),
    ...(repeats !== undefined && { repeats }),
    ...(ttl !== undefined && { ttl }),
    ...(json !== undefined && { data: JSON.parse(json) as unknown }),
    ...(failurePolicy !== undefined && { failurePolicy: failurePolicy.kind === 'drop' ? 'drop' : shownPolicy(failurePolicy) }),
  };
}

function shownPolicy({ intervalMs, maxRetries }: Extract<FailurePolicy, { readonly kind: 'constant' }>): ScheduledJob['failurePolicy'] {
  return { intervalMs, ...(maxRetries !== undefined && { maxRetries }) };
}
