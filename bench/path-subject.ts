// What a call costs between two sockets, without the kernel: `codec` (alone, as a proxy), `invoke` (through the whole runtime) or `state`; then a directory.
import { PolicyBook } from '../src/mesh/policy/book.ts';
import { createPermits } from '../src/fronts/app/permits.ts';
import { createSecret } from '../src/kernel/secret.ts';
import { createInvokeBlock } from '../src/blocks/invoke/index.ts';
import type { Blocks } from '../src/blocks/runtime/index.ts';
import { createStateBlock } from '../src/blocks/state/index.ts';
import type { Component, ComponentSet } from '../src/contracts/component-set.ts';
import { openJournalEngine } from '../src/drivers/engine-journal/open-journal.ts';
import { createEngineStore } from '../src/drivers/state-engine/engine-store.ts';
import { createHttpChannel } from '../src/fronts/app/http-channel.ts';
import { apiRoutes } from '../src/fronts/http/routes/all.ts';
import { serveHttpFront } from '../src/fronts/http/server.ts';
import { EndpointGroup } from '../src/mesh/balance/endpoint-group.ts';
import { createGovern } from '../src/host/govern.ts';
import { createHttpClient } from '../src/host/http-client.ts';
import { createPeerTransport, type LocalApp, type Machine } from '../src/host/machine.ts';
import { silentLogger } from '../src/kernel/log.ts';
import type { Connection, ConnectionHandlers, Network } from '../src/kernel/ports.ts';
import { nodePorts } from '../src/ports/node/index.ts';
import { createCallRecords } from '../src/telemetry/call-records.ts';
import { createMetricsRegistry } from '../src/telemetry/metrics-registry.ts';
import { createTracer } from '../src/telemetry/tracing.ts';
import { createHttp1Client } from '../src/wire/http1/client.ts';
import { forwardHeaders } from '../src/wire/http1/forward-headers.ts';
import { serveHttp1 } from '../src/wire/http1/server.ts';

const silent: ConnectionHandlers = { data() {}, end() {}, drain() {}, close() {} };

/** A socket that swallows what is written and is told what arrives. */
class Wire implements Connection {
  readonly remote = 'bench';
  handlers = silent;
  writes = 0;
  last: string | Uint8Array = '';
  write(data: string | Uint8Array): boolean {
    this.writes++;
    this.last = data;
    return true;
  }
  cork(): void {}
  uncork(): void {}
  pause(): void {}
  resume(): void {}
  end(): void {}
  destroy(): void {}
}

