import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Server, ServerCredentials, type UntypedServiceImplementation } from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { component, createMachine, eventually, startSidecar, type TestMachine, type TestSidecar } from '../compat/sidecar.ts';
import { startGrpcApp } from './test-grpc-app.ts';

// What the process tells of calls: spans over OTLP/gRPC to a collector on grpc-js, and the metrics of both protocols.
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

async function start(options: Omit<Parameters<typeof startSidecar>[0], 'machine'>): Promise<TestSidecar> {
  const sidecar = await startSidecar({ machine, ...options });
  sidecars.push(sidecar);
  return sidecar;
}

/** Takes exports; answers where it is, and everything that came as one text. */
async function collector(): Promise<{ port: number; text(): string }> {
  const parts: Buffer[] = [];
  const path = '/opentelemetry.proto.collector.trace.v1.TraceService/Export';
  const same = (bytes: Buffer): Buffer => bytes;
  const server = new Server();
  const shape = { path, requestStream: false, responseStream: false } as const;
  const codec = { requestSerialize: same, requestDeserialize: same, responseSerialize: same, responseDeserialize: same };
  const handlers = {
    Export: ({ request }: { request: Buffer }, answer: (error: null, reply: Buffer) => void) => {
      parts.push(request);
      answer(null, Buffer.alloc(0));
    },
  };
  server.addService({ Export: { ...shape, ...codec } }, handlers as unknown as UntypedServiceImplementation);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  closers.push(() => server.forceShutdown());
  return { port, text: () => Buffer.concat(parts).toString('latin1') };
}

