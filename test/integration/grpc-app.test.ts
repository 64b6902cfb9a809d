import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { create, toBinary } from '@bufbuild/protobuf';
import { Client, credentials, Metadata, status } from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { InvokeServiceRequestSchema } from '../../src/gen/dapr/proto/runtime/v1/invoke_pb.ts';
import { PublishEventRequestSchema } from '../../src/gen/dapr/proto/runtime/v1/pubsub_pb.ts';
import { GetStateRequestSchema } from '../../src/gen/dapr/proto/runtime/v1/state_pb.ts';
import { component, createMachine, eventually, startSidecar, type TestMachine, type TestSidecar } from '../compat/sidecar.ts';
import { startGrpcApp, type GrpcTestApp, type GrpcTestAppOptions } from './test-grpc-app.ts';

// What hard places do to an app over gRPC: its health, and what the API lists leave of the gRPC API for it.
let machine: TestMachine;
const sidecars: TestSidecar[] = [];
const closers: (() => void)[] = [];

beforeAll(() => {
  machine = createMachine();
});
afterEach(async () => {
  for (const sidecar of sidecars.splice(0)) expect(await sidecar.stop()).toBe(0);
  for (const close of closers.splice(0)) close();
});
afterAll(() => machine.remove());

const resources = { 'p.yaml': component('pubsub', 'pubsub.proa'), 's.yaml': component('store', 'state.proa') };

async function pair(
  appId: string,
  options: GrpcTestAppOptions & { readonly flags?: readonly string[] },
): Promise<[GrpcTestApp, TestSidecar]> {
  const app = await startGrpcApp(options);
  closers.push(() => app.close());
  const { flags = [] } = options;
  const sidecar = await startSidecar({ machine, appId, appPort: app.port, appProtocol: 'grpc', resources, flags });
  sidecars.push(sidecar);
  return [app, sidecar];
}

function apiLists(name: string, rules: string): string {
  const folder = join(machine.directory, 'configurations');
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${name}.yaml`);
  writeFileSync(file, `apiVersion: dapr.io/v1alpha1\nkind: Configuration\nmetadata: { name: ${name} }\nspec:\n  api:\n${rules}`);
  return file;
}

/** One unary call of any service; answers the status code and the bytes. */
function call(sidecar: TestSidecar, path: string, request: Uint8Array, appId?: string): Promise<readonly [code: number, bytes: string]> {
  const client = new Client(`127.0.0.1:${sidecar.grpcPort}`, credentials.createInsecure());
  const metadata = new Metadata();
  if (appId !== undefined) metadata.set('dapr-app-id', appId);
  const same = (bytes: Buffer): Buffer => bytes;
  return new Promise((resolve) => {
    client.makeUnaryRequest(path, same, same, Buffer.from(request), metadata, (error, bytes) => {
      client.close();
      resolve([error?.code ?? 0, bytes?.toString() ?? '']);
    });
  });
}

const dapr = '/dapr.proto.runtime.v1.Dapr';
const value = Buffer.from('hello');
const invoke = (id: string): Uint8Array =>
  toBinary(InvokeServiceRequestSchema, create(InvokeServiceRequestSchema, { id, message: { method: 'greet', data: { value } } }));
const publish = (topic: string, data = 'hello'): Uint8Array =>
  toBinary(PublishEventRequestSchema, create(PublishEventRequestSchema, { pubsubName: 'pubsub', topic, data: Buffer.from(data) }));
const getState = toBinary(GetStateRequestSchema, create(GetStateRequestSchema, { storeName: 'store', key: 'k' }));
/** What the app got; an event may come twice. */
const eventsOf = (app: GrpcTestApp): ReadonlySet<string> =>
  new Set(app.received.flatMap(({ method, data }) => (method === 'OnTopicEvent' ? [data] : [])));
const unimplemented = 12;

describe('the health of an app over gRPC', () => {
  it('stops events and invocations at the threshold, and takes both up when the app is well again', async () => {
    let healthy = true;
    const probes = (): number => app.received.filter(({ method }) => method === 'HealthCheck').length;
    const flags = ['--enable-app-health-check', '--app-health-probe-interval', '1', '--app-health-probe-timeout', '900'];
    const [app, sidecar] = await pair('ill-grpc', {
      healthy: () => healthy,
      topics: ['health'],
      flags: [...flags, '--app-health-threshold', '2'],
    });
    await sidecar.ready();
    expect(await call(sidecar, `${dapr}/PublishEvent`, publish('health', 'one'))).toEqual([0, '']);
    await eventually(() => eventsOf(app).size === 1, 'the first event arrives');
    const wasUnhealthy = (): number => sidecar.output().split('the app is unhealthy').length;
    const before = wasUnhealthy();
    healthy = false;
    await eventually(() => wasUnhealthy() > before, 'two failures make it unhealthy');
    const seen = probes();
    await call(sidecar, `${dapr}/PublishEvent`, publish('health', 'two'));
    await eventually(() => probes() >= seen + 2, 'probes go on');
    expect(eventsOf(app).size).toBe(1);
    expect((await call(sidecar, `${dapr}/InvokeService`, invoke('ill-grpc')))[0]).toBe(status.INTERNAL);
    healthy = true;
    await eventually(() => eventsOf(app).size === 2, 'the event that waited arrives');
    expect((await call(sidecar, `${dapr}/InvokeService`, invoke('ill-grpc')))[0]).toBe(status.OK);
    const told = async (): Promise<string> => (await fetch(`http://127.0.0.1:${sidecar.metricsPort}/metrics`)).text();
    await expect
      .poll(told, { timeout: 60_000 })
      .toMatch(/dapr_grpc_io_healthprobes_completed_count\{app_id="ill-grpc",grpc_client_status="UNAVAILABLE"\} (?:[2-9]|\d\d)/);
    const metrics = await told();
    expect(metrics).toMatch(/dapr_grpc_io_healthprobes_roundtrip_latency_count\{app_id="ill-grpc",grpc_client_status="OK"\} [1-9]/);
    expect(metrics).not.toContain('grpc_client_method="/dapr.proto.runtime.v1.AppCallbackHealthCheck');
  });
});

