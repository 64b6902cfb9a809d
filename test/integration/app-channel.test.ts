import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { mkdirSync, writeFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { component, createMachine, eventually, freePort, startSidecar, type TestMachine, type TestSidecar } from '../compat/sidecar.ts';
import { startApp, type Answer, type Received, type TestApp } from './test-app.ts';

// The app beside the real process: healthy or not, slow, gone, answering garbage; how many calls it takes, and what it is told.
let machine: TestMachine;
const apps: TestApp[] = [];
const sidecars: TestSidecar[] = [];

beforeAll(() => {
  machine = createMachine();
});
afterEach(async () => {
  for (const sidecar of sidecars.splice(0)) expect(await sidecar.stop()).toBe(0);
  for (const app of apps.splice(0)) await app.close();
});
afterAll(() => machine.remove());

const broker = component('pubsub', 'pubsub.proa');
const subscription = (topic: string, more: object = {}): string =>
  JSON.stringify([{ pubsubname: 'pubsub', topic, route: `/${topic}`, ...more }]);

async function app(answer: (request: Received) => Answer | undefined): Promise<TestApp> {
  const started = await startApp(answer);
  apps.push(started);
  return started;
}

async function sidecar(options: Omit<Parameters<typeof startSidecar>[0], 'machine'>): Promise<TestSidecar> {
  const started = await startSidecar({ machine, ...options });
  sidecars.push(started);
  return started;
}

function configuration(name: string, spec: string): string {
  const folder = join(machine.directory, 'configurations');
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${name}.yaml`);
  writeFileSync(file, `apiVersion: dapr.io/v1alpha1\nkind: Configuration\nmetadata: { name: ${name} }\nspec:\n${spec}`);
  return file;
}

const publish = (to: TestSidecar, topic: string, data: unknown): Promise<Response> =>
  to.get(`/v1.0/publish/pubsub/${topic}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(data) });

const dataOf = ({ body }: Received): unknown => (JSON.parse(body) as { data: unknown }).data;

describe('the health of the app', () => {
  const flags = ['--enable-app-health-check', '--app-health-check-path', '/alive', '--app-health-probe-interval', '1'];

  it('stops events and invocations at the threshold, and takes both up when the app is well again', async () => {
    let healthy = true;
    const own = await app(({ path }) => {
      if (path === '/alive') return { status: healthy ? 200 : 503 };
      if (path === '/dapr/subscribe') return { body: subscription('health') };
      return path === '/health' || path === '/hello' ? {} : undefined;
    });
    const runtime = await sidecar({
      appId: 'ill',
      appPort: own.port,
      resources: { 'p.yaml': broker },
      flags: [...flags, '--app-health-threshold', '2', '--app-health-probe-timeout', '900'],
    });
    await runtime.ready();
    await publish(runtime, 'health', 1);
    const events = (): unknown[] => own.received.filter(({ path }) => path === '/health').map(dataOf);
    // An event may come twice: on a machine that stalls, the app is unhealthy for a moment before what it took is written down.
    await eventually(() => events().includes(1), 'the first event arrives');
    const wasUnhealthy = (): number => runtime.output().split('the app is unhealthy').length;
    const [before, probed] = [wasUnhealthy(), own.received.length];
    healthy = false;
    await eventually(() => wasUnhealthy() > before, 'two failures make it unhealthy');
    const failures = own.received.filter(({ path }) => path === '/alive').length;
    expect(own.received.slice(probed).filter(({ path }) => path === '/alive').length).toBeGreaterThanOrEqual(2);
    await publish(runtime, 'health', 2);
    // Two probes later the event is still where it was.
    await eventually(() => own.received.filter(({ path }) => path === '/alive').length >= failures + 2, 'probes go on');
    expect(events()).not.toContain(2);
    expect((await runtime.get('/v1.0/invoke/ill/method/hello')).status).toBe(500);
    healthy = true;
    await eventually(() => events().includes(2), 'the event that waited arrives');
    expect((await runtime.get('/v1.0/invoke/ill/method/hello')).status).toBe(200);
    const metrics = await (await fetch(`http://127.0.0.1:${runtime.metricsPort}/metrics`)).text();
    expect(metrics).toMatch(/dapr_http_healthprobes_completed_count\{app_id="ill",status="503"\} \d+/);
  });

  it('is asked for by gRPC apps as for others, and one probe that hangs is a failure', async () => {
    const own = await app(({ path }) => (path === '/alive' ? 'hang' : undefined));
    const runtime = await sidecar({ appId: 'hangs', appPort: own.port, flags: [...flags, '--app-health-probe-timeout', '200'] });
    await eventually(() => own.received.filter(({ path }) => path === '/alive').length >= 2, 'it is probed again');
    const answer = await runtime.get('/v1.0/healthz');
    expect([answer.status, await answer.text()]).toEqual([500, expect.stringContaining('ERR_HEALTH_NOT_READY')]);
    expect((await runtime.get('/v1.0/healthz/outbound')).status).toBe(204);
  });
});

