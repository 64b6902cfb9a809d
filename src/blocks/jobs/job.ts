import { ProaError } from '../../kernel/errors.ts';
import type { JobData } from '../../contracts/app-channel.ts';

export type { JobData } from '../../contracts/app-channel.ts';

export const jobLimits = {
  nameCharsMax: 253,
  dataBytesMax: 512 * 1024,
  /** Jobs of one answer. */
  listMax: 10_000,
  /** Runs that are made up for one by one; one more stands for all the others. */
  caughtUpMax: 1_000,
  /** A run that is later than this is missed, for jobs that skip those. */
  skipAfterMs: 60_000,
} as const;

/** What becomes of a run that the app does not take. Without `maxRetries` it is tried for ever. */
export type FailurePolicy =
  | { readonly kind: 'drop' }
  | { readonly kind: 'constant'; readonly intervalMs: number; readonly maxRetries?: number };

/** What becomes of runs whose time passed while nobody could run them. `catchUp`, the default and Dapr's way: each is run, oldest first. `once`: one stands for all. `skip`: none. */
export type MissedRuns = 'catchUp' | 'once' | 'skip';

export const missedRuns: readonly string[] = ['catchUp', 'once', 'skip'] satisfies readonly MissedRuns[];

/** A job as it is asked for. At least one of `schedule` and `dueTime` is given. */
export interface Job {
  readonly name: string;
  /** Cron with six fields (or five), `@every 1m`, `@daily` and its like, `CRON_TZ=` in front; or a Go duration, which is an interval. */
  readonly schedule?: string;
  readonly repeats?: number;
  /** An instant (RFC 3339) or a duration from now (Go, ISO 8601): the first run. */
  readonly dueTime?: string;
  /** The same; a duration counts from the first run when `dueTime` is given. No run is later than that. */
  readonly ttl?: string;
  readonly data?: JobData;
  readonly failurePolicy?: FailurePolicy;
  readonly missedRuns?: MissedRuns;
}

/** A job as it is kept. */
export interface JobInfo extends Job {
  /** When its next run is due, in wall milliseconds; it may be under way. */
  readonly nextMs: number;
  /** Runs that ended, done or given up. */
  readonly runs: number;
}

/** The record of a job in the engine; its data lies beside it. */
export interface JobRecord {
  /** Tells a job from others that had its name before. */
  readonly generation: string;
  readonly job: Omit<Job, 'name' | 'data'>;
  readonly hasData: boolean;
  /** No run is later than that. */
  readonly expiresMs?: number;
  /** The scheduled time of the next run. */
  readonly dueMs: number;
  /** When its timer is due: `dueMs`, or that of the next attempt. */
  readonly wakeMs: number;
  readonly runs: number;
  /** Attempts of this run that failed. */
  readonly failed: number;
  /** Runs in a row that were made up for. */
  readonly caughtUp: number;
}

export function encodeRecord(record: JobRecord): Uint8Array {
  return Buffer.from(JSON.stringify(record));
}

export function decodeRecord(bytes: Uint8Array): JobRecord {
  return JSON.parse(Buffer.from(bytes).toString('utf8')) as JobRecord;
}

const typeLengthBytes = 4;

export function encodeData({ typeUrl, value }: JobData): Uint8Array {
  const type = Buffer.from(typeUrl);
  const head = Buffer.allocUnsafe(typeLengthBytes);
  head.writeUInt32LE(type.length, 0);
  return Buffer.concat([head, type, value]);
}

export function decodeData(bytes: Uint8Array): JobData {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const end = typeLengthBytes + view.readUInt32LE(0);
  return { typeUrl: view.toString('utf8', typeLengthBytes, end), value: view.subarray(end) };
}

/** Fails with `jobs.name-empty` or `jobs.invalid` unless a job may have this name: it becomes part of a path of the app. */
export function checkName(name: string): void {
  if (name === '') throw new ProaError('jobs.name-empty', 'job name is empty');
  const why = illegal(name);
  if (why !== undefined) throw new ProaError('jobs.invalid', `job name is invalid ${JSON.stringify(name.slice(0, 300))}: ${why}`);
}

const badCharacter = /[\x00-\x1f\x7f/\\?#]|[\ud800-\udfff]/u;

function illegal(name: string): string | undefined {
  if (name.length > jobLimits.nameCharsMax) return `it has more than ${jobLimits.nameCharsMax} characters`;
  if (name === '.' || name === '..') return 'it is a step of a path';
  return badCharacter.test(name) ? 'it holds a control character or one of / \\ ? #' : undefined;
}
