import { createShardTimers } from '../timers/index.ts';
import type { AppChannel } from '../../contracts/app-channel.ts';
import type { BlockContext } from '../../contracts/block-context.ts';
import type { Engine } from '../../contracts/engine.ts';
import type { Placement } from '../../contracts/placement.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { JobsBlock } from './index.ts';
import { checkName } from './job.ts';
import { createJobMetrics } from './job-metrics.ts';
import { JobStore } from './job-store.ts';
import { jobKeys } from './keys.ts';
import { JobMembership } from './membership.ts';
import { planJob, Schedules } from './plan.ts';
import { JobRunner } from './runner.ts';

interface JobsDeps {
  readonly engine: Engine;
  readonly placement: Placement;
  readonly channel: () => AppChannel | undefined;
}

/** How many shards the jobs of an app have: fixed for good, because records and timers are stored by them. */
const shards = 16;
const triesMax = 8;

/** Jobs of one app; nothing but the API costs anything until the app has a job. */
export function createJobsBlock(context: BlockContext, { engine, placement, channel }: JobsDeps): JobsBlock {
  const { ports, namespace, appId, log } = context;
  const { random, clock } = ports;
  const keys = jobKeys(namespace, appId);
  const schedules = new Schedules();
  const timers = createShardTimers({
    engine,
    clock,
    log: log.scoped('proa.jobs'),
    group: keys.group,
    // The commit that makes them ready has two operations for each.
    limits: { batch: 128 },
    fire: (owned, due) => runner.fire(owned, due),
  });
  const metrics = createJobMetrics(context.metrics, namespace);
  const runner: JobRunner = new JobRunner({ context, engine, keys, schedules, metrics, channel, timers });
  const membership = new JobMembership({ context, engine, placement, keys, shards, timers, runner });
  const store = new JobStore({ engine, random, keys, shards, timers });
  return {
    ...apiOf(store, { engine, random, schedules, needed: () => membership.needed() }),
    start: () => membership.start(),
    pause: (graceMs) => membership.pause(graceMs),
    async close() {
      await membership.pause(0);
      await timers.close();
    },
  };
}

interface ApiParts extends Pick<BlockContext['ports'], 'random'> {
  readonly engine: Engine;
  readonly schedules: Schedules;
  /** There is a job to run. */
  readonly needed: () => void;
}

function apiOf(store: JobStore, { engine, random, schedules, needed }: ApiParts): Omit<JobsBlock, 'start' | 'pause' | 'close'> {
  return {
    async schedule({ input: { job, overwrite } }) {
      const record = await planJob(job, random.hex(16), { nowMs: engine.now(), schedules });
      const data = job.data === undefined ? {} : { data: job.data };
      for (let tries = 0; tries < triesMax; tries++) {
        const version = overwrite ? await store.versionOf(job.name) : 0;
        if (await store.write(job.name, record, { version, ...data })) return needed();
        if (!overwrite)
          throw new ProaError('jobs.exists', `failed to schedule job due to: job already exists: ${JSON.stringify(job.name)}`);
      }
      throw new ProaError('jobs.schedule', `failed to schedule job due to: the job changed ${triesMax} times meanwhile`);
    },
    async get({ input: { name } }) {
      checkName(name);
      return store.info(name);
    },
    async delete({ input: { name } }) {
      checkName(name);
      await store.delete(name);
    },
    async deleteByPrefix({ input: { prefix } }) {
      if (prefix !== '') checkName(prefix);
      await store.deleteByPrefix(prefix);
    },
    list: () => store.list(),
    async run({ input: { name } }) {
      checkName(name);
      for (let tries = 0; tries < triesMax; tries++) {
        const { record, version } = await store.record(name);
        const nowMs = engine.now();
        if (await store.write(name, { ...record, dueMs: nowMs, wakeMs: nowMs }, { version })) return needed();
      }
      throw new ProaError('jobs.schedule', `failed to run job due to: the job changed ${triesMax} times meanwhile`);
    },
  };
}
