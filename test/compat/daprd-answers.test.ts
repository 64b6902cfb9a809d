import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer, request, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { EmptySchema } from '@bufbuild/protobuf/wkt';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HTTPExtension_Verb, InvokeResponseSchema } from '../../src/gen/dapr/proto/common/v1/common_pb.ts';
import { InvokeServiceRequestSchema } from '../../src/gen/dapr/proto/runtime/v1/invoke_pb.ts';
import { SaveStateRequestSchema } from '../../src/gen/dapr/proto/runtime/v1/state_pb.ts';
import { ask, httpAnswers } from './daprd-answers.ts';
import { component, createMachine, eventually, freePort, startSidecar, type TestMachine } from './sidecar.ts';

// The answers of daprd 1.18.0 to the same requests, so that no daprd is needed. With DAPRD=/path/to/daprd the same tests ask that one: they must pass there too.
const daprd = process.env['DAPRD'];
let machine: TestMachine;
let app: Server;
let healthy = true;
let seen: IncomingHttpHeaders = {};
let ports: { readonly http: string; readonly grpc: string };
const closers: (() => unknown)[] = [];

beforeAll(async () => {
  machine = createMachine();
  app = createServer((asked, response) => {
    const path = asked.url ?? '';
    if (path === '/healthz') return response.writeHead(healthy ? 200 : 503).end();
    if (path === '/dapr/config' || path === '/dapr/subscribe' || asked.method === 'OPTIONS') return response.writeHead(404).end();
    seen = asked.headers;
    if (path === '/missing') return response.writeHead(404, { 'content-type': 'application/json', 'x-app': 'yes' }).end('{}');
    // Without a length, so that it comes in chunks.
    response.writeHead(200, { 'content-type': 'application/json' });
    response.write('{"path":');
    return response.end(`${JSON.stringify(path)}}`);
  });
  await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve));
  const port = String((app.address() as AddressInfo).port);
  const secrets = join(machine.directory, 'secrets.json');
  writeFileSync(secrets, '{"there":"yes"}');
  const resources = {
    'm.yaml': component('mem', 'state.in-memory'),
    'p.yaml': component('pubsub', 'pubsub.in-memory'),
    'f.yaml': component('file', 'secretstores.local.file', { secretsFile: secrets }),
    'e.yaml': component('env', 'secretstores.local.env'),
    'w.yaml': component('web', 'bindings.http', { url: `http://127.0.0.1:${port}` }),
  };
  const flags = ['--enable-app-health-check', '--app-health-probe-interval', '1', '--app-health-threshold', '1'];
  if (daprd === undefined) {
    const sidecar = await startSidecar({ machine, appId: 'app', appPort: port, resources, flags });
    closers.push(() => sidecar.stop());
    ports = { http: sidecar.httpPort, grpc: sidecar.grpcPort };
  } else ports = await startDaprd(daprd, { port, resources, flags });
  await eventually(async () => (await get('/v1.0/healthz')).status === 204, 'the sidecar is ready');
});
afterAll(async () => {
  for (const close of closers) await close();
  app.closeAllConnections();
  app.close();
  machine.remove();
});

function get(path: string, init?: RequestInit): Promise<Response> {
  return fetch(`http://127.0.0.1:${ports.http}${path}`, init);
}

async function startDaprd(
  program: string,
  {
    port,
    resources,
    flags,
  }: { readonly port: string; readonly resources: Readonly<Record<string, string>>; readonly flags: readonly string[] },
): Promise<{ readonly http: string; readonly grpc: string }> {
  const folder = join(machine.directory, 'resources');
  mkdirSync(folder);
  for (const [name, yaml] of Object.entries(resources)) writeFileSync(join(folder, name), yaml);
  const [http, grpc, metrics] = [await freePort(), await freePort(), await freePort()];
  const own = ['--app-id', 'app', '--app-port', port, '--resources-path', folder, '--metrics-port', metrics];
  const control = ['--placement-host-address', '', '--scheduler-host-address', ''];
  const api = ['--dapr-http-port', http, '--dapr-grpc-port', grpc];
  const child: ChildProcess = spawn(program, [...own, ...control, ...api, ...flags], { stdio: 'ignore' });
  closers.push(() => child.kill());
  await eventually(
    async () => (await fetch(`http://127.0.0.1:${http}/v1.0/healthz/outbound`).catch(() => undefined))?.status === 204,
    'daprd answers',
  );
  return { http, grpc };
}

