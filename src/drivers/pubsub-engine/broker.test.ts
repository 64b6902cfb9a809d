import { describe, expect, it } from 'vitest';
import * as v from 'valibot';
import type { Engine } from '../../contracts/engine.ts';
import type { Verdict } from '../../contracts/pubsub.ts';
import { silentLogger } from '../../kernel/log.ts';
import { nodeClock } from '../../ports/node/clock.ts';
import { createNodeRandom } from '../../ports/node/random.ts';
import { eventually, openInbox, pubSubSuite, send } from '../../testing/pubsub-suite.ts';
import { createMemoryContents, createMemoryEngine } from '../engine-memory/memory-engine.ts';
import { EngineBroker } from './broker.ts';
import { engineBrokerConfig } from './config.ts';
import { trimTopic } from './housekeeping.ts';
import definition from './index.ts';
import { busKeys } from './keys.ts';

const nodeRandom = createNodeRandom();
// A machine that stands still for longer than a lease loses its lanes rightly, and events come again: only where one dies a lease is short.
const quick = { redeliverInterval: '20ms', leaseTtl: '60s' };
const mortal = { leaseTtl: '10s' };
const keys = busKeys('', 'bus');

function openBroker(engine: Engine, config: Record<string, string> = {}): EngineBroker {
  const parsed = v.parse(engineBrokerConfig, { ...quick, ...config });
  return new EngineBroker(parsed, { engine, clock: nodeClock, random: nodeRandom, log: silentLogger, namespace: '', name: 'bus' });
}

pubSubSuite({
  name: 'engine (memory)',
  capabilities: definition.capabilities,
  durable: true,
  async open() {
    const contents = createMemoryContents();
    let engine = createMemoryEngine({ clock: nodeClock, contents });
    let broker = openBroker(engine);
    return {
      broker,
      second: async () => openBroker(createMemoryEngine({ clock: nodeClock, contents })),
      reopen: async () => {
        await broker.close();
        await engine.close();
        engine = createMemoryEngine({ clock: nodeClock, contents });
        broker = openBroker(engine);
        return broker;
      },
      destroy: async () => {
        await broker.close();
        await engine.close();
      },
    };
  },
});

const forever = new Promise<Verdict>(() => {});

