import { describe, expect, it } from 'vitest';
import { emptyBody } from '../../kernel/body.ts';
import { nodePorts } from '../../ports/node/index.ts';
import { createFakeClock } from '../../testing/fake-clock.ts';
import { createMemoryNetwork } from '../../testing/memory-network.ts';
import { createMuxClient, type MuxClient } from './client.ts';
import { decodeHello, encodeHello } from './hello.ts';
import { muxLimitDefaults } from './limits.ts';
import { createMuxAcceptor, type MuxAcceptor, type MuxCall } from './server.ts';
import type { Connection } from '../../kernel/ports.ts';

const address = { host: '127.0.0.1', port: 7001 };

interface Rig {
  readonly client: MuxClient;
  readonly clock: ReturnType<typeof createFakeClock>;
  /** Calls that each process has under way. */
  readonly calls: () => number[];
  readonly acceptors: readonly MuxAcceptor<Connection>[];
  readonly accepted: () => number;
}

/** Processes behind one address; `takes` says which of them takes the n-th connection. */
async function rig(processes: number, takes: (nth: number) => number, says = processes): Promise<Rig> {
  const network = createMemoryNetwork();
  const clock = createFakeClock();
  const held: MuxCall<undefined>[][] = [];
  const acceptors = Array.from({ length: processes }, (_, process) => {
    held.push([]);
    return createMuxAcceptor<undefined, Connection>({
      clock,
      identify: () => undefined,
      handler: (call) => void held[process]?.push(call),
      ...(says > 0 && { sharing: { processes: says, process } }),
    });
  });
  let nth = 0;
  await network.listen(address, (connection) => acceptors[takes(nth++)]?.accept(connection));
  const client = createMuxClient({ network, clock, random: nodePorts().random, address });
  return { client, clock, acceptors, calls: () => acceptors.map(({ calls }) => calls), accepted: () => nth };
}

async function settled(): Promise<void> {
  for (let i = 0; i < 4; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** Begins calls that nobody answers, each after the one before has settled. */
async function call({ client }: Rig, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    client.request({ fields: ['x'], body: emptyBody }).catch(() => {});
    await settled();
  }
}

describe('a peer of several processes', () => {
  it('gets a connection to each of them once calls are under way beside each other', async () => {
    const peer = await rig(2, (nth) => nth % 2);
    await call(peer, 1);
    expect(peer.client.counts.connections).toBe(1);
    await call(peer, 21);
    expect(peer.client.counts.connections).toBe(2);
    expect(Math.abs((peer.calls()[0] ?? 0) - (peer.calls()[1] ?? 0))).toBeLessThanOrEqual(2);
  });

  it('is looked for again when a connection comes out where one is already', async () => {
    const peer = await rig(3, (nth) => [0, 0, 0, 1, 1, 0, 2][nth] ?? 0);
    await call(peer, 40);
    expect(peer.accepted()).toBe(7);
    expect(peer.client.counts.connections).toBe(3);
    for (const calls of peer.calls()) expect(calls).toBeGreaterThan(5);
  });

  it('is left in peace for a while when one of them is not to be found', async () => {
    const peer = await rig(2, () => 0);
    await call(peer, 60);
    expect(peer.accepted()).toBe(1 + 8);
    expect(peer.client.counts.connections).toBe(1);
    peer.clock.advance(1_001);
    await call(peer, 30);
    expect(peer.accepted()).toBe(1 + 8 + 8);
    // Twice as long now.
    peer.clock.advance(1_001);
    await call(peer, 5);
    expect(peer.accepted()).toBe(1 + 8 + 8);
  });

  it('is looked for anew when a process goes away, and loses no call but those that were there', async () => {
    const peer = await rig(2, (nth) => nth % 2);
    await call(peer, 10);
    const ended: string[] = [];
    await peer.acceptors[0]?.close();
    await settled();
    peer.client.request({ fields: ['x'], body: emptyBody }).catch((error: Error) => void ended.push(error.message));
    await call(peer, 10);
    expect(ended).toEqual([]);
    expect(peer.calls()[1]).toBeGreaterThan(10);
  });

  it('has one connection when it does not say that it is several, or is one', async () => {
    for (const says of [0, 1]) {
      const peer = await rig(1, () => 0, says);
      await call(peer, 20);
      expect([peer.accepted(), peer.calls()]).toEqual([1, [20]]);
    }
  });
});

describe('hello', () => {
  it('says how many processes there are only where there are several, and reads what others leave out', () => {
    const { streamsMax, frameBytesMax, headBytesMax, fieldsMax, windowBytes } = muxLimitDefaults;
    const limits = { streamsMax, frameBytesMax, headBytesMax, fieldsMax, windowBytes };
    expect(decodeHello(encodeHello(limits))).toEqual(limits);
    expect(decodeHello(encodeHello({ ...limits, processes: 4, process: 0xffff_ffff }))).toEqual({
      ...limits,
      processes: 4,
      process: 0xffff_ffff,
    });
    expect(encodeHello(limits).length).toBe(6 + 5 * 6);
  });
});
