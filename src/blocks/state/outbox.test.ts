import { describe, expect, it } from 'vitest';
import type { BlockContext } from '../../contracts/block-context.ts';
import { type Component, fixedComponents } from '../../contracts/component-set.ts';
import { ungoverned } from '../../contracts/governance.ts';
import { noMetrics } from '../../contracts/metrics.ts';
import type { OutboxEvent, OutboxPublisher } from '../../contracts/outbox.ts';
import type { StateStore } from '../../contracts/state.ts';
import { createCall } from '../../kernel/call.ts';
import { type Logger, silentLogger } from '../../kernel/log.ts';
import type { Ports } from '../../kernel/ports.ts';
import { createNodeRandom } from '../../ports/node/random.ts';
import { createFakeClock } from '../../testing/fake-clock.ts';
import { createMemoryContents, createMemoryEngine } from '../../drivers/engine-memory/memory-engine.ts';
import { createEngineStore } from '../../drivers/state-engine/engine-store.ts';
import memoryDriver from '../../drivers/state-memory/index.ts';
import { MemoryStore } from '../../drivers/state-memory/memory-store.ts';
import { createOutboxRelay, createStateBlock, type TransactionItem } from './index.ts';

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (data: Uint8Array | undefined) => data && new TextDecoder().decode(data);
const log = 'topic';

function setUp(kind: 'engine' | 'memory', more: { publisher?: Partial<OutboxPublisher>; properties?: Record<string, string> } = {}) {
  const clock = createFakeClock();
  const random = createNodeRandom();
  const engine = createMemoryEngine({ clock, contents: createMemoryContents() });
  const driver: StateStore =
    kind === 'engine'
      ? createEngineStore({ engine, random, log: silentLogger, namespace: '', space: 's' })
      : new MemoryStore({ name: 'mem', bytesMax: 1e9, clock, random });
  const properties = { outboxPublishPubsub: 'bus', outboxPublishTopic: 'orders', keyPrefix: 'none', ...more.properties };
  const component: Component<'state'> = {
    name: 'store',
    type: 'state.x',
    version: 'v1',
    properties,
    definition: memoryDriver as never,
    driver,
  };
  const announced: OutboxEvent[] = [];
  const publisher: OutboxPublisher = {
    appends: async (_target, events) => [{ log, entries: events.map(({ id, data }) => ({ dedupe: id, data })) }],
    announce: async (_target, events) => void announced.push(...events),
    ...more.publisher,
  };
  const quiet: Logger = { ...silentLogger, scoped: () => quiet };
  const context: BlockContext = {
    ports: { clock, random } as unknown as Ports,
    log: quiet,
    metrics: noMetrics,
    appId: 'app',
    namespace: '',
    govern: ungoverned,
  };
  const stores = fixedComponents([component]);
  const block = createStateBlock(context, { stores, outbox: publisher });
  const transact = (operations: readonly TransactionItem[]) =>
    block.transact(createCall({ block: 'state', name: 'transaction', idempotent: false }, { store: 'store', operations, metadata: {} }));
  const relay = createOutboxRelay(context, stores);
  return { clock, engine, driver, announced, transact, relay };
}

const upsert = (key: string, value: string, more: Partial<TransactionItem> = {}): TransactionItem =>
  ({ kind: 'upsert', key, value: bytes(value), metadata: {}, ...more }) as TransactionItem;

