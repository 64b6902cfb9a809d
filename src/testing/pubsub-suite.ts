import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { IncomingMessage, PubSub, PubSubCapability, Subscription, Verdict } from '../contracts/pubsub.ts';

/** A broker under test, fresh and empty. */
export interface PubSubUnderTest {
  readonly broker: PubSub;
  /** A second client of the same broker, as another process has it. */
  readonly second?: () => Promise<PubSub>;
  /** Closes the client and opens a new one over the same data. */
  readonly reopen?: () => Promise<PubSub>;
  readonly destroy: () => Promise<void>;
}

export interface PubSubSuiteOptions {
  readonly name: string;
  /** What the driver's definition declares. */
  readonly capabilities: readonly string[];
  /** Events survive without a subscriber, groups compete, failed events come again (not so for in-memory buses). */
  readonly durable: boolean;
  open(): Promise<PubSubUnderTest>;
}

/** Collects what a subscription delivers and answers by script. */
export interface Inbox {
  readonly messages: IncomingMessage[];
  readonly texts: string[];
  readonly subscription: Subscription;
  /** Waits until `count` messages came; fails after a minute. */
  until(count: number): Promise<void>;
}

export interface InboxOptions {
  readonly topic?: string;
  readonly group?: string;
  readonly concurrency?: number;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly answer?: (text: string, message: IncomingMessage) => Verdict | Promise<Verdict>;
}

