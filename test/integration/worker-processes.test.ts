import { execFileSync } from 'node:child_process';
import { createServer, request, type IncomingMessage, type Server } from 'node:http';
import { DaprWorkflowClient, WorkflowRuntime, type WorkflowActivityContext, type WorkflowContext } from '@dapr/dapr';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { createMachine, eventually, startSidecar, type SidecarOptions, type TestMachine, type TestSidecar } from '../compat/sidecar.ts';
import { startApp } from './test-app.ts';

// What an app's runtime in several processes (`--workers`) is to others: one runtime that any of its processes answers for.
let machine: TestMachine;
const open: (() => unknown)[] = [];

beforeAll(() => {
  for (const level of ['log', 'info', 'warn', 'error', 'debug'] as const) vi.spyOn(console, level).mockImplementation(() => {});
});
afterEach(async () => {
  for (const close of open.splice(0).toReversed()) await close();
});

function place(): TestMachine {
  machine = createMachine();
  open.push(() => machine.remove());
  return machine;
}

async function runtime(options: Omit<SidecarOptions, 'machine'>): Promise<TestSidecar> {
  const sidecar = await startSidecar({ machine, ...options });
  open.push(() => sidecar.stop());
  return sidecar;
}

/** How often it said so: once per process, and once more where a process had to begin again. */
const said = (sidecar: TestSidecar, what: string): number => sidecar.output().split(what).length - 1;

// No share of actors, jobs or workflows lapses while the machine stalls for a moment: then turns are rightly refused, and jobs run once more.
const steady = ['--placement-ttl', '15s'];

/** With the flags given, and with two workers beside the first process. */
async function threeProcesses(options: Omit<SidecarOptions, 'machine'>): Promise<TestSidecar> {
  const sidecar = await runtime({ ...options, flags: ['--workers', '3', ...(options.flags ?? [])] });
  await sidecar.ready();
  await eventually(() => said(sidecar, 'a worker serves') >= 2, 'the workers serve');
  return sidecar;
}

