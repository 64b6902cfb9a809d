import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createMachine, eventually, freePort, startSidecar, type TestMachine, type TestSidecar } from '../compat/sidecar.ts';
import { startApp, type Answer, type TestApp } from './test-app.ts';

// Jobs across processes that die, share, and come back.
let machine: TestMachine;
const open: { stop(): Promise<unknown> }[] = [];

beforeAll(() => {
  machine = createMachine();
});
afterEach(async () => {
  for (const each of open.splice(0)) await each.stop();
});
afterAll(() => machine.remove());

async function app(answer: (name: string) => Answer, port = 0): Promise<TestApp> {
  const started = await startApp(({ path }) => (path.startsWith('/job/') ? answer(path.slice('/job/'.length)) : undefined), port);
  open.push({ stop: () => started.close() });
  return started;
}

async function runtime(appId: string, { port }: Pick<TestApp, 'port'>): Promise<TestSidecar> {
  const sidecar = await startSidecar({ appId, appPort: port, machine });
  open.unshift(sidecar);
  return sidecar;
}

/** SIGKILL. */
function kill(sidecar: TestSidecar): void {
  open.splice(open.indexOf(sidecar), 1);
  sidecar.kill();
}

async function schedule(sidecar: TestSidecar, name: string, job: object): Promise<void> {
  const answer = await sidecar.get(`/v1.0/jobs/${name}`, { method: 'POST', body: JSON.stringify(job) });
  expect([answer.status, await answer.text()]).toEqual([204, '']);
}

const runsOf = ({ received }: TestApp): string[] =>
  received.flatMap(({ path }) => (path.startsWith('/job/') ? [path.slice('/job/'.length)] : []));

describe('jobs', () => {
  it('run again when the runtime is killed between the run and its acknowledgement', async () => {
    let hanging = true;
    const one = await app(() => (hanging ? 'hang' : {}));
    const first = await runtime('killed', one);
    await first.ready();
    await schedule(first, 'precious', { dueTime: '200ms', data: { n: 1 }, failurePolicy: { drop: {} } });
    await eventually(() => runsOf(one).length === 1, 'the job runs');
    kill(first);
    hanging = false;
    const second = await runtime('killed', one);
    await second.ready();
    await eventually(() => runsOf(one).length === 2, 'the job runs again');
    await eventually(async () => (await second.get('/v1.0/jobs/precious')).status === 500, 'and is done');
    expect(one.received.filter(({ path }) => path === '/job/precious').map(({ body }) => JSON.parse(body) as unknown)).toEqual([
      { n: 1 },
      { n: 1 },
    ]);
  });

  it('that became overdue while nothing ran are run at the start', async () => {
    const one = await app(() => ({}));
    const first = await runtime('overdue', one);
    await first.ready();
    for (let i = 0; i < 20; i++) await schedule(first, `job-${i}`, { dueTime: '2s' });
    kill(first);
    const due = Date.now() + 2_000;
    await eventually(() => Date.now() > due, 'the time of the jobs passes');
    const second = await runtime('overdue', one);
    await second.ready();
    await eventually(() => new Set(runsOf(one)).size === 20, 'all jobs run');
  });

  it('are shared by the replicas of an app, and survivors run those of a dead one', async () => {
    const [a, b] = [await app(() => ({})), await app(() => ({}))];
    const [first, second] = [await runtime('shared', a), await runtime('shared', b)];
    await Promise.all([first.ready(), second.ready()]);
    for (let i = 0; i < 40; i++) await schedule(i % 2 === 0 ? first : second, `every-${i}`, { schedule: '@every 500ms' });
    await eventually(() => runsOf(a).length > 40 && runsOf(b).length > 40, 'both run some');
    kill(first);
    const before = runsOf(b).length;
    await eventually(() => new Set(runsOf(b).slice(before)).size === 40, 'the other one runs all');
  });

  it('wait for an app that is not there yet, and can be looked at meanwhile', async () => {
    const port = await freePort();
    const sidecar = await startSidecar({ appId: 'late', appPort: port, machine });
    open.unshift(sidecar);
    await schedule(sidecar, 'waiting', { dueTime: '1ms' });
    const listed = (await (await sidecar.get('/proa/v1/jobs')).json()) as { jobs: { name: string; runs: number; missedRuns: string }[] };
    expect(listed.jobs).toMatchObject([{ name: 'waiting', runs: 0, missedRuns: 'catchUp' }]);
    const one = await app(() => ({}), Number(port));
    await eventually(() => runsOf(one).length === 1, 'the job runs');
  });
});
