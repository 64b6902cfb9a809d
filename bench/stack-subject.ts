// The default stack of an invocation without any socket: everything between the parsed request and the app channel, and back.
import { createAnswerer } from '../src/fronts/http/answer.ts';
import type { Dispatched } from '../src/fronts/http/dispatch.ts';
import { createKnownPaths } from '../src/fronts/http/known-path.ts';
import { createRouter } from '../src/fronts/http/router.ts';
import { apiRoutes } from '../src/fronts/http/routes/all.ts';
import { createFrontMetrics } from '../src/fronts/http/front-metrics.ts';
import { createInvokeBlock } from '../src/blocks/invoke/index.ts';
import type { Blocks } from '../src/blocks/runtime/index.ts';
import { createGovern } from '../src/host/govern.ts';
import { EndpointGroup } from '../src/mesh/balance/endpoint-group.ts';
import { loadResources } from '../src/host/config/load-resources.ts';
import { problemsToError } from '../src/host/config/problem.ts';
import { createMemoryDisk } from '../src/testing/memory-disk.ts';
import type { InvokeRequest, InvokeResponse } from '../src/contracts/app-channel.ts';
import type { Service } from '../src/kernel/service.ts';
import { wheelClock } from '../src/kernel/timer-wheel.ts';
import { PolicyBook } from '../src/mesh/policy/book.ts';
import { createCall } from '../src/kernel/call.ts';
import { CancelScope } from '../src/kernel/cancel.ts';
import { emptyBody } from '../src/kernel/body.ts';
import { silentLogger } from '../src/kernel/log.ts';
import { nodePorts } from '../src/ports/node/index.ts';
import { createCallRecords } from '../src/telemetry/call-records.ts';
import { createMetricsRegistry } from '../src/telemetry/metrics-registry.ts';
import { createTracer } from '../src/telemetry/tracing.ts';
import { noTrace } from '../src/kernel/trace-context.ts';

const ports = nodePorts();
const metrics = createMetricsRegistry({ app_id: 'bench' });
const tracer = createTracer({
  clock: ports.clock,
  random: ports.random,
  samplingRate: 0.01,
});
const shared = {
  clock: wheelClock(ports.clock),
  random: ports.random,
  process: ports.process,
  http: { request: () => Promise.reject(new Error('not used here')), close: () => Promise.resolve() },
  log: silentLogger,
  engine: { now: () => 0, get: () => Promise.reject(new Error('not used here')), commit: () => Promise.reject(new Error('not used here')) },
  invoke: () => Promise.resolve(answer),
  metrics,
  tracer,
  namespace: '',
  accessControl: () => undefined,
  origins: new Map(),
  appId: 'bench',
  records: createCallRecords(),
};
const govern = createGovern({ ...shared, book: new PolicyBook() });
const answer = { status: 200, headers: ['content-type', 'application/json', 'server', 'x'], body: emptyBody };
const endpoint = { appId: 'bench', namespace: '', instance: 'i', http: { path: '' }, grpc: { path: '' } };
const block = createInvokeBlock(
  { ports, log: silentLogger, metrics, appId: 'bench', namespace: '', govern },
  {
    resolver: {
      resolve: () => Promise.resolve({ endpoints: [endpoint], source: 'bench' }),
      onChange: () => () => {},
      close: () => Promise.resolve(),
    },
    balance: (appId) => new EndpointGroup({ clock: ports.clock, random: ports.random, appId, zone: '' }),
    peers: { send: () => Promise.resolve(answer) },
    external: { send: () => Promise.resolve(answer) },
    channel: () => undefined,
    httpEndpoints: () => new Map(),
    hostAddress: '127.0.0.1',
  },
);
const caller = { appId: 'bench', namespace: '' };
const answerer = createAnswerer({
  blocks: { invoke: block } as unknown as Blocks,
  caller,
  bodyBytesMax: 1e6,
  clock: ports.clock,
  invocations: true,
});
const paths = createKnownPaths(createRouter(apiRoutes), createFrontMetrics(metrics));
const headers = ['host', '127.0.0.1:3500', 'user-agent', 'bench', 'accept', '*/*'];
const operation = { block: 'invoke', name: 'call', idempotent: false };

