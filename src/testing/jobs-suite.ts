import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AppChannel, AppJob, JobVerdict } from '../contracts/app-channel.ts';
import type { BlockContext } from '../contracts/block-context.ts';
import type { Engine } from '../contracts/engine.ts';
import { ungoverned } from '../contracts/governance.ts';
import { noMetrics } from '../contracts/metrics.ts';
import type { Placement } from '../contracts/placement.ts';
import { createCall } from '../kernel/call.ts';
import { silentLogger } from '../kernel/log.ts';
import type { Clock, Ports } from '../kernel/ports.ts';
import type { Service } from '../kernel/service.ts';
import type { DurableStage } from './durable-stage.ts';
import { createTestProcess, type TestProcess } from './test-process.ts';

/** As the block of jobs takes it. */
interface SuiteJob {
  readonly name: string;
  readonly schedule?: string;
  readonly dueTime?: string;
  readonly repeats?: number;
  readonly ttl?: string;
  readonly data?: NonNullable<AppJob['data']>;
  readonly missedRuns?: 'catchUp' | 'once' | 'skip';
  readonly failurePolicy?:
    | { readonly kind: 'drop' }
    | { readonly kind: 'constant'; readonly intervalMs: number; readonly maxRetries?: number };
}

/** What the suite needs of the block of jobs. */
interface SuiteBlock {
  readonly schedule: Service<{ readonly job: SuiteJob; readonly overwrite: boolean }, void>;
  readonly get: Service<{ readonly name: string }, { readonly nextMs: number; readonly runs: number }>;
  readonly delete: Service<{ readonly name: string }, void>;
  start(): void;
  pause(graceMs: number): Promise<void>;
  close(): Promise<void>;
}

export interface JobsSuiteOptions {
  readonly name: string;
  openStage(): DurableStage | Promise<DurableStage>;
  readonly random: Ports['random'];
  openPlacement(options: { readonly engine: Engine; readonly clock: Clock; readonly instance: string }): Placement;
  createBlock(
    context: BlockContext,
    deps: { readonly engine: Engine; readonly placement: Placement; readonly channel: () => AppChannel },
  ): SuiteBlock;
}

interface Runtime {
  readonly name: string;
  readonly process: TestProcess;
  readonly block: SuiteBlock;
  readonly placement: Placement;
}

interface Run {
  readonly name: string;
  readonly atMs: number;
  readonly by: string;
  readonly data?: AppJob['data'];
}

const second = 1_000;
const minute = 60 * second;

