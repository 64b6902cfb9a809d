import { describe, expect, it } from 'vitest';
import { bytesBody, collect, emptyBody, type Body, type Flow, type Sink } from '../../kernel/body.ts';
import { CancelScope } from '../../kernel/cancel.ts';
import type { ProaError } from '../../kernel/errors.ts';
import { createFakeClock } from '../../testing/fake-clock.ts';
import { createMemoryNetwork } from '../../testing/memory-network.ts';
import { nodePorts } from '../../ports/node/index.ts';
import { createMuxClient, type MuxClient } from './client.ts';
import type { MuxLimits } from './limits.ts';
import { serveMux, type MuxCall, type MuxServer } from './server.ts';

const address = { host: '127.0.0.1', port: 7001 };

interface Rig {
  readonly client: MuxClient;
  readonly server: MuxServer;
  readonly clock: ReturnType<typeof createFakeClock>;
  readonly network: ReturnType<typeof createMemoryNetwork>;
}

async function rig(
  handler: (call: MuxCall<string>) => void,
  limits: { client?: Partial<MuxLimits>; server?: Partial<MuxLimits> } = {},
): Promise<Rig> {
  const network = createMemoryNetwork();
  const clock = createFakeClock();
  const server = await serveMux({
    network,
    clock,
    address,
    identify: (connection) => connection.remote,
    handler,
    ...(limits.server && { limits: limits.server }),
  });
  const client = createMuxClient({
    network,
    clock,
    random: nodePorts().random,
    address,
    ...(limits.client && { limits: limits.client }),
  });
  return { client, server, clock, network };
}

/** A source that is pushed by the test. */
function source(length?: number): Body & { sink: Sink | undefined; credit: number; cancelled: unknown } {
  const flow: Flow = {
    credit(bytes) {
      body.credit += bytes;
    },
    cancel(reason) {
      body.cancelled = reason;
    },
  };
  const body = {
    length,
    sink: undefined as Sink | undefined,
    credit: 0,
    cancelled: undefined as unknown,
    pipe(sink: Sink) {
      body.sink = sink;
      sink.open(flow);
    },
    discard(reason: unknown) {
      body.cancelled = reason ?? 'discarded';
    },
  };
  return body;
}

async function settled(): Promise<void> {
  for (let i = 0; i < 4; i++) await new Promise((resolve) => setImmediate(resolve));
}

const echo = (call: MuxCall<string>): void => call.stream.send(['200', ...call.fields], call.body);

