import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Disk } from '../../kernel/ports.ts';
import { createSimulatedDisk, seededRandom, type SimulatedDisk } from '../../testing/simulator/disk.ts';
import { createNodeDisk } from './disk.ts';
import { createNodeRandom } from './random.ts';

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'no error',
    (error: { code: string }) => error.code,
  );

/** What both disks promise. */
function diskSuite(name: string, open: () => Promise<{ disk: Disk; root: string; destroy(): Promise<void> }>): void {
  describe(name, () => {
    let under: Awaited<ReturnType<typeof open>>;
    beforeEach(async () => {
      under = await open();
    });
    afterEach(() => under.destroy());

    it('writes chunks at a position, reads to the end of the file, truncates', async () => {
      const { disk, root } = under;
      const file = await disk.open(`${root}/a`, 'write');
      await file.write([Buffer.from('hello '), Buffer.alloc(0), Buffer.from('world')], 0);
      await file.write([Buffer.from('W')], 6);
      await file.sync();
      expect(text(await file.read(6, 100))).toBe('World');
      expect((await file.read(50, 10)).length).toBe(0);
      await file.truncate(5);
      expect([await file.size(), text(await disk.readFile(`${root}/a`))]).toEqual([5, 'hello']);
      await file.close();
    });

    it('writes durably, and says at once what exists', async () => {
      const { disk, root } = under;
      expect(disk.exists(`${root}/d`)).toBe(false);
      const file = await disk.open(`${root}/d`, 'exclusive-durable');
      expect(await codeOf(disk.open(`${root}/d`, 'exclusive-durable'))).toBe('EEXIST');
      await Promise.all([file.write([Buffer.from('one '), Buffer.from('two')], 0), file.write([Buffer.from(' three')], 7)]);
      await file.close();
      expect([disk.exists(`${root}/d`), disk.exists(root), text(await disk.readFile(`${root}/d`))]).toEqual([true, true, 'one two three']);
    });

    it('fails with the codes of the system', async () => {
      const { disk, root } = under;
      expect(await codeOf(disk.open(`${root}/none`, 'read'))).toBe('ENOENT');
      await (await disk.open(`${root}/a`, 'exclusive')).close();
      expect(await codeOf(disk.open(`${root}/a`, 'exclusive'))).toBe('EEXIST');
      expect(await codeOf(disk.remove(`${root}/none`))).toBe('ENOENT');
      expect(await disk.stat(`${root}/none`)).toBeUndefined();
      expect(await codeOf(disk.list(`${root}/none`))).toBe('ENOENT');
    });

    it('replaces files, makes, lists and renames', async () => {
      const { disk, root } = under;
      await Promise.all([disk.makeDirectory(`${root}/x/y`), disk.makeDirectory(`${root}/x/y`)]);
      await disk.makeDirectory(`${root}/x/y`);
      await disk.replaceFile(`${root}/x/y/f`, Buffer.from('1'));
      await disk.replaceFile(`${root}/x/y/f`, Buffer.from('2'));
      await disk.rename(`${root}/x/y/f`, `${root}/x/y/g`);
      await disk.syncDirectory(`${root}/x/y`);
      expect(await disk.list(`${root}/x/y`)).toEqual(['g']);
      expect(text(await disk.readFile(`${root}/x/y/g`))).toBe('2');
      expect(await disk.stat(`${root}/x/y/g`)).toMatchObject({ sizeBytes: 1, kind: 'file' });
      expect((await disk.space(root)).freeBytes).toBeGreaterThan(0);
    });
  });
}

diskSuite('disk of Node', async () => {
  const root = await mkdtemp(join(tmpdir(), 'proa-disk-'));
  return { disk: createNodeDisk(createNodeRandom()), root, destroy: () => rm(root, { recursive: true }) };
});

diskSuite('simulated disk', async () => {
  const disk = createSimulatedDisk({ random: seededRandom(1) });
  await disk.makeDirectory('/d');
  return { disk, root: '/d', destroy: async () => {} };
});

describe.skipIf(process.platform !== 'linux')('a directory', () => {
  it('that cannot be made says so, also where none can be', async () => {
    const disk = createNodeDisk(createNodeRandom());
    expect(await codeOf(disk.makeDirectory('/proc/none'))).toBe('ENOENT');
    expect(await codeOf(disk.makeDirectory('/proc/none/below'))).toBe('ENOENT');
    expect(await codeOf(disk.makeDirectory('/proc/version'))).toBe('EEXIST');
    expect(await codeOf(disk.makeDirectory('/proc/version/below'))).toBe('ENOTDIR');
  });
});