/** A request on a connection of its own, so that any of the processes may take it. */
function fresh(port: string, path: string, { method = 'GET', body = '', headers = {} } = {}): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const all = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body), ...headers };
    const sent = request({ host: '127.0.0.1', port, path, method, agent: false, headers: all }, (response) => {
      text(response).then((answer) => resolve({ status: response.statusCode ?? 0, body: answer }), reject);
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

async function text(message: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of message) parts.push(part as Buffer);
  return Buffer.concat(parts).toString();
}

const many = <T>(count: number, once: (i: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, (_, i) => once(i)));

const workersOf = ({ pid }: TestSidecar): number[] =>
  execFileSync('sh', ['-c', `ps -o pid=,args= --ppid ${pid} || true`])
    .toString()
    .split('\n')
    .filter((line) => line.includes(' worker'))
    .map((line) => Number(line.trim().split(' ')[0]));

interface Counters {
  readonly port: string;
  /** Where the app finds its runtime. */
  daprPort: string;
  /** Actors that had two calls at once. */
  readonly overlaps: string[];
  readonly ticks: Set<string>;
}

/** An app with actors that keep a count in the runtime, and ask for it over a new connection each time. */
async function counters(): Promise<Counters> {
  const busy = new Set<string>();
  const app = { port: '', daprPort: '', overlaps: [] as string[], ticks: new Set<string>() };
  const increment = async (id: string): Promise<string> => {
    if (busy.has(id)) app.overlaps.push(id);
    busy.add(id);
    try {
      const state = `/v1.0/actors/Counter/${id}/state`;
      const before = await fresh(app.daprPort, `${state}/count`);
      if (before.status !== 200 && before.status !== 204) throw new Error(`${before.status} ${before.body}`);
      const count = Number(before.body || '0') + 1;
      const change = JSON.stringify([{ operation: 'upsert', request: { key: 'count', value: count } }]);
      const saved = await fresh(app.daprPort, state, { method: 'POST', body: change });
      if (saved.status !== 204) throw new Error(`${saved.status} ${saved.body}`);
      return String(count);
    } finally {
      busy.delete(id);
    }
  };
  let timers = 0;
  const timer = async (id: string): Promise<string> => {
    const body = JSON.stringify({ dueTime: '0h0m0s50ms', callback: 'tick' });
    // Each has a name of its own: one that takes the place of another puts off what that waits for.
    const answer = await fresh(app.daprPort, `/v1.0/actors/Counter/${id}/timers/t${timers++}`, { method: 'POST', body });
    if (answer.status !== 204) throw new Error(`${answer.status} ${answer.body}`);
    return '"started"';
  };
  const answer = async (path: string): Promise<string> => {
    if (path === '/dapr/config') return JSON.stringify({ entities: ['Counter'] });
    const [, id = '', method = '', name = ''] = /^\/actors\/Counter\/([^/]+)\/method\/([^/]+)(?:\/(\w+))?$/.exec(path) ?? [];
    if (method === 'increment') return increment(id);
    if (method === 'start') return timer(id);
    if (method === 'timer' && name.startsWith('t')) app.ticks.add(id);
    return '{}';
  };
  const server: Server = createServer((received, response) => {
    text(received)
      .then(() => answer(received.url ?? ''))
      .then(
        (body) => response.end(body),
        (error: unknown) => response.writeHead(500).end(String(error)),
      );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push(() => {
    server.closeAllConnections();
    server.close();
  });
  app.port = String((server.address() as { port: number }).port);
  return app;
}

const activeActors = (metadata: string): string =>
  JSON.stringify((JSON.parse(metadata) as { actorRuntime: { activeActors: unknown } }).actorRuntime.activeActors);
const ids = Array.from({ length: 12 }, (_, i) => `n${i}`);
const increment = (port: string, id: string) => fresh(port, `/v1.0/actors/Counter/${id}/method/increment`, { method: 'POST' });

describe('actors of an app that several processes serve', () => {
  it('live in all of them and are one to whoever calls, to their app, and to those who look', async () => {
    place();
    const app = await counters();
    const sidecar = await threeProcesses({ appId: 'counters', appPort: app.port, flags: steady });
    app.daprPort = sidecar.httpPort;
    await eventually(() => said(sidecar, 'hosting actors of Counter') >= 3, 'every process hosts');
    for (let round = 1; round <= 4; round++) {
      const answers = await Promise.all(ids.map((id) => increment(sidecar.httpPort, id)));
      expect(answers).toEqual(ids.map(() => ({ status: 200, body: String(round) })));
    }
    expect(app.overlaps).toEqual([]);
    const each = (method: string) =>
      Promise.all(ids.map((id) => fresh(sidecar.httpPort, `/v1.0/actors/Counter/${id}/method/${method}`, { method: 'POST' })));
    // The processes are still sharing out, and an actor that moves leaves its timer and its place in memory behind.
    await eventually(async () => {
      await each('start');
      return app.ticks.size === ids.length;
    }, 'the timers fire');
    await eventually(async () => {
      await each('touch');
      // Whichever process is asked.
      const reports = await many(9, () => fresh(sidecar.httpPort, '/v1.0/metadata'));
      const types = await many(9, () => fresh(sidecar.httpPort, '/proa/v1/actors'));
      return (
        reports.every(({ body }) => activeActors(body) === '[{"type":"Counter","count":12}]') &&
        types.every(({ body }) => (JSON.parse(body) as { types: { count: number }[] }).types[0]?.count === 12)
      );
    }, 'every process knows of all actors');
    // Whoever comes too late hears that it is not in memory.
    const ends = await many(6, () => fresh(sidecar.httpPort, '/proa/v1/actors/Counter/n0/deactivate', { method: 'POST' }));
    const statuses = new Set(ends.map(({ status }) => status));
    expect(statuses).toContain(200);
    statuses.delete(400);
    expect([...statuses]).toEqual([200]);
    expect(await increment(sidecar.httpPort, 'n0')).toEqual({ status: 200, body: '5' });
  });

  it('go on in the others when a process is killed', async () => {
    place();
    const app = await counters();
    const sidecar = await threeProcesses({ appId: 'counters', appPort: app.port });
    app.daprPort = sidecar.httpPort;
    await eventually(() => said(sidecar, 'hosting actors of Counter') >= 3, 'every process hosts');
    for (const id of ids) expect(await increment(sidecar.httpPort, id)).toEqual({ status: 200, body: '1' });
    process.kill(workersOf(sidecar)[0] as number, 'SIGKILL');
    await eventually(async () => {
      const answers = await Promise.all(ids.map((id) => increment(sidecar.httpPort, id).catch(() => ({ status: 0, body: '' }))));
      return answers.every(({ status }) => status === 200);
    }, 'all of them answer again');
    const counts = await Promise.all(ids.map((id) => increment(sidecar.httpPort, id)));
    // Nothing that was saved is lost.
    for (const { body } of counts) expect(Number(body)).toBeGreaterThanOrEqual(3);
    expect(app.overlaps).toEqual([]);
  });
});

describe.each([
  ['by the socket of the machine', []],
  ['over TLS', ['--enable-mtls']],
])('other runtimes reach all processes of an app, %s', (_how, flags) => {
  it('while the first one stands still, and as the same app', async () => {
    place();
    const app = await startApp(({ headers }) => ({ body: String(headers['dapr-caller-app-id']) }));
    open.push(() => app.close());
    // It owns the engine, so that nothing else waits for the process that is stopped.
    const caller = await runtime({ appId: 'caller', flags });
    await caller.ready();
    const called = await threeProcesses({ appId: 'called', appPort: app.port, flags });
    await eventually(() => said(called, 'the app is ready') >= 3, 'every process is ready');
    process.kill(called.pid, 'SIGSTOP');
    try {
      const answers = await many(5, () => fresh(caller.httpPort, '/v1.0/invoke/called/method/who'));
      expect(answers).toEqual(answers.map(() => ({ status: 200, body: 'caller' })));
    } finally {
      process.kill(called.pid, 'SIGCONT');
    }
  });

  it('and each actor in the process that has it', async () => {
    place();
    const caller = await runtime({ appId: 'caller', flags });
    await caller.ready();
    const app = await counters();
    const called = await threeProcesses({ appId: 'counters', appPort: app.port, flags: [...steady, ...flags] });
    app.daprPort = called.httpPort;
    await eventually(() => said(called, 'hosting actors of Counter') >= 3, 'every process hosts');
    // One connection, and so one process that they arrive at.
    expect(await Promise.all(ids.map((id) => increment(caller.httpPort, id)))).toEqual(ids.map(() => ({ status: 200, body: '1' })));
    expect(await Promise.all(ids.map((id) => increment(called.httpPort, id)))).toEqual(ids.map(() => ({ status: 200, body: '2' })));
    expect(app.overlaps).toEqual([]);
  });
});

it('tells of a call, whichever process made it and whichever is asked', async () => {
  place();
  const app = await startApp(() => ({ status: 500 }));
  open.push(() => app.close());
  const sidecar = await threeProcesses({ appId: 'told', appPort: app.port });
  const traces = Array.from({ length: 8 }, (_, i) => `0af7651916cd43dd8448eb211c8031${String(i).padStart(2, '0')}`);
  await Promise.all(
    traces.map((trace) =>
      fresh(sidecar.httpPort, '/v1.0/invoke/told/method/x', { headers: { traceparent: `00-${trace}-b7ad6b7169203331-01` } }),
    ),
  );
  const both = ['inbound 500', 'outbound 500'];
  const told = async (trace: string): Promise<string[][]> => {
    const answers = await many(4, () => fresh(sidecar.httpPort, `/proa/v1/why/${trace}`));
    return answers.map(({ body }) => {
      const { calls } = JSON.parse(body) as { calls: { side: string; status: number }[] };
      return calls.map(({ side, status }) => `${side} ${status}`).toSorted();
    });
  };
  // A process that does not answer the others within a second is left out.
  for (const trace of traces) await expect.poll(() => told(trace), { timeout: 60_000 }).toEqual([both, both, both, both]);
});

it('runs each job once, in whichever process', async () => {
  place();
  const app = await startApp(({ path }) => (path.startsWith('/job/') ? {} : undefined));
  open.push(() => app.close());
  const sidecar = await threeProcesses({ appId: 'jobs', appPort: app.port, flags: steady });
  const names = Array.from({ length: 12 }, (_, i) => `j${i}`);
  const scheduled = await Promise.all(
    names.map((name) => fresh(sidecar.httpPort, `/v1.0/jobs/${name}`, { method: 'POST', body: '{"dueTime":"100ms","data":1}' })),
  );
  expect(scheduled.map(({ status }) => status)).toEqual(names.map(() => 204));
  const runs = (): string[] => app.received.flatMap(({ path }) => (path.startsWith('/job/') ? [path.slice('/job/'.length)] : []));
  await eventually(() => runs().length >= names.length, 'the jobs run');
  expect(runs().toSorted()).toEqual(names.toSorted());
});

it("runs workflows of an SDK's worker, whichever process it is connected to", async () => {
  place();
  const sidecar = await threeProcesses({ appId: 'flows' });
  const plusOne = async (_: WorkflowActivityContext, input: number): Promise<number> => input + 1;
  const chain = async function* chain(context: WorkflowContext, input: number): AsyncGenerator<unknown, number, never> {
    let value = input;
    for (let i = 0; i < 3; i++) value = yield context.callActivity(plusOne, value);
    return value;
  };
  const worker = new WorkflowRuntime({ daprHost: '127.0.0.1', daprPort: sidecar.grpcPort });
  worker.registerWorkflowWithName('chain', chain as never);
  worker.registerActivityWithName('plusOne', plusOne as never);
  await worker.start();
  open.push(() => worker.stop());
  const client = new DaprWorkflowClient({ daprHost: '127.0.0.1', daprPort: sidecar.grpcPort });
  open.push(() => client.stop());
  const started = await many(10, () => fresh(sidecar.httpPort, '/v1.0/workflows/dapr/chain/start', { method: 'POST', body: '1' }));
  const instances = started.map(({ body }) => (JSON.parse(body) as { instanceID: string }).instanceID);
  const states = await Promise.all(instances.map((id) => client.waitForWorkflowCompletion(id, true, 90)));
  expect(states.map((state) => state?.serializedOutput)).toEqual(instances.map(() => '4'));
  const seen = await Promise.all(instances.map((id) => fresh(sidecar.httpPort, `/v1.0/workflows/dapr/${id}`)));
  for (const { body } of seen) expect(JSON.parse(body)).toMatchObject({ runtimeStatus: 'COMPLETED' });
  await eventually(async () => {
    const reports = await many(6, () => fresh(sidecar.httpPort, '/v1.0/metadata'));
    return reports.every(
      ({ body }) => (JSON.parse(body) as { workflows?: { connectedWorkers: number } }).workflows?.connectedWorkers === 1,
    );
  }, 'every process knows of the one worker');
});