describe('answers of daprd, over HTTP', () => {
  it.each(httpAnswers)('$what', async ({ path, method = 'GET', headers = {}, body, status, json, without = [] }) => {
    const sent = body === undefined ? {} : { body };
    const answer = await get(path, {
      method,
      headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
      ...sent,
    });
    expect(answer.status).toBe(status);
    for (const name of without) expect(answer.headers.get(name)).toBeNull();
    if (json !== undefined) {
      const told = (await answer.json()) as { details?: { '@type': string }[] };
      // Their order says nothing.
      told.details?.sort((a, b) => (a['@type'] < b['@type'] ? -1 : 1)).splice(1);
      expect(told).toMatchObject(json as object);
    }
  });
});

it('who sends somewhat too large a body reads why, however long the sending takes', async () => {
  const body = `[{"key":"k","value":"${'x'.repeat(6_000_000)}"}]`;
  const send = (): Promise<number | undefined> =>
    new Promise((resolve, reject) => {
      const path = '/v1.0/state/mem';
      const sending = request({ port: ports.http, method: 'POST', path, headers: { 'content-length': body.length } }, (answer) => {
        answer.resume();
        resolve(answer.statusCode);
      });
      sending.on('error', reject);
      sending.end(body);
    });
  for (let i = 0; i < 10; i++) expect(await send()).toBe(400);
});

it('a server that a URL names is told the trace, once', async () => {
  const { port } = app.address() as AddressInfo;
  const call = (headers: Readonly<Record<string, string>>) => get(`/v1.0/invoke/http://127.0.0.1:${port}/method/x`, { headers });
  await call({});
  expect(seen['traceparent']).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/);
  await call({ traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' });
  expect(seen['traceparent']).toMatch(/^00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-01$/);
});

describe('answers of daprd, over gRPC', () => {
  const invoke = (method: string) =>
    ask(ports.grpc, 'InvokeService', {
      input: InvokeServiceRequestSchema,
      output: InvokeResponseSchema,
      message: { id: 'app', message: { method, httpExtension: { verb: HTTPExtension_Verb.GET } } },
    });

  it('an error says its legacy code in an ErrorInfo', async () => {
    const states = [{ key: 'k', value: Buffer.from('1'), etag: { value: 'not-it' } }];
    const message = { storeName: 'mem', states };
    const answer = await ask(ports.grpc, 'SaveState', { input: SaveStateRequestSchema, output: EmptySchema, message });
    expect(answer).toMatchObject({ code: 'ABORTED', reason: 'ERR_STATE_SAVE' });
  });

  it("the headers of an app's refusal come before the status", async () => {
    const answer = await invoke('missing');
    expect(answer).toMatchObject({ code: 'NOT_FOUND', reason: 'Not Found', headers: { 'dapr-http-status': '404', 'x-app': 'yes' } });
  });

  it('an invocation brings the app no headers of the call that carried it', async () => {
    const answer = await invoke('x');
    expect(answer.code).toBe('OK');
    expect(Object.keys(answer.headers)).not.toContain('dapr-transfer-encoding');
    expect(seen['user-agent']).toMatch(/^grpc-node-js/);
    for (const name of ['dapr-method', 'dapr-path', 'dapr-scheme', 'dapr-grpc-timeout', 'content-type'])
      expect(Object.keys(seen)).not.toContain(name);
  });
});

describe('an app whose health check fails', () => {
  it('gets no call, and calls again once it is healthy', async () => {
    healthy = false;
    const statusOf = async (): Promise<number> => (await get('/v1.0/invoke/app/method/x')).status;
    await eventually(async () => (await statusOf()) === 500, 'the app gets no calls');
    expect(await (await get('/v1.0/invoke/app/method/x')).json()).toMatchObject({ errorCode: 'ERR_DIRECT_INVOKE' });
    healthy = true;
    await eventually(async () => (await statusOf()) === 200, 'the app gets calls again');
  });
});
