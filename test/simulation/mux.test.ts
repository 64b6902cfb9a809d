import { describe, expect, it } from 'vitest';
import { bytesBody, collect } from '../../src/kernel/body.ts';
import { seededRandom } from '../../src/testing/simulator/disk.ts';
import { createSimulatedNetwork } from '../../src/testing/simulator/network.ts';
import { createSimulatedTime } from '../../src/testing/simulator/time.ts';
import { createMuxClient } from '../../src/wire/mux/client.ts';
import { serveMux } from '../../src/wire/mux/server.ts';

const address = { host: 'server', port: 7 };

interface Outcome {
  readonly counts: Record<string, number>;
  readonly wrong: string[];
  /** What became of the call after all faults. */
  readonly last: string;
  readonly trace: string;
  readonly open: number;
}

/** Calls of all sizes through partitions, resets, frozen and dying peers: every call ends, and an answer is either whole or an error. */
async function run(seed: number): Promise<Outcome> {
  const time = createSimulatedTime(seed);
  const random = seededRandom(seed + 1);
  const network = createSimulatedNetwork({ clock: time.clock('network'), seed, delayMs: { from: 0.05, to: 20 } });
  const limits = { windowBytes: 4096, windowBytesMax: 64 * 1024 };
  const server = await serveMux({
    network: network.node('server'),
    clock: time.clock('server'),
    address,
    limits,
    identify: ({ remote }) => remote,
    handler: (call) => call.stream.send(['200', ...call.fields], call.body),
  });
  const seeded = { ...random, bytes: () => new Uint8Array(1), hex: () => '', uuid: () => '' };
  const clock = time.clock('client');
  const client = createMuxClient({ network: network.node('client'), clock, random: seeded, address, limits });
  const counts: Record<string, number> = {};
  const wrong: string[] = [];
  let open = 0;
  const count = (code: string): string => {
    counts[code] = (counts[code] ?? 0) + 1;
    open--;
    return code;
  };
  const call = async (i: number): Promise<string> => {
    open++;
    const size = [0, 10, 5_000, 200_000][random.u32() % 4] as number;
    const body = Buffer.alloc(size, `${i} `);
    try {
      const answer = await client.request({ fields: [`call ${i}`], body: bytesBody(body), deadlineMs: clock.mono() + 30_000 });
      const back = Buffer.from(await collect(answer.body, size));
      if (answer.fields[1] !== `call ${i}` || !back.equals(body))
        wrong.push(`call ${i} got ${answer.fields.join()} and ${back.length} bytes`);
      return count('ok');
    } catch (error) {
      return count((error as { code: string }).code);
    }
  };
  const faults = [
    () => network.partition('client', 'server'),
    () => network.heal(),
    () => network.reset('client'),
    () => network.freeze('server'),
    () => network.thaw('server'),
    () => client.renew(),
  ];
  for (let i = 0; i < 300; i++) {
    void call(i);
    if (random.u32() % 12 === 0) faults[random.u32() % faults.length]?.();
    await time.run(random.u32() % 500);
  }
  network.heal();
  network.thaw('server');
  await time.run(60_000);
  // After all of it a call works as if nothing had been.
  const last = call(1_000);
  await time.run(60_000);
  const outcomeOfLast = await last;
  client.close();
  void server.close();
  await time.run(1_000);
  return { last: outcomeOfLast, counts, wrong, trace: time.trace, open };
}

describe('the mux in the simulated network', () => {
  it.each([1, 2, 3, 4, 5, 6, 7, 8])('loses no call and mixes none up, seed %i', async (seed) => {
    const outcome = await run(seed);
    expect(outcome).toMatchObject({ wrong: [], open: 0, last: 'ok' });
    expect(outcome.counts['ok']).toBeGreaterThan(50);
    const expected = new Set(['ok', 'peer.broken', 'unavailable', 'deadline-exceeded', 'cancelled']);
    expect(Object.keys(outcome.counts).filter((code) => !expected.has(code))).toEqual([]);
  });

  it('is the same for the same seed', async () => {
    expect((await run(42)).trace).toBe((await run(42)).trace);
  });
});
