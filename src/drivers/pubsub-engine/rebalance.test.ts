import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import type { Verdict } from '../../contracts/pubsub.ts';
import { silentLogger } from '../../kernel/log.ts';
import { nodeClock } from '../../ports/node/clock.ts';
import { createNodeRandom } from '../../ports/node/random.ts';
import { eventually, openInbox, send, type Inbox } from '../../testing/pubsub-suite.ts';
import { createMemoryEngine } from '../engine-memory/memory-engine.ts';
import { EngineBroker } from './broker.ts';
import { engineBrokerConfig } from './config.ts';

/** A small generator, so that a schedule that fails can be run again. */
function createDice(seed: number): (sides: number) => number {
  let state = seed;
  return (sides) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 0x1_0000_0000) * sides);
  };
}

describe('consumers that come and go', () => {
  it.each([1, 2, 3])('acknowledge every event once, key by key in order, whatever fails (seed %i)', async (seed) => {
    const dice = createDice(seed);
    // One engine for all, so that each hears what the others do: leases that outlast a pause of the machine make polls too rare to wait for.
    const engine = createMemoryEngine({ clock: nodeClock });
    const config = v.parse(engineBrokerConfig, { redeliverInterval: '2ms', redeliverIntervalMax: '5ms', leaseTtl: '60s', lanes: '5' });
    const openBroker = (): EngineBroker =>
      new EngineBroker(config, { engine, clock: nodeClock, random: createNodeRandom(), log: silentLogger, namespace: '', name: 'bus' });
    const acknowledged: string[] = [];
    const underWay = new Set<string>();
    let overlaps = 0;
    const answer = async (text: string): Promise<Verdict> => {
      const key = text.split('-')[0] as string;
      if (key.startsWith('p') && underWay.has(key)) overlaps++;
      underWay.add(key);
      await new Promise((resolve) => setTimeout(resolve, dice(3)));
      underWay.delete(key);
      if (dice(6) === 0) return 'retry';
      acknowledged.push(text);
      return 'ack';
    };
    const publisher = openBroker();
    const brokers = [publisher];
    const inboxes: Inbox[] = [];
    let sent = 0;
    for (let round = 0; round < 12; round++) {
      const leaver = inboxes.length > 1 && dice(2) === 0 ? inboxes.splice(dice(inboxes.length), 1)[0] : undefined;
      const leaving = leaver?.subscription.close(5_000);
      if (inboxes.length < 4) {
        const broker = openBroker();
        brokers.push(broker);
        inboxes.push(await openInbox(broker, { answer, concurrency: 1 + dice(8) }));
      }
      for (let i = 0; i < 25; i++) await send(publisher, `k${dice(9)}-${sent++}`, {}, 'orders');
      for (let i = 0; i < 25; i++) {
        const key = `p${dice(9)}`;
        await send(publisher, `${key}-${sent++}`, { partitionKey: key });
      }
      await leaving;
    }
    await eventually(() => acknowledged.length >= sent, `${sent} acknowledgements`);
    await Promise.all(brokers.map((broker) => broker.close()));
    expect(new Set(acknowledged).size).toBe(sent);
    expect(acknowledged.length).toBe(sent);
    expect(overlaps).toBe(0);
    const last = new Map<string, number>();
    for (const text of acknowledged.filter((each) => each.startsWith('p'))) {
      const [key, number] = text.split('-') as [string, string];
      expect(Number(number)).toBeGreaterThan(last.get(key) ?? -1);
      last.set(key, Number(number));
    }
  });
});
