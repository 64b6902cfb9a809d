import { parseSchedule, type Schedule } from '../../kernel/cron-schedule.ts';
import { parseDue } from '../../kernel/due-time.ts';
import { ProaError } from '../../kernel/errors.ts';
import { checkName, type FailurePolicy, type Job, jobLimits, type JobRecord, missedRuns } from './job.ts';

/** Dapr's: three more attempts, a second apart. */
const defaultPolicy: FailurePolicy = { kind: 'constant', intervalMs: 1_000, maxRetries: 3 };
const repeatsMax = 4_294_967_295;
const intervalMsMax = 366 * 86_400_000;
const parsedMax = 256;
const goDuration = /^(?:\d+(?:\.\d+)?(?:ns|us|µs|μs|ms|s|m|h))+$/;

/** Schedules by their text: a job's is needed at each of its runs. */
export class Schedules {
  readonly #parsed = new Map<string, Promise<Schedule>>();

  /** Fails with an Error that quotes the schedule. */
  of(text: string): Promise<Schedule> {
    const trimmed = text.trim();
    let schedule = this.#parsed.get(trimmed);
    if (schedule !== undefined) return schedule;
    schedule = parseSchedule(goDuration.test(trimmed) ? `@every ${trimmed}` : trimmed);
    schedule.catch(() => this.#parsed.delete(trimmed));
    if (this.#parsed.size >= parsedMax) this.#parsed.delete(this.#parsed.keys().next().value as string);
    this.#parsed.set(trimmed, schedule);
    return schedule;
  }
}

/** The record of a new job. Fails with a `jobs` error that says what is wrong with it. */
export async function planJob(
  job: Job,
  generation: string,
  { nowMs, schedules }: { readonly nowMs: number; readonly schedules: Schedules },
): Promise<JobRecord> {
  checkName(job.name);
  checkShape(job);
  const { name: _name, data, schedule: text, dueTime, ttl, ...rest } = job;
  const schedule =
    text === undefined ? undefined : await schedules.of(text).catch((cause: unknown) => invalid((cause as Error).message, cause));
  const given =
    dueTime === undefined ? undefined : (parseDue(dueTime, nowMs) ?? invalid(`due time format not recognized: ${quoted(dueTime)}`));
  const dueMs = given ?? schedule?.next(nowMs) ?? invalid(`schedule ${quoted(text ?? '')} never fires`);
  const expiresMs = ttl === undefined ? undefined : (parseDue(ttl, given ?? nowMs) ?? invalid(`ttl format not recognized: ${quoted(ttl)}`));
  if (expiresMs !== undefined && given !== undefined && given > expiresMs) invalid('ttl must be greater than due time');
  if (expiresMs !== undefined && expiresMs <= nowMs) invalid('ttl is in the past');
  if (expiresMs !== undefined && dueMs > expiresMs) invalid('the job ends before its first run');
  return {
    generation,
    job: {
      ...rest,
      ...(text !== undefined && { schedule: text }),
      ...(dueTime !== undefined && { dueTime }),
      ...(ttl !== undefined && { ttl }),
      failurePolicy: job.failurePolicy ?? defaultPolicy,
    },
    hasData: data !== undefined,
    ...(expiresMs !== undefined && { expiresMs }),
    dueMs,
    wakeMs: dueMs,
    runs: 0,
    failed: 0,
    caughtUp: 0,
  };
}

function checkShape(job: Job): void {
  const { schedule, dueTime, repeats, ttl, data, failurePolicy } = job;
  if ((schedule ?? '') === '' && (dueTime ?? '') === '')
    throw new ProaError('jobs.schedule-empty', 'schedule is empty: a job needs a schedule or a due time');
  if (schedule === '' || dueTime === '' || ttl === '') invalid('schedule, due time and ttl must not be empty when they are given');
  if (repeats !== undefined && (!Number.isInteger(repeats) || repeats < 1 || repeats > repeatsMax))
    invalid('defined repeats must be a whole number greater than 0');
  if (schedule === undefined && (repeats ?? 1) > 1) invalid('job must have a schedule to repeat');
  if (schedule === undefined && ttl !== undefined) invalid('job must have a schedule to have a ttl');
  const dataBytes = data === undefined ? 0 : data.value.length + Buffer.byteLength(data.typeUrl);
  if (dataBytes > jobLimits.dataBytesMax) invalid(`data of a job has at most ${jobLimits.dataBytesMax} bytes, not ${dataBytes}`);
  if (job.missedRuns !== undefined && !missedRuns.includes(job.missedRuns)) invalid(`missedRuns is one of ${missedRuns.join(', ')}`);
  if (failurePolicy?.kind !== 'constant') return;
  const { intervalMs, maxRetries } = failurePolicy;
  if (!(intervalMs >= 0 && intervalMs <= intervalMsMax)) invalid('the interval of a failure policy is a duration from 0 to a year');
  if (maxRetries !== undefined && (!Number.isInteger(maxRetries) || maxRetries < 0 || maxRetries > repeatsMax))
    invalid('maxRetries is a whole number from 0');
}

/** How a run ended. */
export type RunEnd = 'done' | 'failed' | 'skipped';

/** What follows on the end of a run: the record from now on, or undefined when the job is over. */
export async function afterRun(
  record: JobRecord,
  end: RunEnd,
  { nowMs, schedules }: { readonly nowMs: number; readonly schedules: Schedules },
): Promise<JobRecord | undefined> {
  const { job, dueMs, expiresMs } = record;
  if (end === 'failed') {
    const policy = job.failurePolicy ?? defaultPolicy;
    const failed = record.failed + 1;
    if (policy.kind === 'constant' && failed <= (policy.maxRetries ?? Infinity))
      return { ...record, failed, wakeMs: nowMs + policy.intervalMs };
  }
  const runs = record.runs + (end === 'skipped' ? 0 : 1);
  if (job.schedule === undefined || runs >= (job.repeats ?? Infinity)) return undefined;
  const schedule = await schedules.of(job.schedule);
  const next = schedule.next(dueMs);
  const behind = next !== undefined && next <= nowMs;
  const oneByOne = (job.missedRuns ?? 'catchUp') === 'catchUp' && record.caughtUp < jobLimits.caughtUpMax;
  const following = behind && !oneByOne ? schedule.resume(dueMs, nowMs) : next;
  if (following === undefined || following > (expiresMs ?? Infinity)) return undefined;
  return { ...record, runs, failed: 0, dueMs: following, wakeMs: following, caughtUp: behind && oneByOne ? record.caughtUp + 1 : 0 };
}

/** Whether the run that is due now is left out. */
export function skips({ job, dueMs, failed }: JobRecord, nowMs: number): boolean {
  return job.missedRuns === 'skip' && failed === 0 && nowMs - dueMs > jobLimits.skipAfterMs;
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 200));
}

function invalid(message: string, cause?: unknown): never {
  throw new ProaError('jobs.invalid', `failed to schedule job due to: ${message}`, { cause });
}