function configuration(name: string, spec: string): string {
  const folder = join(machine.directory, 'configurations');
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${name}.yaml`);
  writeFileSync(file, `apiVersion: dapr.io/v1alpha1\nkind: Configuration\nmetadata: { name: ${name} }\nspec:\n${spec}`);
  return file;
}

const metricsOf = async (sidecar: TestSidecar): Promise<string> => (await fetch(`http://127.0.0.1:${sidecar.metricsPort}/metrics`)).text();

const patience = { timeout: 60_000 };

/** The value of the series of a metric whose labels hold all of `labels`. */
function valueOf(metrics: string, name: string, ...labels: string[]): number | undefined {
  const line = metrics.split('\n').find((each) => each.startsWith(`${name}{`) && labels.every((label) => each.includes(label)));
  return line === undefined ? undefined : Number(line.slice(line.lastIndexOf(' ') + 1));
}

describe('telemetry', () => {
  it('of a gRPC app: spans of both sides over OTLP/gRPC, counts and bytes of the calls into it', async () => {
    const spans = await collector();
    const app = await startGrpcApp({ topics: ['orders'] });
    closers.push(() => app.close());
    const otel = `otel: { endpointAddress: "127.0.0.1:${spans.port}", isSecure: false, protocol: grpc }`;
    const sidecar = await start({
      appId: 'traced',
      appPort: app.port,
      appProtocol: 'grpc',
      resources: { 'p.yaml': component('pubsub', 'pubsub.proa') },
      flags: ['--config', configuration('traced', `  tracing: { samplingRate: "1", ${otel} }\n`)],
    });
    await sidecar.ready();
    const invoked = await sidecar.get('/v1.0/invoke/traced/method/greet', { method: 'POST', body: 'x'.repeat(1_000) });
    expect(await invoked.text()).toHaveLength(1_000);
    const json = { 'content-type': 'application/json' };
    expect((await sidecar.get('/v1.0/publish/pubsub/orders', { method: 'POST', headers: json, body: '{}' })).status).toBe(204);
    await eventually(() => app.received.some(({ method }) => method === 'OnTopicEvent'), 'the event arrives');
    const wanted = [
      'POST /v1.0/invoke/traced/method/greet',
      'CallLocal/traced/greet',
      'dapr.invoke_method',
      'pubsub/orders',
      'net.peer.name',
    ];
    await eventually(() => wanted.every((text) => spans.text().includes(text)), 'the spans arrive');
    expect(sidecar.output()).not.toContain('spans cannot be exported');

    // The app's parent is the span of the call into it, which is not the one that the caller was told.
    const caller = invoked.headers.get('traceparent') as string;
    const seen = app.received.find(({ method }) => method === 'OnInvoke')?.metadata['traceparent'] as string;
    expect([seen.slice(0, 36), seen === caller, seen.endsWith('-01')]).toEqual([caller.slice(0, 36), false, true]);

    const onInvoke = 'grpc_client_method="/dapr.proto.runtime.v1.AppCallback/OnInvoke"';
    const onEvent = 'grpc_client_method="/dapr.proto.runtime.v1.AppCallback/OnTopicEvent"';
    const completed = 'dapr_grpc_io_client_completed_rpcs';
    await expect.poll(async () => valueOf(await metricsOf(sidecar), completed, onEvent, 'grpc_client_status="OK"'), patience).toBe(1);
    const metrics = await metricsOf(sidecar);
    expect(valueOf(metrics, completed, onInvoke, 'grpc_client_status="OK"')).toBe(1);
    expect(valueOf(metrics, 'dapr_grpc_io_client_roundtrip_latency_count', onInvoke)).toBe(1);
    for (const name of ['sent', 'received']) {
      expect(valueOf(metrics, `dapr_grpc_io_client_${name}_bytes_per_rpc_count`, onInvoke)).toBe(1);
      expect(valueOf(metrics, `dapr_grpc_io_client_${name}_bytes_per_rpc_sum`, onInvoke)).toBeGreaterThan(1_000);
    }
  });

  it('over HTTP: to Zipkin as the configuration says, to an OTLP collector as the environment says', async () => {
    const came = new Map<string, { contentType: string | undefined; text: string }>();
    const collecting = createServer((request, response) => {
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => {
        came.set(request.url ?? '', { contentType: request.headers['content-type'], text: Buffer.concat(parts).toString('latin1') });
        response.end();
      });
    });
    await new Promise<void>((resolve) => collecting.listen(0, '127.0.0.1', resolve));
    closers.push(() => collecting.close());
    const base = `http://127.0.0.1:${(collecting.address() as AddressInfo).port}`;
    const zipkin = `  tracing: { samplingRate: "1", zipkin: { endpointAddress: "${base}/api/v2/spans" } }\n`;
    const sidecar = await start({
      appId: 'told',
      flags: ['--config', configuration('told', zipkin)],
      env: { OTEL_EXPORTER_OTLP_ENDPOINT: base, OTEL_SERVICE_NAME: 'named' },
    });
    await sidecar.ready();
    await sidecar.get('/v1.0/metadata');
    await eventually(() => came.size === 2, 'both are told');
    expect(came.get('/v1/traces')).toMatchObject({
      contentType: 'application/x-protobuf',
      text: expect.stringContaining('named') as string,
    });
    const [span] = JSON.parse(came.get('/api/v2/spans')?.text ?? '[]') as { name: string; localEndpoint: unknown }[];
    expect(span).toMatchObject({ name: expect.stringContaining('/v1.0/') as string, localEndpoint: { serviceName: 'named' } });
    expect(sidecar.output()).not.toContain('spans cannot be exported');
  });

  it('of the gRPC API: bytes of every call, refused ones too', async () => {
    const sidecar = await start({ appId: 'answers' });
    const { Client, credentials } = await import('@grpc/grpc-js');
    const client = new Client(`127.0.0.1:${sidecar.grpcPort}`, credentials.createInsecure());
    closers.push(() => client.close());
    const ask = (method: string, request: Buffer): Promise<number> =>
      new Promise((resolve) => {
        const same = (bytes: Buffer): Buffer => bytes;
        client.makeUnaryRequest(`/dapr.proto.runtime.v1.Dapr/${method}`, same, same, request, (error) => resolve(error?.code ?? 0));
      });
    expect(await ask('GetMetadata', Buffer.alloc(0))).toBe(0);
    expect(await ask('GetState', Buffer.from([0x0a, 1, 0x78, 0x12, 1, 0x6b]))).not.toBe(0);
    const method = (name: string): string => `grpc_server_method="/dapr.proto.runtime.v1.Dapr/${name}"`;
    const refused = /grpc_io_server_completed_rpcs\{[^}]*GetState"[^}]*status="(INVALID_ARGUMENT|FAILED_PRECONDITION)"\} 1/;
    await expect.poll(() => metricsOf(sidecar), patience).toMatch(refused);
    const metrics = await metricsOf(sidecar);
    expect(valueOf(metrics, 'dapr_grpc_io_server_completed_rpcs', method('GetMetadata'), 'status="OK"')).toBe(1);
    expect(valueOf(metrics, 'dapr_grpc_io_server_sent_bytes_per_rpc_sum', method('GetMetadata'))).toBeGreaterThan(10);
    expect(valueOf(metrics, 'dapr_grpc_io_server_received_bytes_per_rpc_sum', method('GetState'))).toBe(6);
    expect(valueOf(metrics, 'dapr_grpc_io_server_sent_bytes_per_rpc_sum', method('GetState'))).toBe(0);
  });

  it('of invocations whose answers say no length', async () => {
    const app = createServer((_request, response) => {
      for (let i = 0; i < 5; i++) response.write(Buffer.alloc(1_000));
      response.end();
    });
    await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve));
    closers.push(() => app.close());
    const sidecar = await start({ appId: 'streams', appPort: String((app.address() as AddressInfo).port) });
    await sidecar.ready();
    const before = await metricsOf(sidecar);
    const answer = await sidecar.get('/v1.0/invoke/streams/method/long');
    expect([answer.headers.get('content-length'), (await answer.arrayBuffer()).byteLength]).toEqual([null, 5_000]);
    const grown = async (name: string): Promise<number> => (valueOf(await metricsOf(sidecar), name) ?? 0) - (valueOf(before, name) ?? 0);
    await eventually(async () => (await grown('dapr_http_client_received_bytes_sum')) === 5_000, 'the bytes of the app are counted');
    await eventually(async () => (await grown('dapr_http_server_response_bytes_sum')) === 5_000, 'and so are those to the caller');
  });
});
