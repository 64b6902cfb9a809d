import type { AppChannel, AppJob, JobVerdict } from '../../contracts/app-channel.ts';
import type { BlockContext } from '../../contracts/block-context.ts';
import type { Engine } from '../../contracts/engine.ts';
import type { OwnedShard } from '../../contracts/placement.ts';
import type { DurableTimer, ShardTimers } from '../../contracts/timers.ts';
import { createCall, type Operation } from '../../kernel/call.ts';
import { CancelScope } from '../../kernel/cancel.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Service } from '../../kernel/service.ts';
import type { Logger } from '../../kernel/log.ts';
import { logFields } from '../../kernel/names.ts';
import { decodeData, encodeRecord, type JobRecord } from './job.ts';
import type { JobMetrics } from './job-metrics.ts';
import type { JobKeys } from './keys.ts';
import { afterRun, type RunEnd, type Schedules, skips } from './plan.ts';
import { makeReady, type ReadyRun, readReady, settleCommit } from './ready-runs.ts';

export interface RunnerOptions {
  readonly context: BlockContext;
  readonly engine: Engine;
  readonly keys: JobKeys;
  readonly schedules: Schedules;
  readonly metrics: JobMetrics;
  readonly channel: () => AppChannel | undefined;
  readonly timers: Pick<ShardTimers, 'append' | 'armed'>;
}

interface Shard {
  readonly owned: OwnedShard;
  /** Runs under way, by their key. */
  readonly running: Map<string, Promise<void>>;
  /** There may be runs that are ready and were not begun. */
  backlog: boolean;
  pulling: boolean;
  stopped: boolean;
}

const operation: Operation = { block: 'jobs', name: 'job_trigger_op', idempotent: false };
/** Runs at a time, of one runtime of the app. */
const runsMax = 256;
const unreachedWaitMs = 500;
const engineWaitMs = 1_000;

/** Runs the jobs of the shards that this runtime owns: what is due becomes ready in the engine, is delivered, and its end is committed under the shard's condition. */
export class JobRunner {
  readonly #options: RunnerOptions;
  readonly #log: Logger;
  readonly #shards = new Map<number, Shard>();
  readonly #deliverTo: Service<AppJob, JobVerdict>;
  #cancel = new CancelScope();
  #running = 0;

