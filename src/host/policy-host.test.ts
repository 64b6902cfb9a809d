import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { appSpec } from '../../test/fixtures/app-spec.ts';
import { nodePorts } from '../ports/node/index.ts';
import type { HostEvent, RunningHost } from './host-api.ts';
import { startHost } from './host.ts';

let directory: string;
let app: Server;
let host: RunningHost;
let events: HostEvent[];
let timeouts: (string | undefined)[];

const policies = (pace: number, breaker: boolean): string =>
  [
    'apiVersion: dapr.io/v1alpha1',
    'kind: Resiliency',
    'metadata: { name: shop }',
    'spec:',
    `  policies: { timeouts: { t: ${50 + pace}s }, retries: { r: { duration: ${pace}ms, maxRetries: 3 } }, circuitBreakers: { b: { trip: consecutiveFailures > 100 } } }`,
    `  targets: { apps: { app: { timeout: t, retry: r${breaker ? ', circuitBreaker: b' : ''} } } }`,
    '',
  ].join('\n');
const write = (text: string): void => writeFileSync(join(directory, 'resources/shop.yaml'), text);

async function until(what: string, check: () => boolean): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (!check()) {
    if (Date.now() > deadline) throw new Error(`did not happen: ${what}\n${JSON.stringify(events.slice(-5))}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'proa-policies-'));
  mkdirSync(join(directory, 'resources'));
  events = [];
  timeouts = [];
  const failed = new Set<string>();
  // The first attempt of every tenth call fails: only a retry hides it.
  app = createServer((request, response) => {
    request.resume();
    timeouts.push(request.headers['grpc-timeout'] as string | undefined);
    if (request.url === '/silent') return;
    const id = String(request.headers['x-id'] ?? '');
    const fails = id.endsWith('0') && !failed.has(id);
    failed.add(id);
    response.statusCode = request.url?.startsWith('/dapr/') ? 404 : fails ? 503 : 200;
    response.end('ok');
  });
  await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve));
  write(policies(1, false));
  const spec = appSpec('app', {
    appPort: (app.address() as { port: number }).port,
    resourcePaths: [join(directory, 'resources')],
  });
  host = await startHost({
    ports: nodePorts(),
    apps: [spec],
    shared: { dataDirectory: join(directory, 'data'), logLevel: 'info', logFormat: 'json', graceMs: 5_000, mode: 'run' },
    events: (event) => void events.push(event),
  });
  await host.apps[0]?.ready;
});

afterEach(async () => {
  await host.stop('end of the test');
  await new Promise((resolve) => app.close(resolve));
  rmSync(directory, { recursive: true, force: true });
});

describe('deadlines', () => {
  const call = (method: string, timeout: string): Promise<Response> =>
    fetch(`http://127.0.0.1:${host.apps[0]?.httpPort}/v1.0/invoke/app/method/${method}`, { headers: { 'grpc-timeout': timeout } });

  it('travel on as the time that is left, and end a call that is too slow', async () => {
    timeouts = [];
    expect((await call('x', '40S')).status).toBe(200);
    expect(timeouts).toHaveLength(1);
    const left = Number(/^(\d+)u$/.exec(timeouts[0] as string)?.[1]);
    expect(left).toBeLessThan(40_000_000);
    expect(left).toBeGreaterThan(0);
    const late = await call('silent', '60m');
    expect(late.status).toBe(504);
    expect(await late.json()).toMatchObject({ errorCode: 'ERR_DEADLINE_EXCEEDED' });
  });

  it('are refused when they are none, and when they have passed, without a call', async () => {
    timeouts = [];
    const bad = await call('x', 'soon');
    expect([bad.status, await bad.json()]).toEqual([400, { errorCode: 'ERR_BAD_REQUEST', message: 'malformed grpc-timeout: "soon"' }]);
    expect((await call('x', '0m')).status).toBe(504);
    expect(timeouts).toEqual([]);
    const state = await fetch(`http://127.0.0.1:${host.apps[0]?.httpPort}/v1.0/metadata`, { headers: { 'grpc-timeout': '1x' } });
    expect(state.status).toBe(400);
  });
});

describe('a reload of policies under load', () => {
  it('fails no request and restarts nothing', async () => {
    const statuses = new Map<number, number>();
    const port = host.apps[0]?.httpPort;
    let going = true;
    let calls = 0;
    const caller = async (): Promise<void> => {
      while (going) {
        const answer = await fetch(`http://127.0.0.1:${port}/v1.0/invoke/app/method/x`, {
          method: 'POST',
          body: 'hello',
          headers: { 'x-id': String(++calls) },
        });
        await answer.text();
        statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
      }
    };
    const callers = Array.from({ length: 8 }, caller);
    const reloads = (): number => events.filter((event) => event.kind === 'reloaded' && event.summary === 'new policies').length;
    for (let i = 0; i < 4; i++) {
      write(policies(2 + i, i % 2 === 0));
      await until('the policies are in effect', () => reloads() > i);
      const before = statuses.get(200) ?? 0;
      await until('calls pass under them', () => (statuses.get(200) ?? 0) > before + 20);
    }
    going = false;
    await Promise.all(callers);
    expect([...statuses.keys()]).toEqual([200]);
    expect(events.filter(({ kind }) => kind === 'ready')).toHaveLength(1);
  });
});

describe('an app that calls itself', () => {
  const policy = (name: string, spec: string): string =>
    `apiVersion: proa.dev/v1alpha1\nkind: Policy\nmetadata: { name: ${name} }\nspec: ${spec}\n---\n`;
  const call = (method: string, signal?: AbortSignal): Promise<Response> =>
    fetch(`http://127.0.0.1:${host.apps[0]?.httpPort}/v1.0/invoke/app/method/${method}`, signal === undefined ? {} : { signal });

  it('opens no breaker by what its own runtime refuses as the called one', async () => {
    write(
      policy('calls', '{ target: { app: app }, breaker: { consecutive: 3 }, retry: { maxRetries: 0 } }') +
        policy('own', '{ target: { app: app, at: callee }, system: { maxConcurrent: 1 } }'),
    );
    await until('the policies are in effect', () => events.some(({ kind }) => kind === 'reloaded'));
    const asked = timeouts.length;
    const gone = new AbortController();
    const silent = call('silent', gone.signal).catch(() => undefined);
    await until('the app is asked', () => timeouts.length > asked);
    const refused = await Promise.all(Array.from({ length: 12 }, async () => (await call('x')).status));
    expect(new Set(refused)).toEqual(new Set([429]));
    gone.abort();
    await silent;
    let status = 429;
    // The place is free once the runtime has seen that its caller went away.
    while (status === 429) status = (await call('x')).status;
    expect(status).toBe(200);
  });
});