const policy = (name: string, spec: string): string =>
  `apiVersion: proa.dev/v1alpha1\nkind: Policy\nmetadata: { name: ${name} }\nspec: ${spec}\n---\n`;

/** Every class that a caller's side has, none of which stands in the way; one of them for a path. */
const callerPolicies =
  policy(
    'all',
    `{ target: { app: bench }, timeout: 5s, deadline: 10s, retry: {}, hedge: { after: 1s }, breaker: { per: target, errorRatio: 0.5, slowRatio: 0.5 },
    bulkhead: {}, balance: {}, limits: [{ requests: 100000000 }], fallback: { app: other }, mirror: { app: other, percent: 0 },
    split: { targets: [{ version: v1, weight: 1 }] } }`,
  ) +
  policy('path', '{ target: { app: bench }, match: { path: "/x/{id}", methods: [GET] }, fault: { abort: { percent: 0, status: 500 } } }');

/** The same of the side that is called. */
const calleePolicies = policy(
  'all',
  `{ target: { app: bench, at: callee }, deadline: 10s, bulkhead: {}, limits: [{ requests: 100000000 }], system: { maxUtilisation: 0.99 }, fallback: { answer: {} },
  admission: { initial: 1000 }, priority: critical, fault: { abort: { percent: 0, status: 500 } }, authorise: { action: allow } }`,
);

async function governed(yaml: string, direction: 'inbound' | 'outbound') {
  const loaded = await loadResources({ disk: createMemoryDisk({ '/r/p.yaml': yaml }), paths: ['/r'], appId: 'bench', drivers: {} });
  const error = problemsToError(loaded.problems);
  if (error !== undefined) throw error;
  const target = { block: 'invoke', name: 'bench', operation: 'call', direction } as const;
  return createGovern({ ...shared, book: new PolicyBook(loaded.policies) })<InvokeRequest, InvokeResponse>(target, () =>
    Promise.resolve(answer),
  );
}

const outbound = { block: 'invoke', name: 'bench', operation: 'call', direction: 'outbound' } as const;

async function stackOnly(
  count: number,
  service: Service<InvokeRequest, InvokeResponse> = govern<InvokeRequest, InvokeResponse>(outbound, () => Promise.resolve(answer)),
): Promise<void> {
  const input = { appId: 'bench', namespace: '', httpMethod: 'GET', path: 'x/1', query: '', headers, body: emptyBody, replayable: true };
  for (let i = 0; i < count; i++) {
    const span = tracer.start('server', '/x', noTrace);
    const call = createCall(operation, input, { caller });
    await service(call);
    call.end.fire({ ok: true, status: 200 });
    span.end(true, 200);
  }
}

async function wholeFront(count: number): Promise<void> {
  const path = '/v1.0/invoke/bench/method/x';
  for (let i = 0; i < count; i++) {
    const span = tracer.start('server', path, noTrace);
    const started = ports.clock.mono();
    const known = paths.of(path);
    const cancel = new CancelScope();
    const dispatched = await new Promise<Dispatched>((resolve) => {
      const request = { method: 'GET', known, query: '', headers, header: () => undefined, body: emptyBody, trace: span.trace, cancel };
      answerer(request, { dispatched: resolve });
    });
    dispatched.call?.end.fire({ ok: true, status: 200 });
    span.end(true, 200);
    known.counts.record({ method: 'GET', status: 200, tookMs: ports.clock.mono() - started, requestBytes: 0, responseBytes: 0 });
  }
}

/** Microseconds per call, median of several rounds. */
async function measure(run: (count: number) => Promise<void>): Promise<number> {
  await run(200_000);
  const rounds: number[] = [];
  for (let i = 0; i < 7; i++) {
    const began = performance.now();
    await run(100_000);
    rounds.push((performance.now() - began) / 100);
  }
  return rounds.toSorted((a, b) => a - b)[3] as number;
}

const [calling, called] = [await governed(callerPolicies, 'outbound'), await governed(calleePolicies, 'inbound')];
console.log(
  JSON.stringify({
    stack: await measure((count) => stackOnly(count)),
    calling: await measure((count) => stackOnly(count, calling)),
    called: await measure((count) => stackOnly(count, called)),
    front: await measure(wholeFront),
  }),
);