describe('changes of configuration', () => {
  it('wait from the connection of the app to its first healthy probe, and none is lost', async () => {
    let healthy = false;
    const own = await app(({ path }) => (path === '/alive' ? { status: healthy ? 200 : 503 } : healthy ? {} : { status: 503 }));
    const file = join(machine.directory, 'settings.json');
    writeFileSync(file, '{"colour":"red","size":"1"}');
    const runtime = await sidecar({
      appId: 'configured',
      appPort: own.port,
      resources: { 'c.yaml': component('settings', 'configuration.file', { path: file, pollInterval: '50ms' }) },
      flags: ['--enable-app-health-check', '--app-health-check-path', '/alive', '--app-health-probe-interval', '1'],
    });
    const probes = (): number => own.received.filter(({ path }) => path === '/alive').length;
    const told = (): Received[] => own.received.filter(({ path }) => path.startsWith('/configuration/'));
    const subscribed = (await (await runtime.get('/v1.0/configuration/settings/subscribe')).json()) as { id?: string };
    expect(subscribed.id).toBeTypeOf('string');
    const valueOf = async (key: string): Promise<unknown> => {
      const items = (await (await runtime.get(`/v1.0/configuration/settings?key=${key}`)).json()) as Record<string, { value: string }>;
      return items[key]?.value;
    };
    for (const [colour, size] of [
      ['green', '2'],
      ['blue', '2'],
    ] as const) {
      writeFileSync(file, JSON.stringify({ colour, size }));
      await eventually(async () => (await valueOf('colour')) === colour, 'the store has the new value');
    }
    const seen = probes();
    await eventually(() => probes() > seen + 1, 'probes go on');
    expect(told()).toEqual([]);
    healthy = true;
    const values = (): unknown =>
      Object.fromEntries(
        told().map(({ path, body }) => [path, (JSON.parse(body) as { items: Record<string, { value: string }> }).items] as const),
      );
    // The last of each: a change may come before the one that followed it.
    await expect.poll(values, { timeout: 60_000 }).toMatchObject({
      '/configuration/settings/colour': { colour: { value: 'blue' } },
      '/configuration/settings/size': { size: { value: '2' } },
    });
    expect(runtime.output()).not.toContain('error sending configuration item');
  });
});

