import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bundleWorker, type CheckReport, checkJournal, startWriter } from './journal-processes.ts';

// EXT4_IOC_SHUTDOWN without flushing the log: what was not synced is gone, as when the power goes (reference: reliability 4.2).
const shutdownScript = `import fcntl,os,struct,sys
fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, struct.pack('I', 2))`;

function run(command: string, ...args: string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}

function missing(): string | undefined {
  if (process.platform !== 'linux') return 'not Linux';
  if (process.getuid?.() !== 0) return 'not root';
  for (const tool of ['mkfs.ext4', 'mount', 'umount', 'losetup']) if (!run('which', tool)) return `${tool} not found`;
  if (!run('which', 'xfs_io') && !run('python3', '-c', 'import fcntl')) return 'neither xfs_io nor python3 found';
  return undefined;
}

/** A file system in an image file whose power can be cut. */
class Machine {
  readonly mount: string;
  readonly #image: string;

  constructor(root: string, name: string) {
    this.#image = join(root, `${name}.img`);
    this.mount = join(root, name);
    mkdirSync(this.mount);
    writeFileSync(this.#image, '');
    if (!run('truncate', '-s', '256M', this.#image) || !run('mkfs.ext4', '-q', '-F', this.#image)) throw new Error('mkfs.ext4 failed');
  }

  start(): boolean {
    return run('mount', '-o', 'loop', this.#image, this.mount);
  }

  cut(): void {
    if (run('which', 'xfs_io')) run('xfs_io', '-x', '-c', 'shutdown', this.mount);
    else if (!run('python3', '-c', shutdownScript, this.mount)) throw new Error('the file system could not be shut down');
  }

  async stop(): Promise<void> {
    for (let i = 0; i < 100 && !run('umount', this.mount); i++) await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function stopEveryThread(pid: number): Promise<void> {
  process.kill(pid, 'SIGSTOP');
  const stopped = (): boolean =>
    readdirSync(`/proc/${pid}/task`).every((task) =>
      /^[TZ]/.test(readFileSync(`/proc/${pid}/task/${task}/stat`, 'utf8').split(') ')[1] ?? ''),
    );
  // A thread that waits for the disk stands still only when the disk has answered.
  while (!stopped()) await new Promise((resolve) => setTimeout(resolve, 2));
}

const acknowledgedPerCycle = 100;
const reason = missing();
if (reason !== undefined) console.log(`skipped: power cuts: ${reason}`);

describe.skipIf(reason !== undefined)('journal under power cuts', () => {
  let root: string;
  let worker: string;
  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), 'proa-power-'));
    worker = await bundleWorker(root);
  });
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  async function cuts(name: string, cycles: number, syncing: string): Promise<CheckReport[]> {
    const machine = new Machine(root, name);
    const reports: CheckReport[] = [];
    const acknowledgements = join(root, `${name}.acknowledged`);
    writeFileSync(acknowledgements, '');
    const acknowledged = (): number => readFileSync(acknowledgements, 'utf8').split('\n').length - 1;
    if (!machine.start()) throw new Error('mount failed');
    try {
      for (let cycle = 0; cycle < cycles; cycle++) {
        const writer = startWriter(worker, join(machine.mount, 'journal'), acknowledgements, syncing);
        // By progress and not by time: a slow disk takes fewer writes in a second.
        const enough = acknowledged() + acknowledgedPerCycle + ((cycle * 137) % 200);
        while (acknowledged() < enough && writer.exitCode === null) await new Promise((resolve) => setTimeout(resolve, 2));
        await stopEveryThread(writer.pid as number);
        machine.cut();
        writer.kill('SIGKILL');
        await once(writer, 'exit');
        await machine.stop();
        if (!machine.start()) throw new Error('mount failed after the cut');
        const report = checkJournal(worker, join(machine.mount, 'journal'), acknowledgements);
        reports.push(report);
        if (report.error !== '' || report.lost > 0) break;
      }
    } finally {
      await machine.stop();
    }
    return reports;
  }

  it('loses nothing acknowledged', async () => {
    const reports = await cuts('synced', 8, 'sync');
    console.log(`power cuts: ${reports.length}, ${JSON.stringify(reports.at(-1))}`);
    for (const report of reports) expect(report).toMatchObject({ lost: 0, wrong: 0, gaps: 0, error: '' });
    expect(reports).toHaveLength(8);
    expect(reports.at(-1)?.acknowledged).toBeGreaterThan(8 * acknowledgedPerCycle);
  });

  it('is noticed by this rig when nothing is synced', async () => {
    const reports = await cuts('unsynced', 3, 'nosync');
    console.log(`power cuts without syncing: ${JSON.stringify(reports.at(-1))}`);
    expect(reports.some((report) => report.lost > 0 || report.error !== '')).toBe(true);
  });
});
