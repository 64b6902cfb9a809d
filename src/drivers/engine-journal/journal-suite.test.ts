import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock, Disk } from '../../kernel/ports.ts';
import { nodeClock } from '../../ports/node/clock.ts';
import { createNodeDisk } from '../../ports/node/disk.ts';
import { createNodeRandom } from '../../ports/node/random.ts';
import { engineSuite } from '../../testing/engine-suite.ts';
import type { EngineUnderTest } from '../../testing/engine-suite-rig.ts';
import { createSimulatedDisk, seededRandom } from '../../testing/simulator/disk.ts';
import { type JournalOptions, openJournalEngine } from './open-journal.ts';

/** Real time that a test can push forwards. */
function movableClock(): Clock & { readonly advance: (ms: number) => void } {
  let offset = 0;
  return { ...nodeClock, now: () => nodeClock.now() + offset, advance: (ms) => void (offset += ms) };
}

async function rig(
  disk: Disk,
  directory: string,
  more: { options?: JournalOptions; crash(): void; restart(): void; destroy(): Promise<void> },
): Promise<EngineUnderTest> {
  const clock = movableClock();
  const open = () => openJournalEngine({ ports: { clock, disk }, directory, options: more.options ?? {} });
  let engine = await open();
  return {
    engine,
    async reopen() {
      await engine.close();
      return (engine = await open());
    },
    async crash() {
      more.crash();
      await engine.abandon();
      more.restart();
      return (engine = await open());
    },
    advance: clock.advance,
    async destroy() {
      await engine.close();
      await more.destroy();
    },
  };
}

async function onRealDisk(options: JournalOptions): Promise<EngineUnderTest> {
  const directory = await mkdtemp(join(tmpdir(), 'proa-journal-'));
  return rig(createNodeDisk(createNodeRandom()), directory, {
    options,
    crash: () => {},
    restart: () => {},
    destroy: () => rm(directory, { recursive: true }),
  });
}

engineSuite({ name: 'journal on the real disk', open: () => onRealDisk({}) });

engineSuite({
  name: 'journal on the real disk, nothing cached, tiny segments',
  open: () => onRealDisk({ cacheBytesMax: 0, segmentBytesMax: 16 * 1024, snapshotEveryBytes: 8 * 1024 }),
});

engineSuite({
  name: 'journal on the simulated disk',
  open: () => {
    const disk = createSimulatedDisk({ random: seededRandom(7) });
    return rig(disk, '/data/journal', {
      options: { segmentBytesMax: 64 * 1024 },
      crash: disk.crash,
      restart: disk.restart,
      destroy: async () => {},
    });
  },
});
