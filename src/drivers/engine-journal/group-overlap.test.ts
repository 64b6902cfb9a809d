import { describe, expect, it } from 'vitest';
import { isProaError } from '../../kernel/errors.ts';
import { createFakeClock } from '../../testing/fake-clock.ts';
import { createSimulatedDisk, type DiskCall, seededRandom } from '../../testing/simulator/disk.ts';
import { type JournalOptions, openJournalEngine } from './open-journal.ts';

const overlapBytes = 1_000;

function rig(more: JournalOptions = {}) {
  const clock = createFakeClock();
  const disk = createSimulatedDisk({ random: seededRandom(3) });
  const open = () => openJournalEngine({ ports: { clock, disk }, directory: '/data', options: { overlapBytes, ...more } });
  return { clock, disk, open };
}

const writesTo = (call: DiskCall): boolean => call.kind === 'write' && call.path.includes('segment');

/** Lets others go first, so often. */
async function turns(count: number): Promise<void> {
  for (let turn = count; turn > 0; turn--) await Promise.resolve();
}

describe('groups that are written before their turn', () => {
  it('answers reads with what was written, while memory for groups and for what was written goes round many times', async () => {
    const { disk, open } = rig({ cacheBytesMax: 16_000 });
    const engine = await open();
    const random = seededRandom(5);
    const wrong: string[] = [];
    // The disk takes its time, so that several groups are filled or written at any moment; some are larger than their places.
    disk.options = { ...disk.options, delay: () => turns(random.u32() % 30) };
    const writer = async (name: string): Promise<void> => {
      for (let i = 0; i < 60; i++) {
        const value = Buffer.alloc(1 + (random.u32() % (i % 20 === 0 ? 5_000 : 700)), `${name}${i},`);
        const entries = [{ data: value }, { data: Buffer.from(value).reverse() }];
        await engine.commit({ put: [{ key: name, value }], append: [{ log: name, entries }] });
        const [kept, log] = await Promise.all([engine.get(name), engine.readLog(name, 2 * i, 2)]);
        const seen = [kept?.value, ...log.entries.map(({ data }) => data)];
        const right = [value, ...entries.map(({ data }) => data)].every((bytes, at) => bytes.equals(seen[at] ?? Buffer.alloc(0)));
        if (!right) wrong.push(`${name} ${i}`);
      }
    };
    await Promise.all(Array.from({ length: 8 }, (_, i) => writer(`w${i}`)));
    expect(wrong).toEqual([]);
    await engine.close();
  });

  it('lets a group go ahead while the disk is quick for its size, and none while it is slow', async () => {
    for (const [bytes, tookMs, goesAhead] of [
      [2_000, 0.5, true],
      [2_000, 2, false],
      [300_000, 2, true],
      [300_000, 6, false],
    ] as const) {
      const { clock, disk, open } = rig();
      const engine = await open();
      const put = (key: string) => engine.commit({ put: [{ key, value: new Uint8Array(bytes) }] });
      disk.options = { ...disk.options, delay: async (call) => void (writesTo(call) && clock.advance(tookMs)) };
      await put('first');
      // Its turn ends, so that the second waits for its own.
      for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
      let [writes, reached, release] = [0, (): void => {}, (): void => {}];
      const held = new Promise<void>((resolve) => (reached = resolve));
      const gate = new Promise<void>((resolve) => (release = resolve));
      disk.options = {
        ...disk.options,
        delay(call) {
          if (!writesTo(call)) return Promise.resolve();
          writes++;
          reached();
          return gate;
        },
      };
      const second = put('second');
      await held;
      const third = put('third');
      await turns(50);
      expect(writes, `${bytes} bytes in ${tookMs} ms`).toBe(goesAhead ? 2 : 1);
      release();
      expect([(await second).status, (await third).status]).toEqual(['done', 'done']);
      await engine.close();
    }
  });

  it('lets nothing go ahead of the commit that tries a disk which was full', async () => {
    const { clock, disk, open } = rig();
    const engine = await open();
    const put = (key: string) => engine.commit({ put: [{ key, value: new Uint8Array(2_000) }] });
    disk.options = { ...disk.options, fault: (call) => (writesTo(call) ? 'ENOSPC' : undefined) };
    expect((await put('full')).status).toBe('unknown');
    await turns(20);
    // The next segment begins well; then the group itself is held, and does not fit either.
    let [writes, reached, release] = [0, (): void => {}, (): void => {}];
    const held = new Promise<void>((resolve) => (reached = resolve));
    const gate = new Promise<void>((resolve) => (release = resolve));
    disk.options = {
      random: disk.options.random,
      delay(call) {
        if (!writesTo(call) || ++writes < 2) return Promise.resolve();
        reached();
        return gate;
      },
      fault: (call) => (writesTo(call) && writes > 1 ? 'ENOSPC' : undefined),
    };
    clock.advance(1_000);
    const trial = put('trial');
    await held;
    clock.advance(1_000);
    const behind = put('behind').then(
      ({ status }) => status,
      (error: unknown) => isProaError(error) && error.code,
    );
    await turns(50);
    expect(writes).toBe(2);
    release();
    expect((await trial).status).toBe('unknown');
    expect(await behind).toBe('engine.read-only');
    disk.options = { random: disk.options.random };
    clock.advance(1_000);
    expect((await put('again')).status).toBe('done');
    await engine.close();
    const next = await open();
    expect(await next.getMany(['full', 'trial', 'behind'])).toEqual([undefined, undefined, undefined]);
    expect((await next.get('again'))?.value.length).toBe(2_000);
    await next.close();
  });
});
