import { expect, it } from 'vitest';
import type { Consumer } from '../../contracts/pubsub.ts';
import { createNodeRandom } from '../../ports/node/random.ts';
import { createFakeClock } from '../../testing/fake-clock.ts';
import { keptBytes } from '../../testing/kept-memory.ts';
import { Delivery, type Pending } from './delivery.ts';

function rig(consumer: Consumer) {
  const clock = createFakeClock();
  const settled: number[] = [];
  const delivery = new Delivery<string>({
    clock,
    random: createNodeRandom(),
    consumer,
    redeliverMs: 1_000,
    redeliverMsMax: 1_000,
    settled: ({ sequence }) => settled.push(sequence),
  });
  return { clock, settled, delivery };
}

/** An event as engines read it: a part of a page of half a megabyte. */
function pending(sequence: number, key?: string): Pending<string> {
  const page = Buffer.alloc(512 * 1024);
  const at = sequence * 64;
  const data = page.subarray(at, at + page.write(`event ${sequence}`, at));
  return { lane: 'a', sequence, bytes: data.length, key, message: { id: String(sequence), topic: 't', data, metadata: {}, attempt: 1 } };
}

it('lets events wait without the page that they were read with: those that are to be retried, and those of their keys behind them', async () => {
  const got: string[] = [];
  let answer: 'retry' | 'ack' = 'retry';
  const { clock, settled, delivery } = rig({
    concurrency: 100,
    async deliver({ data, attempt }) {
      got.push(`${Buffer.from(data).toString()} ${attempt}`);
      return answer;
    },
  });
  const bytes = await keptBytes(async () => {
    for (let i = 0; i < 40; i++) delivery.add(pending(i));
    delivery.add(pending(100, 'k'));
    for (let i = 101; i < 110; i++) delivery.add(pending(i, 'k'));
    await new Promise(setImmediate);
    // The first of the key is parked by now.
    for (let i = 110; i < 120; i++) delivery.add(pending(i, 'k'));
  });
  // With their pages it would be 30 MB.
  expect(bytes).toBeLessThan(4_000_000);
  expect(got).toHaveLength(41);
  answer = 'ack';
  clock.advance(1_000);
  while (settled.length < 60) await new Promise(setImmediate);
  expect(got.filter((each) => each.endsWith(' 2'))).toHaveLength(41);
  expect(got.slice(-19)).toEqual(Array.from({ length: 19 }, (_, i) => `event ${i + 101} 1`));
});