describe('a file that is replaced', () => {
  let root: string;
  beforeEach(async () => (root = await mkdtemp(join(tmpdir(), 'proa-disk-'))));
  afterEach(() => rm(root, { recursive: true }));

  // Process ids are alike in containers that share a volume.
  it('has a temporary file whose name is random, and leaves that of somebody else alone', async () => {
    const disk = createNodeDisk({ hex: (count) => 'a'.repeat(count) });
    const theirs = `${root}/f.${'a'.repeat(16)}.tmp`;
    await writeFile(theirs, 'theirs');
    expect(await codeOf(disk.replaceFile(`${root}/f`, Buffer.from('ours')))).toBe('EEXIST');
    expect(text(await disk.readFile(theirs))).toBe('theirs');
    await rm(theirs);
    expect(await codeOf(disk.replaceFile(`${root}/none/f`, Buffer.from('ours')))).toBe('ENOENT');
    await disk.makeDirectory(`${root}/f/full`);
    expect(await codeOf(disk.replaceFile(`${root}/f`, Buffer.from('ours')))).toBe('EISDIR');
    expect(await disk.list(root)).toEqual(['f']);
  });
});

describe('simulated disk: crashes', () => {
  async function survivors(options: Partial<Parameters<typeof createSimulatedDisk>[0]>, seed: number): Promise<string[]> {
    const disk: SimulatedDisk = createSimulatedDisk({ random: seededRandom(seed), ...options });
    await disk.makeDirectory('/d');
    const file = await disk.open('/d/f', 'exclusive');
    await disk.syncDirectory('/d');
    await file.write([Buffer.from('synced')], 0);
    await file.sync();
    await file.write([Buffer.from('-one')], 6);
    await file.write([Buffer.from('-two')], 10);
    await (await disk.open('/d/unsynced-name', 'exclusive')).close();
    disk.crash();
    expect(await codeOf(disk.readFile('/d/f'))).toBe('EIO');
    disk.restart();
    expect(await codeOf(file.read(0, 1))).toBe('EIO');
    return [text(await disk.readFile('/d/f').catch(() => Buffer.from('gone'))), ...(await disk.list('/d'))];
  }

  it('keeps what was synced and a prefix of the rest, differently by seed and alike for one seed', async () => {
    const seen = new Set<string>();
    for (let seed = 1; seed <= 60; seed++) {
      const [content] = await survivors({}, seed);
      expect('synced-one-two'.startsWith(content as string) && (content as string).startsWith('synced')).toBe(true);
      expect(await survivors({}, seed)).toEqual(await survivors({}, seed));
      seen.add(content as string);
    }
    expect(seen.size).toBeGreaterThan(4);
  });

  it('keeps what was written to a durable file, without a sync', async () => {
    const disk = createSimulatedDisk({ random: seededRandom(1), unsynced: 'nothing' });
    await disk.makeDirectory('/d');
    const [durable, other] = [await disk.open('/d/durable', 'exclusive-durable'), await disk.open('/d/other', 'exclusive')];
    await disk.syncDirectory('/d');
    await durable.write([Buffer.from('kept')], 0);
    await other.write([Buffer.from('lost')], 0);
    disk.crash();
    disk.restart();
    expect([text(await disk.readFile('/d/durable')), text(await disk.readFile('/d/other'))]).toEqual(['kept', '']);
  });

  it('can lose everything unsynced, and everything when syncing is off', async () => {
    expect(await survivors({ unsynced: 'nothing' }, 1)).toEqual(['synced', 'f']);
    expect(await survivors({ unsynced: 'nothing', syncOff: true }, 1)).toEqual(['gone']);
  });

  it('runs full, and fails the calls that a test chooses', async () => {
    const disk = createSimulatedDisk({ random: seededRandom(1), capacityBytes: 10 });
    await disk.makeDirectory('/d');
    const file = await disk.open('/d/f', 'write');
    expect(await codeOf(file.write([Buffer.alloc(11)], 0))).toBe('ENOSPC');
    disk.options = { ...disk.options, fault: (call) => (call.kind === 'sync' ? 'EIO' : undefined) };
    expect(await codeOf(file.sync())).toBe('EIO');
  });
});