describe('a call over the mux', () => {
  it('carries fields and a small body both ways', async () => {
    const { client, clock } = await rig(echo);
    const asked = client.request({
      fields: ['POST', '/x', 'a', 'é', 'empty', '', 'long', 'y'.repeat(70_000)],
      body: bytesBody(Buffer.from('hello')),
    });
    await settled();
    clock.advance(0);
    const answer = await asked;
    expect(answer.fields).toEqual(['200', 'POST', '/x', 'a', 'é', 'empty', '', 'long', 'y'.repeat(70_000)]);
    expect(answer.body.length).toBe(5);
    expect(Buffer.from(await collect(answer.body, 10)).toString()).toBe('hello');
    expect(client.counts).toEqual({ connections: 1, calls: 0, waiting: 0 });
  });

  it('has no body at all when there is none', async () => {
    const { client } = await rig((call) => {
      expect(call.body).toBe(emptyBody);
      call.stream.send(['204'], emptyBody);
    });
    const answer = await client.request({ fields: ['GET'], body: emptyBody });
    expect(answer.body).toBe(emptyBody);
  });

  it('carries megabytes through windows of kilobytes', async () => {
    const { client } = await rig(echo);
    const bytes = Buffer.alloc(3_000_000, 'abcdefg');
    const answer = await client.request({ fields: ['POST'], body: bytesBody(bytes) });
    const back = await collect(answer.body, bytes.length);
    expect(Buffer.compare(Buffer.from(back), bytes)).toBe(0);
  });

  it('streams both ways at once, with half-close and trailers', async () => {
    let asked: MuxCall<string> | undefined;
    const out = source();
    const { client } = await rig((call) => {
      asked = call;
      call.stream.send(['200'], out);
    });
    const request = source();
    const answer = await client.request({ fields: ['POST'], body: request });
    const got: string[] = [];
    const heard: string[] = [];
    const listen = (into: string[]): Sink => ({
      open: (flow) => flow.credit(1_000_000),
      chunk: (chunk) => void into.push(Buffer.from(chunk).toString()),
      end: (trailers) => void into.push(`end ${(trailers ?? []).join('=')}`),
      fail: (error) => void into.push(String(error)),
    });
    answer.body.pipe(listen(got));
    asked?.body.pipe(listen(heard));
    request.sink?.chunk(Buffer.from('one'));
    out.sink?.chunk(Buffer.from('eins'));
    request.sink?.end(['sum', '1']);
    await settled();
    expect(heard).toEqual(['one', 'end sum=1']);
    out.sink?.chunk(Buffer.from('zwei'));
    out.sink?.end(['grpc-status', '0']);
    await settled();
    expect(got).toEqual(['eins', 'zwei', 'end grpc-status=0']);
    expect(client.counts.calls).toBe(0);
  });

  it('holds a source back while nobody reads, within the window', async () => {
    let asked: MuxCall<string> | undefined;
    const { client } = await rig((call) => void (asked = call), { server: { windowBytes: 4096, windowBytesMax: 4096 } });
    const request = source();
    client.call({ fields: ['POST'], body: request }, { head() {}, fail() {} });
    await settled();
    let pushed = 0;
    while (request.credit > pushed) {
      request.sink?.chunk(Buffer.alloc(1024));
      pushed += 1024;
    }
    await settled();
    expect(pushed).toBe(4096);
    let read = 0;
    asked?.body.pipe({ open: (flow) => flow.credit(2048), chunk: (chunk) => void (read += chunk.length), end() {}, fail() {} });
    await settled();
    expect(read).toBe(2048);
    expect(request.credit).toBe(4096 + 2048);
  });

  it('goes on after a source that delivers more than it has credit for, as those of a shared read buffer do', async () => {
    const { client } = await rig((call) => call.stream.send(['200'], call.body), {
      server: { windowBytes: 2048, windowBytesMax: 4096 },
      client: { windowBytes: 2048 },
    });
    const total = 1_000_000;
    let left = total;
    let credit = 0;
    let running = false;
    const eager: Body = {
      length: total,
      pipe(sink) {
        const run = (): void => {
          if (running) return;
          running = true;
          while (credit > 0 && left > 0) {
            const chunk = Buffer.alloc(Math.min(left, 64 * 1024), 'z');
            left -= chunk.length;
            credit -= chunk.length;
            sink.chunk(chunk);
          }
          running = false;
          if (left === 0) {
            left = -1;
            sink.end();
          }
        };
        sink.open({
          credit(bytes) {
            credit += bytes;
            run();
          },
          cancel() {},
        });
      },
      discard() {},
    };
    const answer = await client.request({ fields: ['POST'], body: eager });
    expect((await collect(answer.body, total)).length).toBe(total);
  });

  it('moves to a new connection when the old one is of age, and calls under way end where they are', async () => {
    const network = createMemoryNetwork();
    const clock = createFakeClock();
    const held: MuxCall<string>[] = [];
    const handler = (call: MuxCall<string>): void => (call.fields[0] === 'hold' ? void held.push(call) : echo(call));
    const server = await serveMux({ network, clock, address, lifetimeMs: 60_000, identify: ({ remote }) => remote, handler });
    const client = createMuxClient({ network, clock, random: nodePorts().random, address });
    const long = client.request({ fields: ['hold'], body: emptyBody });
    await settled();
    for (let i = 0; i < 7; i++) {
      clock.advance(9_000);
      await settled();
    }
    expect((await client.request({ fields: ['x'], body: emptyBody })).fields).toEqual(['200', 'x']);
    expect([network.dialled.length, server.connections]).toEqual([2, 2]);
    held[0]?.stream.send(['201'], emptyBody);
    expect((await long).fields).toEqual(['201']);
    await settled();
    expect(server.connections).toBe(1);
    client.close();
  });

  it('ends for both when the caller cancels', async () => {
    let aborted: unknown;
    const { client } = await rig((call) => call.cancel.onCancel((error) => (aborted = (error as ProaError).code)));
    const cancel = new CancelScope();
    const asked = client.request({ fields: ['GET'], body: emptyBody, cancel });
    asked.catch(() => {});
    await settled();
    cancel.cancel('changed my mind');
    await expect(asked).rejects.toMatchObject({ code: 'cancelled' });
    expect(aborted).toBe('cancelled');
  });

  it('ends for both when the deadline passes', async () => {
    let aborted: unknown;
    const { client, clock } = await rig((call) => {
      expect(call.timeoutMs).toBe(1000);
      call.cancel.onCancel((error) => (aborted = (error as ProaError).code));
    });
    const asked = client.request({ fields: ['GET'], body: emptyBody, deadlineMs: clock.mono() + 1000 });
    asked.catch(() => {});
    await settled();
    clock.advance(1_200);
    await expect(asked).rejects.toMatchObject({ code: 'deadline-exceeded' });
    expect(aborted).toBe('deadline-exceeded');
  });
});