/** Waits until `condition` holds, looking every few milliseconds; fails after a minute. */
export async function eventually(condition: () => boolean, what: string): Promise<void> {
  const end = performance.now() + 60_000;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`waited a minute in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** Subscribes and collects. */
export async function openInbox(broker: PubSub, options: InboxOptions = {}): Promise<Inbox> {
  const messages: IncomingMessage[] = [];
  const texts: string[] = [];
  const subscription = await broker.subscribe(
    { topic: options.topic ?? 'orders', group: options.group ?? 'g', metadata: options.metadata ?? {} },
    {
      concurrency: options.concurrency ?? 8,
      async deliver(message) {
        const text = Buffer.from(message.data).toString();
        messages.push(message);
        texts.push(text);
        return (await options.answer?.(text, message)) ?? 'ack';
      },
    },
  );
  const until = (count: number): Promise<void> => eventually(() => messages.length >= count, `${count} messages, got ${messages.length}`);
  return { messages, texts, subscription, until };
}

/** Publishes one text. */
export async function send(broker: PubSub, text: string, metadata: Readonly<Record<string, string>> = {}, topic = 'orders'): Promise<void> {
  await broker.publish({ topic, data: Buffer.from(text), metadata });
}

/** Defines the tests of every promise of `contracts/pubsub.ts` for one driver. Call it from a test file. */
export function pubSubSuite(options: PubSubSuiteOptions): void {
  describe(`pub/sub contract: ${options.name}`, () => {
    let under: PubSubUnderTest;
    const rig = (): PubSubUnderTest => under;
    beforeEach(async () => {
      under = await options.open();
    });
    afterEach(() => under.destroy());
    basics(rig, options);
    if (options.durable) durability(rig);
    if (options.capabilities.includes('BULK_PUBSUB')) bulk(rig);
    if (options.capabilities.includes('MESSAGE_TTL')) expiry(rig);
    if (options.capabilities.includes('SUBSCRIBE_WILDCARDS')) wildcards(rig);
  });
}

function basics(rig: () => PubSubUnderTest, options: PubSubSuiteOptions): void {
  it('declares what its definition declares, and has the methods for it', () => {
    const { broker } = rig();
    expect([...broker.capabilities].sort()).toEqual([...options.capabilities].sort());
    expect(broker.publishMany !== undefined).toBe((broker.capabilities as readonly PubSubCapability[]).includes('BULK_PUBSUB'));
  });

  it('delivers bytes, metadata and topic as they were published', async () => {
    const { broker } = rig();
    const inbox = await openInbox(broker);
    const data = Uint8Array.from([0, 255, 10, 128]);
    await broker.publish({ topic: 'orders', data, contentType: 'application/octet-stream', metadata: { a: '1', Ä: 'ß' } });
    await inbox.until(1);
    expect(inbox.messages[0]).toMatchObject({ topic: 'orders', contentType: 'application/octet-stream', metadata: { a: '1', Ä: 'ß' } });
    expect(Array.from(inbox.messages[0]?.data ?? [])).toEqual([0, 255, 10, 128]);
  });

  it('delivers to every group and keeps topics apart', async () => {
    const { broker } = rig();
    const [a, b, other] = [
      await openInbox(broker, { group: 'a' }),
      await openInbox(broker, { group: 'b' }),
      await openInbox(broker, { topic: 'invoices' }),
    ];
    await send(broker, 'one');
    await send(broker, 'two', {}, 'invoices');
    await Promise.all([a.until(1), b.until(1), other.until(1)]);
    expect([a.texts, b.texts, other.texts]).toEqual([['one'], ['one'], ['two']]);
  });

  it('has at most `concurrency` messages under way, and takes more when one is settled', async () => {
    const { broker } = rig();
    let now = 0;
    let most = 0;
    const release: (() => void)[] = [];
    const answer = async (): Promise<Verdict> => {
      most = Math.max(most, ++now);
      await new Promise<void>((resolve) => release.push(resolve));
      now--;
      return 'ack';
    };
    const inbox = await openInbox(broker, { concurrency: 3, answer });
    for (let i = 0; i < 9; i++) await send(broker, `m${i}`);
    for (let i = 0; i < 9; i++) {
      await eventually(() => release.length > i, `delivery ${i}`);
      release[i]?.();
    }
    await inbox.until(9);
    expect(most).toBe(3);
  });

  it('takes nothing new while paused, and goes on when resumed', async () => {
    const { broker } = rig();
    const inbox = await openInbox(broker);
    await send(broker, 'one');
    await inbox.until(1);
    inbox.subscription.pause();
    await send(broker, 'two');
    const other = await openInbox(broker, { topic: 'clock' });
    await send(broker, 'tick', {}, 'clock');
    await other.until(1);
    expect(inbox.texts).toEqual(['one']);
    inbox.subscription.resume();
    await inbox.until(2);
    expect(inbox.texts).toEqual(['one', 'two']);
  });

  it('waits at close for what is under way, and refuses work afterwards', async () => {
    const { broker } = rig();
    let finish = (): void => {};
    const waiting = new Promise<Verdict>((resolve) => (finish = () => resolve('ack')));
    const inbox = await openInbox(broker, { answer: () => waiting });
    await send(broker, 'slow');
    await inbox.until(1);
    let closed = false;
    const closing = inbox.subscription.close(10_000).then(() => (closed = true));
    await new Promise((resolve) => setImmediate(resolve));
    expect(closed).toBe(false);
    finish();
    await closing;
    await broker.close();
    await expect(
      broker.subscribe({ topic: 'x', group: 'g', metadata: {} }, { concurrency: 1, deliver: async () => 'ack' }),
    ).rejects.toThrow(/closed/);
  });
}

function durability(rig: () => PubSubUnderTest): void {
  it('keeps what was published before the first subscription', async () => {
    const { broker } = rig();
    await send(broker, 'early');
    const inbox = await openInbox(broker);
    await inbox.until(1);
    expect(inbox.texts).toEqual(['early']);
  });

  it('delivers again what is to be retried', async () => {
    const { broker } = rig();
    let failures = 2;
    const inbox = await openInbox(broker, { answer: (text) => (text === 'bad' && failures-- > 0 ? 'retry' : 'ack') });
    await send(broker, 'bad');
    await send(broker, 'good');
    await inbox.until(4);
    expect(inbox.texts.filter((text) => text === 'bad')).toHaveLength(3);
    expect(inbox.texts.filter((text) => text === 'good')).toHaveLength(1);
  });

  it('shares the messages of a group among its consumers, each message once', async () => {
    const { broker, second } = rig();
    const other = second === undefined ? broker : await second();
    const inboxes = [await openInbox(broker), await openInbox(other)];
    for (let i = 0; i < 100; i++) await send(broker, `m${i}`);
    const all = (): string[] => inboxes.flatMap(({ texts }) => texts);
    await eventually(() => new Set(all()).size === 100, 'all messages');
    for (const { subscription } of inboxes) await subscription.close(1_000);
    expect(all()).toHaveLength(100);
    if (other !== broker) await other.close();
  });

  it('after a restart delivers what was not acknowledged, and only that', async () => {
    const { broker, reopen } = rig();
    if (reopen === undefined) return;
    const never = new Promise<Verdict>(() => {});
    const inbox = await openInbox(broker, { answer: (text) => (text === 'm3' ? never : 'ack') });
    for (let i = 0; i < 8; i++) await send(broker, `m${i}`);
    await inbox.until(8);
    await inbox.subscription.close(20);
    const again = await reopen();
    await send(again, 'last');
    const after = await openInbox(again);
    await after.until(2);
    expect(after.texts.toSorted()).toEqual(['last', 'm3']);
  });
}

function bulk(rig: () => PubSubUnderTest): void {
  it('publishes many and answers per message', async () => {
    const { broker } = rig();
    const inbox = await openInbox(broker);
    const messages = Array.from({ length: 600 }, (_, i) => ({ topic: 'orders', data: Buffer.from(`m${i}`), metadata: {} }));
    expect(await broker.publishMany?.(messages)).toEqual(messages.map(() => undefined));
    await inbox.until(600);
    expect(new Set(inbox.texts).size).toBe(600);
  });
}

function expiry(rig: () => PubSubUnderTest): void {
  it('does not deliver what has expired, and refuses a TTL that is none', async () => {
    const { broker } = rig();
    await send(broker, 'short', { ttlInSeconds: '1' });
    await send(broker, 'long', { ttlInSeconds: '1000' });
    await expect(send(broker, 'x', { ttlInSeconds: 'soon' })).rejects.toThrow(/soon/);
    await new Promise((resolve) => setTimeout(resolve, 1_050));
    const inbox = await openInbox(broker);
    await send(broker, 'end');
    await inbox.until(2);
    expect(inbox.texts.toSorted()).toEqual(['end', 'long']);
  });
}

function wildcards(rig: () => PubSubUnderTest): void {
  it('understands * at the end of a subscribed topic', async () => {
    const { broker } = rig();
    const inbox = await openInbox(broker, { topic: 'orders/*' });
    for (const topic of ['orders/eu', 'orders', 'invoices/us', 'orders/us/new']) await send(broker, topic, {}, topic);
    await inbox.until(2);
    expect(inbox.texts).toEqual(['orders/eu', 'orders/us/new']);
    expect(inbox.messages[0]?.topic).toBe('orders/eu');
  });
}
