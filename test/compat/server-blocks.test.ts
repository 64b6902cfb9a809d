import { CommunicationProtocolEnum, DaprClient, DaprPubSubStatusEnum, DaprServer, HttpMethod } from '@dapr/dapr';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gaps, recordCalls, type Exceptions, type Matrix } from './sdk-matrix.ts';
import { component, createMachine, eventually, freePort, startSidecar, type TestMachine, type TestSidecar } from './sidecar.ts';

// The official SDK's server side: what it subscribes to, is bound to, and is invoked with, over both protocols.
const protocols = [
  ['http', CommunicationProtocolEnum.HTTP],
  ['grpc', CommunicationProtocolEnum.GRPC],
] as const;

// What no test calls, with the reason.
const notCalled: Exceptions = { actor: 'actors.test.ts calls it, in a process of its own' };

describe.each(protocols)('the SDK server over %s', (appProtocol, communicationProtocol) => {
  let machine: TestMachine;
  let sidecar: TestSidecar;
  let server: DaprServer;
  let matrix: Matrix<DaprServer>;
  let client: DaprClient;
  const events: { topic: string; data: unknown }[] = [];
  const attempts = new Map<string, number>();
  let ticks = 0;

  beforeAll(async () => {
    machine = createMachine();
    const appPort = await freePort();
    sidecar = await startSidecar({
      appId: 'server',
      appPort,
      appProtocol,
      machine,
      resources: {
        'pubsub.yaml': component('pubsub', 'pubsub.proa'),
        'cron.yaml': component('tick', 'bindings.cron', { schedule: '@every 1s' }),
      },
    });
    const daprPort = appProtocol === 'http' ? sidecar.httpPort : sidecar.grpcPort;
    server = new DaprServer({
      serverHost: '127.0.0.1',
      serverPort: appPort,
      communicationProtocol,
      clientOptions: { daprHost: '127.0.0.1', daprPort, communicationProtocol },
    });
    client = new DaprClient({ daprHost: '127.0.0.1', daprPort, communicationProtocol });
    matrix = recordCalls(server);
    await server.pubsub.subscribe('pubsub', 'plain', async (data: unknown) => void events.push({ topic: 'plain', data }));
    await server.pubsub.subscribeWithOptions('pubsub', 'flaky', {
      callback: async (data: { id: string }) => {
        const attempt = (attempts.get(data.id) ?? 0) + 1;
        attempts.set(data.id, attempt);
        if (attempt < 3) return DaprPubSubStatusEnum.RETRY;
        events.push({ topic: 'flaky', data });
        return DaprPubSubStatusEnum.SUCCESS;
      },
    });
    await server.pubsub.subscribeWithOptions('pubsub', 'poison', {
      deadLetterTopic: 'dead',
      callback: async () => DaprPubSubStatusEnum.DROP,
    });
    await server.pubsub.subscribe('pubsub', 'dead', async (data: unknown) => void events.push({ topic: 'dead', data }));
    await server.pubsub.subscribe('pubsub', 'routed', async (data: unknown) => void events.push({ topic: 'routed', data }), {
      default: '/routed-default',
      rules: [{ match: 'event.type == "special"', path: '/routed-special' }],
    });
    // Routes may be told apart from the subscription.
    await server.pubsub.subscribe('pubsub', 'apart', async () => {}, '/apart-route');
    server.pubsub.subscribeToRoute('pubsub', 'apart', '/apart-route', async (data: unknown) => void events.push({ topic: 'apart', data }));
    await server.pubsub.subscribeBulk('pubsub', 'bulky', async (data: unknown) => void events.push({ topic: 'bulky', data }), {
      maxMessagesCount: 10,
      maxAwaitDurationMs: 50,
    });
    await server.binding.receive('tick', async () => void ticks++);
    await server.invoker.listen('hello', async ({ body, query }) => ({ body, query }), { method: HttpMethod.POST });
    await server.start();
    await sidecar.ready();
  });

  afterAll(async () => {
    // The runtime first: the SDK's gRPC server waits for its clients to leave.
    expect(await sidecar?.stop()).toBe(0);
    await server?.stop();
    await client?.stop();
    machine.remove();
  });

  const received = (topic: string): unknown[] => events.filter((event) => event.topic === topic).map((event) => event.data);

  it('delivers events', async () => {
    await client.pubsub.publish('pubsub', 'plain', { n: 1 });
    await eventually(() => received('plain').length === 1, 'the event arrives');
    expect(received('plain')).toEqual([{ n: 1 }]);
  });

  it('delivers again what the app wants to retry', async () => {
    await client.pubsub.publish('pubsub', 'flaky', { id: 'x' });
    await eventually(() => received('flaky').length === 1, 'the third attempt succeeds');
    expect(attempts.get('x')).toBe(3);
  });

  it('moves what the app drops to the dead-letter topic', async () => {
    await client.pubsub.publish('pubsub', 'poison', { id: 'p' });
    await eventually(() => received('dead').length === 1, 'the dead letter arrives');
    expect(received('dead')).toEqual([{ id: 'p' }]);
  });

  it('routes by rules', async () => {
    await client.pubsub.publish('pubsub', 'routed', { r: 1 }, { metadata: { 'cloudevent.type': 'special' } });
    await client.pubsub.publish('pubsub', 'routed', { r: 2 });
    await eventually(() => received('routed').length === 2, 'both events arrive');
  });

  it('delivers to a route that was told apart, and in bulk', async () => {
    await client.pubsub.publish('pubsub', 'apart', { a: 1 });
    await client.pubsub.publishBulk('pubsub', 'bulky', [{ b: 1 }, { b: 2 }, { b: 3 }]);
    await eventually(() => received('apart').length >= 1 && received('bulky').length === 3, 'all of them arrive');
    expect(received('bulky')).toEqual(expect.arrayContaining([{ b: 1 }, { b: 2 }, { b: 3 }]));
  });

  it('fires input bindings', () => eventually(() => ticks >= 2, 'the cron binding fires twice'));

  it('is invoked', async () => {
    const answer = await client.invoker.invoke('server', 'hello', HttpMethod.POST, { name: 'proa' });
    expect(JSON.stringify(answer)).toContain('proa');
  });

  it('reports its subscriptions', async () => {
    const metadata = (await (await sidecar.get('/v1.0/metadata')).json()) as { subscriptions: { topic: string }[] };
    expect(metadata.subscriptions.map((subscription) => subscription.topic).toSorted()).toEqual([
      'apart',
      'bulky',
      'dead',
      'flaky',
      'plain',
      'poison',
      'routed',
    ]);
  });

  it('was called in every way that it has', () => {
    expect(Object.keys(server.pubsub.getSubscriptions())).toEqual(['pubsub']);
    expect(matrix.all.length).toBeGreaterThan(7);
    expect(gaps(matrix, notCalled)).toEqual({ missing: [], stale: [] });
  });
});
