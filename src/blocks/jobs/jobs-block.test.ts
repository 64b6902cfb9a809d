import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createPlacement } from '../placement/index.ts';
import type { AppChannel, AppJob, JobVerdict } from '../../contracts/app-channel.ts';
import type { Engine } from '../../contracts/engine.ts';
import { ungoverned, type Govern, type Target } from '../../contracts/governance.ts';
import { createMemoryContents, createMemoryEngine, type MemoryContents } from '../../drivers/engine-memory/memory-engine.ts';
import { ProaError } from '../../kernel/errors.ts';
import { createCall } from '../../kernel/call.ts';
import { silentLogger } from '../../kernel/log.ts';
import type { Ports } from '../../kernel/ports.ts';
import type { Service } from '../../kernel/service.ts';
import { createNodeRandom } from '../../ports/node/random.ts';
import { createMetricsRegistry } from '../../telemetry/metrics-registry.ts';
import { createFakeClock, type FakeClock } from '../../testing/fake-clock.ts';
import { createJobsBlock, type Job, type JobInfo, type JobsBlock } from './index.ts';

const second = 1_000;
const minute = 60 * second;
const start = Date.UTC(2026, 0, 1, 12);

interface Runtime {
  readonly block: JobsBlock;
  readonly metrics: ReturnType<typeof createMetricsRegistry>;
  close(): Promise<void>;
}

let clock: FakeClock;
let contents: MemoryContents;
let engine: Engine;
let runtimes: Runtime[];
/** What the app saw, and when. */
let runs: { readonly name: string; readonly atMs: number; readonly runtime: string; readonly data?: AppJob['data'] }[];
let answer: (job: AppJob) => JobVerdict | Promise<JobVerdict>;
let appThere: boolean;

beforeEach(() => {
  clock = createFakeClock(start);
  contents = createMemoryContents();
  engine = createMemoryEngine({ clock, contents });
  runtimes = [];
  runs = [];
  answer = () => ({ status: 'done' });
  appThere = true;
});

afterEach(async () => {
  const closing = Promise.all(runtimes.map((runtime) => runtime.close()));
  for (let i = 0; i < 20; i++) await pass(second);
  await closing;
});

function open(name = 'a', through: Engine = engine, govern: Govern = ungoverned): Runtime {
  const channel = {
    reachable: () => Promise.resolve(appThere),
    async job(call) {
      if (!appThere) throw new Error('connection refused');
      runs.push({
        name: call.input.name,
        atMs: engine.now(),
        runtime: name,
        ...(call.input.data !== undefined && { data: call.input.data }),
      });
      return answer(call.input);
    },
  } as Pick<AppChannel, 'job' | 'reachable'> as AppChannel;
  const ports = { clock, random: createNodeRandom() } as unknown as Ports;
  const metrics = createMetricsRegistry({ app_id: 'shop' });
  const context = { ports, log: silentLogger, metrics, appId: 'shop', namespace: 'default', govern };
  const endpoint = { appId: 'shop', namespace: 'default', instance: name };
  const placement = createPlacement({ engine: through, clock, log: silentLogger, endpoint: () => endpoint, machine: 'here' });
  const block = createJobsBlock(context, { engine: through, placement, channel: () => channel });
  const runtime: Runtime = {
    block,
    metrics,
    async close() {
      await block.close();
      await placement.close();
    },
  };
  runtimes.push(runtime);
  return runtime;
}

function ask<In, Out>(service: Service<In, Out>, input: In): Promise<Out> {
  return service(createCall({ block: 'jobs', name: 'test', idempotent: false }, input));
}

const schedule = (block: JobsBlock, job: Job, overwrite = false): Promise<void> => ask(block.schedule, { job, overwrite });
const get = (block: JobsBlock, name: string): Promise<JobInfo> => ask(block.get, { name });

async function rest(): Promise<void> {
  for (let i = 0; i < 15; i++) await new Promise(setImmediate);
}

async function pass(ms: number, stepMs = 250): Promise<void> {
  await rest();
  for (let left = ms; left > 0; left -= stepMs) {
    clock.advance(Math.min(left, stepMs));
    await rest();
  }
}