describe('the engine broker', () => {
  it('keeps the order of a key while its first event fails, and lets other keys pass', async () => {
    const broker = openBroker(createMemoryEngine({ clock: nodeClock }));
    let failures = 3;
    const inbox = await openInbox(broker, { answer: (text) => (text === 'a1' && failures-- > 0 ? 'retry' : 'ack') });
    for (const text of ['a1', 'a2', 'b1', 'a3', 'b2']) await send(broker, text, { partitionKey: text[0] as string });
    await inbox.until(8);
    expect(inbox.texts.filter((text) => text.startsWith('a'))).toEqual(['a1', 'a1', 'a1', 'a1', 'a2', 'a3']);
    expect(inbox.texts.indexOf('b2')).toBeLessThan(inbox.texts.lastIndexOf('a1'));
    expect(inbox.messages.filter((_, i) => inbox.texts[i] === 'a1').map(({ attempt }) => attempt)).toEqual([1, 2, 3, 4]);
    await broker.close();
  });

  it('keeps the order of the calls, whichever way each of them goes', async () => {
    const engine = createMemoryEngine({ clock: nodeClock });
    const broker = openBroker(engine);
    const message = (text: string, dedupe?: string) => ({
      ...{ topic: 't', data: Buffer.from(text), metadata: {} },
      ...(dedupe !== undefined && { dedupe }),
    });
    await broker.publish(message('0'));
    const calls: Promise<unknown>[] = [];
    for (let round = 0; round < 3; round++) {
      calls.push(broker.publish(message('a')), broker.publish(message('b')), broker.publishMany([message('c'), message('d')]));
      calls.push(broker.publish(message('e')), broker.publish(message('f', `once ${round}`)), broker.publish(message('g')));
      const appends = broker.appendsOf([message('h')]);
      calls.push(appends.then((append) => engine.commit({ append })));
    }
    await Promise.all(calls);
    const { entries } = await engine.readLog(keys.log('t'), 0, 100);
    const texts = entries.map(({ data }) => Buffer.from(data).toString()).join('');
    expect(texts.replaceAll('h', '')).toBe(`0${'abcdefg'.repeat(3)}`);
    expect(texts).toHaveLength(1 + 8 * 3);
    await broker.close();
  });

  it('goes on after a crash of the engine: the unacknowledged comes again, the acknowledged does not', async () => {
    const contents = createMemoryContents();
    const engine = createMemoryEngine({ clock: nodeClock, contents });
    const broker = openBroker(engine, mortal);
    const inbox = await openInbox(broker, { answer: (text) => (text === 'stuck' ? forever : 'ack') });
    await send(broker, 'stuck', { partitionKey: 'k' });
    for (let i = 0; i < 200; i++) await send(broker, `m${i}`);
    await send(broker, 'behind', { partitionKey: 'k' });
    await inbox.until(201);
    await eventually(() => storedPending(contents) === 2, 'acknowledgements are stored');
    engine.crash();
    const next = openBroker(createMemoryEngine({ clock: nodeClock, contents }), mortal);
    const after = await openInbox(next);
    await after.until(2);
    await send(next, 'new');
    await after.until(3);
    expect(after.texts).toEqual(['stuck', 'behind', 'new']);
    await next.close();
    await broker.close();
  });

  it('shares lanes between processes, drains before handing over, and takes over from the dead', async () => {
    const contents = createMemoryContents();
    const engines = [0, 1].map(() => createMemoryEngine({ clock: nodeClock, contents }));
    const brokers = engines.map((engine) => openBroker(engine, mortal));
    const [first, second] = brokers as [EngineBroker, EngineBroker];
    const underWay = new Map<string, number>();
    let overlaps = 0;
    const answer = async (text: string): Promise<Verdict> => {
      const key = text.split('-')[0] as string;
      const now = (underWay.get(key) ?? 0) + 1;
      underWay.set(key, now);
      if (now > 1) overlaps++;
      await new Promise((resolve) => setTimeout(resolve, 1));
      underWay.set(key, now - 1);
      return 'ack';
    };
    const inboxes = [await openInbox(first, { answer })];
    const publish = async (from: number, to: number): Promise<void> => {
      for (let i = from; i < to; i++) await send(first, `k${i % 40}-${i}`, { partitionKey: `k${i % 40}` });
    };
    await publish(0, 400);
    inboxes.push(await openInbox(second, { answer }));
    await publish(400, 800);
    const all = (): string[] => inboxes.flatMap(({ texts }) => texts);
    await eventually(() => all().length >= 800, 'the first 800');
    expect(all().length).toBe(800);
    expect(overlaps).toBe(0);
    await eventually(() => owners(contents).size === 2, 'both hold lanes');
    const mark = inboxes[1]?.texts.length ?? 0;
    await publish(800, 1000);
    await eventually(() => new Set(all()).size === 1000, 'all 1000');
    expect((inboxes[1]?.texts.length ?? 0) > mark).toBe(true);
    for (const { texts } of inboxes) expect(keysInOrder(texts)).toBe(true);
    engines[1]?.crash();
    const lone = inboxes[0] as (typeof inboxes)[0];
    const before = lone.texts.length;
    await publish(1000, 1040);
    await eventually(() => new Set(lone.texts.slice(before)).size >= 40, 'the survivor has all lanes');
    await second.close();
    await first.close();
  });

  it('needs no memory in proportion to a backlog, and finds its way through it', async () => {
    const broker = openBroker(createMemoryEngine({ clock: nodeClock }));
    const big = Buffer.alloc(20_000, 'x');
    const paused = await openInbox(broker, { concurrency: 1, answer: () => forever });
    for (let i = 0; i < 500; i++) await broker.publish({ topic: 'orders', data: big, metadata: {} });
    await paused.until(1);
    await paused.subscription.close(0);
    const inbox = await openInbox(broker);
    await inbox.until(500);
    await broker.close();
    expect(inbox.messages).toHaveLength(500);
  });

  it('carries events larger than an engine value', async () => {
    const broker = openBroker(createMemoryEngine({ clock: nodeClock }));
    const inbox = await openInbox(broker);
    const data = Buffer.alloc(5_000_000, 'abcdefghij');
    await broker.publish({ topic: 'orders', data, metadata: { n: '1' } });
    await inbox.until(1);
    expect(Buffer.compare(inbox.messages[0]?.data as Uint8Array, data)).toBe(0);
    expect(inbox.messages[0]?.metadata).toEqual({ n: '1' });
    await broker.close();
  });

  it('drops a repeat with the same dedupe id', async () => {
    const broker = openBroker(createMemoryEngine({ clock: nodeClock }));
    const inbox = await openInbox(broker);
    for (let i = 0; i < 3; i++) await broker.publish({ topic: 'orders', data: Buffer.from('once'), metadata: {}, dedupe: 'id-1' });
    await send(broker, 'end');
    await inbox.until(2);
    expect(inbox.texts.toSorted()).toEqual(['end', 'once']);
    await broker.close();
  });

  it.each([
    ['start', ['old', 'new']],
    ['recent', ['old', 'new']],
    ['head', ['new']],
    ['2100-01-01T00:00:00Z', ['new']],
    ['2000-01-01T00:00:00Z', ['old', 'new']],
  ])('begins a later group at %s', async (startFrom, expected) => {
    const broker = openBroker(createMemoryEngine({ clock: nodeClock }));
    await openInbox(broker, { group: 'first' });
    await send(broker, 'old');
    const inbox = await openInbox(broker, { group: 'later', metadata: { startFrom } });
    await send(broker, 'new');
    await inbox.until(expected.length);
    expect(inbox.texts.toSorted()).toEqual(expected.toSorted());
    await expect(openInbox(broker, { group: 'x', metadata: { startFrom: 'yesterday' } })).rejects.toMatchObject({ code: 'config.invalid' });
    await broker.close();
  });

  it('removes what all groups have consumed, what is too old and what is too much', async () => {
    const engine = createMemoryEngine({ clock: nodeClock });
    const broker = openBroker(engine);
    const inbox = await openInbox(broker);
    const slow = await openInbox(broker, { group: 'slow', concurrency: 1, answer: (text) => (text === 'm5' ? forever : 'ack') });
    for (let i = 0; i < 10; i++) await send(broker, `m${i}`, { partitionKey: 'k' });
    await inbox.until(10);
    await slow.until(6);
    const generous = { retentionMs: 60_000, retentionBytes: 1e9, keepConsumedMs: 60_000, topic: 'orders' };
    expect(await trimTopic(engine, keys, generous)).toBe(0);
    await inbox.subscription.close(100);
    await slow.subscription.close(0);
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(await trimTopic(engine, keys, { ...generous, keepConsumedMs: 0 })).toBe(5);
    expect((await engine.readLog(keys.log('orders'), 0)).first).toBe(6);
    expect(await trimTopic(engine, keys, { ...generous, retentionBytes: 140 })).toBe(8);
    expect(await trimTopic(engine, keys, { ...generous, retentionMs: 0 })).toBe(10);
    await send(broker, 'next', { partitionKey: 'k' });
    const late = await openInbox(broker, { group: 'slow' });
    await late.until(1);
    expect(late.texts).toEqual(['next']);
    await broker.close();
  });
});

function lanes(contents: ReturnType<typeof createMemoryContents>): { owner: string; pending: number[] }[] {
  const found: { owner: string; pending: number[] }[] = [];
  const prefix = keys.lanes('orders', 'g');
  for (const [, entry] of contents.keys.entries()) {
    if (entry.key.startsWith(prefix)) found.push(JSON.parse(Buffer.from(entry.value).toString()) as (typeof found)[0]);
  }
  return found;
}

function storedPending(contents: ReturnType<typeof createMemoryContents>): number {
  return lanes(contents).reduce((sum, { pending }) => sum + pending.length, 0);
}

function owners(contents: ReturnType<typeof createMemoryContents>): Set<string> {
  return new Set(lanes(contents).map(({ owner }) => owner.split('/')[0] as string));
}

function keysInOrder(texts: readonly string[]): boolean {
  const last = new Map<string, number>();
  return texts.every((text) => {
    const [key, number] = text.split('-') as [string, string];
    const before = last.get(key) ?? -1;
    last.set(key, Number(number));
    return Number(number) > before;
  });
}
