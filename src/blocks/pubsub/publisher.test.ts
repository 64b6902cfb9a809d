import { afterEach, describe, expect, it } from 'vitest';
import * as v from 'valibot';
import type { Govern } from '../../contracts/governance.ts';
import { createMemoryEngine } from '../../drivers/engine-memory/memory-engine.ts';
import { EngineBroker } from '../../drivers/pubsub-engine/broker.ts';
import { engineBrokerConfig } from '../../drivers/pubsub-engine/config.ts';
import { MemoryBroker } from '../../drivers/pubsub-memory/memory-broker.ts';
import { createCall } from '../../kernel/call.ts';
import { emptyContext, withValue } from '../../kernel/context.ts';
import { silentLogger } from '../../kernel/log.ts';
import { traceKey } from '../../kernel/trace-context.ts';
import { nodeClock } from '../../ports/node/clock.ts';
import { createNodeRandom } from '../../ports/node/random.ts';
import { createPubSubRig, subscriptionSpec, type PubSubRigOptions } from '../../testing/pubsub-block-rig.ts';
import { createPubSubBlock, type BulkPublishEntry, type PubSubBlock } from './index.ts';

const ports = { clock: nodeClock, random: createNodeRandom() };
const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const rigs: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const rig of rigs.splice(0)) await rig.close();
});

type Options = Partial<Omit<PubSubRigOptions<PubSubBlock>, 'broker'>> & { readonly broker?: 'memory' | 'engine' };

function createRig({ broker = 'memory', ...options }: Options = {}) {
  const config = v.parse(engineBrokerConfig, { redeliverInterval: '10ms' });
  const engine = createMemoryEngine({ clock: nodeClock });
  const parts = { engine, ...ports, log: silentLogger, namespace: '', name: 'bus' };
  const real = broker === 'engine' ? new EngineBroker(config, parts) : new MemoryBroker(nodeClock, silentLogger);
  const rig = createPubSubRig({ ...options, ports, broker: real, create: createPubSubBlock });
  rigs.push(rig);
  return rig;
}

interface Send {
  readonly topic?: string;
  readonly pubsub?: string;
  readonly contentType?: string;
  readonly metadata?: Record<string, string>;
}

async function publish(
  block: PubSubBlock,
  data: string | Uint8Array,
  { topic = 'orders', pubsub = 'bus', contentType = 'application/json', metadata = {} }: Send = {},
) {
  const context = withValue(emptyContext, traceKey, { traceparent, tracestate: '', baggage: '' });
  const input = { pubsub, topic, data: typeof data === 'string' ? Buffer.from(data) : data, contentType, metadata };
  await block.publish(createCall({ block: 'pubsub', name: 'publish', idempotent: false }, input, { context }));
}

function bulkPublish(block: PubSubBlock, entries: readonly BulkPublishEntry[], metadata: Record<string, string> = {}) {
  const input = { pubsub: 'bus', topic: 'orders', entries, metadata };
  return block.bulkPublish(createCall({ block: 'pubsub', name: 'bulk', idempotent: false }, input));
}

const entry = (entryId: string, more: Partial<BulkPublishEntry> = {}): BulkPublishEntry => ({
  entryId,
  event: Buffer.from(`"${entryId}"`),
  contentType: 'application/json',
  ...more,
});