it('a delivery in bulk says in its metadata which pub/sub it comes from', async () => {
  const [app, sidecar] = await pair('bulk-grpc', { bulkTopics: ['many'] });
  await sidecar.ready();
  expect(await call(sidecar, `${dapr}/PublishEvent`, publish('many'))).toEqual([0, '']);
  const deliveries = () => app.received.filter(({ method }) => method === 'OnBulkTopicEvent');
  await eventually(() => deliveries().length > 0, 'the event arrives');
  expect(deliveries()[0]).toMatchObject({ about: 'many', metadata: { pubsubname: 'pubsub' } });
});

describe('the API lists for an app over gRPC', () => {
  it('leave what is allowed, and the app its events and its own services', async () => {
    const rules = '    allowed:\n      - { name: publish, version: v1, protocol: grpc }\n';
    const [app, sidecar] = await pair('allowed-grpc', { topics: ['lists'], flags: ['--config', apiLists('allowed-grpc', rules)] });
    await eventually(() => app.received.some(({ method }) => method === 'ListTopicSubscriptions'), 'the app is asked what it wants');
    expect((await call(sidecar, `${dapr}/PublishEvent`, publish('lists')))[0]).toBe(0);
    await eventually(() => eventsOf(app).size === 1, 'the event arrives');
    for (const [method, request] of [
      ['GetState', getState],
      ['InvokeService', invoke('allowed-grpc')],
    ] as const) {
      expect([method, (await call(sidecar, `${dapr}/${method}`, request))[0]]).toEqual([method, unimplemented]);
      // Naming an app does not lead around the list.
      expect([method, (await call(sidecar, `${dapr}/${method}`, request, 'allowed-grpc'))[0]]).toEqual([method, unimplemented]);
    }
    expect(app.received.some(({ method }) => method === 'OnInvoke')).toBe(false);
    expect(await call(sidecar, '/test.Echo/Say', value, 'allowed-grpc')).toEqual([0, 'hello']);
    // Rules of one protocol say nothing of the other.
    expect((await sidecar.get('/v1.0/invoke/allowed-grpc/method/greet', { method: 'POST', body: 'x' })).status).toBe(200);
  });

  it('take what is denied, and only that', async () => {
    const rules =
      '    denied:\n      - { name: invoke, version: v1, protocol: grpc }\n      - { name: invoke, version: v1.0, protocol: http }\n';
    const [app, sidecar] = await pair('denied-grpc', { flags: ['--config', apiLists('denied-grpc', rules)] });
    await sidecar.ready();
    expect((await call(sidecar, `${dapr}/InvokeService`, invoke('denied-grpc')))[0]).toBe(unimplemented);
    expect((await sidecar.get('/v1.0/invoke/denied-grpc/method/greet', { method: 'POST', body: 'x' })).ok).toBe(false);
    expect(app.received.some(({ method }) => method === 'OnInvoke')).toBe(false);
    expect((await call(sidecar, `${dapr}/GetState`, getState))[0]).toBe(0);
  });
});