const seconds = (): number[] => runs.map(({ atMs }) => (atMs - start) / second);
const keysLeft = (): number => contents.keys.getRange('\x02jobs', '\x02jobt').length;

describe('running', () => {
  it('runs a job once at its due time, with its data, and forgets it', async () => {
    const { block } = open();
    block.start();
    const data = { typeUrl: 'type.googleapis.com/google.protobuf.BytesValue', value: Buffer.from('hello') };
    await schedule(block, { name: 'once', dueTime: '10s', data });
    expect(await get(block, 'once')).toMatchObject({ name: 'once', dueTime: '10s', nextMs: start + 10 * second, runs: 0, data });
    await pass(9.5 * second);
    expect(runs).toEqual([]);
    await pass(second);
    expect(runs.map(({ name }) => name)).toEqual(['once']);
    expect(Buffer.from(runs[0]?.data?.value ?? []).toString()).toBe('hello');
    expect(seconds()[0]).toBeGreaterThanOrEqual(10);
    await pass(minute);
    expect([runs.length, keysLeft()]).toEqual([1, 0]);
    await expect(get(block, 'once')).rejects.toMatchObject({ code: 'jobs.get' });
  });

  it('repeats a schedule from its due time on, so many times, or until its ttl is over', async () => {
    const { block } = open();
    block.start();
    await schedule(block, { name: 'three', schedule: '@every 10s', repeats: 3, dueTime: '5s' });
    await pass(minute);
    expect(seconds()).toEqual([5, 15, 25]);
    runs = [];
    await schedule(block, { name: 'short', schedule: '20s', ttl: '50s' });
    await pass(2 * minute);
    expect(seconds().map((at) => at - 60)).toEqual([20, 40]);
    expect(keysLeft()).toBe(0);
  });

  it('follows cron in a time zone', async () => {
    const { block } = open();
    block.start();
    await schedule(block, { name: 'tea', schedule: 'CRON_TZ=Europe/Berlin 0 5 13 * * *' });
    await pass(4 * minute + 30 * second, 5 * second);
    expect(runs).toEqual([]);
    await pass(minute);
    expect(seconds()).toEqual([300]);
  });

  it('counts and times runs, and how late they were', async () => {
    const { block, metrics } = open();
    block.start();
    await schedule(block, { name: 'good', dueTime: '1s' });
    answer = ({ name }) => ({ status: name === 'good' ? 'done' : 'missing' });
    await schedule(block, { name: 'unknown', dueTime: '2s' });
    await pass(5 * second);
    const text = metrics.print('prometheus');
    expect(text).toContain('dapr_component_job_success_count{app_id="shop",namespace="default",operation="job_trigger_op"} 1');
    expect(text).toContain('dapr_component_job_failure_count{app_id="shop",namespace="default",operation="job_trigger_op"} 1');
    expect(text).toContain('proa_job_lateness_ms_count{app_id="shop",namespace="default"} 2');
    // Not tried again, though it failed.
    expect([runs.length, keysLeft()]).toEqual([2, 0]);
  });

  it('hands a run over through the stack of the app’s jobs, whose refusal is a failure', async () => {
    const seen: Target[] = [];
    const refused = () => Promise.reject(new ProaError('deadline-exceeded', 'too slow'));
    const { block } = open('a', engine, (target, service) => (call) => (seen.push(target) === 1 ? refused() : service(call)));
    block.start();
    await schedule(block, { name: 'governed', dueTime: '1s' });
    await pass(3_500);
    expect([runs.length, seen]).toEqual([1, Array(2).fill({ block: 'jobs', name: 'shop', operation: 'run', direction: 'inbound' })]);
  });

  it('runs a job now when it is asked to, and goes on from there', async () => {
    const { block } = open();
    block.start();
    await schedule(block, { name: 'hourly', schedule: '@every 1h' });
    await pass(2 * second);
    await ask(block.run, { name: 'hourly' });
    await pass(2 * second);
    expect(runs.length).toBe(1);
    expect(await get(block, 'hourly')).toMatchObject({ nextMs: start + 2 * second + 3_600 * second, runs: 1 });
    await expect(ask(block.run, { name: 'none' })).rejects.toMatchObject({ code: 'jobs.get' });
  });

  it('runs so many at a time, and all of them in the end', async () => {
    const { block } = open();
    block.start();
    const waiting: (() => void)[] = [];
    answer = () => new Promise((resolve) => waiting.push(() => resolve({ status: 'done' })));
    for (let i = 0; i < 300; i++) await schedule(block, { name: `job-${i}`, dueTime: '5s' });
    await pass(10 * second);
    expect(waiting.length).toBe(256);
    for (let finish = waiting.shift(); finish !== undefined; finish = waiting.shift()) {
      finish();
      await rest();
    }
    await pass(5 * second);
    expect([new Set(runs.map(({ name }) => name)).size, runs.length, keysLeft()]).toEqual([300, 300, 0]);
  });
});

