import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { copyEngine } from '../../contracts/engine-copy.ts';
import type { Engine } from '../../contracts/engine.ts';
import { createFakeClock } from '../../testing/fake-clock.ts';
import { createSimulatedDisk, seededRandom } from '../../testing/simulator/disk.ts';
import { createMemoryEngine } from '../engine-memory/memory-engine.ts';
import { backupJournal, restoreJournal } from './backup.ts';
import { crc32, crc32Between, tableCrc32 } from './crc32.ts';
import { formatVersion } from './format.ts';
import { openJournalEngine } from './open-journal.ts';

const clock = createFakeClock();
const options = { segmentBytesMax: 16 * 1024, snapshotEveryBytes: 8 * 1024 };

async function filled() {
  const disk = createSimulatedDisk({ random: seededRandom(1) });
  const engine = await openJournalEngine({ ports: { clock, disk }, directory: '/j', options });
  for (let i = 0; i < 300; i++) {
    const put = [{ key: `k${i % 90}`, value: new Uint8Array(200).fill(i), ...(i % 90 === 7 && { expiresAtMs: clock.now() + 9_000 }) }];
    await engine.commit({
      put,
      append: [{ log: 'l', entries: [{ key: 'ä', attributes: { n: String(i) }, data: new Uint8Array(50).fill(i) }] }],
    });
  }
  await engine.trim('l', 100);
  return { disk, engine };
}

/** Everything that a reader can see, versions and times aside. */
async function contentOf(engine: Engine): Promise<string> {
  const { entries } = await engine.range({ from: '', to: '\xff' });
  const log: unknown[] = [];
  for (let after = 0; ;) {
    const page = await engine.readLog('l', after);
    if (page.entries.length === 0) break;
    log.push(...page.entries.map(({ timeMs: _timeMs, data, ...entry }) => ({ ...entry, data: Buffer.from(data).toString('hex') })));
    after = page.entries.at(-1)?.sequence as number;
  }
  return JSON.stringify([entries.map(({ key, value, expiresAtMs }) => [key, Buffer.from(value).toString('hex'), expiresAtMs]), log]);
}

describe('journal: backup', () => {
  it('restores what was there, while the engine goes on', async () => {
    const { disk, engine } = await filled();
    const before = await contentOf(engine);
    const backup = backupJournal(engine, disk, '/backup');
    const meanwhile = engine.commit({ put: [{ key: 'zzz', value: new Uint8Array(1) }] });
    expect((await backup).files).toBeGreaterThan(1);
    expect((await meanwhile).status).toBe('done');
    await engine.close();
    await restoreJournal(disk, '/backup', '/restored');
    const restored = await openJournalEngine({ ports: { clock, disk }, directory: '/restored', options });
    await restored.commit({ delete: ['zzz'] });
    expect(await contentOf(restored)).toBe(before);
    await restored.close();
  });

  it('refuses a damaged or unfinished backup and a directory in use', async () => {
    const { disk, engine } = await filled();
    await backupJournal(engine, disk, '/backup');
    await expect(backupJournal(engine, disk, '/backup')).rejects.toMatchObject({ code: 'config.invalid' });
    await expect(restoreJournal(disk, '/backup', '/j')).rejects.toMatchObject({ code: 'config.invalid' });
    const { path } = disk.files().find((file) => file.path.startsWith('/backup/segment')) as { path: string };
    disk.flip(path, 40_001);
    await expect(restoreJournal(disk, '/backup', '/restored')).rejects.toMatchObject({ code: 'engine.corrupt' });
    expect(await disk.list('/restored')).toEqual([]);
    await disk.remove('/backup/backup.json');
    await expect(restoreJournal(disk, '/backup', '/restored')).rejects.toMatchObject({ code: 'config.invalid' });
    await engine.close();
  });
});