describe('publishing', () => {
  it('wraps with the app, the trace of the call and the expiration that the broker does not keep', async () => {
    const { block, published, counts } = createRig();
    await publish(block, '{"n":1}', { metadata: { ttlInSeconds: '60', other: 'x' } });
    const event = JSON.parse(Buffer.from(published[0]?.data ?? []).toString()) as Record<string, string>;
    expect(event).toMatchObject({ source: 'app', traceid: traceparent, traceparent, topic: 'orders', pubsubname: 'bus', data: { n: 1 } });
    expect(Date.parse(event['expiration'] as string) - Date.parse(event['time'] as string)).toBe(60_000);
    expect(published[0]?.metadata).toEqual({ ttlInSeconds: '60', other: 'x' });
    expect(counts.get('dapr_component_pubsub_egress_count true')).toBe(1);
  });

  it('takes JSON that is text already, wrapped, raw or as a CloudEvent', async () => {
    const { block, published } = createRig();
    const send = async (data: string, { contentType = 'application/json', metadata = {} }: Send = {}) => {
      const input = { pubsub: 'bus', topic: 'orders', data, contentType, metadata };
      await block.publish(createCall({ block: 'pubsub', name: 'publish', idempotent: false }, input));
      return Buffer.from(published.at(-1)?.data ?? []).toString();
    };
    expect(JSON.parse(await send('{"n":"ü"}'))).toMatchObject({ source: 'app', data: { n: 'ü' } });
    expect(await send('{"n":"ü"}', { metadata: { rawPayload: 'true' } })).toBe('{"n":"ü"}');
    const contentType = 'application/cloudevents+json';
    expect(JSON.parse(await send('{"id":"mine","data":"ü"}', { contentType }))).toMatchObject({ id: 'mine', data: 'ü', topic: 'orders' });
  });

  it('does not keep raw bytes that belong to the caller', async () => {
    const { block, published } = createRig();
    const bytes = Buffer.from('mine');
    const sent = publish(block, bytes, { metadata: { rawPayload: 'true' } });
    bytes.fill(0);
    await sent;
    expect(Buffer.from(published[0]?.data ?? []).toString()).toBe('mine');
  });

  it('leaves the TTL to a broker that has it, in seconds', async () => {
    const { block, published } = createRig({ broker: 'engine' });
    await publish(block, '1', { metadata: { ttl: '1m30s' } });
    expect(Buffer.from(published[0]?.data ?? []).toString()).not.toContain('expiration');
    expect(published[0]?.metadata).toEqual({ ttl: '1m30s', ttlInSeconds: '90' });
  });

  it('passes CloudEvents through and raw payloads as they are', async () => {
    const { block, published } = createRig();
    await publish(block, '{"id":"x","data":1}', { contentType: 'application/cloudevents+json; charset=utf-8' });
    await publish(block, 'raw!', { metadata: { rawPayload: 'true' } });
    expect(JSON.parse(Buffer.from(published[0]?.data ?? []).toString())).toMatchObject({ id: 'x', data: 1, topic: 'orders' });
    expect(Buffer.from(published[1]?.data ?? []).toString()).toBe('raw!');
    expect(published[1]?.metadata).toMatchObject({ rawPayload: 'true', traceid: traceparent });
  });

  it.each<[string, Send & { data?: string }, Record<string, unknown>]>([
    ['no name', { pubsub: '' }, { code: 'pubsub.empty', message: 'pubsub name is empty' }],
    ['an unknown component', { pubsub: 'x' }, { code: 'pubsub.not-found', message: 'pubsub x is not found' }],
    ['no topic', { topic: '' }, { code: 'pubsub.topic-empty', message: 'topic is empty in pubsub bus' }],
    ['a topic without end', { topic: 'x'.repeat(513) }, { code: 'bad-request' }],
    ['a bad rawPayload', { metadata: { rawPayload: 'maybe' } }, { code: 'pubsub.request-metadata' }],
    ['a CloudEvent that is none', { contentType: 'application/cloudevents+json', data: '[]' }, { code: 'pubsub.cloud-event' }],
    ['a forbidden topic', { topic: 'secret' }, { code: 'pubsub.forbidden', message: 'topic secret is not allowed for app id app' }],
  ])('refuses %s', async (_what, { data = '{}', ...send }, expected) => {
    const { block, published } = createRig({ properties: { protectedTopics: 'secret' } });
    await expect(publish(block, data, send)).rejects.toMatchObject(expected);
    expect(published).toEqual([]);
  });

  it("reports the broker's failure with topic and component", async () => {
    const { block, driver, counts } = createRig();
    await driver.close();
    const message = 'error when publishing to topic orders in pubsub bus: component is closed';
    await expect(publish(block, '{}')).rejects.toMatchObject({ code: 'pubsub.publish', message });
    expect(counts.get('dapr_component_pubsub_egress_count false')).toBe(1);
  });

  it('publishes in bulk, entry by entry or at once, and names the entries that failed', async () => {
    for (const broker of ['memory', 'engine'] as const) {
      const { block, published } = createRig({ broker, own: [subscriptionSpec()] });
      expect(await bulkPublish(block, [entry('a'), entry('b', { metadata: { x: '1' } })], { x: '0', y: '2' })).toEqual([]);
      if (broker === 'engine') {
        const failed = await bulkPublish(block, [entry('a'), entry('b', { metadata: { ttlInSeconds: '1' } })]);
        expect(failed).toEqual([]);
      } else expect(published.map(({ metadata }) => metadata)).toEqual([{}, { x: '1', y: '2' }]);
    }
  });

  it('refuses bulk requests whose entry ids are missing or repeat', async () => {
    const { block, published } = createRig();
    for (const entries of [[entry('')], [entry('a'), entry('a')]]) {
      await expect(bulkPublish(block, entries)).rejects.toMatchObject({ code: 'pubsub.events-marshal' });
    }
    expect(published).toEqual([]);
  });

  it('repeats only failed entries of a bulk publish when a policy repeats', async () => {
    let tries = 0;
    const broker = { published: [] as string[] };
    const retrying: Govern = (_target, service) => async (call) => {
      for (;;) {
        try {
          return await service(call);
        } catch (error) {
          if (++tries > 3) throw error;
        }
      }
    };
    const { block, driver } = createRig({ govern: retrying });
    const real = driver.publish.bind(driver);
    driver.publish = async (message) => {
      const text = Buffer.from(message.data).toString();
      broker.published.push(text.includes('"bad"') ? 'bad' : 'good');
      if (text.includes('"bad"')) throw new Error('no');
      return real(message);
    };
    expect(await bulkPublish(block, [entry('good'), entry('bad')])).toEqual([{ entryId: 'bad', error: 'no' }]);
    expect(broker.published).toEqual(['good', 'bad', 'bad', 'bad', 'bad']);
  });
});
