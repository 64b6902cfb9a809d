import { spawn } from 'node:child_process';
import { statSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { Client, credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { GetMetadataRequestSchema, GetMetadataResponseSchema } from '../../src/gen/dapr/proto/runtime/v1/metadata_pb.ts';
import { GetStateRequestSchema, SaveStateRequestSchema } from '../../src/gen/dapr/proto/runtime/v1/state_pb.ts';
import { component, createMachine, eventually, freePort, startSidecar, type TestMachine, type TestSidecar } from '../compat/sidecar.ts';
import { startApp } from './test-app.ts';

// What the APIs let in, where they listen, and what they tell: tokens over both protocols, sockets, the public port, browsers, allow and deny
// lists, metadata, metrics.
const program = fileURLToPath(new URL('../../dist/bin/proa.cjs', import.meta.url));
let machine: TestMachine;
const sidecars: TestSidecar[] = [];

beforeAll(() => {
  machine = createMachine();
});
afterEach(async () => {
  for (const sidecar of sidecars.splice(0)) expect(await sidecar.stop()).toBe(0);
});
afterAll(() => machine.remove());

async function start(options: Omit<Parameters<typeof startSidecar>[0], 'machine'>): Promise<TestSidecar> {
  const sidecar = await startSidecar({ machine, ...options });
  sidecars.push(sidecar);
  return sidecar;
}

function configuration(name: string, spec: string): string {
  const folder = join(machine.directory, 'configurations');
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${name}.yaml`);
  writeFileSync(file, `apiVersion: dapr.io/v1alpha1\nkind: Configuration\nmetadata: { name: ${name} }\nspec:\n${spec}`);
  return file;
}

/** One unary call; answers the status code and the message. */
function call(
  target: string,
  method: string,
  bytes: Uint8Array,
  metadata: Readonly<Record<string, string>> = {},
): Promise<[number, string]> {
  return callBytes(target, method, bytes, metadata).then(({ code, message }) => [code, message]);
}

function callBytes(
  target: string,
  method: string,
  bytes: Uint8Array,
  metadata: Readonly<Record<string, string>> = {},
): Promise<{ code: number; message: string; bytes: Buffer }> {
  const client = new Client(target, credentials.createInsecure());
  const sent = new Metadata();
  for (const [key, value] of Object.entries(metadata)) sent.set(key, value);
  return new Promise((resolve) => {
    const same = (buffer: Buffer): Buffer => buffer;
    const done = (error: ServiceError | null, answer?: Buffer): void => {
      client.close();
      resolve({ code: error?.code ?? 0, message: error?.details ?? '', bytes: answer ?? Buffer.alloc(0) });
    };
    client.makeUnaryRequest(
      `/dapr.proto.runtime.v1.Dapr/${method}`,
      same,
      same,
      Buffer.from(bytes),
      sent,
      { deadline: Date.now() + 30_000 },
      done,
    );
  });
}

const getMetadata = toBinary(GetMetadataRequestSchema, create(GetMetadataRequestSchema, {}));
const getState = toBinary(GetStateRequestSchema, create(GetStateRequestSchema, { storeName: 'store', key: 'k' }));
const saveState = toBinary(
  SaveStateRequestSchema,
  create(SaveStateRequestSchema, { storeName: 'store', states: [{ key: 'k', value: Buffer.from('1') }] }),
);

describe('the API token', () => {
  it('is asked for over gRPC, too, but not by health; two may hold at once', async () => {
    const sidecar = await start({ appId: 'guarded', env: { DAPR_API_TOKEN: 'old, new' } });
    const target = `127.0.0.1:${sidecar.grpcPort}`;
    expect(await call(target, 'GetMetadata', getMetadata)).toEqual([16, 'missing api token in request metadata']);
    const wrong = await call(target, 'GetMetadata', getMetadata, { 'dapr-api-token': 'olds' });
    expect(wrong).toEqual([16, 'authentication error: api token mismatch']);
    for (const token of ['old', 'new']) expect((await call(target, 'GetMetadata', getMetadata, { 'dapr-api-token': token }))[0]).toBe(0);
    // What is no method of ours is not told apart without a token.
    expect((await call(target, 'Nope', getMetadata))[0]).toBe(16);
    for (const token of ['old', 'new'])
      expect((await sidecar.get('/v1.0/metadata', { headers: { 'dapr-api-token': token } })).status).toBe(200);
    for (const path of [
      '/v1.0/metadata',
      '//v1.0//metadata',
      '/v1.0/healthz/../metadata',
      '/v1.0/metadata?x=/v1.0/healthz',
      '/v1.0/invoke/guarded/method/v1.0/healthz',
    ])
      expect([path, (await sidecar.get(path)).status]).toEqual([path, 401]);
    expect((await sidecar.get('/v1.0/healthz')).status).toBe(204);
    expect((await sidecar.get('/v1.0/healthz/outbound')).status).toBe(204);
  });
});

describe('where the APIs listen', () => {
  it('a directory of Unix sockets in place of ports, which nobody else may open', async () => {
    const folder = join(machine.directory, 's');
    mkdirSync(folder);
    const env = { ...process.env, PROA_DATA_DIR: join(machine.directory, 'data') };
    const flags = ['--app-id', 'sockets', '--unix-domain-socket', folder, '--metrics-port', await freePort()];
    let printed = '';
    const begin = () => {
      const begun = spawn(process.execPath, [program, 'sidecar', ...flags], { env, stdio: ['ignore', 'pipe', 'pipe'] });
      for (const stream of [begun.stdout, begun.stderr]) stream.on('data', (chunk: Buffer) => (printed += chunk.toString()));
      return begun;
    };
    let child = begin();
    const http = join(folder, 'dapr-sockets-http.socket');
    const grpc = join(folder, 'dapr-sockets-grpc.socket');
    const status = (path: string): Promise<number> =>
      new Promise((resolve) => {
        httpRequest({ socketPath: http, path }, (answer) => resolve(answer.resume().statusCode ?? 0))
          .on('error', () => resolve(0))
          .end();
      });
    await eventually(async () => (await status('/v1.0/healthz')) === 204, `the socket answers: ${printed}`);
    expect(await status('/v1.0/metadata')).toBe(200);
    expect((await call(`unix:${grpc}`, 'GetMetadata', getMetadata))[0]).toBe(0);
    for (const path of [http, grpc]) expect(statSync(path).mode & 0o777).toBe(0o600);
    // A killed process leaves its sockets; the next one takes their place.
    const killed = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await killed;
    child = begin();
    await eventually(async () => (await status('/v1.0/healthz')) === 204, `the socket answers again: ${printed}`);
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
  });

  it('a public port with health and metadata alone, without a token', async () => {
    const port = await freePort();
    const sidecar = await start({ appId: 'public', flags: ['--dapr-public-port', port], env: { DAPR_API_TOKEN: 'token' } });
    const status = async (path: string, init?: RequestInit): Promise<number> =>
      (await fetch(`http://127.0.0.1:${port}${path}`, init)).status;
    expect(await status('/v1.0/healthz')).toBe(204);
    expect(await status('/v1.0/metadata')).toBe(200);
    expect(await status('/v1.0/metadata/key', { method: 'PUT', body: 'x' })).toBe(404);
    expect(await status('/v1.0/state/statestore/k')).toBe(404);
    expect(await status('/v1.0/invoke/public/method/m')).toBe(404);
    expect(await status('/v1.0/shutdown', { method: 'POST' })).toBe(404);
    expect((await sidecar.get('/v1.0/metadata')).status).toBe(401);
  });
});

