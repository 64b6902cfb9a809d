import type { Service } from '../../kernel/service.ts';
import type { Job, JobInfo } from './job.ts';

/** Dapr's jobs API (reference 4.7, 5.7, 12.4) over the engine: one record per job, run by whichever runtime of the app owns its shard. */
export interface JobsBlock {
  readonly schedule: Service<{ readonly job: Job; readonly overwrite: boolean }, void>;
  /** Fails with `jobs.get` when there is none of the name. */
  readonly get: Service<{ readonly name: string }, JobInfo>;
  /** There need not be one of the name. */
  readonly delete: Service<{ readonly name: string }, void>;
  /** An empty prefix means all jobs of the app. */
  readonly deleteByPrefix: Service<{ readonly prefix: string }, void>;
  /** Ordered by name. Fails with `jobs.list` for more than `jobLimits.listMax`. */
  readonly list: Service<Record<never, never>, readonly JobInfo[]>;
  /** Proa's: the next run is now instead of at its time. Fails with `jobs.get` when there is none of the name. */
  readonly run: Service<{ readonly name: string }, void>;
  /** The app takes jobs. */
  start(): void;
  /** The app takes no more; resolves when what was under way has ended, or after `graceMs`. Jobs that are due wait. */
  pause(graceMs: number): Promise<void>;
  close(): Promise<void>;
}

export type { FailurePolicy, Job, JobInfo, MissedRuns } from './job.ts';
export { createJobsBlock } from './jobs-block.ts';
export type { AppJob, JobVerdict } from '../../contracts/app-channel.ts';
