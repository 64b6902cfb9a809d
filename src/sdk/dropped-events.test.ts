import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { createFakeClock } from '../testing/fake-clock.ts';
import { createApp } from './app.ts';
import type { EventContract } from './contract.ts';
import { droppedLine, type DroppedEvents } from './dropped-events.ts';
import { withoutValue } from './without-value.ts';

const placed: EventContract = {
  pubsub: 'bus',
  topic: 'placed',
  data: v.object({ id: v.string(), lines: v.array(v.object({ count: v.number() })) }),
};

function rig(onDropped?: (dropped: DroppedEvents) => void) {
  const clock = createFakeClock();
  const told: DroppedEvents[] = [];
  const taken: unknown[] = [];
  const app = createApp({ onDropped: onDropped ?? ((dropped) => told.push(dropped)) }, () => clock);
  app.on(placed, ({ data }) => void taken.push(data)).on({ ...placed, topic: 'other' }, () => {});
  const send = async (data: unknown, path = 'proa/events/0'): Promise<unknown> => {
    const body = JSON.stringify({ topic: path.endsWith('0') ? 'placed' : 'other', pubsubname: 'bus', data });
    return (await app.fetch(new Request(`http://app/${path}`, { method: 'POST', body }))).json();
  };
  return { clock, told, taken, send };
}

describe('events that do not fit their contract', () => {
  it('are dropped and told: which topic, which field, why, and nothing that stands in them', async () => {
    const { told, taken, send } = rig();
    expect(await send({ id: 'a', lines: [] })).toEqual({ status: 'SUCCESS' });
    expect(await send({ id: 4711, lines: [{ count: 'hunter2' }] })).toEqual({ status: 'DROP' });
    expect(taken).toEqual([{ id: 'a', lines: [] }]);
    expect(told).toEqual([
      {
        pubsub: 'bus',
        topic: 'placed',
        count: 1,
        issues: [
          { field: 'id', why: 'Invalid type: Expected string but received ***' },
          { field: 'lines.0.count', why: 'Invalid type: Expected number but received "***"' },
        ],
      },
    ]);
    expect(droppedLine(told[0] as DroppedEvents)).toBe(
      'an event of topic "placed" (bus) dropped for not fitting the contract: id: Invalid type: Expected string but received ***; lines.0.count: Invalid type: Expected number but received "***"',
    );
  });

  it('are told of once in ten seconds and topic, all of them counted', async () => {
    const { clock, told, send } = rig();
    for (let i = 0; i < 50; i++) await send({ id: i });
    await send({ id: true }, 'proa/events/1');
    expect(told.map(({ topic, count }) => [topic, count])).toEqual([
      ['placed', 1],
      ['other', 1],
    ]);
    clock.advance(10_000);
    expect(told.slice(2).map(({ topic, count }) => [topic, count])).toEqual([['placed', 49]]);
    expect(droppedLine(told[2] as DroppedEvents)).toContain(
      '49 events of topic "placed" (bus) dropped for not fitting the contract, the last one: ',
    );
    // Quiet again: nothing waits, and the next one is told at once.
    clock.advance(20_000);
    expect([told.length, clock.waiting]).toEqual([3, 0]);
    await send({ id: 1 });
    expect(told).toHaveLength(4);
  });

  it('stay dropped when whoever is told fails', async () => {
    const { send } = rig(() => {
      throw new Error('the listener');
    });
    expect(await send({})).toEqual({ status: 'DROP' });
  });
});

describe('what a schema says, without the value', () => {
  it.each([
    ['Expected string but received 42', 42, 'Expected string but received ***'],
    ['Expected one of a, b but received "strange \\"word\\""', 'strange "word"', 'Expected one of a, b but received "***"'],
    ['must be a number (was "a very long te...")', 'a very long text that is cut', 'must be a number (was "***...")'],
    ['must be positive (was -5)', -5, 'must be positive (was ***)'],
    ['must be a string (was {"mail":"me@here","n":[7]})', { mail: 'me@here', n: [7] }, 'must be a string (was {"***":"***","***":[***]})'],
    ['Expected a number', 'a', 'Expected *** number'],
    ['is missing', undefined, 'is missing'],
    ['at least 1 of 15', 1, 'at least *** of 15'],
    ['too many to look for: 3', Array.from({ length: 300 }, (_, i) => i), 'it does not fit'],
  ])('%j', (message, value, shown) => {
    expect(withoutValue(message, value)).toBe(shown);
  });
});
