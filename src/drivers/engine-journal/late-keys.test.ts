import { describe, expect, it } from 'vitest';
import { createFakeClock } from '../../testing/fake-clock.ts';
import { createSimulatedDisk, seededRandom } from '../../testing/simulator/disk.ts';
import type { JournalEngine } from './journal-engine.ts';
import { type JournalOptions, openJournalEngine } from './open-journal.ts';

const names = Array.from({ length: 40 }, (_, i) => `k${String(i).padStart(2, '0')}`);

function rig(options: JournalOptions = {}) {
  const [clock, disk] = [createFakeClock(), createSimulatedDisk({ random: seededRandom(3) })];
  return { clock, disk, open: () => openJournalEngine({ ports: { clock, disk }, directory: '/data', options }) };
}

const putAll = (engine: JournalEngine, text: string, bytes = 10) =>
  names.map((key) => engine.commit({ put: [{ key, value: Buffer.alloc(bytes, text) }] }));

/** In the instant in which the first of them is answered: the group is durable, and its keys wait. */
async function answered(engine: JournalEngine, text: string, bytes?: number): Promise<void> {
  await Promise.race(putAll(engine, text, bytes));
}

const textOf = (value: Uint8Array | undefined) => Buffer.from(value ?? []).toString();

describe('keys of a group that are entered late', () => {
  const asked: Readonly<Record<string, (engine: JournalEngine) => unknown>> = {
    'a read': async (engine) => textOf((await engine.get('k39'))?.value),
    'a peek': (engine) => textOf(engine.peek?.('k39')?.value),
    'a range': async (engine) => (await engine.range({ from: 'k', to: 'l' })).entries.map(({ value }) => textOf(value)).join(''),
    'a condition': async (engine) => (await engine.commit({ if: [{ kind: 'exists', key: 'k39' }] })).status,
    'the stats': (engine) => engine.stats().keys,
  };
  const before: Readonly<Record<string, unknown>> = {
    'a read': '',
    'a peek': '',
    'a range': '',
    'a condition': 'conflict',
    'the stats': 0,
  };
  const after: Readonly<Record<string, unknown>> = {
    'a read': '0123456789',
    'a peek': '0123456789',
    'a range': '0123456789'.repeat(40),
    'a condition': 'done',
    'the stats': 40,
  };

  it.each(Object.keys(asked))('are there for %s as soon as their commit is answered', async (question) => {
    const engine = await rig().open();
    const ask = asked[question] as (engine: JournalEngine) => unknown;
    expect(await ask(engine)).toEqual(before[question]);
    await answered(engine, '0123456789');
    expect(await ask(engine)).toEqual(after[question]);
    await engine.close();
  });

  it('give way to what is written and removed behind them', async () => {
    const { open } = rig();
    const engine = await open();
    await answered(engine, 'first');
    await engine.commit({ delete: ['k00'], deleteRange: [{ from: 'k01', to: 'k05' }], put: [{ key: 'k10', value: Buffer.from('new') }] });
    expect((await engine.range({ from: 'k', to: 'l', keysOnly: true })).entries.length).toBe(35);
    await answered(engine, 'again');
    expect((await engine.commit({ deleteRange: [{ from: 'k', to: 'k39' }] })).status).toBe('done');
    const { entries } = await engine.range({ from: '', to: 'z' });
    expect(entries.map(({ key, value }) => [key, textOf(value)])).toEqual([['k39', 'againagain']]);
    await engine.close();
    const next = await open();
    expect((await next.range({ from: '', to: 'z', keysOnly: true })).entries.map(({ key }) => key)).toEqual(['k39']);
    await next.close();
  });

  it('lie in their segment before it is sealed: one in which nothing lies may be removed', async () => {
    const { disk, open } = rig({ segmentBytesMax: 40_000 });
    const engine = await open();
    const segments = await engine.inspect(({ segments: all }) => Promise.resolve(all));
    const [first] = segments.all();
    const refs: (number | undefined)[] = [];
    disk.options = {
      ...disk.options,
      fault: ({ kind, path }) => {
        if (kind === 'open' && path.includes('segment')) refs.push(first?.refs);
        return undefined;
      },
    };
    await answered(engine, 'x', 900);
    // Nothing has asked for a key, and these do not fit into the segment.
    await Promise.all(putAll(engine, 'y', 900));
    expect(refs).toEqual([40]);
    await engine.close();
  });

  it('are entered without anybody asking, while the disk is busy with the next group', async () => {
    const { open } = rig();
    const engine = await open();
    const state = await engine.inspect(({ state: all }) => Promise.resolve(all));
    await answered(engine, 'x');
    const waiting = state.indexBytes;
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(state.indexBytes).toBeGreaterThan(waiting);
    await engine.close();
  });
});
