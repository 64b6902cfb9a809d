import * as v from 'valibot';
import { expect, it } from 'vitest';
import type { Engine, Entry } from '../../contracts/engine.ts';
import { silentLogger } from '../../kernel/log.ts';
import { createNodeRandom } from '../../ports/node/random.ts';
import { changedEngine } from '../../testing/changed-engine.ts';
import { createFakeClock } from '../../testing/fake-clock.ts';
import { settle } from '../../testing/test-process.ts';
import { createMemoryEngine } from '../engine-memory/memory-engine.ts';
import { EngineBroker } from './broker.ts';
import { engineBrokerConfig } from './config.ts';
import { busKeys } from './keys.ts';

const leaseMs = 6_000;
const members = busKeys('', 'bus').members('orders', 'shop');

it('a broker that is back before it was struck off keeps its place', async () => {
  const clock = createFakeClock();
  const memory = createMemoryEngine({ clock });
  const config = v.parse(engineBrokerConfig, { leaseTtl: `${leaseMs / 1_000}s` });
  const open = (engine: Engine): EngineBroker =>
    new EngineBroker(config, { engine, clock, random: createNodeRandom(), log: silentLogger, namespace: '', name: 'bus' });
  const subscribe = (broker: EngineBroker) =>
    broker.subscribe({ topic: 'orders', group: 'shop', metadata: {} }, { concurrency: 1, deliver: () => Promise.resolve('ack') });
  const pass = async (ms: number): Promise<void> => {
    for (let left = ms; left > 0; left -= 100) {
      clock.advance(100);
      await settle();
    }
  };
  let away = false;
  let strike: (() => void) | undefined;
  const a = open(
    changedEngine(memory, {
      renewLease: (lease, ms) => (away ? Promise.reject(new Error('cut')) : memory.renewLease(lease, ms)),
      acquireLease: (name, owner, ms) => (away ? Promise.reject(new Error('cut')) : memory.acquireLease(name, owner, ms)),
    }),
  );
  const b = open(
    changedEngine(memory, {
      async commit(commit) {
        if (strike === undefined && commit.delete?.some((key) => key.startsWith(members)) === true)
          await new Promise<void>((resolve) => (strike = resolve));
        return memory.commit(commit);
      },
    }),
  );
  await subscribe(a);
  const place = (await memory.range({ from: members, to: `${members}\xff`, limit: 1 })).entries[0] as Entry;
  away = true;
  await pass(leaseMs);
  void subscribe(b);
  for (let passed = 0; strike === undefined; passed += 100) {
    expect(passed).toBeLessThan(20 * leaseMs);
    await pass(100);
  }
  // While it is being struck off, it comes back; the one who does it stands still for so long that its hold on the lease runs out.
  away = false;
  await pass(2 * leaseMs);
  (strike as () => void)();
  await settle();
  expect(await memory.get(place.key)).toMatchObject({ version: place.version });
  await Promise.all([a.close(), b.close()]);
});