/** Defines the tests of when jobs run, for one engine. */
export function jobsSuite({ name, openStage, random, openPlacement, createBlock }: JobsSuiteOptions): void {
  describe(`jobs: ${name}`, () => {
    let stage: DurableStage;
    let runtimes: Runtime[];
    /** What the apps saw. */
    let runs: Run[];
    let answer: (job: AppJob) => JobVerdict | Promise<JobVerdict>;
    let appThere: boolean;

    beforeEach(async () => {
      stage = await openStage();
      runtimes = [];
      runs = [];
      answer = () => ({ status: 'done' });
      appThere = true;
    });
    afterEach(async () => {
      for (const { process } of runtimes) process.down = process.frozen = false;
      const closing = runtimes.map(async ({ block, placement }) => {
        await block.close();
        await placement.close();
      });
      await Promise.all([...closing, stage.pass(40 * second, second)]);
      await stage.close();
    });

    function open(instance: string): Runtime {
      const process = createTestProcess({ engine: stage.engineOf(instance), clock: stage.clock });
      const { engine, clock } = process;
      const channel = {
        reachable: () => Promise.resolve(appThere),
        async job({ input }) {
          if (!appThere) throw new Error('connection refused');
          runs.push({ name: input.name, atMs: engine.now(), by: instance, ...(input.data !== undefined && { data: input.data }) });
          return answer(input);
        },
      } as Pick<AppChannel, 'job' | 'reachable'> as AppChannel;
      const ports = { clock, random } as Ports;
      const context = { ports, log: silentLogger, metrics: noMetrics, appId: 'shop', namespace: 'default', govern: ungoverned };
      const placement = openPlacement({ engine, clock, instance });
      const block = createBlock(context, { engine, placement, channel: () => channel });
      const runtime = { name: instance, process, block, placement };
      runtimes.push(runtime);
      block.start();
      return runtime;
    }

    const ask = <In, Out>(service: Service<In, Out>, input: In): Promise<Out> =>
      service(createCall({ block: 'jobs', name: 'suite', idempotent: false }, input));
    const schedule = ({ block }: Runtime, job: SuiteJob, overwrite = false): Promise<void> => ask(block.schedule, { job, overwrite });
    const gone = ({ block }: Runtime, job: string): Promise<boolean> =>
      ask(block.get, { name: job }).then(
        () => false,
        (error: { readonly code?: string }) => error.code === 'jobs.get',
      );
    // The engine of the test knows of a jump only once it was answered again; the stage moves both.
    const now = (): number => stage.clock.now();
    /** When a job ran, in seconds since then. */
    const since = (ms: number, job: string): number[] => runs.filter((run) => run.name === job).map(({ atMs }) => (atMs - ms) / second);
    /** Each run at its time or later, and before the next one's: what is on its way to a server takes none of that time. */
    const expectAt = (seen: readonly number[], due: readonly number[]): void => {
      expect(seen.length).toBe(due.length);
      for (const [i, at] of seen.entries()) {
        expect(at).toBeGreaterThanOrEqual(due[i] as number);
        expect(at).toBeLessThan((due[i] as number) + 1);
      }
    };

    it('runs a job once at its time with its data, repeats schedules as often as they say, and forgets what has ended', async () => {
      const a = open('a');
      const begunMs = now();
      const data = { typeUrl: 'type.googleapis.com/google.protobuf.BytesValue', value: Buffer.from('hello') };
      await schedule(a, { name: 'once', dueTime: '10s', data });
      await schedule(a, { name: 'three', schedule: '@every 10s', repeats: 3, dueTime: '15s' });
      await schedule(a, { name: 'short', schedule: '20s', ttl: '50s' });
      await schedule(a, { name: 'tea', schedule: 'CRON_TZ=Europe/Berlin 30 * * * * *', repeats: 1 });
      await schedule(a, { name: 'deleted', dueTime: '20s' });
      await schedule(a, { name: 'replaced', dueTime: '20s' });
      await stage.pass(9 * second);
      expect(runs).toEqual([]);
      await ask(a.block.delete, { name: 'deleted' });
      await expect(schedule(a, { name: 'replaced', dueTime: '1s' })).rejects.toMatchObject({ code: 'jobs.exists' });
      await schedule(a, { name: 'replaced', dueTime: '50s' }, true);
      await stage.pass(111 * second);
      expectAt(since(begunMs, 'once'), [10]);
      expectAt(since(begunMs, 'three'), [15, 25, 35]);
      expectAt(since(begunMs, 'short'), [20, 40]);
      expectAt(since(begunMs, 'replaced'), [59]);
      expectAt(since(begunMs - (begunMs % minute), 'tea'), [begunMs % minute < 30 * second ? 30 : 90]);
      expect(Buffer.from(runs.find((run) => run.name === 'once')?.data?.value ?? []).toString()).toBe('hello');
      expect(since(begunMs, 'deleted')).toEqual([]);
      for (const job of ['once', 'three', 'short', 'tea', 'deleted', 'replaced']) expect([job, await gone(a, job)]).toEqual([job, true]);
    });

    it('tries a failed run again as its policy says, and does not move its schedule', async () => {
      const a = open('a');
      const begunMs = now();
      answer = () => ({ status: 'failed', error: 'no' });
      await schedule(a, { name: 'usual', dueTime: '1s' });
      await schedule(a, { name: 'drop', dueTime: '1s', failurePolicy: { kind: 'drop' } });
      await schedule(a, { name: 'slow', dueTime: '1s', failurePolicy: { kind: 'constant', intervalMs: 20 * second, maxRetries: 1 } });
      await schedule(a, {
        name: 'moving',
        schedule: '@every 15s',
        repeats: 2,
        failurePolicy: { kind: 'constant', intervalMs: 3 * second, maxRetries: 2 },
      });
      await stage.pass(45 * second);
      expectAt(since(begunMs, 'usual'), [1, 2, 3, 4]);
      expectAt(since(begunMs, 'drop'), [1]);
      expectAt(since(begunMs, 'slow'), [1, 21]);
      expectAt(since(begunMs, 'moving'), [15, 18, 21, 30, 33, 36]);
      for (const job of ['usual', 'drop', 'slow', 'moving']) expect([job, await gone(a, job)]).toEqual([job, true]);
    });

    it('lets a job wait for an app that is gone, without using attempts up', async () => {
      const a = open('a');
      await schedule(a, { name: 'patient', dueTime: '1s', failurePolicy: { kind: 'drop' } });
      appThere = false;
      await stage.pass(20 * second);
      expect(runs).toEqual([]);
      appThere = true;
      await stage.until(() => gone(a, 'patient'));
      expect(runs.map((run) => run.name)).toEqual(['patient']);
    });

    it('makes up for runs that were missed while no runtime was there as each job says, and then keeps the rhythm', async () => {
      const a = open('a');
      const begunMs = now();
      for (const missedRuns of ['catchUp', 'once', 'skip'] as const)
        await schedule(a, { name: missedRuns, schedule: '@every 1m', missedRuns });
      await stage.pass(90 * second, second);
      expect(runs.length).toBe(3);
      await a.block.close();
      await a.placement.close();
      runs = [];
      await stage.jump(5 * minute);
      open('b');
      await stage.pass(40 * second, second / 2);
      // Minutes 2 to 6 were missed; that of minute 7 comes at its time.
      const late = (job: string): readonly number[] => since(begunMs, job).filter((at) => at < 420);
      expect([late('catchUp').length, late('once').length, late('skip').length]).toEqual([5, 1, 0]);
      for (const job of ['catchUp', 'once', 'skip'])
        expectAt(
          since(begunMs, job).filter((at) => at >= 420),
          [420],
        );
      for (const { atMs } of runs) expect(atMs).toBeGreaterThanOrEqual(begunMs + 390 * second);
    });

    it('waits for an engine that is full: it takes no more jobs, loses none, and goes on by itself', async () => {
      const a = open('a');
      const begunMs = now();
      await schedule(a, { name: 'x', schedule: '@every 5s', repeats: 4 });
      await schedule(a, { name: 'y', dueTime: '12s' });
      let finish = (): void => {};
      answer = ({ name: job }) =>
        job === 'y' ? new Promise((resolve) => (finish = () => resolve({ status: 'done' }))) : { status: 'done' };
      await stage.until(() => runs.some((run) => run.name === 'y'));
      await stage.fill(true);
      // It ends, and that cannot be noted.
      finish();
      await expect(schedule(a, { name: 'more', dueTime: '1s' })).rejects.toThrow();
      await stage.pass(20 * second);
      expect(since(begunMs, 'x').length).toBe(2);
      await stage.fill(false);
      await stage.until(async () => (await gone(a, 'x')) && (await gone(a, 'y')));
      expect([since(begunMs, 'x').length, since(begunMs, 'y').length, await gone(a, 'more')]).toEqual([4, 1, true]);
      for (const [i, at] of since(begunMs, 'x').entries()) expect(at).toBeGreaterThanOrEqual((i + 1) * 5);
    });

    it('shares the jobs between two runtimes, and each run is in one of them, once', async () => {
      const [a, b] = [open('a'), open('b')];
      const begunMs = now();
      for (let i = 0; i < 40; i++)
        await schedule(i % 2 === 0 ? a : b, { name: `job-${i}`, schedule: '@every 20s', repeats: 3, dueTime: '30s' });
      await stage.pass(80 * second);
      expect(runs.length).toBe(120);
      for (let i = 0; i < 40; i++)
        expectAt(
          since(begunMs, `job-${i}`).map((at) => at),
          [30, 50, 70],
        );
      expect(new Set(runs.map(({ by }) => by))).toEqual(new Set(['a', 'b']));
    });

    it('goes on in the other runtime when one dies amidst its runs: what had not ended runs again, nothing before its time', async () => {
      const [a, b] = [open('a'), open('b')];
      await stage.until(() => true);
      const begunMs = now();
      for (let i = 0; i < 20; i++) await schedule(b, { name: `job-${i}`, dueTime: '15s' });
      await schedule(b, { name: 'later', schedule: '@every 20s', repeats: 2 });
      let hanging = true;
      answer = () => (hanging ? new Promise<JobVerdict>(() => {}) : { status: 'done' });
      await stage.until(() => runs.length === 20);
      const ofA = runs.filter(({ by }) => by === 'a').map((run) => run.name);
      expect(ofA.length).toBeGreaterThan(0);
      hanging = false;
      a.process.down = a.process.frozen = true;
      runtimes.splice(runtimes.indexOf(a), 1);
      await stage.until(() => gone(b, 'later'));
      const again = runs.filter((run) => run.by === 'b' && ofA.includes(run.name)).map((run) => run.name);
      expect(again.toSorted()).toEqual(ofA.toSorted());
      for (const { name: job, atMs } of runs) expect(atMs).toBeGreaterThanOrEqual(begunMs + (job === 'later' ? 20 : 15) * second);
    });

    it('refuses the ends of runs of a runtime that stood still meanwhile: the other one has begun them anew', async () => {
      const a = open('a');
      let finish = (): void => {};
      answer = () => new Promise((resolve) => (finish = () => resolve({ status: 'done' })));
      await schedule(a, { name: 'x', schedule: '@every 10s', repeats: 3 });
      await stage.until(() => runs.length === 1);
      a.process.frozen = true;
      const b = open('b');
      answer = () => ({ status: 'done' });
      await stage.until(() => runs.length === 3);
      finish();
      await stage.settle();
      a.process.frozen = false;
      await stage.until(() => gone(b, 'x'));
      await stage.pass(30 * second, second);
      // The first once more, and two others: the end that came late moved nothing.
      expect(runs.length).toBe(4);
    });
  });
}
