import * as grpc from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import { echoClient, refereeClient, refereeServer, refereeUnary, transport } from '../../test/fixtures/grpc-echo.ts';
import { createInvokeBlock } from '../blocks/invoke/index.ts';
import type { Endpoint } from '../contracts/resolver.ts';
import { ProaError } from '../kernel/errors.ts';
import { silentLogger } from '../kernel/log.ts';
import { EndpointGroup } from '../mesh/balance/endpoint-group.ts';
import { PolicyBook } from '../mesh/policy/book.ts';
import { nodePorts } from '../ports/node/index.ts';
import { loadYaml } from '../testing/simulator/governed-target.ts';
import { createGrpcServer } from '../wire/grpc/server.ts';
import { createGovern } from './govern.ts';
import { createProxy } from './grpc-proxy.ts';
import type { LocalApp } from './machine.ts';
import { createPassedTelemetry } from './passed-telemetry.ts';
import { createCallRecords } from '../telemetry/call-records.ts';
import { createMetricsRegistry } from '../telemetry/metrics-registry.ts';
import { createTracer, type FinishedSpan } from '../telemetry/tracing.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

type Unary = (call: grpc.ServerUnaryCall<string, string>, done: grpc.sendUnaryData<string>) => void;

const ports = nodePorts();
const policy = (settings: string): string =>
  `apiVersion: proa.dev/v1alpha1\nkind: Policy\nmetadata: { name: p }\nspec: { target: { app: orders }, ${settings} }\n`;
const unavailable = { code: grpc.status.UNAVAILABLE, details: 'not now' };
const calls = (name: string, seen: string[], answer: (message: string) => Partial<grpc.ServiceError> | string | undefined): Unary => {
  return (call, done) => {
    seen.push(name);
    const made = answer(call.request);
    if (typeof made === 'string') done(null, made);
    else if (made !== undefined) done(made);
  };
};

interface Instance {
  readonly handlers: grpc.UntypedServiceImplementation;
  readonly version?: string;
}