describe('outbox', () => {
  it('puts state and events into one commit when they share an engine', async () => {
    const { engine, driver, announced, transact } = setUp('engine');
    const before = engine.stats().commits;
    await transact([upsert('a', '1'), { kind: 'delete', key: 'x', metadata: {} }, upsert('b', '2')]);
    expect(engine.stats().commits - before).toBe(1);
    const entries = (await engine.readLog(log, 0)).entries;
    expect(entries.map(({ data }) => text(data))).toEqual(['1', '2']);
    expect(entries[0]?.dedupe).toMatch(/^outbox-/);
    expect(announced).toEqual([]);
    await expect(transact([upsert('c', '3'), upsert('a', '4', { etag: '999999' })])).rejects.toMatchObject({
      code: 'state.transaction-etag-mismatch',
    });
    expect((await engine.readLog(log, 0)).head).toBe(2);
    expect(await driver.get({ key: 'c' })).toBeUndefined();
  });

  it('announces first and stores a marker per event where they do not', async () => {
    const { driver, announced, transact } = setUp('memory');
    const metadata = { contentType: 'application/json', tenant: 't' };
    await transact([upsert('a', '{"all":1}', { metadata }), upsert('a', '{"some":1}', { metadata: { 'outbox.projection': 'true' } })]);
    expect(announced).toHaveLength(1);
    expect(announced[0]).toMatchObject({ attributes: metadata });
    expect(text(announced[0]?.data)).toBe('{"some":1}');
    expect(text((await driver.get({ key: 'a' }))?.data)).toBe('{"all":1}');
    expect(text((await driver.get({ key: announced[0]?.id ?? '' }))?.data)).toBe('0');
  });

  it('stores nothing when the intent cannot be published, and announces nothing that is not valid', async () => {
    const { driver, announced, transact } = setUp('memory', { publisher: { announce: () => Promise.reject(new Error('broker down')) } });
    await expect(transact([upsert('a', '1')])).rejects.toMatchObject({
      code: 'pubsub.outbox',
      message: 'error while publishing outbox message: broker down',
    });
    expect(await driver.get({ key: 'a' })).toBeUndefined();
    await expect(transact([upsert('a', '1'), upsert('b||c', '1')])).rejects.toMatchObject({ code: 'state.illegal-key' });
    expect(announced).toEqual([]);
  });
});

describe('outbox relay', () => {
  const pass = async (clock: { advance: (ms: number) => void }, ms: number) => {
    for (let passed = 0; passed < ms; passed += 500) {
      await new Promise((resolve) => setImmediate(resolve));
      clock.advance(500);
    }
    await new Promise((resolve) => setImmediate(resolve));
  };

  it('publishes when the marker is there or comes in time, and removes it', async () => {
    const { clock, driver, relay } = setUp('memory');
    let published = 0;
    const publish = async () => void published++;
    await driver.set({ key: 'outbox-1', data: bytes('0') });
    expect(await relay.deliver({ stores: ['store'], id: 'outbox-1', publish })).toBe('ack');
    expect([published, await driver.get({ key: 'outbox-1' })]).toEqual([1, undefined]);
    const late = relay.deliver({ stores: ['store'], id: 'outbox-2', publish });
    await pass(clock, 3_000);
    await driver.set({ key: 'outbox-2', data: bytes('0') });
    await pass(clock, 3_000);
    expect([await late, published]).toEqual(['ack', 2]);
  });

  it('gives up after ten seconds: for later, or for good when told so', async () => {
    for (const [discard, verdict] of [
      ['false', 'retry'],
      ['true', 'ack'],
    ] as const) {
      const { clock, relay } = setUp('memory', { properties: { outboxDiscardWhenMissingState: discard } });
      const answer = relay.deliver({ stores: ['store'], id: 'outbox-3', publish: () => Promise.reject(new Error('must not happen')) });
      await pass(clock, 11_000);
      expect(await answer).toBe(verdict);
      expect(clock.waiting).toBe(0);
    }
  });

  it('keeps the marker of what could not be published, and stops waiting when it closes', async () => {
    const { clock, driver, relay } = setUp('memory', { properties: { outboxDiscardWhenMissingState: 'true' } });
    await driver.set({ key: 'outbox-4', data: bytes('0') });
    expect(await relay.deliver({ stores: ['store'], id: 'outbox-4', publish: () => Promise.reject(new Error('down')) })).toBe('retry');
    expect(await driver.get({ key: 'outbox-4' })).toBeDefined();
    const waiting = relay.deliver({ stores: ['store'], id: 'outbox-5', publish: async () => {} });
    await new Promise((resolve) => setImmediate(resolve));
    relay.close();
    expect([await waiting, clock.waiting]).toEqual(['retry', 0]);
    const get = driver.get.bind(driver);
    const { driver: other, relay: closing } = setUp('memory');
    other.get = async (request) => {
      closing.close();
      return get(request);
    };
    expect(await closing.deliver({ stores: ['store'], id: 'outbox-5', publish: async () => {} })).toBe('retry');
  });
});