const accepting: ((connection: Connection) => void)[] = [];
const upstream: Wire[] = [];
const network: Network = {
  listen(address, accept) {
    accepting.push(accept);
    return Promise.resolve({ address, close: () => Promise.resolve() });
  },
  connect() {
    const wire = new Wire();
    upstream.push(wire);
    queueMicrotask(() => wire.handlers.open?.());
    return wire;
  },
  resolve: () => Promise.resolve([]),
};
const real = nodePorts();
const ports = { ...real, network };
const body = '{"id":12345,"name":"a small answer","items":[1,2,3],"ok":true}..';
// With a fourth argument every message carries another id, so that nothing of a head repeats the one before.
const ids = process.argv[4] === undefined ? [''] : Array.from({ length: 1024 }, (_, i) => `X-Request-Id: ${1e9 + i}\r\n`);
const answers = ids.map((id) =>
  Buffer.from(
    `HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Sat, 28 Nov 2026 11:28:21 GMT\r\nContent-Type: application/json\r\n${id}Content-Length: 64\r\nConnection: keep-alive\r\n\r\n${body}`,
  ),
);
const requests = (path: string): Buffer[] => ids.map((id) => Buffer.from(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:3500\r\n${id}\r\n`));
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const connections = 32;

/** Microseconds of an exchange: 32 connections at once, median of several rounds. */
async function measure(accept: (connection: Connection) => void, sent: readonly Buffer[]): Promise<{ us: number }> {
  const clients = Array.from({ length: connections }, () => new Wire());
  for (const client of clients) accept(client);
  let next = 0;
  const run = async (turns: number): Promise<void> => {
    for (let i = 0; i < turns; i++) {
      for (const client of clients) client.handlers.data(sent[next++ % sent.length] as Buffer);
      await turn();
      for (const wire of upstream) {
        if (wire.writes === 0) continue;
        wire.writes = 0;
        wire.handlers.data(answers[next++ % answers.length] as Buffer);
      }
      await turn();
    }
  };
  await run(4_000);
  const rounds: number[] = [];
  for (let i = 0; i < 9; i++) {
    const before = process.cpuUsage();
    await run(1_000);
    const used = process.cpuUsage(before);
    rounds.push((used.user + used.system) / (1_000 * connections));
  }
  const answered = String((clients[0] as Wire).last);
  if (!answered.startsWith('HTTP/1.1 200 ')) throw new Error(`unexpected answer: ${answered}`);
  for (const client of clients) client.handlers.close(undefined);
  return { us: rounds.toSorted((a, b) => a - b)[4] as number };
}

async function codec(): ReturnType<typeof measure> {
  const client = createHttp1Client({ network, clock: ports.clock });
  const pool = client.pool({ host: '127.0.0.1', port: 1 });
  await serveHttp1({
    network,
    clock: ports.clock,
    address: { path: '' },
    handler(received, response) {
      pool.dispatch(
        {
          method: received.method,
          target: received.target,
          headers: forwardHeaders(received.headers),
          body: received.body,
          cancel: received.cancel,
        },
        {
          head: (answered) => response.sendBody(answered.status, forwardHeaders(answered.headers), answered.body),
          fail: (error) => response.send(error.spec.http, [], error.message),
        },
      );
    },
  });
  return measure(accepting.at(-1) as (connection: Connection) => void, requests('/x'));
}

const metrics = createMetricsRegistry({ app_id: 'bench' });
const tracer = createTracer({
  clock: ports.clock,
  random: ports.random,
  samplingRate: 0.01,
});
const govern = createGovern({
  clock: ports.clock,
  metrics,
  tracer,
  random: ports.random,
  process: ports.process,
  http: { request: () => Promise.reject(new Error('not used here')), close: () => Promise.resolve() },
  log: silentLogger,
  engine: { now: () => 0, get: () => Promise.reject(new Error('not used here')), commit: () => Promise.reject(new Error('not used here')) },
  invoke: () => Promise.reject(new Error('not used here')),
  book: new PolicyBook(),
  namespace: '',
  accessControl: () => undefined,
  origins: new Map(),
  appId: 'bench',
  records: createCallRecords(),
});
const context = { ports, log: silentLogger, metrics, appId: 'bench', namespace: '', govern };
const caller = { appId: 'bench', namespace: '' };

async function front(blocks: Partial<Blocks>): Promise<void> {
  await serveHttpFront({
    ports,
    log: silentLogger,
    metrics,
    tracer,
    blocks: blocks as Blocks,
    caller,
    address: { path: '' },
    routes: apiRoutes,
    invocations: true,
    apiTokens: [],
    allowedOrigins: '*',
    bodyBytesMax: 4 * 1024 * 1024,
    headerBytesMax: 4096,
  });
}

const noEndpoints = new Map<string, never>();

async function invoke(): ReturnType<typeof measure> {
  const endpoint = { appId: 'bench', namespace: '', instance: 'i', http: { path: '' }, grpc: { path: '' } };
  const client = createHttpClient({ ports });
  const channel = createHttpChannel({
    ports,
    client,
    address: { host: '127.0.0.1', port: 2 },
    appToken: createSecret(''),
    permits: createPermits(0),
    answerBytesMax: 4 * 1024 * 1024,
  });
  const local = new Map<string, LocalApp>();
  const machine = { local, client } as unknown as Machine;
  const block = createInvokeBlock(context, {
    resolver: {
      resolve: () => Promise.resolve({ endpoints: [endpoint], source: 'fresh' }),
      onChange: () => () => {},
      close: () => Promise.resolve(),
    },
    balance: (appId) => new EndpointGroup({ clock: ports.clock, random: ports.random, appId, zone: '' }),
    peers: createPeerTransport(machine),
    external: { send: () => Promise.reject(new Error('none')) },
    channel: () => channel,
    httpEndpoints: () => noEndpoints,
    hostAddress: '127.0.0.1',
  });
  local.set('i', { invoke: block } as LocalApp);
  await front({ invoke: block });
  return measure(accepting.at(-1) as (connection: Connection) => void, requests('/v1.0/invoke/bench/method/x'));
}

async function state(): ReturnType<typeof measure> {
  const directory = process.argv[3] as string;
  await real.disk.makeDirectory(directory);
  const engine = await openJournalEngine({ ports: real, directory });
  const driver = createEngineStore({ engine, random: ports.random, log: silentLogger, namespace: '', space: 'statestore' });
  const component = { name: 'statestore', type: 'state.engine', driver, properties: {} } as unknown as Component<'state'>;
  const stores = { get: () => component, list: () => [component], onChange: () => () => {} } as unknown as ComponentSet<'state'>;
  const block = createStateBlock(context, { stores });
  await driver.set({ key: 'bench||k', data: Buffer.from(body.slice(0, -2)) });
  await front({ state: block });
  return measure(accepting.at(-1) as (connection: Connection) => void, requests('/v1.0/state/statestore/k'));
}

const kinds = { codec, invoke, state };
const kind = process.argv[2] as keyof typeof kinds;
console.log(JSON.stringify(await kinds[kind]()));
process.exit(0);