describe('copy from engine to engine', () => {
  it('moves keys, expiry and logs with their sequences, into an empty engine only', async () => {
    const { engine } = await filled();
    const target = createMemoryEngine({ clock });
    expect(await copyEngine(engine, target, { logs: ['l', 'none'] })).toEqual({ keys: 90, entries: 200 });
    expect(await contentOf(target)).toBe(await contentOf(engine));
    expect(await target.readLog('l', 0, 1)).toMatchObject({ first: 101, head: 300 });
    await expect(copyEngine(engine, target)).rejects.toMatchObject({ code: 'config.invalid' });
    await engine.close();
  });
});

describe('journal: format', () => {
  it('has not changed: a golden journal, byte for byte', async () => {
    const still = createFakeClock(1_700_000_000_000);
    const disk = createSimulatedDisk({ random: seededRandom(1) });
    const engine = await openJournalEngine({ ports: { clock: still, disk }, directory: '/j' });
    const entries = [{ key: 'k', dedupe: 'd', attributes: { a: 'ü' }, data: Buffer.from('data') }];
    await engine.commit({
      id: 'id',
      put: [
        { key: '\x00ÿ', value: Buffer.from('v'), expiresAtMs: 1_800_000_000_000 },
        { key: 'aa', value: Buffer.from('w') },
      ],
      append: [{ log: 'l', entries }],
    });
    await engine.commit({ id: 'no', if: [{ kind: 'exists', key: 'none' }], delete: ['x'] });
    await engine.commit({ delete: ['x'], deleteRange: [{ from: 'a', to: 'b' }] });
    await engine.acquireLease('lease', 'owner', 1_000);
    await engine.trim('l', 1);
    await engine.snapshot();
    await engine.close();
    const golden: Record<string, string> = {};
    for (const { path } of disk.files()) {
      // Zeros ahead of the end are no part of the format.
      const bytes = Buffer.from(await disk.readFile(path));
      let end = bytes.length;
      while (end > 0 && bytes[end - 1] === 0) end--;
      golden[path] = createHash('sha256').update(bytes.subarray(0, end)).digest('hex').slice(0, 16);
    }
    // A difference means: old journals may not be readable any more. Raise `formatVersion` and keep a reader for the old one.
    expect(golden).toMatchInlineSnapshot(`
      {
        "/j/epoch-1": "e3b0c44298fc1c14",
        "/j/mark-1": "a1e72551670a7c99",
        "/j/segment-000000000001-1": "2a1c3ac0f73a96b7",
        "/j/snapshot-000000000005-1": "5cc1db64fe290c67",
      }
    `);
  });

  it('refuses a journal of a newer version', async () => {
    const { disk, engine } = await filled();
    await engine.close();
    const path = '/j/segment-999999999999-9';
    const head = Buffer.from(await disk.readFile(disk.files().find((file) => file.path.includes('segment'))?.path ?? '')).subarray(0, 4096);
    head.writeUInt32LE(formatVersion + 1, 8);
    head.writeInt32LE(crc32(head.subarray(16, 128), crc32(head.subarray(0, 12))), 12);
    await (await disk.open(path, 'write')).write([head], 0);
    await expect(openJournalEngine({ ports: { clock, disk }, directory: '/j' })).rejects.toMatchObject({ code: 'engine.format' });
  });

  it('sums alike with and without native help', () => {
    for (const text of ['', 'a', '123456789', 'x'.repeat(5_000)]) expect(tableCrc32(Buffer.from(text))).toBe(crc32(Buffer.from(text)));
    expect(tableCrc32(Buffer.from('123456789')) >>> 0).toBe(0xcbf43926);
    const long = Buffer.from(`..${'0123456789'.repeat(30)}`);
    const view = new DataView(long.buffer, long.byteOffset, long.length);
    for (const to of [2, 3, 9, 10, 97, 98, 99, 130, 131, 302]) expect(crc32Between(view, 2, to)).toBe(crc32(long.subarray(2, to)));
    expect(crc32(Buffer.from('6789'), crc32(Buffer.from('12345')))).toBe(crc32(Buffer.from('123456789')));
    expect(tableCrc32(Buffer.from('6789'), tableCrc32(Buffer.from('12345')))).toBe(crc32(Buffer.from('123456789')));
  });
});
