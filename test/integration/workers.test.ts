import { execFileSync, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { createNodeProcess } from '../../src/ports/node/process.ts';
import { component, createMachine, eventually, freePort, startSidecar, type TestMachine, type TestSidecar } from '../compat/sidecar.ts';
import { startApp, type TestApp } from './test-app.ts';

// Several processes behind the ports of one sidecar (`--workers`), as their clients and their app see them.
const command = fileURLToPath(new URL('../../dist/bin/proa.cjs', import.meta.url));
let machine: TestMachine;
let app: TestApp;
let sidecar: TestSidecar | undefined;

beforeAll(() => {
  machine = createMachine();
});
afterEach(async () => {
  if (sidecar !== undefined) expect(await sidecar.stop()).toBe(0);
  sidecar = undefined;
  await app.close();
});
afterAll(() => machine.remove());

const subscriptions = JSON.stringify([{ pubsubname: 'pubsub', topic: 't', route: '/t' }]);

const policy = (spec: string): string =>
  `apiVersion: proa.dev/v1alpha1\nkind: Policy\nmetadata: { name: shared }\nspec: { target: { app: many }, ${spec} }\n`;

async function start(workers: number, flags: readonly string[] = [], more: Readonly<Record<string, string>> = {}): Promise<TestSidecar> {
  app = await startApp(({ path }) => {
    if (path === '/dapr/subscribe') return { body: subscriptions };
    return path.startsWith('/slow') ? { body: 'slow', afterMs: 30 } : { body: 'ok' };
  });
  const resources = { 'p.yaml': component('pubsub', 'pubsub.proa'), 's.yaml': component('statestore', 'state.proa'), ...more };
  sidecar = await startSidecar({ machine, appId: 'many', appPort: app.port, resources, flags: ['--workers', String(workers), ...flags] });
  await sidecar.ready();
  return sidecar;
}

const workersOf = ({ pid }: TestSidecar): number[] => {
  // `ps` fails when there is none.
  const lines = execFileSync('sh', ['-c', `ps -o pid=,args= --ppid ${pid} || true`])
    .toString()
    .split('\n');
  return lines.filter((line) => line.includes(' worker')).map((line) => Number(line.trim().split(' ')[0]));
};

/** A request on a connection of its own, so that any of the processes may take it. */
function fresh({ httpPort }: TestSidecar, path: string, { method = 'GET', body = '' } = {}): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    const sent = request({ host: '127.0.0.1', port: httpPort, path, method, agent: false, headers }, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: text }));
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