describe('calls into the app', () => {
  it('are no more at once than it takes; the rest waits its turn', async () => {
    const own = await app(({ path }) => {
      if (path === '/dapr/subscribe') return { body: subscription('many') };
      return { body: 'done', afterMs: 50 };
    });
    const runtime = await sidecar({
      appId: 'narrow',
      appPort: own.port,
      resources: { 'p.yaml': broker },
      flags: ['--app-max-concurrency', '2'],
    });
    await runtime.ready();
    const calls = Array.from({ length: 10 }, () => runtime.get('/v1.0/invoke/narrow/method/work').then((answer) => answer.status));
    for (let i = 0; i < 6; i++) await publish(runtime, 'many', i);
    expect(new Set(await Promise.all(calls))).toEqual(new Set([200]));
    await eventually(() => own.received.filter(({ path }) => path === '/many').length === 6, 'every event arrives');
    expect(own.busy.most).toBe(2);
  });

  it('carry the app token, and never the API token', async () => {
    const own = await app(({ path }) => (path === '/dapr/subscribe' ? { body: subscription('token') } : {}));
    const env = { APP_API_TOKEN: 'for-the-app', DAPR_API_TOKEN: 'for-the-api' };
    const runtime = await sidecar({ appId: 'tokens', appPort: own.port, resources: { 'p.yaml': broker }, env });
    await runtime.ready();
    const headers = { 'dapr-api-token': 'for-the-api', 'content-type': 'application/json' };
    expect((await runtime.get('/v1.0/invoke/tokens/method/m', { headers })).status).toBe(200);
    expect((await runtime.get('/v1.0/publish/pubsub/token', { method: 'POST', headers, body: '1' })).status).toBe(204);
    await eventually(() => own.received.some(({ path }) => path === '/token'), 'the event arrives');
    for (const { headers: got } of own.received) expect(got['dapr-api-token']).toBe('for-the-app');
  });

  it('go through appHttpPipeline', async () => {
    const own = await app(({ path }) => (path === '/dapr/subscribe' ? { body: subscription('upper') } : { body: 'answer' }));
    const config = configuration(
      'app-pipeline',
      '  appHttpPipeline: { handlers: [{ name: capitals, type: middleware.http.uppercase }] }\n',
    );
    const runtime = await sidecar({
      appId: 'piped',
      appPort: own.port,
      resources: { 'p.yaml': broker, 'm.yaml': component('capitals', 'middleware.http.uppercase', { direction: 'request' }) },
      flags: ['--config', config],
    });
    await runtime.ready();
    const answer = await runtime.get('/v1.0/invoke/piped/method/m', { method: 'POST', body: 'text' });
    expect([await answer.text(), own.received.find(({ path }) => path === '/m')?.body]).toEqual(['answer', 'TEXT']);
    await publish(runtime, 'upper', { greeting: 'hello' });
    await eventually(() => own.received.some(({ path }) => path === '/upper'), 'the event arrives');
    expect(own.received.find(({ path }) => path === '/upper')?.body).toContain('"DATA":{"GREETING":"HELLO"}');
  });

  it('end with an error of ours when the app hangs up, answers garbage or is not there', async () => {
    const garbage = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.on('data', () => socket.end('HTTP/9.9 hello\r\n\r\n'));
    });
    const appPort = await freePort();
    await new Promise<void>((resolve) => garbage.listen(Number(appPort), '127.0.0.1', resolve));
    const runtime = await sidecar({ appId: 'garbage', appPort });
    const brief = async (): Promise<unknown> => {
      const answer = await runtime.get('/v1.0/invoke/garbage/method/m', { method: 'POST', body: 'x' });
      return [answer.status, ((await answer.json()) as { errorCode: string }).errorCode];
    };
    expect(await brief()).toEqual([500, 'ERR_DIRECT_INVOKE']);
    await new Promise((resolve) => garbage.close(resolve));
    expect(await brief()).toEqual([500, 'ERR_DIRECT_INVOKE']);
    const breaks = await app(() => 'break');
    const other = await sidecar({ appId: 'breaks', appPort: breaks.port });
    const answer = await other.get('/v1.0/invoke/breaks/method/m', { method: 'POST', body: 'x' });
    expect([answer.status, await answer.text()]).toEqual([500, expect.stringContaining('ERR_DIRECT_INVOKE')]);
  });

  it('give up what the caller has given up', async () => {
    const own = await app(({ path }) => (path === '/slow' ? 'hang' : {}));
    const runtime = await sidecar({ appId: 'slow', appPort: own.port });
    const caller = new AbortController();
    const call = runtime.get('/v1.0/invoke/slow/method/slow', { signal: caller.signal }).catch((error: unknown) => String(error));
    await eventually(() => own.busy.now === 1, 'the call reaches the app');
    caller.abort();
    expect(await call).toContain('abort');
    await eventually(() => own.busy.now === 0, 'the app sees the caller leave');
  });

  it('deliver again what was answered with garbage or an error, until it is taken', async () => {
    const answers: Answer[] = [
      { status: 500 },
      { body: '{"status":"RETRY"}' },
      'break',
      { body: '{"status":"WHAT"}' },
      { body: 'not json' },
    ];
    const own = await app(({ path }) => {
      if (path === '/dapr/subscribe') return { body: subscription('again') };
      return path === '/again' ? (answers.shift() ?? {}) : undefined;
    });
    const runtime = await sidecar({ appId: 'again', appPort: own.port, resources: { 'p.yaml': broker } });
    await runtime.ready();
    await publish(runtime, 'again', 1);
    await eventually(() => own.received.filter(({ path }) => path === '/again').length === 5, 'the fifth answer takes it');
  });

  it('are not asked what --disable-init-endpoints leaves out', async () => {
    const own = await app(({ path }) => (path === '/dapr/subscribe' ? { body: subscription('never') } : {}));
    const flags = ['--disable-init-endpoints', 'config,subscribe'];
    const runtime = await sidecar({ appId: 'unasked', appPort: own.port, resources: { 'p.yaml': broker }, flags });
    await runtime.ready();
    expect(own.received.filter(({ path }) => path.startsWith('/dapr/'))).toEqual([]);
    expect(((await (await runtime.get('/v1.0/metadata')).json()) as { subscriptions?: unknown }).subscriptions).toBeUndefined();
  });
});

