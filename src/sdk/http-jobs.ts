import type { FailurePolicy } from '../blocks/jobs/index.ts';
import { parseDuration } from '../kernel/duration.ts';
import type { HttpExchange } from './http-exchange.ts';
import type { Operations, PlainJob } from './operations.ts';

const part = encodeURIComponent;

interface PrintedJob {
  readonly name: string;
  readonly schedule?: string;
  readonly repeats?: number;
  readonly dueTime?: string;
  readonly ttl?: string;
  readonly data?: { readonly '@type': string; readonly value: unknown };
  readonly failurePolicy?: { readonly drop?: object; readonly constant?: { readonly interval: string; readonly maxRetries?: number } };
}

/** Jobs over the HTTP API of a runtime; listing and deleting by prefix are Proa's own there. */
export function httpJobs(exchange: HttpExchange): Operations['jobs'] {
  return {
    async schedule({ job, overwrite }, asking) {
      const { name, json, failurePolicy, ...rest } = job;
      const body = {
        ...rest,
        overwrite,
        ...(json !== undefined && { data: JSON.parse(json) as unknown }),
        ...(failurePolicy !== undefined && { failurePolicy: printed(failurePolicy) }),
      };
      await exchange.ask('POST', `/v1.0/jobs/${part(name)}`, { body, asking });
    },
    async get({ name }, asking) {
      return plainJob((await exchange.ask('GET', `/v1.0/jobs/${part(name)}`, { asking })).json() as PrintedJob);
    },
    async list(_input, asking) {
      return ((await exchange.ask('GET', '/proa/v1/jobs', { asking })).json() as { jobs: readonly PrintedJob[] }).jobs.map(plainJob);
    },
    async delete({ name }, asking) {
      await exchange.ask('DELETE', `/v1.0/jobs/${part(name)}`, { asking });
    },
    async deleteByPrefix({ prefix }, asking) {
      await exchange.ask('DELETE', `/proa/v1/jobs?prefix=${part(prefix)}`, { asking });
    },
  };
}

function printed(policy: FailurePolicy): PrintedJob['failurePolicy'] {
  if (policy.kind === 'drop') return { drop: {} };
  const { intervalMs, maxRetries } = policy;
  return { constant: { interval: `${intervalMs}ms`, ...(maxRetries !== undefined && { maxRetries }) } };
}

function plainJob({ data, failurePolicy, name, schedule, repeats, dueTime, ttl }: PrintedJob): PlainJob {
  return {
    name,
    ...(schedule !== undefined && { schedule }),
    ...(repeats !== undefined && { repeats }),
    ...(dueTime !== undefined && { dueTime }),
    ...(ttl !== undefined && { ttl }),
    ...(data?.['@type'].endsWith('google.protobuf.Value') === true && { json: JSON.stringify(data.value) }),
    ...(failurePolicy !== undefined && { failurePolicy: policyOf(failurePolicy) }),
  };
}

function policyOf({ constant }: NonNullable<PrintedJob['failurePolicy']>): FailurePolicy {
  if (constant === undefined) return { kind: 'drop' };
  const { interval, maxRetries } = constant;
  return { kind: 'constant', intervalMs: parseDuration(interval) ?? 0, ...(maxRetries !== undefined && { maxRetries }) };
}