const metricsOf = async ({ metricsPort }: TestSidecar): Promise<string> => (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();

const countOf = (page: string, name: string): number => Number(new RegExp(`^${name}\\{[^}]*\\} (\\d+)`, 'm').exec(page)?.[1]);

const many = <T>(count: number, once: (i: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, (_, i) => once(i)));

it('shares ports, state, metadata, places in the app and one page of metrics; events arrive once', async () => {
  const runtime = await start(3, ['--app-max-concurrency', '2']);
  await eventually(() => runtime.output().split('a worker serves').length > 2, 'the workers serve');
  expect(workersOf(runtime)).toHaveLength(2);
  const answers = await many(60, () => fresh(runtime, '/v1.0/invoke/many/method/slow'));
  expect(new Set(answers.map(({ status, body }) => `${status} ${body}`))).toEqual(new Set(['200 slow']));
  expect(app.busy.most).toBe(2);

  await many(20, (i) => fresh(runtime, '/v1.0/state/statestore', { method: 'POST', body: `[{"key":"k${i}","value":${i}}]` }));
  const values = await many(20, (i) => fresh(runtime, `/v1.0/state/statestore/k${i}`));
  expect(values.map(({ body }) => Number(body))).toEqual(Array.from({ length: 20 }, (_, i) => i));

  await fresh(runtime, '/v1.0/metadata/colour', { method: 'PUT', body: 'red' });
  await eventually(async () => {
    const seen = await many(12, () => fresh(runtime, '/v1.0/metadata'));
    return seen.every(({ body }) => body.includes('"colour":"red"'));
  }, 'every process knows the metadata');

  await many(30, (i) => fresh(runtime, '/v1.0/publish/pubsub/t', { method: 'POST', body: JSON.stringify({ i }) }));
  const events = (): number[] =>
    app.received.filter(({ path }) => path === '/t').map(({ body }) => (JSON.parse(body) as { data: { i: number } }).data.i);
  await eventually(() => new Set(events()).size === 30, 'the events arrive');
  expect([...new Set(events())].toSorted((a, b) => a - b)).toEqual(Array.from({ length: 30 }, (_, i) => i));
  // Not once per process: at most some that a process which stood still had not acknowledged come again.
  expect(events().length).toBeLessThan(60);

  // A process that does not answer within a second is left out of the page.
  const sent = async (): Promise<number> => countOf(await metricsOf(runtime), 'dapr_runtime_service_invocation_req_sent_total');
  await expect.poll(sent, { timeout: 60_000 }).toBe(60);
});

it('counts what its engine did once, as any other runtime of the machine does', async () => {
  const runtime = await start(3);
  await eventually(() => runtime.output().split('a worker serves').length > 2, 'the workers serve');
  const beside = await startSidecar({ machine, appId: 'beside' });
  try {
    await many(20, (i) => fresh(runtime, '/v1.0/state/statestore', { method: 'POST', body: `[{"key":"k${i}","value":${i}}]` }));
    // Whoever does not own the engine knows its numbers as they were a moment ago.
    const [pages, name] = [() => Promise.all([runtime, beside].map(metricsOf)), 'proa_engine_commits_total'];
    await eventually(async () => {
      const [own, other] = (await pages()).map((page) => countOf(page, name));
      return own === other && (own ?? 0) >= 20;
    }, 'both pages say the same');
    // Prometheus: totals that only grow end in `_total`, gauges never do. Dapr's names are what they are.
    const ours = (await pages())[0]?.matchAll(/^# TYPE ((?:proa|process)_\S+) (\S+)$/gm) ?? [];
    for (const [line, metric = '', kind] of ours)
      expect({ line, counter: kind === 'counter' }).toEqual({ line, counter: metric.endsWith('_total') });
  } finally {
    expect(await beside.stop()).toBe(0);
  }
});

it('reads what was written last in every process, however often it is read and whoever stands still', async () => {
  const runtime = await start(3);
  await eventually(() => runtime.output().split('a worker serves').length > 2, 'the workers serve');
  const write = async (value: number): Promise<void> => {
    const { status } = await fresh(runtime, '/v1.0/state/statestore', { method: 'POST', body: JSON.stringify([{ key: 'hot', value }]) });
    expect(status).toBe(204);
  };
  const reads = async (): Promise<string[]> => (await many(24, () => fresh(runtime, '/v1.0/state/statestore/hot'))).map(({ body }) => body);
  for (let value = 1; value <= 8; value++) {
    await write(value);
    // Several times, so that each process has a reason to keep it.
    for (let round = 0; round < 4; round++) expect(new Set(await reads())).toEqual(new Set([String(value)]));
  }
  const [worker] = workersOf(runtime);
  process.kill(worker as number, 'SIGSTOP');
  try {
    // From here on it takes no connection.
    await eventually(() => /^\d+ \(.*\) T/.test(readFileSync(`/proc/${worker}/stat`, 'utf8')), 'the worker stands still');
    // It may keep the key; nobody waits for it longer than its lease lasts.
    await write(100);
  } finally {
    process.kill(worker as number, 'SIGCONT');
  }
  for (let round = 0; round < 4; round++) expect(new Set(await reads())).toEqual(new Set(['100']));
});

it('counts the limits of policies over all processes', async () => {
  const limits = policy(
    'limits: [{ requests: 20, per: 1h }, { concurrent: 2 }], bulkhead: { maxConcurrent: 2, maxQueue: 100, maxWait: 10s }',
  );
  const runtime = await start(3, [], { 'policy.yaml': limits });
  await eventually(() => runtime.output().split('a worker serves').length > 2, 'the workers serve');
  const statuses = (await many(60, () => fresh(runtime, '/v1.0/invoke/many/method/slow'))).map(({ status }) => status);
  expect(app.busy.most).toBe(2);
  expect(new Set(statuses)).toEqual(new Set([200, 429]));
  // The rate is used up by now, or nearly so: what calls took that other limits refused is gone.
  await many(60, () => fresh(runtime, '/v1.0/invoke/many/method/x'));
  expect(app.received.filter(({ path }) => path === '/slow' || path === '/x').length).toBeLessThanOrEqual(20);
});

it('starts another worker for one that dies, and frees its places in the app', async () => {
  const runtime = await start(2, ['--app-max-concurrency', '1']);
  await eventually(() => runtime.output().includes('a worker serves'), 'the worker serves');
  const [victim] = workersOf(runtime);
  const calls = many(10, () => fresh(runtime, '/v1.0/invoke/many/method/slow').catch(() => undefined));
  process.kill(victim as number, 'SIGKILL');
  await calls;
  await eventually(() => workersOf(runtime).some((pid) => pid !== victim), 'another worker runs');
  // The app may work on for a worker that is dead, beside a call that has its place already.
  await eventually(() => app.busy.now === 0, 'the app has answered');
  app.busy.most = 0;
  const answers = await many(10, () => fresh(runtime, '/v1.0/invoke/many/method/slow'));
  expect(answers.every(({ status }) => status === 200)).toBe(true);
  expect(app.busy.most).toBe(1);
  expect(runtime.output()).toContain('a worker has ended; another one is started');
});

it('restarts on SIGHUP and ends on a shutdown that any of the processes was asked for; none is left behind', async () => {
  const runtime = await start(3);
  await eventually(() => runtime.output().split('a worker serves').length > 2, 'the workers serve');
  const before = workersOf(runtime);
  process.kill(runtime.pid, 'SIGHUP');
  await eventually(() => workersOf(runtime).filter((pid) => !before.includes(pid)).length === 2, 'the workers are others');
  await runtime.ready();
  await eventually(
    async () => (await fresh(runtime, '/v1.0/invoke/many/method/x').catch(() => undefined))?.body === 'ok',
    'calls reach the app',
  );
  const pids = workersOf(runtime);
  const ended = new Promise((resolve) => runtime.onExit(resolve));
  await fresh(runtime, '/v1.0/shutdown', { method: 'POST' });
  expect(await ended).toBe(0);
  const { alive } = createNodeProcess();
  expect(pids.filter(alive)).toEqual([]);
});

it('ends with its first process, however that ends, and whoever starts it again has the input bindings at once', async () => {
  const tick = component('tick', 'bindings.cron', { schedule: '@every 1s', direction: 'input' });
  const ticks = (): number => app.received.filter(({ method, path }) => method === 'POST' && path === '/tick').length;
  const first = await start(3, [], { 't.yaml': tick });
  await eventually(() => first.output().split('a worker serves').length > 2 && ticks() > 0, 'the workers serve, and the app is told');
  const pids = workersOf(first);
  const { alive } = createNodeProcess();
  expect(pids.filter(alive)).toHaveLength(2);
  const ended = new Promise((resolve) => first.onExit(resolve));
  process.kill(first.pid, 'SIGKILL');
  await ended;
  sidecar = undefined;
  // None of them serves without the process that owns what they serve from: their ports are free for the next start.
  await eventually(() => pids.filter(alive).length === 0, 'the workers have ended');
  const before = app;
  const second = await start(3, [], { 't.yaml': tick });
  await eventually(() => ticks() > 0, 'the app is told again');
  expect(second.pid).not.toBe(first.pid);
  await before.close();
});

it('refuses what cannot be shared', async () => {
  app = await startApp(() => ({}));
  const resources = { 'm.yaml': component('memory', 'state.in-memory') };
  await expect(startSidecar({ machine, appId: 'alone', resources, flags: ['--workers', '2'] })).rejects.toThrow(
    '"memory" (state.in-memory): kept in the memory of one process',
  );
  await expect(startSidecar({ machine, appId: 'alone', flags: ['--workers', '0'] })).rejects.toThrow(
    '--workers must be a whole number from 1 to 64',
  );
});

it('tells every process of `proa run` where the app listens, although that is known only later', async () => {
  const script = `setTimeout(() => require('http').createServer((_, answer) => answer.end('{}')).listen(process.env.PORT, '127.0.0.1'), 300)`;
  const port = await freePort();
  const args = ['run', '--app-id', 'late', '--dapr-http-port', port, '--workers', '3', '--', process.execPath, '-e', script];
  const env = { ...process.env, PROA_DATA_DIR: join(machine.directory, 'run'), PROA_STATE_DIR: join(machine.directory, 'state') };
  const run = spawn(process.execPath, [command, ...args], { env, cwd: machine.directory, stdio: 'ignore' });
  const ended = new Promise((resolve) => run.once('exit', resolve));
  // Nothing of the other tests' app is needed here, but each test closes its own.
  app = await startApp(() => ({}));
  try {
    const target = { httpPort: port } as TestSidecar;
    await eventually(async () => {
      const answers = await many(24, () => fresh(target, '/v1.0/invoke/late/method/x').catch(() => ({ status: 0 })));
      return answers.every(({ status }) => status === 200);
    }, 'every process reaches the app');
  } finally {
    run.kill('SIGTERM');
    expect(await ended).toBe(0);
  }
});