  constructor(options: RunnerOptions) {
    this.#options = options;
    this.#log = options.context.log.scoped('proa.jobs');
    const { context, channel } = options;
    this.#deliverTo = context.govern({ block: 'jobs', name: context.appId, operation: 'run', direction: 'inbound' }, (call) => {
      const app = channel();
      return app === undefined ? Promise.reject(new ProaError('unavailable', 'no app is connected')) : app.job(call);
    });
  }

  /** Runs that were begun and have not ended. */
  get underWay(): number {
    return this.#running;
  }

  claimed(owned: OwnedShard): void {
    const shard: Shard = { owned, running: new Map(), backlog: true, pulling: false, stopped: false };
    this.#shards.set(owned.index, shard);
    this.#pull(shard);
  }

  /** Begins no more runs of the shard; resolves when those under way have ended. */
  async release(index: number, lost: boolean): Promise<void> {
    const shard = this.#shards.get(index);
    if (shard === undefined) return;
    shard.stopped = true;
    this.#shards.delete(index);
    if (!lost) await Promise.all(shard.running.values());
  }

  /** Ends what is under way: its runs come again. */
  abandon(reason: ProaError): void {
    const cancel = this.#cancel;
    this.#cancel = new CancelScope();
    cancel.cancel(reason);
  }

  /** Timers that are due; see `ShardTimersOptions`. */
  async fire(owned: OwnedShard, timers: readonly DurableTimer[]): Promise<void> {
    const { engine, keys } = this.#options;
    const runs = await makeReady(engine, keys, { owned, timers });
    const shard = this.#shards.get(owned.index);
    if (shard === undefined || shard.owned.epoch !== owned.epoch) return;
    for (const run of runs) {
      // Older ones go first.
      if (shard.backlog || this.#running >= runsMax) shard.backlog = true;
      else this.#begin(shard, run);
    }
  }

  #pull(shard: Shard): void {
    if (shard.pulling || shard.stopped || !shard.backlog || this.#running >= runsMax) return;
    shard.pulling = true;
    void this.#pulled(shard)
      .catch(async (error: unknown) => {
        this.#log.warn('jobs that are due cannot be read; they are tried again', { [logFields.error]: ProaError.from(error).message });
        shard.backlog = true;
        await this.#wait(engineWaitMs);
      })
      .finally(() => {
        shard.pulling = false;
        this.#pull(shard);
      });
  }

  async #pulled(shard: Shard): Promise<void> {
    const { engine, keys } = this.#options;
    shard.backlog = false;
    const limit = Math.min(1_000, shard.running.size + runsMax - this.#running);
    const { runs, stale, more } = await readReady(engine, keys, { shard: shard.owned.index, limit });
    if (stale.length > 0) await this.#forget(shard, stale.slice(0, 256));
    for (const run of runs) {
      if (shard.running.has(run.key)) continue;
      if (this.#running >= runsMax) shard.backlog = true;
      else this.#begin(shard, run);
    }
    if (more || stale.length > 256) shard.backlog = true;
  }

  #begin(shard: Shard, run: ReadyRun): void {
    if (shard.stopped || shard.running.has(run.key)) return;
    this.#running++;
    const ended = this.#run(shard, run)
      .catch((error: unknown) => {
        this.#log.warn('a run of a job ended without being settled; it comes again', { [logFields.error]: ProaError.from(error).message });
        shard.backlog = true;
      })
      .finally(() => {
        this.#running--;
        shard.running.delete(run.key);
        for (const each of this.#shards.values()) this.#pull(each);
      });
    shard.running.set(run.key, ended);
  }

  async #run(shard: Shard, run: ReadyRun): Promise<void> {
    const end = await this.#outcome(shard, run);
    while (end !== undefined && !shard.stopped) {
      try {
        return await this.#settle(shard, run, end);
      } catch (error) {
        this.#log.warn('the end of a job cannot be stored; it is tried again', { [logFields.error]: ProaError.from(error).message });
        await this.#wait(engineWaitMs);
      }
    }
    if (end !== undefined) await this.#settle(shard, run, end);
  }

  /** How the run ended; undefined when it did not: the runtime lets go of it. */
  async #outcome(shard: Shard, run: ReadyRun): Promise<RunEnd | undefined> {
    const { engine, metrics, context } = this.#options;
    if (skips(run.record, engine.now())) {
      metrics.missed();
      return 'skipped';
    }
    const data = run.record.hasData ? await engine.get(this.#options.keys.data(run.name)) : undefined;
    const job: AppJob = { name: run.name, ...(data !== undefined && { data: decodeData(data.value) }) };
    for (;;) {
      if (shard.stopped) return undefined;
      const begunMono = context.ports.clock.mono();
      if (run.record.failed === 0) metrics.began(engine.now() - run.record.dueMs);
      const verdict = await this.#deliver(job);
      if (verdict === undefined) {
        await this.#wait(unreachedWaitMs);
        continue;
      }
      metrics.ended(verdict.status, context.ports.clock.mono() - begunMono);
      if (verdict.status === 'failed')
        this.#log.warn(`the app failed job ${JSON.stringify(run.name)}`, { [logFields.error]: verdict.error ?? '' });
      if (verdict.status === 'missing') this.#log.warn(`the app does not know job ${JSON.stringify(run.name)}; the run counts as done`);
      return verdict.status === 'failed' ? 'failed' : 'done';
    }
  }

  /** Undefined when the app was not there: the run waits for it, and no attempt was used up. */
  async #deliver(job: AppJob): Promise<JobVerdict | undefined> {
    const { appId, namespace } = this.#options.context;
    const channel = this.#options.channel();
    if (channel === undefined) return undefined;
    const cancel = this.#cancel;
    const call = createCall(operation, job, { caller: { appId, namespace }, cancel });
    try {
      const verdict = await this.#deliverTo(call);
      call.end.fire({ ok: verdict.status === 'done' });
      return verdict;
    } catch (thrown) {
      const error = ProaError.from(thrown);
      call.end.fire({ ok: false, error });
      if (cancel.cancelled || !(await channel.reachable().catch(() => false))) return undefined;
      return { status: 'failed', error: error.message };
    }
  }

  async #settle(shard: Shard, { key, name, record, version }: ReadyRun, end: RunEnd): Promise<void> {
    const { engine, keys, schedules, timers, context } = this.#options;
    const next = await afterRun(record, end, { nowMs: engine.now(), schedules });
    const recordKey = keys.record(name);
    const append = next === undefined ? undefined : timers.append(shard.owned.index, timerOf(name, next));
    const result = await settleCommit(engine, {
      id: context.ports.random.uuid(),
      if: [shard.owned.condition, { kind: 'version', key: recordKey, version }],
      ...(next === undefined || append === undefined
        ? { delete: [key, recordKey, ...(record.hasData ? [keys.data(name)] : [])] }
        : { put: [{ key: recordKey, value: encodeRecord(next) }], delete: [key], append: [append] }),
    });
    if (result.status === 'done') {
      if (append !== undefined) timers.armed(shard.owned.index, append);
    } else if (result.failed === 1) await this.#forget(shard, [key]);
    // Else another runtime has the shard, and runs it again.
  }

  /** Runs whose job was changed or deleted meanwhile. */
  async #forget(shard: Shard, ready: readonly string[]): Promise<void> {
    await this.#options.engine.commit({ if: [shard.owned.condition], delete: ready });
  }

  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => this.#options.context.ports.clock.timer(ms, resolve, true));
  }
}

/** The timer of a job's next run or attempt. */
export function timerOf(name: string, { generation, wakeMs }: JobRecord): DurableTimer {
  return { id: name, dueMs: wakeMs, data: generation };
}
