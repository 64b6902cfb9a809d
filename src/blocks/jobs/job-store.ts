import { shardOf } from '../placement/index.ts';
import type { Commit, Engine, Entry } from '../../contracts/engine.ts';
import type { ShardTimers } from '../../contracts/timers.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Random } from '../../kernel/ports.ts';
import { decodeData, decodeRecord, encodeData, encodeRecord, type JobData, type JobInfo, jobLimits, type JobRecord } from './job.ts';
import { type JobKeys, rangeOfPrefix } from './keys.ts';
import { settleCommit } from './ready-runs.ts';
import { timerOf } from './runner.ts';

export interface JobStoreOptions {
  readonly engine: Engine;
  readonly random: Random;
  readonly keys: JobKeys;
  readonly shards: number;
  readonly timers: ShardTimers;
}

const pageMax = 500;

/** The jobs of an app in the engine, as the API sees them: any runtime may write them, whoever owns their shards. */
export class JobStore {
  readonly #options: JobStoreOptions;

  constructor(options: JobStoreOptions) {
    this.#options = options;
  }

  /** Writes a job with the timer of its next run, as long as its record has that version (0: there is none). False: it has not. */
  async write(name: string, record: JobRecord, { version, data }: { readonly version: number; readonly data?: JobData }): Promise<boolean> {
    const { engine, random, keys, shards, timers } = this.#options;
    const shard = shardOf(name, shards);
    const append = timers.append(shard, timerOf(name, record));
    const puts = [{ key: keys.record(name), value: encodeRecord(record) }];
    const commit: Commit & { readonly id: string } = {
      id: random.uuid(),
      if: [{ kind: 'version', key: keys.record(name), version }],
      put: data === undefined ? puts : [...puts, { key: keys.data(name), value: encodeData(data) }],
      ...(!record.hasData && { delete: [keys.data(name)] }),
      append: [append],
    };
    if ((await settleCommit(engine, commit)).status === 'conflict') return false;
    timers.armed(shard, append);
    return true;
  }

  /** The version of its record; 0 for none. */
  async versionOf(name: string): Promise<number> {
    return (await this.#options.engine.get(this.#options.keys.record(name)))?.version ?? 0;
  }

  /** Fails with `jobs.get` when there is none. */
  async record(name: string): Promise<{ readonly record: JobRecord; readonly version: number }> {
    const entry = (await this.#options.engine.get(this.#options.keys.record(name))) ?? missing(name);
    return { record: decodeRecord(entry.value), version: entry.version };
  }

  /** The same with its data. */
  async info(name: string): Promise<JobInfo> {
    const { engine, keys } = this.#options;
    const [entry, data] = await engine.getMany([keys.record(name), keys.data(name)]);
    return infoOf(name, entry ?? missing(name), data);
  }

  async delete(name: string): Promise<void> {
    const { engine, random, keys } = this.#options;
    await settleCommit(engine, { id: random.uuid(), delete: [keys.record(name), keys.data(name)] });
  }

  async deleteByPrefix(prefix: string): Promise<void> {
    const { engine, random, keys } = this.#options;
    await settleCommit(engine, {
      id: random.uuid(),
      deleteRange: [rangeOfPrefix(keys.records, prefix), rangeOfPrefix(keys.datas, prefix)],
    });
  }

  /** All, by name. Fails with `jobs.list` when there are too many. */
  async list(): Promise<readonly JobInfo[]> {
    const { engine, keys } = this.#options;
    const jobs: JobInfo[] = [];
    const { from: first, to } = rangeOfPrefix(keys.records, '');
    let from = first;
    for (;;) {
      const page = await engine.range({ from, to, limit: pageMax });
      const names = page.entries.map(({ key }) => keys.nameOf(key));
      const datas = await engine.getMany(names.map(keys.data));
      page.entries.forEach((entry, i) => jobs.push(infoOf(names[i] as string, entry, datas[i])));
      if (jobs.length > jobLimits.listMax)
        throw new ProaError('jobs.list', `failed to list jobs due to: there are more than ${jobLimits.listMax}`);
      const last = page.entries.at(-1);
      if (!page.more || last === undefined) return jobs;
      from = `${last.key}\x00`;
    }
  }
}

function infoOf(name: string, entry: Entry, data: Entry | undefined): JobInfo {
  const { job, dueMs, runs } = decodeRecord(entry.value);
  return { name, ...job, ...(data !== undefined && { data: decodeData(data.value) }), nextMs: dueMs, runs };
}

function missing(name: string): never {
  throw new ProaError('jobs.get', `failed to get job due to: job not found: ${JSON.stringify(name)}`);
}