describe('browsers', () => {
  const origin = 'https://shop.example';
  const preflight = (sidecar: TestSidecar): Promise<Response> =>
    sidecar.get('/v1.0/state/statestore', { method: 'OPTIONS', headers: { origin, 'access-control-request-method': 'POST' } });

  it('are told nothing unless their origin is allowed', async () => {
    const closed = await start({ appId: 'closed' });
    expect((await closed.get('/v1.0/metadata', { headers: { origin } })).headers.get('access-control-allow-origin')).toBeNull();
    expect((await preflight(closed)).headers.get('access-control-allow-origin')).toBeNull();
    const open = await start({ appId: 'open', flags: ['--allowed-origins', `https://other.example,${origin}`] });
    const answer = await open.get('/v1.0/metadata', { headers: { origin } });
    expect([answer.headers.get('access-control-allow-origin'), answer.headers.get('vary')]).toEqual([origin, 'Origin']);
    const asked = await preflight(open);
    expect([asked.status, asked.headers.get('access-control-allow-methods')]).toEqual([204, expect.stringContaining('POST')]);
    const stranger = await open.get('/v1.0/metadata', { headers: { origin: 'https://evil.example' } });
    expect(stranger.headers.get('access-control-allow-origin')).toBeNull();
  });
});

describe('spec.api', () => {
  const store = { 's.yaml': component('store', 'state.in-memory'), 'p.yaml': component('pubsub', 'pubsub.in-memory') };
  const http = async (sidecar: TestSidecar, path: string, init?: RequestInit): Promise<unknown> => {
    const answer = await sidecar.get(path, init);
    const text = await answer.text();
    return answer.status === 404 ? (JSON.parse(text) as { errorCode: string }).errorCode : answer.status;
  };
  const publish = { method: 'POST', body: '1' };

  it('lets nothing through but what is allowed', async () => {
    const rules =
      '    allowed:\n      - { name: state, version: v1.0, protocol: http }\n      - { name: state, version: v1, protocol: grpc }\n';
    const sidecar = await start({ appId: 'allowed', resources: store, flags: ['--config', configuration('allowed', `  api:\n${rules}`)] });
    expect(await http(sidecar, '/v1.0/state/store/k')).toBe(204);
    expect(await http(sidecar, '/v1.0/publish/pubsub/t', publish)).toBe('ERR_DIRECT_INVOKE');
    expect(await http(sidecar, '/v1.0-alpha1/state/store/query', { method: 'POST', body: '{}' })).toBe('ERR_DIRECT_INVOKE');
    expect(await http(sidecar, '/v1.0/metadata')).toBe('ERR_DIRECT_INVOKE');
    expect(await http(sidecar, '/v1.0/invoke/allowed/method/m')).toBe('ERR_DIRECT_INVOKE');
    expect(await http(sidecar, '/v1.0/healthz')).toBe(204);
    const target = `127.0.0.1:${sidecar.grpcPort}`;
    expect((await call(target, 'GetState', getState))[0]).toBe(0);
    expect(await call(target, 'GetMetadata', getMetadata)).toEqual([12, 'requested endpoint is not available']);
    // Not even for an app that would take it.
    expect((await call(target, 'GetMetadata', getMetadata, { 'dapr-app-id': 'allowed' }))[0]).toBe(12);
  });

  it('denies what it denies, whatever is allowed, and knows old rules that are the beginning of a path', async () => {
    const rules =
      '    allowed:\n      - { name: state, version: v1.0, protocol: http }\n      - { name: publish/bulk, version: v1.0, protocol: http }\n' +
      '    denied:\n      - { name: state, version: v1.0, protocol: http }\n      - { name: state, version: v1, protocol: grpc }\n';
    const sidecar = await start({ appId: 'denied', resources: store, flags: ['--config', configuration('denied', `  api:\n${rules}`)] });
    expect(await http(sidecar, '/v1.0/state/store/k')).toBe('ERR_DIRECT_INVOKE');
    expect(await http(sidecar, '/v1.0/publish/bulk/pubsub/t', { method: 'POST', body: '[]' })).toBe(204);
    expect(await http(sidecar, '/v1.0/publish/pubsub/t', publish)).toBe('ERR_DIRECT_INVOKE');
    const target = `127.0.0.1:${sidecar.grpcPort}`;
    expect((await call(target, 'SaveState', saveState))[0]).toBe(12);
    expect((await call(target, 'GetMetadata', getMetadata))[0]).toBe(0);
  });
});