describe('failures', () => {
  it('are tried three times more, a second apart, unless the job says otherwise', async () => {
    const { block } = open();
    block.start();
    answer = () => ({ status: 'failed', error: 'no' });
    await schedule(block, { name: 'usual', dueTime: '1s' });
    await pass(10 * second);
    expect(seconds()).toEqual([1, 2, 3, 4]);
    expect(keysLeft()).toBe(0);
    runs = [];
    await schedule(block, { name: 'drop', dueTime: '1s', failurePolicy: { kind: 'drop' } });
    await pass(10 * second);
    expect(runs.length).toBe(1);
    runs = [];
    await schedule(block, { name: 'slow', dueTime: '0s', failurePolicy: { kind: 'constant', intervalMs: 20 * second, maxRetries: 1 } });
    await pass(minute);
    expect(seconds().map((at) => at - 20)).toEqual([0, 20]);
  });

  it('do not move a schedule, and end when the app can again', async () => {
    const { block } = open();
    block.start();
    let failing = true;
    answer = () => ({ status: failing ? 'failed' : 'done' });
    await schedule(block, { name: 'x', schedule: '@every 30s', failurePolicy: { kind: 'constant', intervalMs: 2 * second } });
    await pass(37 * second);
    failing = false;
    await pass(25 * second);
    expect(seconds()).toEqual([30, 32, 34, 36, 38, 60]);
  });

  it('make a job wait for an app that is gone, without using attempts up', async () => {
    const { block } = open();
    block.start();
    await schedule(block, { name: 'patient', dueTime: '1s', failurePolicy: { kind: 'drop' } });
    appThere = false;
    await pass(30 * second);
    expect(runs).toEqual([]);
    appThere = true;
    await pass(2 * second);
    expect(runs.map(({ name }) => name)).toEqual(['patient']);
  });
});

describe('runs that were missed', () => {
  async function absence(missedRuns: Job['missedRuns']): Promise<number[]> {
    const { block } = open();
    block.start();
    await schedule(block, { name: 'm', schedule: '@every 1m', ...(missedRuns !== undefined && { missedRuns }) });
    await pass(90 * second);
    expect(seconds()).toEqual([60]);
    await block.pause(0);
    runs = [];
    clock.advance(5 * minute);
    block.start();
    await pass(40 * second);
    return seconds();
  }

  it('are all made up for by default, oldest first', async () => {
    const times = await absence(undefined);
    // Those of minutes 2 to 6 at once, then that of minute 7 at its time.
    expect(times.length).toBe(6);
    expect(times.slice(0, 5).every((at) => at >= 390 && at < 410)).toBe(true);
    expect(times[5]).toBe(420);
  });

  it('are one with `once`', async () => {
    const times = await absence('once');
    expect(times.length).toBe(2);
    expect(times[1]).toBe(420);
  });

  it('are left out with `skip`', async () => {
    expect(await absence('skip')).toEqual([420]);
  });

  it('are made up for up to a bound', async () => {
    const { block } = open();
    block.start();
    await schedule(block, { name: 'm', schedule: '@every 1s' });
    await pass(2 * second);
    await block.pause(0);
    runs = [];
    clock.advance(3_600 * second);
    block.start();
    await pass(20 * second, 100);
    // A thousand, one for the rest, and those of these seconds.
    expect(runs.length).toBeGreaterThan(1_001);
    expect(runs.length).toBeLessThanOrEqual(1_001 + 22);
  });
});

