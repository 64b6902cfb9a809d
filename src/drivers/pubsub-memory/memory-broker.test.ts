import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../kernel/log.ts';
import { nodeClock } from '../../ports/node/clock.ts';
import { cutOut, keptBytes } from '../../testing/kept-memory.ts';
import { openInbox, pubSubSuite, send } from '../../testing/pubsub-suite.ts';
import definition from './index.ts';
import { MemoryBroker } from './memory-broker.ts';
import { topicMatches } from './wildcard.ts';

pubSubSuite({
  name: 'memory',
  capabilities: definition.capabilities,
  durable: false,
  async open() {
    const broker = new MemoryBroker(nodeClock, silentLogger);
    return { broker, destroy: () => broker.close() };
  },
});

describe('the in-memory bus', () => {
  it('does not repeat what failed', async () => {
    const broker = new MemoryBroker(nodeClock, silentLogger);
    const inbox = await openInbox(broker, { answer: () => 'retry' });
    await send(broker, 'a');
    await send(broker, 'b');
    await inbox.until(2);
    await inbox.subscription.close(100);
    expect(inbox.texts).toEqual(['a', 'b']);
  });

  it('refuses publishers when a subscriber does not keep up', async () => {
    const broker = new MemoryBroker(nodeClock, silentLogger);
    const inbox = await openInbox(broker);
    inbox.subscription.pause();
    for (let i = 0; i < 10_000; i++) await send(broker, 'm');
    await expect(send(broker, 'one too many')).rejects.toMatchObject({ code: 'overloaded' });
    inbox.subscription.resume();
    await inbox.until(10_000);
    await send(broker, 'again');
    await inbox.until(10_001);
    await broker.close();
  });

  it.each([
    ['a', 'a', true],
    ['a', 'b', false],
    ['*', 'anything', true],
    ['a*', 'ab', true],
    ['a*', 'a', false],
    ['a*c', 'abc', false],
    ['a*', 'ba', false],
    ['', '', true],
    ['', 'a', false],
  ])('matches %s with %s: %s', (pattern, topic, fits) => {
    expect(topicMatches(pattern, topic)).toBe(fits);
  });
});

it('keeps events that wait, and not the heads of the requests that they came with', async () => {
  const broker = new MemoryBroker(nodeClock, silentLogger);
  const inbox = await openInbox(broker);
  inbox.subscription.pause();
  const bytes = await keptBytes(async () => {
    for (let i = 0; i < 2_000; i++)
      await broker.publish({ topic: 'orders', data: Buffer.from('x'), metadata: {}, contentType: cutOut('application/json') });
  });
  // With the heads it would be 32 MB.
  expect(bytes).toBeLessThan(8_000_000);
  await broker.close();
});
