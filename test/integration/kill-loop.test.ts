import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bundleWorker, checkJournal, startWriter } from './journal-processes.ts';

let root: string;
let worker: string;
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'proa-kill-'));
  worker = await bundleWorker(root);
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe('journal under kill -9', () => {
  it('loses nothing acknowledged, whenever the process dies', async () => {
    const journal = join(root, 'journal');
    const acknowledgements = join(root, 'acknowledgements');
    writeFileSync(acknowledgements, '');
    const until = performance.now() + 12_000;
    let kills = 0;
    let awaited = 0;
    let seed = 1;
    // On a slow machine a round takes seconds: then there are fewer, but some.
    for (; kills < 8 || (kills < 40 && performance.now() < until); kills++) {
      const writer = startWriter(worker, journal, acknowledgements);
      const before = statSync(acknowledgements).size;
      // From the first acknowledgement on, or in the middle of recovery.
      const early = kills % 8 === 7;
      while (!early && statSync(acknowledgements).size === before && writer.exitCode === null)
        await new Promise((resolve) => setTimeout(resolve, 2));
      if (!early) awaited++;
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
      await new Promise((resolve) => setTimeout(resolve, early ? 40 + (seed % 40) : (seed >>> 8) % 30));
      expect(writer.exitCode, 'the writer must not end by itself').toBeNull();
      writer.kill('SIGKILL');
      await once(writer, 'exit');
    }
    const report = checkJournal(worker, journal, acknowledgements);
    console.log(`kill loop: ${kills} kills, ${JSON.stringify(report)}`);
    expect(existsSync(journal)).toBe(true);
    expect(report).toMatchObject({ lost: 0, wrong: 0, gaps: 0, error: '' });
    expect(report.acknowledged).toBeGreaterThanOrEqual(awaited);
    expect(awaited).toBeGreaterThan(6);
  });
});
