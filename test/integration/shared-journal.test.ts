import { type ChildProcess, fork } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FromWorker, HotOperation, StopPlace, ToWorker } from './shared-journal-worker.ts';

// Real processes share one journal. Whatever happens to its owner: nothing acknowledged is lost, nothing is applied twice, and the
// others go on.
const progressMs = 60_000;
let bundle: string;
let scratch: string;
const workers = new Set<Worker>();

class Worker {
  readonly name: string;
  readonly child: ChildProcess;
  readonly ready: Promise<void>;
  readonly acknowledged: string[] = [];
  readonly hot: HotOperation[] = [];
  /** Reads of the hot key that it answered by itself. */
  kept = 0;
  owner = false;
  epoch = 0;
  #answers: ((message: FromWorker) => void)[] = [];

  constructor(directory: string, name: string, role: string) {
    this.name = name;
    this.child = fork(bundle, [directory, name, role], { serialization: 'advanced', env: { ...process.env, TMPDIR: scratch } });
    workers.add(this);
    this.child.on('message', (message) => this.#received(message as FromWorker));
    this.ready = this.#next('ready').then(() => {});
  }

  send(message: ToWorker): void {
    this.child.send(message);
  }

  async finish(): Promise<void> {
    const finished = this.#next('finished');
    this.send({ do: 'finish' });
    await finished;
  }

  async readLog(): Promise<readonly string[]> {
    const log = this.#next('log');
    this.send({ do: 'read' });
    const message = await log;
    return message.is === 'log' ? message.entries : [];
  }

  async kill(): Promise<void> {
    workers.delete(this);
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGKILL');
    await ended;
  }

  get stopped(): boolean {
    return /^\d+ \(.*\) T/.test(readFileSync(`/proc/${this.child.pid}/stat`, 'utf8'));
  }

  #next(is: FromWorker['is']): Promise<FromWorker> {
    return new Promise((resolve) => {
      const listener = (message: FromWorker): void => {
        if (message.is !== is) return;
        this.#answers = this.#answers.filter((other) => other !== listener);
        resolve(message);
      };
      this.#answers.push(listener);
    });
  }

  #received(message: FromWorker): void {
    if (message.is === 'acknowledged') this.acknowledged.push(message.entry);
    if (message.is === 'seat') Object.assign(this, { owner: message.owner, epoch: message.epoch });
    if (message.is === 'hot') {
      this.hot.push(...message.operations);
      this.kept = message.kept;
    }
    for (const answer of this.#answers) answer(message);
  }
}

async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = Date.now() + progressMs;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`${what}: not within ${progressMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function progress(worker: Worker, more = 20): () => boolean {
  const count = worker.acknowledged.length;
  return () => worker.acknowledged.length > count + more;
}

async function start(directory: string, name: string, role: string): Promise<Worker> {
  const worker = new Worker(directory, name, role);
  await worker.ready;
  worker.send({ do: 'write' });
  return worker;
}

function check(found: readonly string[], everybody: readonly Worker[]): void {
  const once = new Set(found);
  expect(found.length).toBe(once.size);
  for (const worker of everybody) expect(worker.acknowledged.filter((entry) => !once.has(entry))).toEqual([]);
}

/** No read saw less than what a read or an acknowledged write knew that had ended before it began. */
function checkHot(everybody: readonly Worker[]): void {
  const all = everybody.flatMap(({ hot }) => hot);
  const began = all.toSorted((a, b) => (a.beganNs < b.beganNs ? -1 : 1));
  const ended = all.toSorted((a, b) => (a.endedNs < b.endedNs ? -1 : 1));
  let [known, at] = [0, 0];
  for (const operation of began) {
    for (; (ended[at] as HotOperation).endedNs < operation.beganNs; at++) known = Math.max(known, (ended[at] as HotOperation).version);
    expect(operation.version).toBeGreaterThanOrEqual(known);
  }
  expect(all.length).toBeGreaterThan(0);
}

describe.skipIf(process.platform !== 'linux')('a journal shared by processes', () => {
  beforeAll(async () => {
    scratch = mkdtempSync(join(tmpdir(), 'proa-shared-'));
    bundle = join(scratch, 'worker.mjs');
    const banner = { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" };
    const entryPoints = [join(import.meta.dirname, 'shared-journal-worker.ts')];
    await build({ entryPoints, bundle: true, platform: 'node', format: 'esm', outfile: bundle, banner, logLevel: 'error' });
  });
  afterAll(async () => {
    await Promise.all(Array.from(workers, (worker) => worker.kill()));
    rmSync(scratch, { recursive: true, force: true });
  });

  it.each(['beforeWrite', 'afterSync', 'beforeAcknowledge'] as const)(
    'goes on when the owner stops %s, and the owner acknowledges nothing when it wakes',
    async (place: StopPlace) => {
      // One of the directories has no room for a socket: the owner puts it elsewhere and says where.
      const directory = join(scratch, place === 'afterSync' ? 'x'.repeat(100) : place);
      const owner = await start(directory, 'owner', 'host');
      await until('owner', () => owner.owner);
      const [one, two] = [await start(directory, 'one', 'sidecar'), await start(directory, 'two', 'sidecar')];
      await until('writing', progress(one));
      await until('reads that stay in a process', () => one.kept > 0 && two.kept > 0);
      owner.send({ do: 'arm', place });
      await until('stop', () => owner.stopped);
      const [oneGoesOn, twoGoesOn] = [progress(one), progress(two)];
      await until('a new owner', () => one.owner || two.owner);
      await until('progress of the others', () => oneGoesOn() && twoGoesOn());
      const { epoch } = owner;
      const ownerGoesOn = progress(owner);
      owner.child.kill('SIGCONT');
      await until('progress of the old owner', ownerGoesOn);
      // What it says of its seat comes by a timer, later than what is acknowledged. In its old epoch it is never the owner again; of the next ones a machine
      // that stalls may give it one.
      await until('the end of its epoch', () => owner.epoch > epoch);
      await Promise.all([owner, one, two].map((worker) => worker.finish()));
      check(await owner.readLog(), [owner, one, two]);
      checkHot([owner, one, two]);
      await Promise.all([owner, one, two].map((worker) => worker.kill()));
    },
  );

  it('loses nothing when one owner after the other is killed', async () => {
    const directory = join(scratch, 'kill');
    const everybody: Worker[] = [];
    const alive = new Set<Worker>();
    for (let i = 0; i < 3; i++) alive.add(await start(directory, `w${i}`, i === 0 ? 'host' : 'sidecar'));
    everybody.push(...alive);
    const owners = (): Worker[] => Array.from(alive).filter((worker) => worker.owner);
    for (let round = 0; round < 8; round++) {
      await Promise.all(Array.from(alive, (worker) => until('progress', progress(worker, 5))));
      await until('an owner', () => owners().length > 0);
      await until('reads that stay in a process', () => Array.from(alive).some(({ kept }) => kept > 0));
      const [owner] = owners() as [Worker];
      await owner.kill();
      alive.delete(owner);
      const next = await start(directory, `w${round + 3}`, 'sidecar');
      alive.add(next);
      everybody.push(next);
    }
    await Promise.all(Array.from(alive, (worker) => until('progress', progress(worker, 5))));
    await Promise.all(Array.from(alive, (worker) => worker.finish()));
    check(await (Array.from(alive)[0] as Worker).readLog(), everybody);
    checkHot(everybody);
    expect(everybody.reduce((sum, worker) => sum + worker.acknowledged.length, 0)).toBeGreaterThan(100);
    await Promise.all(Array.from(alive, (worker) => worker.kill()));
  });
});