describe('the API', () => {
  it('refuses a second job of a name unless it may overwrite', async () => {
    const { block } = open();
    block.start();
    await schedule(block, { name: 'x', dueTime: '5s', data: { typeUrl: 't', value: Buffer.from('1') } });
    await expect(schedule(block, { name: 'x', dueTime: '9s' })).rejects.toMatchObject({
      code: 'jobs.exists',
      message: expect.stringContaining('"x"'),
    });
    await schedule(block, { name: 'x', dueTime: '20s' }, true);
    await pass(15 * second);
    expect(runs).toEqual([]);
    await pass(10 * second);
    expect(runs).toEqual([{ name: 'x', atMs: start + 20 * second, runtime: 'a' }]);
  });

  it('lists by name and deletes one, those of a prefix, or all; what was deleted does not run', async () => {
    const { block } = open();
    block.start();
    for (const name of ['b', 'a', 'a:1', 'c', 'ab']) await schedule(block, { name, dueTime: '5s' });
    const names = async () => (await ask(block.list, {})).map(({ name }) => name);
    expect(await names()).toEqual(['a', 'a:1', 'ab', 'b', 'c']);
    await ask(block.delete, { name: 'b' });
    await ask(block.delete, { name: 'never was' });
    expect(await names()).toEqual(['a', 'a:1', 'ab', 'c']);
    await ask(block.deleteByPrefix, { prefix: 'a' });
    expect(await names()).toEqual(['c']);
    await ask(block.deleteByPrefix, { prefix: '' });
    await pass(10 * second);
    expect([await names(), runs, keysLeft()]).toEqual([[], [], 0]);
  });

  it('an overwrite or a deletion while the job runs stands', async () => {
    const { block } = open();
    block.start();
    let finish = (): void => {};
    answer = () => new Promise((resolve) => (finish = () => resolve({ status: 'done' })));
    await schedule(block, { name: 'x', schedule: '@every 5s' });
    await pass(6 * second);
    await schedule(block, { name: 'x', dueTime: '1h' }, true);
    finish();
    await pass(20 * second);
    expect(runs.length).toBe(1);
    expect((await get(block, 'x')).dueTime).toBe('1h');
    await ask(block.delete, { name: 'x' });
    expect(keysLeft()).toBe(0);
  });

  it.each<[Partial<Job>, string, string]>([
    [{}, 'jobs.schedule-empty', 'schedule'],
    [{ name: '', dueTime: '1s' }, 'jobs.name-empty', 'empty'],
    [{ name: 'a/b', dueTime: '1s' }, 'jobs.invalid', 'job name is invalid'],
    [{ name: '..', dueTime: '1s' }, 'jobs.invalid', 'step of a path'],
    [{ name: 'x'.repeat(254), dueTime: '1s' }, 'jobs.invalid', '253'],
    [{ dueTime: 'soon' }, 'jobs.invalid', 'due time format not recognized: "soon"'],
    [{ schedule: 'sometimes' }, 'jobs.invalid', "'sometimes'"],
    [{ schedule: '0 0 0 31 2 *' }, 'jobs.invalid', 'never fires'],
    [{ dueTime: '1s', repeats: 2 }, 'jobs.invalid', 'schedule to repeat'],
    [{ schedule: '1s', repeats: 0 }, 'jobs.invalid', 'greater than 0'],
    [{ schedule: '1s', repeats: 1.5 }, 'jobs.invalid', 'greater than 0'],
    [{ dueTime: '1s', ttl: '5s' }, 'jobs.invalid', 'schedule to have a ttl'],
    [{ schedule: '1s', ttl: 'later' }, 'jobs.invalid', 'ttl format'],
    [{ schedule: '1s', ttl: '2020-01-01T00:00:00Z' }, 'jobs.invalid', 'in the past'],
    [{ schedule: '1s', dueTime: '2030-01-01T00:00:00Z', ttl: '2029-01-01T00:00:00Z' }, 'jobs.invalid', 'greater than due time'],
    [{ dueTime: '1s', data: { typeUrl: '', value: new Uint8Array(600_000) } }, 'jobs.invalid', 'at most'],
    [{ dueTime: '1s', failurePolicy: { kind: 'constant', intervalMs: -1 } }, 'jobs.invalid', 'interval'],
    [{ dueTime: '1s', failurePolicy: { kind: 'constant', intervalMs: 1, maxRetries: -1 } }, 'jobs.invalid', 'maxRetries'],
    [{ dueTime: '1s', missedRuns: 'often' as never }, 'jobs.invalid', 'catchUp, once, skip'],
  ])('refuses %j', async (job, code, text) => {
    const { block } = open();
    await expect(schedule(block, { name: 'x', ...job })).rejects.toMatchObject({ code, message: expect.stringContaining(text) });
    expect(keysLeft()).toBe(0);
  });
});

