import { expect, it } from 'vitest';
import { bytesBody, collect, emptyBody, type Body } from '../../kernel/body.ts';
import { nodePorts } from '../../ports/node/index.ts';
import { createFakeClock } from '../../testing/fake-clock.ts';
import { createMemoryNetwork } from '../../testing/memory-network.ts';
import { createMuxClient } from './client.ts';
import type { Incoming } from './stream.ts';
import { serveMux } from './server.ts';

const readers = 10_000;
const windowBytes = 1024;
const chunk = Buffer.alloc(512, 'x');

/** A body without end, made as it is asked for; tells how much was taken. */
function endless(took: (bytes: number) => void, gone: () => void): Body {
  return {
    length: undefined,
    pipe(sink) {
      let credit = 0;
      let running = false;
      let ended = false;
      sink.open({
        credit(bytes) {
          credit += bytes;
          if (running) return;
          running = true;
          while (credit > 0 && !ended) {
            credit -= chunk.length;
            took(chunk.length);
            sink.chunk(chunk);
          }
          running = false;
        },
        cancel() {
          ended = true;
          gone();
        },
      });
    },
    discard() {},
  };
}

it('ten thousand readers that stand still hold a window each, and nobody else up', async () => {
  const network = createMemoryNetwork();
  const clock = createFakeClock();
  const address = { host: '127.0.0.1', port: 7003 };
  let sent = 0;
  let gone = 0;
  const limits = { windowBytes, windowBytesMax: 4 * windowBytes };
  const server = await serveMux({
    network,
    clock,
    address,
    limits,
    identify: ({ remote }) => remote,
    handler(call) {
      if (call.fields[0] === 'endless')
        call.stream.send(
          ['200'],
          endless(
            (bytes) => (sent += bytes),
            () => gone++,
          ),
        );
      else call.stream.send(['200'], call.body);
    },
  });
  const client = createMuxClient({ network, clock, random: nodePorts().random, address, limits: { ...limits, waitersMax: readers } });
  const held: Incoming[] = await Promise.all(
    Array.from({ length: readers }, () => client.request({ fields: ['endless'], body: emptyBody })),
  );
  for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
  // Three connections: two are full. A source overshoots by one chunk at most.
  expect(client.counts).toEqual({ connections: 3, calls: readers, waiting: 0 });
  expect(sent).toBeLessThanOrEqual(readers * (windowBytes + chunk.length));
  const quick = await client.request({ fields: ['quick'], body: bytesBody(Buffer.alloc(50_000, 'q')) });
  expect((await collect(quick.body, 50_000)).length).toBe(50_000);
  for (const { body } of held) body.discard();
  for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
  expect([gone, server.calls, client.counts.calls]).toEqual([readers, 0, 0]);
  client.close();
});