describe('what the runtime tells', () => {
  it('names its resiliencies and endpoints over both protocols', async () => {
    const resiliency = 'apiVersion: dapr.io/v1alpha1\nkind: Resiliency\nmetadata: { name: calm }\nspec: { policies: {}, targets: {} }\n';
    const endpoint = 'apiVersion: dapr.io/v1alpha1\nkind: HTTPEndpoint\nmetadata: { name: web }\nspec: { baseUrl: "http://127.0.0.1:1" }\n';
    const sidecar = await start({ appId: 'tells', resources: { 'r.yaml': resiliency, 'e.yaml': endpoint } });
    const told = (await (await sidecar.get('/v1.0/metadata')).json()) as Record<string, unknown>;
    expect(told).toMatchObject({
      resiliencies: [{ name: 'calm' }],
      httpEndpoints: [{ name: 'web' }],
      actorRuntime: { runtimeStatus: 'DISABLED' },
    });
    const { bytes } = await callBytes(`127.0.0.1:${sidecar.grpcPort}`, 'GetMetadata', getMetadata);
    const grpc = fromBinary(GetMetadataResponseSchema, bytes);
    expect([grpc.resiliencies.map(({ name }) => name), grpc.httpEndpoints.map(({ name }) => name)]).toEqual([['calm'], ['web']]);
  });

  it('sends the statuses of an HTTP target beside the error of its binding', async () => {
    const target = createServer((_request, response) => response.writeHead(418, { 'x-tea': 'green' }).end('short and stout'));
    await new Promise<void>((resolve) => target.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(target.address() as AddressInfo).port}/`;
    const sidecar = await start({ appId: 'binds', resources: { 'b.yaml': component('web', 'bindings.http', { url }) } });
    const answer = await sidecar.get('/v1.0/bindings/web', { method: 'POST', body: '{"operation":"get"}' });
    expect([answer.status, await answer.text()]).toEqual([500, expect.stringContaining('ERR_INVOKE_OUTPUT_BINDING')]);
    expect([answer.headers.get('metadata.statuscode'), answer.headers.get('metadata.x-tea')]).toEqual(['418', 'green']);
    target.close();
  });

  it('refuses link-local and metadata addresses however they are spelled', async () => {
    const endpoint =
      'apiVersion: dapr.io/v1alpha1\nkind: HTTPEndpoint\nmetadata: { name: cloud }\nspec: { baseUrl: "http://169.254.169.254" }\n';
    const sidecar = await start({ appId: 'egress', resources: { 'e.yaml': endpoint } });
    for (const host of [
      'cloud',
      'http://169.254.169.254',
      'http://2852039166',
      'http://0xa9fea9fe',
      'http://[::ffff:169.254.169.254]',
      'http://[fe80::1]',
    ]) {
      const answer = await sidecar.get(`/v1.0/invoke/${encodeURIComponent(host)}/method/latest`);
      expect([host, answer.status, await answer.text()]).toEqual([host, 500, expect.stringContaining('is not called')]);
    }
  });

  it('measures as the Configuration wants it', async () => {
    const app = await startApp(({ path }) => (path.startsWith('/dapr') ? undefined : {}));
    const spec = [
      '  metrics:',
      '    recordErrorCodes: true',
      '    latencyDistributionBuckets: [5, 500]',
      '    http: { increasedCardinality: false, excludeVerbs: true, pathMatching: ["/v1.0/invoke/measured/method/orders/{id}", "/orders/{id}"] }',
      '    rules:',
      '      - name: dapr_component_state_count',
      '        labels: [{ name: component, regex: { "some": "^sto.*$" } }]',
      '',
    ].join('\n');
    const sidecar = await start({
      appId: 'measured',
      appPort: app.port,
      resources: { 's.yaml': component('store', 'state.in-memory') },
      flags: ['--config', configuration('measured', spec)],
    });
    await sidecar.ready();
    for (let id = 0; id < 3; id++) await sidecar.get(`/v1.0/invoke/measured/method/orders/${id}`);
    await sidecar.get('/v1.0/state/store/k');
    await sidecar.get('/v1.0/state/nope/k');
    expect((await call(`127.0.0.1:${sidecar.grpcPort}`, 'GetState', new Uint8Array(0)))[0]).toBe(3);
    const told = async (): Promise<string> => (await fetch(`http://127.0.0.1:${sidecar.metricsPort}/metrics`)).text();
    // The last of them to be counted.
    const errors = 'dapr_error_code_total{app_id="measured",error_code="ERR_STATE_STORE_NOT_FOUND",category="state"} 2';
    await expect.poll(told, { timeout: 60_000 }).toContain(errors);
    const metrics = await told();
    expect(metrics).toContain(
      'dapr_http_server_request_count{app_id="measured",path="/v1.0/invoke/measured/method/orders/{id}",status="200"} 3',
    );
    expect(metrics).not.toMatch(/dapr_http_server_request_count\{[^}]*(method=|orders\/0)/);
    expect(metrics).not.toContain('dapr_http_server_response_count');
    expect(metrics).toContain('dapr_http_client_completed_count{app_id="measured",path="/orders/{id}",status="200"} 3');
    expect(metrics).toMatch(/dapr_http_server_response_bytes_count\{app_id="measured"\} \d+/);
    expect(metrics).toMatch(/dapr_http_server_latency_bucket\{[^}]*le="500"\}/);
    expect(metrics).not.toMatch(/dapr_http_server_latency_bucket\{[^}]*le="1000"\}/);
    expect(metrics).toMatch(/dapr_component_state_count\{[^}]*component="some"[^}]*\} 1/);
    expect(metrics).toMatch(/dapr_runtime_component_loaded\{app_id="measured"\} \d+/);
    await app.close();
  });

  it('measures nothing when that is wanted, and refuses a pattern that it does not know', async () => {
    const quiet = await start({ appId: 'quiet', flags: ['--config', configuration('quiet', '  metrics: { enabled: false }\n')] });
    await expect(fetch(`http://127.0.0.1:${quiet.metricsPort}/metrics`)).rejects.toThrow();
    const rules = '  metrics: { rules: [{ name: dapr_x, labels: [{ name: a, regex: { b: "(?=c)" } }] }] }\n';
    await expect(start({ appId: 'wrong', flags: ['--config', configuration('wrong', rules)] })).rejects.toThrow(
      /spec\.metrics\.rules, metric dapr_x/,
    );
  });

  it('logs calls over both protocols when asked, and gives a valid baggage back', async () => {
    const sidecar = await start({ appId: 'logs', flags: ['--enable-api-logging'] });
    const answer = await sidecar.get('/v1.0/metadata', { headers: { baggage: 'a=1' } });
    expect([answer.headers.get('baggage'), answer.headers.get('traceparent')]).toEqual(['a=1', expect.stringMatching(/^00-/)]);
    await call(`127.0.0.1:${sidecar.grpcPort}`, 'GetMetadata', getMetadata);
    await eventually(() => /gRPC API Called.*GetMetadata/.test(sidecar.output()), 'the gRPC call is logged');
    await eventually(() => /HTTP API Called.*GET \/v1\.0\/metadata/.test(sidecar.output()), 'and so is the one over HTTP');
  });
});
