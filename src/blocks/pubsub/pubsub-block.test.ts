import { afterEach, describe, expect, it } from 'vitest';
import * as v from 'valibot';
import type { AppBulkEvent, EventVerdict, SubscriptionSpec } from '../../contracts/app-channel.ts';
import type { Verdict } from '../../contracts/pubsub.ts';
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
import { ProaError } from '../../kernel/errors.ts';
import { createPubSubRig, ok, subscriptionSpec, type PubSubRigOptions } from '../../testing/pubsub-block-rig.ts';
import { eventually } from '../../testing/pubsub-suite.ts';
import { createPubSubBlock, type PubSubBlock } from './index.ts';

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
  data: string,
  { topic = 'orders', pubsub = 'bus', contentType = 'application/json', metadata = {} }: Send = {},
) {
  const context = withValue(emptyContext, traceKey, { traceparent, tracestate: '', baggage: '' });
  const input = { pubsub, topic, data: Buffer.from(data), contentType, metadata };
  await block.publish(createCall({ block: 'pubsub', name: 'publish', idempotent: false }, input, { context }));
}

describe('subscribing', () => {
  it('delivers the published event with path, metadata and trace', async () => {
    const { block, calls, verdicts, counts } = createRig({ broker: 'engine', own: [subscriptionSpec({ kind: 'PROGRAMMATIC' })] });
    await block.start();
    await publish(block, '{"n":1}', { metadata: { partitionKey: 'k' } });
    await eventually(() => verdicts.length === 1, 'a verdict');
    expect(verdicts).toEqual(['ack']);
    expect(calls[0]).toMatchObject({
      event: { data: { n: 1 }, topic: 'orders' },
      input: { path: '/orders', pubsub: 'bus', topic: 'orders', metadata: { partitionKey: 'k', pubsubName: 'bus' } },
      traceparent,
    });
    expect(counts.get('dapr_component_pubsub_ingress_count success success')).toBe(1);
  });

  const drop: EventVerdict = { status: 'drop' };
  const retry: EventVerdict = { status: 'retry', code: 500 };
  const silent: EventVerdict = { status: 'drop', silent: true, code: 12 };
  const dlq = { deadLetterTopic: 'dead' };
  it.each<[string, Partial<SubscriptionSpec>, EventVerdict | Error, Verdict, number, string]>([
    ['success', {}, ok, 'ack', 0, 'success success'],
    ['drop', {}, drop, 'ack', 0, 'drop success'],
    ['drop, dead letters', dlq, drop, 'ack', 1, 'drop success'],
    ['404, dead letters', dlq, { status: 'drop', code: 404 }, 'ack', 1, 'drop drop'],
    ['silent drop, dead letters', dlq, silent, 'ack', 0, 'drop drop'],
    ['retry', {}, retry, 'retry', 0, 'retry retry'],
    ['retry, dead letters', dlq, retry, 'ack', 1, 'drop drop'],
    ['app unreachable', {}, new ProaError('unavailable', 'down'), 'retry', 0, 'retry retry'],
    ['app unreachable, dead letters', dlq, new ProaError('unavailable', 'down'), 'ack', 1, 'drop drop'],
    ['dead letters forbidden', { deadLetterTopic: 'protected' }, retry, 'retry', 0, 'retry retry'],
    ['no route', { rules: [{ match: 'false', path: '/x' }], defaultPath: undefined as never }, ok, 'ack', 0, 'drop success'],
    [
      'no route, dead letters',
      { rules: [{ match: 'false', path: '/x' }], defaultPath: undefined as never, ...dlq },
      ok,
      'ack',
      1,
      'drop success',
    ],
    ['a rule that fails', { rules: [{ match: 'event.data.x.y == 1', path: '/x' }] }, ok, 'retry', 0, 'retry retry'],
    ['a rule that fails, dead letters', { rules: [{ match: 'event.data.x.y == 1', path: '/x' }], ...dlq }, ok, 'ack', 1, 'drop drop'],
  ])('%s', async (_what, changes, answer, verdict, letters, counted) => {
    const { block, published, verdicts, counts } = createRig({
      own: [subscriptionSpec(changes)],
      properties: { protectedTopics: 'protected' },
      answer: () => {
        if (answer instanceof Error) throw answer;
        return answer;
      },
    });
    await block.start();
    await publish(block, '{"n":1}');
    await eventually(() => verdicts.length === 1, 'a verdict');
    expect(verdicts).toEqual([verdict]);
    const dead = published.filter(({ topic }) => topic === 'dead');
    expect(dead.length).toBe(letters);
    if (letters > 0) expect(Buffer.compare(dead[0]?.data ?? Buffer.of(), published[0]?.data ?? Buffer.of())).toBe(0);
    expect(counts.get(`dapr_component_pubsub_ingress_count ${counted}`)).toBe(1);
  });

  it.each<[string, string, Record<string, string>, Partial<SubscriptionSpec>, Verdict, number]>([
    ['expired', '{"id":"1","expiration":"2001-01-01T00:00:00Z"}', {}, {}, 'ack', 0],
    ['expired, dead letters', '{"id":"1","expiration":"2001-01-01T00:00:00Z"}', {}, dlq, 'ack', 1],
    ['unparsable', '{"id":', {}, {}, 'retry', 0],
    ['unparsable, dead letters', '{"id":', {}, dlq, 'ack', 1],
    ['not an object', '[1]', {}, {}, 'retry', 0],
  ])('settles an event that is %s without the app', async (_what, data, metadata, changes, verdict, letters) => {
    const { block, driver, published, verdicts, calls } = createRig({ own: [subscriptionSpec(changes)] });
    await block.start();
    await driver.publish({ topic: 'orders', data: Buffer.from(data), metadata });
    await eventually(() => verdicts.length === 1, 'a verdict');
    expect([verdicts, calls.length, published.filter(({ topic }) => topic === 'dead').length]).toEqual([[verdict], 0, letters]);
  });

  it('wraps raw payloads and rebuilds binary CloudEvents', async () => {
    const { block, driver, calls } = createRig({
      own: [subscriptionSpec({ metadata: { rawPayload: 'true' } }), subscriptionSpec({ topic: 'binary' })],
    });
    await block.start();
    await driver.publish({ topic: 'orders', data: Buffer.from('raw'), metadata: { traceparent } });
    const metadata = { ce_id: '7', CE_type: 't', ce_data: 'no', other: 'x' };
    await driver.publish({ topic: 'binary', data: Uint8Array.of(1), contentType: 'application/octet-stream', metadata });
    await eventually(() => calls.length === 2, 'both events');
    const [raw, binary] = ['orders', 'binary'].map((topic) => calls.find(({ input }) => input.topic === topic));
    expect(raw?.event).toMatchObject({
      data_base64: 'cmF3',
      source: 'Dapr',
      datacontenttype: 'application/octet-stream',
      traceid: traceparent,
    });
    expect(raw?.traceparent).toBe(traceparent);
    expect(binary?.event).toEqual({ datacontenttype: 'application/octet-stream', id: '7', type: 't', data_base64: 'AQ==' });
  });
});