/** grpc-js client - proxy with the stack of `yaml` - instances of `orders` by grpc-js. */
async function rig(yaml: string, instances: Readonly<Record<string, Instance>>) {
  const local = new Map<string, LocalApp>();
  const endpoints: Endpoint[] = [];
  const caller = { appId: 'web', namespace: '' };
  for (const [instance, { handlers, version }] of Object.entries(instances)) {
    const { server, port } = await refereeServer(handlers);
    const target = echoClient({ address: { host: '127.0.0.1', port } });
    closers.push(
      () => server.forceShutdown(),
      () => target.close(),
    );
    const proxy: LocalApp['proxy'] = (headers, _caller, handlersOfCall) => target.raw(withoutScheme(headers), handlersOfCall);
    local.set(instance, { proxy } as LocalApp);
    endpoints.push({ appId: 'orders', namespace: '', instance, local: { path: instance }, ...(version !== undefined && { version }) });
  }
  const loaded = await loadYaml(yaml);
  const spans: FinishedSpan[] = [];
  const lines: string[] = [];
  const records = createCallRecords();
  const metrics = createMetricsRegistry({});
  const tracer = createTracer({ ...ports, samplingRate: 0, export: (span) => spans.push(span) });
  const none = () => Promise.reject(new ProaError('unavailable', 'not here'));
  const govern = createGovern({
    ...ports,
    metrics,
    tracer,
    namespace: '',
    accessControl: () => undefined,
    book: new PolicyBook(loaded.policies),
    engine: { now: () => 0, get: none, commit: none },
    http: { request: none, close: () => Promise.resolve() },
    log: silentLogger,
    origins: loaded.configuration.origins,
    appId: 'web',
    records,
    invoke: (call) => invoke.call(call),
  });
  const invoke = createInvokeBlock(
    { ports, log: silentLogger, metrics, ...caller, govern },
    {
      resolver: {
        resolve: (appId) => Promise.resolve({ endpoints: appId === 'orders' ? endpoints : [], source: 'test' }),
        onChange: () => () => {},
        close: () => Promise.resolve(),
      },
      balance: (appId) => new EndpointGroup({ ...ports, appId, zone: '' }),
      peers: { send: none },
      external: { send: none },
      channel: () => undefined,
      httpEndpoints: () => new Map(),
      hostAddress: '127.0.0.1',
    },
  );
  const apiLog = ({ method, code }: { readonly method: string; readonly code: string }) => void lines.push(`${method} ${code}`);
  const telemetry = createPassedTelemetry({ ...ports, tracer, metrics, apiLog });
  const peers = { links: () => Promise.reject(new Error('not used here')) } as never;
  const server = await createGrpcServer({
    clock: ports.clock,
    transport,
    address: { host: '127.0.0.1', port: 0 },
    methods: [],
    onUnknown: createProxy(ports, { local, peers, invoke: invoke.call, telemetry }, caller),
  });
  const client = refereeClient((server.address as { port: number }).port, { 'grpc.max_receive_message_length': -1 });
  closers.push(
    () => invoke.close(),
    () => server.close(0),
    () => client.close(),
  );
  const metadata = new grpc.Metadata();
  metadata.set('dapr-app-id', 'orders');
  const unary = (
    message: string,
    more: { readonly key?: string; readonly timeoutMs?: number; readonly app?: string; readonly trace?: string } = {},
  ) => {
    const own = metadata.clone();
    if (more.trace !== undefined) own.set('traceparent', more.trace);
    if (more.key !== undefined) own.set('idempotency-key', more.key);
    if (more.app !== undefined) own.set('dapr-app-id', more.app);
    return refereeUnary(client, message, {
      metadata: own,
      options: more.timeoutMs === undefined ? {} : { deadline: Date.now() + more.timeoutMs },
    });
  };
  // Of one family of metrics: what each line says, sums of histograms in place of their buckets.
  const counted = (family: string): string[] =>
    metrics
      .print('prometheus')
      .split('\n')
      .filter((line) => line.startsWith(family) && !/_bucket|_count\{/.test(line));
  return { client, metadata, unary, spans, lines, records, counted };
}

function withoutScheme(headers: readonly string[]): string[] {
  const kept: string[] = [];
  for (let i = 0; i < headers.length; i += 2)
    if (headers[i] !== ':scheme' && headers[i] !== 'dapr-app-id') kept.push(headers[i] as string, headers[i + 1] as string);
  return kept;
}

describe('a transparently proxied gRPC call', () => {
  it('is repeated at another endpoint before an answer begins, with all that was sent, when it may happen twice', async () => {
    const seen: string[] = [];
    const { unary } = await rig(policy('retry: { maxRetries: 3, backoff: { initial: 1ms } }'), {
      a: { handlers: { Unary: calls('a', seen, () => unavailable) } },
      b: { handlers: { Unary: calls('b', seen, (message) => message) } },
    });
    const large = 'm'.repeat(40_000);
    for (let i = 0; i < 20; i++) expect((await unary(large, { key: String(i) })).reply).toBe(large);
    expect(seen).toContain('a');
    expect(seen.filter((name) => name === 'b')).toHaveLength(20);
    seen.length = 0;
    const once = await Promise.all(Array.from({ length: 20 }, () => unary('x')));
    expect(seen).toHaveLength(20);
    for (const { error } of once.filter(({ reply }) => reply === undefined)) expect(error).toMatchObject(unavailable);
  });

  it('is not repeated when more was sent than is kept', async () => {
    const seen: string[] = [];
    const { unary } = await rig(policy('retry: { maxRetries: 3, backoff: { initial: 1ms } }'), {
      a: { handlers: { Unary: calls('a', seen, () => unavailable) } },
    });
    expect((await unary('m'.repeat(200_000), { key: '1' })).error).toMatchObject(unavailable);
    expect(seen).toEqual(['a']);
  });

  it('opens the breaker of an endpoint that fails, and of all of them', async () => {
    const seen: string[] = [];
    const yaml = policy('breaker: { consecutive: 3, open: 60s, maxOpen: 60s }');
    const { unary } = await rig(yaml, {
      a: { handlers: { Unary: calls('a', seen, () => unavailable) } },
      b: { handlers: { Unary: calls('b', seen, (message) => (message === 'bad' ? { code: grpc.status.INTERNAL } : message)) } },
    });
    for (let i = 0; i < 40; i++) await unary('x');
    expect(seen.filter((name) => name === 'a').length).toBeLessThanOrEqual(3);
    for (let i = 0; i < 10; i++) await unary('bad');
    seen.length = 0;
    const { error } = await unary('x');
    expect(error).toMatchObject({ code: grpc.status.UNAVAILABLE });
    expect(error?.details).toContain('circuit breakers of all of its 2 instances are open');
    expect(seen).toEqual([]);
  });

  it('ends at the deadline of a policy, and tells the app how much time there is', async () => {
    const left: number[] = [];
    const cancelled: string[] = [];
    const { unary } = await rig(policy('deadline: 300ms'), {
      a: {
        handlers: {
          Unary(call: grpc.ServerUnaryCall<string, string>) {
            left.push(Number(call.getDeadline()) - Date.now());
            call.on('cancelled', () => cancelled.push(call.request));
          },
        },
      },
    });
    // On a busy machine it may be over before the app is reached, which then hears of nothing.
    do {
      const { error } = await unary('hang', { timeoutMs: 60_000 });
      expect(error).toMatchObject({ code: grpc.status.DEADLINE_EXCEEDED });
      // The app knows the deadline too, and may be the first to give up.
      expect(error?.details).toMatch(/the deadline of the call to app "orders" passed|^Deadline exceeded$/);
      await new Promise((resolve) => setTimeout(resolve, 20));
    } while (cancelled.length === 0);
    for (const leftMs of left) expect(leftMs).toBeLessThanOrEqual(1_000);
    expect(new Set(cancelled)).toEqual(new Set(['hang']));
  });

  it('goes to the version that a split names', async () => {
    const seen: string[] = [];
    const yaml = policy('split: { targets: [{ version: v1, weight: 0 }, { version: v2, weight: 1 }] }');
    const { unary } = await rig(yaml, {
      a: { version: 'v1', handlers: { Unary: calls('a', seen, (message) => message) } },
      b: { version: 'v2', handlers: { Unary: calls('b', seen, (message) => message) } },
    });
    for (let i = 0; i < 10; i++) expect((await unary('x')).reply).toBe('x');
    expect(seen).toEqual(Array.from({ length: 10 }, () => 'b'));
  });

  it('gets a status of its kind for a fault, for an app that nobody has, and for what breaks off', async () => {
    const faulty = await rig(policy('fault: { abort: { status: 503 } }'), { a: { handlers: {} } });
    expect((await faulty.unary('x')).error?.details).toContain('a policy answered with status 503 in place of app "orders"');
    expect((await faulty.unary('x', { app: 'nobody' })).error).toMatchObject({ code: grpc.status.UNAVAILABLE });
    expect((await faulty.unary('x', { app: 'http://example.com' })).error).toMatchObject({ code: grpc.status.UNIMPLEMENTED });
  });

  it('streams both ways through retries and hedges with more than is kept', async () => {
    const { client, metadata } = await rig(policy('retry: {}, deadline: 60s'), { a: { handlers: {} } });
    const got = await new Promise<string>((resolve, reject) => {
      const call = client.makeClientStreamRequest(
        '/test.Echo/Sum',
        (value: string) => Buffer.from(value),
        (bytes: Buffer) => bytes.toString(),
        metadata,
        (error, reply) => (error === null ? resolve(reply as string) : reject(error)),
      );
      for (let i = 0; i < 300; i++) call.write('x'.repeat(10_000));
      call.end();
    });
    expect(got).toBe('300 3000000');
    let bytes = 0;
    await new Promise<void>((resolve, reject) => {
      const call = client.makeServerStreamRequest(
        '/test.Echo/Many',
        (value: string) => Buffer.from(value),
        (chunk: Buffer) => chunk.toString(),
        '300 10000',
        metadata,
      );
      call.on('data', (message: string) => (bytes += message.length));
      call.on('error', reject);
      call.on('end', resolve);
    });
    expect(bytes).toBe(3_000_000);
  });

  describe('is told on the calling side', () => {
    const traceId = '0af7651916cd43dd8448eb211c80319c';
    const trace = (flags: string): string => `00-${traceId}-b7ad6b7169203331-${flags}`;

    it('by a span that the app sees as its parent, a record, metrics with the bytes of messages, and a line', async () => {
      const parents: string[] = [];
      const { unary, spans, lines, records, counted } = await rig('', {
        a: {
          handlers: {
            Unary(call: grpc.ServerUnaryCall<string, string>, done: grpc.sendUnaryData<string>) {
              parents.push(String(call.metadata.get('traceparent')));
              done(null, 'four');
            },
          },
        },
      });
      expect((await unary('12', { trace: trace('01') })).reply).toBe('four');
      await expect.poll(() => spans).toHaveLength(1);
      const [span] = spans as [FinishedSpan];
      expect(span).toMatchObject({
        traceId,
        parentSpanId: 'b7ad6b7169203331',
        name: 'CallLocal/orders/test.Echo/Unary',
        kind: 'server',
        ok: true,
      });
      expect(Object.fromEntries(span.attributes)).toMatchObject({
        'rpc.system': 'grpc',
        'dapr.api': '/test.Echo/Unary',
        'dapr.status_code': 0,
      });
      expect(parents).toEqual([`00-${traceId}-${span.spanId}-01`]);
      expect(records.find(traceId)).toMatchObject([
        { side: 'outbound', target: 'orders', ok: true, status: 200, attempts: [{ number: 0 }] },
      ]);
      expect(lines).toEqual(['/test.Echo/Unary OK']);
      const method = 'grpc_client_method="/test.Echo/Unary"';
      expect(counted('dapr_grpc_io_client_completed')).toEqual([expect.stringMatching(`${method},grpc_client_status="OK".* 1$`)]);
      expect(counted('dapr_grpc_io_client_sent')).toEqual([expect.stringMatching(`${method}.* 2$`)]);
      expect(counted('dapr_grpc_io_client_received')).toEqual([expect.stringMatching(`${method}.* 4$`)]);
      expect(counted('dapr_grpc_io_server_completed')).toEqual([expect.stringMatching('"/test.Echo/Unary",grpc_server_status="OK".* 1$')]);
      expect(counted('dapr_grpc_io_server_received')).toEqual([expect.stringMatching(' 2$')]);
      expect(counted('dapr_grpc_io_server_sent')).toEqual([expect.stringMatching(' 4$')]);
    });

    it('attempt by attempt, with what each sent', async () => {
      const { unary, records, counted, spans } = await rig(policy('retry: { maxRetries: 1, backoff: { initial: 1ms } }'), {
        a: { handlers: { Unary: calls('a', [], () => unavailable) } },
      });
      expect((await unary('123', { key: '1', trace: trace('00') })).error).toMatchObject(unavailable);
      await expect.poll(() => counted('dapr_grpc_io_server_completed')).toEqual([expect.stringMatching('status="UNAVAILABLE".* 1$')]);
      expect(counted('dapr_grpc_io_client_completed')).toEqual([expect.stringMatching('status="UNAVAILABLE".* 2$')]);
      expect(counted('dapr_grpc_io_client_sent')).toEqual([expect.stringMatching(' 6$')]);
      expect(records.find(traceId)).toMatchObject([{ ok: false, status: 503, flags: ['failed', 'retried'] }]);
      expect(spans).toEqual([]);
    });

    it('when a caller gives up, when nobody is there, and when a trace is not recorded, which goes on as it came', async () => {
      const parents: string[] = [];
      const { unary, lines, records } = await rig('', {
        a: {
          handlers: {
            Unary(call: grpc.ServerUnaryCall<string, string>, done: grpc.sendUnaryData<string>) {
              parents.push(String(call.metadata.get('traceparent')));
              if (call.request !== 'hang') done(null, 'x');
            },
          },
        },
      });
      await unary('x', { trace: trace('00') });
      expect(parents).toEqual([trace('00')]);
      expect(records.find(traceId)).toEqual([]);
      await unary('x', { app: 'nobody', trace: trace('00') });
      // Long enough to get to the app on a busy machine.
      await unary('hang', { timeoutMs: 2_000, trace: trace('00') });
      await expect.poll(() => lines).toHaveLength(3);
      expect(lines[1]).toBe('/test.Echo/Unary UNAVAILABLE');
      expect(lines[2]).toMatch(/^\/test\.Echo\/Unary (CANCELLED|DEADLINE_EXCEEDED)$/);
      expect(records.find(traceId)).toMatchObject([
        { target: 'nobody', ok: false },
        { target: 'orders', ok: false },
      ]);
    });
  });
});