describe('a stop that is blocked for a while', () => {
  it('takes no events, serves on, and ends when the time is over or the app is unhealthy', async () => {
    let healthy = true;
    const own = await app(({ path }) => {
      if (path === '/healthz') return { status: healthy ? 200 : 500 };
      return path === '/dapr/subscribe' ? { body: subscription('late') } : {};
    });
    // The probes may take their time: a machine that stalls for less than two of them makes no app unhealthy.
    const flags = ['--dapr-block-shutdown-duration', '5m', '--enable-app-health-check', '--app-health-probe-timeout', '4500'];
    const runtime = await startSidecar({
      machine,
      appId: 'blocked',
      appPort: own.port,
      resources: { 'p.yaml': broker },
      flags: [...flags, '--app-health-probe-interval', '5', '--app-health-threshold', '2'],
    });
    await runtime.ready();
    const ended = runtime.stop();
    await eventually(() => runtime.output().includes('events stop'), 'the stop begins');
    expect((await publish(runtime, 'late', 1)).status).toBe(204);
    expect((await runtime.get('/v1.0/invoke/blocked/method/m')).status).toBe(200);
    healthy = false;
    expect(await ended).toBe(0);
    expect(own.received.some(({ path }) => path === '/late')).toBe(false);
  });
});

it('has an app whose connection is accepted and never answered: nothing of the runtime hangs with it', async () => {
  const own = await app(() => 'hang');
  const runtime = await sidecar({ appId: 'mute', appPort: own.port, resources: { 'p.yaml': broker } });
  expect((await runtime.get('/v1.0/healthz/outbound')).status).toBe(204);
  expect((await publish(runtime, 't', 1)).status).toBe(204);
  expect((await runtime.get('/v1.0/metadata')).status).toBe(200);
  // A port probe is a connection without a request.
  await new Promise<void>((resolve) => connect(Number(own.port), '127.0.0.1', resolve));
});