describe('subscriptions', () => {
  it('merges declarative and programmatic ones, and adds streams', async () => {
    const { block, calls } = createRig({
      declared: [
        subscriptionSpec({ topic: 'a', defaultPath: '/first' }),
        subscriptionSpec({ topic: 'a', defaultPath: '/second' }),
        subscriptionSpec({ topic: 'b', defaultPath: '/yaml' }),
      ],
      own: [subscriptionSpec({ topic: 'b', defaultPath: '/code', kind: 'PROGRAMMATIC' })],
    });
    await block.start();
    const streamed: string[] = [];
    const end = await block.subscribeStream(subscriptionSpec({ topic: 'a', defaultPath: '/' }), {
      event: async (call) => {
        streamed.push(call.input.path);
        return ok;
      },
    });
    expect(block.subscriptions().map(({ topic, kind }) => `${topic} ${kind}`)).toEqual(['a DECLARATIVE', 'b PROGRAMMATIC', 'a STREAMING']);
    await publish(block, '1', { topic: 'a' });
    await publish(block, '1', { topic: 'b' });
    await eventually(() => calls.length === 2 && streamed.length === 1, 'three events');
    expect(calls.map(({ input }) => input.path)).toEqual(['/first', '/code']);
    await end(100);
    expect(block.subscriptions()).toHaveLength(2);
  });

  it('refuses a stream that scopes forbid or whose component is missing', async () => {
    const { block } = createRig({ properties: { subscriptionScopes: 'app=a' } });
    const receiver = { event: async () => ok };
    await expect(block.subscribeStream(subscriptionSpec({ topic: 'b' }), receiver)).rejects.toMatchObject({ code: 'pubsub.forbidden' });
    await expect(block.subscribeStream(subscriptionSpec({ pubsub: 'x' }), receiver)).rejects.toMatchObject({ code: 'pubsub.not-found' });
    expect(block.subscriptions()).toEqual([]);
  });

  it('rests between pause and start, and loses nothing', async () => {
    const { block, calls } = createRig({ broker: 'engine', own: [subscriptionSpec()] });
    await block.start();
    await block.start();
    await publish(block, '1');
    await eventually(() => calls.length === 1, 'the first event');
    await block.pause(1_000);
    expect(block.subscriptions()).toEqual([]);
    await publish(block, '2');
    await block.start();
    await eventually(() => calls.length === 2, 'the second event');
    expect(calls.map(({ event }) => event['data'])).toEqual([1, 2]);
  });

  it('dead-letters nothing because it leaves', async () => {
    let fail = (): void => {};
    const answer = (): Promise<EventVerdict> => new Promise((_, reject) => (fail = () => reject(new ProaError('unavailable', 'gone'))));
    const { block, calls, published } = createRig({ broker: 'engine', own: [subscriptionSpec({ deadLetterTopic: 'dead' })], answer });
    await block.start();
    await publish(block, '1');
    await eventually(() => calls.length === 1, 'the event');
    const pausing = block.pause(5_000);
    fail();
    await pausing;
    expect(published.filter(({ topic }) => topic === 'dead')).toEqual([]);
    await block.start();
    await eventually(() => calls.length === 2, 'the event comes again');
    fail();
  });
});