describe('several runtimes', () => {
  it('cost an app without jobs nothing: no lease, no commit', async () => {
    const { block } = open();
    block.start();
    await pass(2 * minute, second);
    expect(contents.leases.size + contents.logs.size + contents.keys.size).toBe(0);
  });

  it('share the jobs; each run is in one of them', async () => {
    const [a, b] = [open('a'), open('b')];
    a.block.start();
    b.block.start();
    for (let i = 0; i < 60; i++) await schedule(i % 2 === 0 ? a.block : b.block, { name: `job-${i}`, dueTime: '30s' });
    await pass(40 * second);
    expect(runs.length).toBe(60);
    expect(new Set(runs.map(({ name }) => name)).size).toBe(60);
    expect(new Set(runs.map(({ runtime }) => runtime))).toEqual(new Set(['a', 'b']));
  });

  it('take over from one that was killed while it ran a job: it runs again', async () => {
    const [a, b] = [open('a', dying()), open('b')];
    a.block.start();
    for (let i = 0; i < 20; i++) await schedule(b.block, { name: `job-${i}`, dueTime: '5s' });
    answer = () => new Promise(() => {});
    await pass(6 * second);
    expect(runs.length).toBe(20);
    kill();
    answer = () => ({ status: 'done' });
    b.block.start();
    await pass(20 * second);
    expect(runs.filter(({ runtime }) => runtime === 'b').length).toBe(20);
    expect(keysLeft()).toBe(0);
    runtimes.splice(0, 1);
  });

  it('hand over when the app of one goes away', async () => {
    const [a, b] = [open('a'), open('b')];
    a.block.start();
    b.block.start();
    await schedule(a.block, { name: 'x', schedule: '@every 2s' });
    for (let i = 0; i < 20; i++) await schedule(a.block, { name: `job-${i}`, dueTime: '40s' });
    await pass(20 * second);
    void a.block.pause(second);
    await pass(5 * second);
    runs = [];
    await pass(20 * second);
    expect(new Set(runs.map(({ runtime }) => runtime))).toEqual(new Set(['b']));
    expect(runs.filter(({ name }) => name !== 'x').length).toBe(20);
  });

  it('run what became overdue while none was there', async () => {
    const { block } = open();
    await schedule(block, { name: 'x', dueTime: '1m' });
    clock.advance(10 * minute);
    await pass(second);
    expect(runs).toEqual([]);
    const next = open('b');
    next.block.start();
    await pass(10 * second);
    expect(runs.map(({ name, runtime }) => [name, runtime])).toEqual([['x', 'b']]);
  });
});

let dead = false;
function kill(): void {
  dead = true;
}

/** The engine of a process that can be killed: from then on it answers nothing. */
function dying(): Engine {
  dead = false;
  return new Proxy(engine, {
    get(target, name: keyof Engine) {
      const value = target[name];
      if (typeof value !== 'function') return value;
      return (...parameters: unknown[]) => {
        if (dead && name !== 'now') return name === 'watch' || name === 'onAppend' ? () => {} : new Promise(() => {});
        return (value as (...all: unknown[]) => unknown).apply(target, parameters);
      };
    },
  });
}
