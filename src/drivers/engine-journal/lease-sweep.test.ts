import { describe, expect, it } from 'vitest';
import type { Lease } from '../../contracts/engine.ts';
import { createFakeClock, type FakeClock } from '../../testing/fake-clock.ts';
import { createSimulatedDisk, seededRandom, type SimulatedDisk } from '../../testing/simulator/disk.ts';
import type { JournalEngine } from './journal-engine.ts';
import { openJournalEngine } from './open-journal.ts';

const hourMs = 3_600_000;

interface Rig {
  readonly clock: FakeClock;
  readonly disk: SimulatedDisk;
  open(): Promise<JournalEngine>;
}

function rig(): Rig {
  const clock = createFakeClock();
  const disk = createSimulatedDisk({ random: seededRandom(5) });
  const options = { segmentBytesMax: 4 * 1024 };
  return { clock, disk, open: () => openJournalEngine({ ports: { clock, disk }, directory: '/j', options }) };
}

/** Goes on by so many hours, and lets what falls due in each be done. */
async function pass(clock: FakeClock, hours: number): Promise<void> {
  for (let hour = 0; hour < hours; hour++) {
    clock.advance(hourMs);
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
  }
}

const namesOf = (engine: JournalEngine): Promise<string[]> => engine.inspect(async ({ state }) => [...state.leases.keys()].toSorted());

async function taken(engine: JournalEngine, name: string, owner = 'one', ttlMs = 1_000): Promise<Lease> {
  const lease = await engine.acquireLease(name, owner, ttlMs);
  if (!lease.held) throw new Error(`${name} is held by ${lease.owner}`);
  return lease;
}

describe('leases of past runtimes', () => {
  it('are removed a day after they ended, those in use stay', async () => {
    const { clock, open } = rig();
    const engine = await open();
    // More than go into one record.
    for (let i = 0; i < 600; i++) await taken(engine, `past-${i}`);
    await engine.releaseLease(await taken(engine, 'released', 'one', 60_000));
    let used = await taken(engine, 'used', 'one', 50 * hourMs);
    const before = engine.stats().indexBytes;
    await pass(clock, 23);
    expect((await namesOf(engine)).length).toBe(602);
    used = (await engine.renewLease(used, 50 * hourMs)) as Lease;
    await taken(engine, 'past-7', 'two');
    await pass(clock, 2);
    expect(await namesOf(engine)).toEqual(['past-7', 'used']);
    expect(before - engine.stats().indexBytes).toBeGreaterThan(600 * 200);
    const result = await engine.commit({
      if: [{ kind: 'lease', name: 'used', epoch: used.epoch }],
      put: [{ key: 'a', value: Buffer.from('1') }],
    });
    expect(result.status).toBe('done');
    await engine.close();
    const next = await open();
    expect(await namesOf(next)).toEqual(['past-7', 'used']);
    await next.close();
  });

  it('give no epoch twice, whatever is removed, taken again, crashed or restored from a snapshot between', async () => {
    const random = seededRandom(11);
    const { clock, disk, open } = rig();
    const highest = new Map<string, number>();
    let [engine, removed] = [await open(), 0];
    for (let step = 0; step < 250; step++) {
      const name = `l${random.u32() % 12}`;
      const before = (await namesOf(engine)).length;
      const kind = random.u32() % 16;
      if (kind === 0) await pass(clock, 25);
      else if (kind === 1) await engine.snapshot();
      else if (kind === 2) {
        if (random.u32() % 2 === 0) disk.crash();
        await engine.abandon();
        disk.restart();
        engine = await open();
      } else {
        const lease = await taken(engine, name, `owner-${step}`);
        expect(lease.epoch, `step ${step}, ${name}`).toBeGreaterThan(highest.get(name) ?? 0);
        highest.set(name, lease.epoch);
        if (kind % 2 === 0) await engine.releaseLease(lease);
        else clock.advance(2_000);
      }
      removed += Math.max(0, before - (await namesOf(engine)).length);
    }
    expect(removed).toBeGreaterThan(20);
    await engine.close();
  });

  it('continue with the next epoch when they are taken while they are removed', async () => {
    const { clock, disk, open } = rig();
    const engine = await open();
    const { epoch } = await taken(engine, 'l');
    await engine.close();
    clock.advance(30 * hourMs);
    let [reached, release] = [(): void => {}, (): void => {}];
    const removing = new Promise<void>((resolve) => (reached = resolve));
    const gate = new Promise<void>((resolve) => (release = resolve));
    const next = await open();
    disk.options = {
      ...disk.options,
      async delay(call) {
        if (call.kind !== 'write' || !call.path.includes('segment')) return;
        reached();
        await gate;
      },
    };
    clock.advance(6_000);
    await removing;
    const again = taken(next, 'l', 'two');
    release();
    expect((await again).epoch).toBe(epoch + 1);
    expect((await taken(next, 'never seen')).epoch).toBe(epoch + 1);
    await next.close();
    const third = await open();
    expect(await namesOf(third)).toEqual(['l', 'never seen']);
    await third.close();
  });
});