describe('bulk delivery', () => {
  const bulk = { maxMessages: 4, maxAwaitMs: 30 };
  const dataOf = (each: AppBulkEvent): unknown[] =>
    each.entries.map(({ event }) => (JSON.parse(Buffer.from(event).toString()) as Record<string, unknown>)['data']);

  it('fills windows, groups by route and settles entry by entry', async () => {
    const tried = new Map<unknown, number>();
    const { block, bulks, published, verdicts } = createRig({
      broker: 'engine',
      own: [subscriptionSpec({ bulk, deadLetterTopic: 'dead', rules: [{ match: 'event.data == 3', path: '/three' }] })],
      answerBulk: (each) =>
        new Map(
          each.entries.flatMap(({ entryId }, i): [string, EventVerdict][] => {
            const data = dataOf(each)[i];
            tried.set(data, (tried.get(data) ?? 0) + 1);
            if (data === 1) return [[entryId, { status: 'drop' }]];
            return data === 2 ? [] : [[entryId, ok]];
          }),
        ),
    });
    for (let n = 0; n < 5; n++) await publish(block, String(n));
    await block.start();
    await eventually(() => verdicts.length === 5, 'all verdicts');
    expect(verdicts).toEqual(['ack', 'ack', 'ack', 'ack', 'ack']);
    expect(bulks.filter(({ path }) => path === '/three').map(dataOf)).toEqual([[3]]);
    expect(bulks.every(({ entries }) => entries.length <= 4)).toBe(true);
    expect(
      published
        .filter(({ topic }) => topic === 'dead')
        .map(({ topic, data }) => `${topic} ${(JSON.parse(Buffer.from(data).toString()) as { data: number }).data}`)
        .toSorted(),
    ).toEqual(['dead 1', 'dead 2']);
  });

  it('gives raw payloads as bytes, and what failed back to the broker', async () => {
    let rounds = 0;
    const { block, bulks, verdicts } = createRig({
      broker: 'engine',
      own: [subscriptionSpec({ bulk, metadata: { rawPayload: 'true' } })],
      answerBulk: (each) => (rounds++ === 0 ? new Map() : new Map(each.entries.map(({ entryId }) => [entryId, ok]))),
    });
    await block.start();
    await publish(block, 'x', { metadata: { rawPayload: 'true' } });
    await eventually(() => verdicts.length === 2, 'two verdicts');
    expect(verdicts).toEqual(['retry', 'ack']);
    expect(bulks[0]?.entries[0]?.contentType).toBe('application/octet-stream');
    expect(Buffer.from(bulks[0]?.entries[0]?.event ?? []).toString()).toBe('x');
  });
});
