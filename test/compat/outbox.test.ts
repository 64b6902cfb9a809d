import { createServer, type Server } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { component, createMachine, eventually, startSidecar, type TestSidecar } from './sidecar.ts';

// The transactional outbox (Dapr reference 12.1) through real processes: one commit where store and broker share the engine, intents, markers and a relay
// where they do not.
interface Seen {
  readonly id: string;
  readonly data: unknown;
  readonly [attribute: string]: unknown;
}

const machine = createMachine();
const seen: Record<string, Seen[]> = { orders: [], relayed: [] };
let app: Server;
let appPort: string;
let sidecar: TestSidecar;

const resources = {
  'bus.yaml': component('bus', 'pubsub.proa'),
  'store.yaml': component('store', 'state.proa', { outboxPublishPubsub: 'bus', outboxPublishTopic: 'orders' }),
  'memory.yaml': component('memory', 'state.in-memory', {
    outboxPublishPubsub: 'bus',
    outboxPublishTopic: 'relayed',
    outboxDiscardWhenMissingState: 'true',
  }),
  'closed.yaml': component('closed', 'state.proa', { outboxPublishPubsub: 'guarded', outboxPublishTopic: 'orders' }),
  'guarded.yaml': component('guarded', 'pubsub.proa', { publishingScopes: 'shop=other' }),
};

const start = (): Promise<TestSidecar> => startSidecar({ appId: 'shop', appPort, machine, resources });

beforeAll(async () => {
  app = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      if (request.url === '/dapr/subscribe') {
        response.setHeader('content-type', 'application/json');
        response.end(JSON.stringify(Object.keys(seen).map((topic) => ({ pubsubname: 'bus', topic, route: `/${topic}` }))));
        return;
      }
      seen[String(request.url).slice(1)]?.push(JSON.parse(Buffer.concat(parts).toString()) as Seen);
      response.end();
    });
  });
  await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve));
  appPort = String((app.address() as { port: number }).port);
  sidecar = await start();
  await sidecar.ready();
});

afterAll(async () => {
  expect(await sidecar?.stop()).toBe(0);
  app?.close();
  machine.remove();
});

const transact = (store: string, operations: readonly object[]): Promise<Response> =>
  sidecar.get(`/v1.0/state/${store}/transaction`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ operations }),
  });
const upsert = (key: string, value: unknown, more: object = {}): object => ({
  operation: 'upsert',
  request: { key, value, metadata: { contentType: 'application/json' }, ...more },
});
const value = async (store: string, key: string): Promise<unknown> => (await sidecar.get(`/v1.0/state/${store}/${key}`)).text();
const of = (topic: string, key: string): Seen[] => (seen[topic] ?? []).filter(({ data }) => (data as { key?: string } | null)?.key === key);

describe.each([
  ['store', 'orders'],
  ['memory', 'relayed'],
])('a transaction on %s', (store, topic) => {
  it('publishes each upsert once, as a CloudEvent with the metadata as attributes', async () => {
    const metadata = { contentType: 'application/json', tenant: 'blue', id: 'mine', topic: 'elsewhere' };
    const answer = await transact(store, [
      upsert('a', { key: 'a', n: 1 }, { metadata }),
      upsert('b', { key: 'b', n: 2 }),
      { operation: 'delete', request: { key: 'gone' } },
    ]);
    expect(answer.status).toBe(204);
    await eventually(() => of(topic, 'a').length > 0 && of(topic, 'b').length > 0, 'both events arrive');
    expect(of(topic, 'a')).toMatchObject([
      {
        data: { key: 'a', n: 1 },
        tenant: 'blue',
        topic,
        pubsubname: 'bus',
        source: 'shop',
        type: 'com.dapr.event.sent',
        specversion: '1.0',
      },
    ]);
    expect(of(topic, 'a')[0]?.id).toMatch(/^outbox-[0-9a-f-]{36}$/);
    expect(of(topic, 'b')).toHaveLength(1);
    expect(JSON.parse(String(await value(store, 'a')))).toEqual({ key: 'a', n: 1 });
  });

  it('publishes the projection and stores the rest', async () => {
    const projection = { metadata: { contentType: 'application/json', 'outbox.projection': 'true' } };
    await transact(store, [upsert('p', { key: 'p', secret: 1 }), upsert('p', { key: 'p', public: 1 }, projection)]);
    await eventually(() => of(topic, 'p').length > 0, 'the projection arrives');
    expect(of(topic, 'p')[0]?.data).toEqual({ key: 'p', public: 1 });
    expect(JSON.parse(String(await value(store, 'p')))).toEqual({ key: 'p', secret: 1 });
  });

  it('publishes nothing when the transaction fails', async () => {
    const failed = await transact(store, [upsert('f', { key: 'f' }), upsert('a', { key: 'f' }, { etag: '987654' })]);
    expect(failed.status).toBe(500);
    expect(await value(store, 'f')).toBe('');
    // What follows on the same topic has arrived: nothing is on its way any more but an intent, which finds no marker.
    await transact(store, [upsert('after', { key: `after-${topic}` })]);
    await eventually(() => of(topic, `after-${topic}`).length > 0, 'the next event arrives');
    if (store === 'memory') await eventually(() => sidecar.output().includes('discarding message'), 'the intent is discarded');
    expect(of(topic, 'f')).toEqual([]);
  });
});

describe('the outbox', () => {
  it('stores nothing when the app may not publish to the topic', async () => {
    const refused = await transact('closed', [upsert('x', 1)]);
    expect(refused.status).toBe(403);
    expect(await value('closed', 'x')).toBe('');
  });

  it('loses and invents nothing when the process is killed in the middle of transactions', async () => {
    const before = await sidecar.get('/v1.0/metadata');
    expect(before.status).toBe(200);
    let next = 0;
    let dead = false;
    const write = async (): Promise<void> => {
      while (!dead) {
        const key = `k${next++}`;
        await transact('store', [upsert(key, { key })]).catch(() => undefined);
      }
    };
    const writers = Array.from({ length: 4 }, write);
    await eventually(() => next > 60, 'transactions are under way');
    sidecar.kill();
    dead = true;
    await Promise.all(writers);
    sidecar = await start();
    await sidecar.ready();
    const keys = Array.from({ length: next }, (_, i) => `k${i}`);
    const bulk = await sidecar.get('/v1.0/state/store/bulk', { method: 'POST', body: JSON.stringify({ keys, parallelism: 8 }) });
    const stored = ((await bulk.json()) as { key: string; data?: unknown }[])
      .filter(({ data }) => data !== undefined)
      .map(({ key }) => key);
    expect(stored.length).toBeGreaterThan(50);
    await eventually(() => stored.every((key) => of('orders', key).length > 0), 'every stored key has its event');
    const published = new Set(keys.filter((key) => of('orders', key).length > 0));
    expect([...published].toSorted()).toEqual(stored.toSorted());
    // At least once: what was delivered before the kill may come again, but it is the same event.
    for (const key of stored) expect(new Set(of('orders', key).map(({ id }) => id)).size).toBe(1);
  });
});
