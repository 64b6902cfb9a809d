import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer, request, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { EmptySchema } from '@bufbuild/protobuf/wkt';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HTTPExtension_Verb, InvokeResponseSchema } from '../../src/gen/dapr/proto/common/v1/common_pb.ts';
import { GetMetadataRequestSchema, GetMetadataResponseSchema } from '../../src/gen/dapr/proto/runtime/v1/metadata_pb.ts';
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
/** Of the deliveries in bulk. */
let bulkSeen: IncomingHttpHeaders | undefined;
let ports: { readonly http: string; readonly grpc: string };
const closers: (() => unknown)[] = [];
const subscriptions = [{ pubsubname: 'pubsub', topic: 'many', route: '/many', bulkSubscribe: { enabled: true } }];

beforeAll(async () => {
  machine = createMachine();
  app = createServer((asked, response) => {
    const path = asked.url ?? '';
    if (path === '/healthz') return response.writeHead(healthy ? 200 : 503).end();
    if (path === '/dapr/subscribe')
      return response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(subscriptions));
    if (path === '/dapr/config' || asked.method === 'OPTIONS') return response.writeHead(404).end();
    if (path === '/many') bulkSeen = asked.headers;
    if (path === '/many') return response.writeHead(200).end();
    seen = asked.headers;
    if (path === '/nothing') return response.writeHead(204).end();
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
  ports = await start({ appId: 'app', appPort: port, resources, flags });
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

interface Started {
  readonly appId: string;
  readonly appPort?: string;
  readonly resources: Readonly<Record<string, string>>;
  readonly flags: readonly string[];
}

/** Whichever of the two is asked. Ends with the tests. */
async function start(started: Started): Promise<typeof ports> {
  if (daprd !== undefined) return startDaprd(daprd, started);
  const sidecar = await startSidecar({ machine, ...started });
  closers.push(() => sidecar.stop());
  return { http: sidecar.httpPort, grpc: sidecar.grpcPort };
}

async function startDaprd(program: string, { appId, appPort, resources, flags }: Started): Promise<typeof ports> {
  const folder = join(machine.directory, `resources-${appId}`);
  mkdirSync(folder);
  for (const [name, yaml] of Object.entries(resources)) writeFileSync(join(folder, name), yaml);
  const [http, grpc, metrics] = [await freePort(), await freePort(), await freePort()];
  const own = ['--app-id', appId, ...(appPort === undefined ? [] : ['--app-port', appPort]), '--resources-path', folder];
  const control = ['--placement-host-address', '', '--scheduler-host-address', ''];
  const api = ['--dapr-http-port', http, '--dapr-grpc-port', grpc, '--metrics-port', metrics];
  const child: ChildProcess = spawn(program, [...own, ...control, ...api, ...flags], { stdio: 'ignore' });
  closers.push(() => child.kill());
  await eventually(
    async () => (await fetch(`http://127.0.0.1:${http}/v1.0/healthz/outbound`).catch(() => undefined))?.status === 204,
    'daprd answers',
  );
  return { http, grpc };
}

describe('answers of daprd, over HTTP', () => {
  it.each(httpAnswers)('$what', async ({ path, method = 'GET', headers = {}, body, status, json, told = {}, without = [] }) => {
    const sent = body === undefined ? {} : { body };
    const answer = await get(path, {
      method,
      headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
      ...sent,
    });
    expect(answer.status).toBe(status);
    for (const [name, value] of Object.entries(told)) expect(answer.headers.get(name)).toMatch(value);
    for (const name of without) expect(answer.headers.get(name)).toBeNull();
    if (json !== undefined) {
      const said = (await answer.json()) as { details?: { '@type': string }[] };
      // Their order says nothing.
      said.details?.sort((a, b) => (a['@type'] < b['@type'] ? -1 : 1)).splice(1);
      expect(said).toMatchObject(json as object);
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

it('a delivery in bulk says in its headers which pub/sub it comes from', async () => {
  const entries = [{ entryId: '1', event: {}, contentType: 'application/json' }];
  await get('/v1.0/publish/bulk/pubsub/many', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(entries),
  });
  await eventually(() => bulkSeen !== undefined, 'the entries are delivered');
  expect(bulkSeen?.['pubsubname']).toBe('pubsub');
});

it('a runtime without an app says how it would call one', async () => {
  const { http, grpc } = await start({ appId: 'alone', resources: {}, flags: ['--app-max-concurrency', '5'] });
  const { appConnectionProperties } = (await (await fetch(`http://127.0.0.1:${http}/v1.0/metadata`)).json()) as Record<string, unknown>;
  expect(appConnectionProperties).toEqual({ protocol: 'http', channelAddress: '127.0.0.1', maxConcurrency: 5 });
  const answer = await ask(grpc, 'GetMetadata', { input: GetMetadataRequestSchema, output: GetMetadataResponseSchema, message: {} });
  expect(answer.message?.appConnectionProperties).toMatchObject({ port: 0, channelAddress: '127.0.0.1', maxConcurrency: 5 });
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

  const metadata = (headers: Readonly<Record<string, string>>) =>
    ask(ports.grpc, 'GetMetadata', { input: GetMetadataRequestSchema, output: GetMetadataResponseSchema, message: {}, headers });

  it('a trace and its baggage go back to whoever sent them', async () => {
    const { headers } = await metadata({ traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', baggage: 'a=b' });
    expect(headers['baggage']).toBe('a=b');
    const told = headers['grpc-trace-bin'] as Buffer;
    expect(told.toString('hex')).toMatch(/^00000af7651916cd43dd8448eb211c80319c01[0-9a-f]{16}0201$/);
  });

  it('baggage that is none is refused', async () => {
    expect(await metadata({ baggage: '=;;' })).toMatchObject({ code: 'INVALID_ARGUMENT' });
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
