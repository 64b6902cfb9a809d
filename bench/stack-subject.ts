// The default stack of an invocation without any socket: everything between the parsed request and the app channel, and back.
import { createAnswerer } from '../src/fronts/http/answer.ts';
import { createRouter } from '../src/fronts/http/router.ts';
import { apiRoutes } from '../src/fronts/http/routes/all.ts';
import { createFrontMetrics } from '../src/fronts/http/front-metrics.ts';
import { createInvokeBlock } from '../src/blocks/invoke/index.ts';
import type { Blocks } from '../src/blocks/runtime/index.ts';
import { createGovern } from '../src/host/govern.ts';
import { PolicyBook } from '../src/mesh/policy/book.ts';
import { createCall } from '../src/kernel/call.ts';
import { CancelScope } from '../src/kernel/cancel.ts';
import { emptyBody } from '../src/kernel/body.ts';
import { silentLogger } from '../src/kernel/log.ts';
import { nodePorts } from '../src/ports/node/index.ts';
import { createMetricsRegistry } from '../src/telemetry/metrics-registry.ts';
import { createTracer } from '../src/telemetry/tracing.ts';
import { noTrace } from '../src/kernel/trace-context.ts';

const ports = nodePorts();
const metrics = createMetricsRegistry({ app_id: 'bench' });
const tracer = createTracer({ clock: ports.clock, random: ports.random, samplingRate: 0.01, export() {} });
const shared = { clock: ports.clock, random: ports.random, metrics, namespace: '', accessControl: () => undefined };
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
    peers: { send: () => Promise.resolve(answer) },
    external: { send: () => Promise.resolve(answer) },
    channel: () => undefined,
    httpEndpoints: () => new Map(),
    hostAddress: '127.0.0.1',
  },
);
const router = createRouter(apiRoutes);
const caller = { appId: 'bench', namespace: '' };
const answerer = createAnswerer({
  blocks: { invoke: block } as unknown as Blocks,
  caller,
  bodyBytesMax: 1e6,
  clock: ports.clock,
  invocations: true,
});
const frontMetrics = createFrontMetrics(metrics);
const headers = ['host', '127.0.0.1:3500', 'user-agent', 'bench', 'accept', '*/*'];
const operation = { block: 'invoke', name: 'call', idempotent: false };

async function stackOnly(count: number): Promise<void> {
  const service = govern({ block: 'invoke', name: 'bench', operation: 'call', direction: 'outbound' }, () => Promise.resolve(answer));
  const input = { appId: 'bench', namespace: '', httpMethod: 'GET', path: 'x', query: '', headers, body: emptyBody, replayable: true };
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
    const match = router.match('GET', path);
    const cancel = new CancelScope();
    const dispatched = await answerer(
      { method: 'GET', path, query: '', headers, header: () => undefined, body: emptyBody, trace: span.trace, cancel },
      match,
    );
    dispatched.call?.end.fire({ ok: true, status: 200 });
    span.end(true, 200);
    frontMetrics.record({ method: 'GET', path, status: 200, tookMs: ports.clock.mono() - started, requestBytes: 0, responseBytes: 0 });
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

console.log(JSON.stringify({ stack: await measure(stackOnly), front: await measure(wholeFront) }));
