import { openSharedEngine } from '../../src/host/engine/open-shared-engine.ts';
import { nodePorts } from '../../src/ports/node/index.ts';
import type { EngineRole } from '../../src/host/engine/seat.ts';

/** One process of `shared-journal.test.ts`: shares the engine, writes when told, and stops itself at the armed place. */
export type StopPlace = 'beforeWrite' | 'afterSync' | 'beforeAcknowledge';
export type ToWorker = { readonly do: 'write' | 'finish' | 'read' } | { readonly do: 'arm'; readonly place: StopPlace };
export type FromWorker =
  | { readonly is: 'ready' | 'finished' }
  | { readonly is: 'seat'; readonly owner: boolean; readonly epoch: number }
  | { readonly is: 'acknowledged'; readonly entry: string }
  | { readonly is: 'log'; readonly entries: readonly string[] }
  /** What was done with the hot key; `kept`: how many reads of it this process has answered by itself. */
  | { readonly is: 'hot'; readonly operations: readonly HotOperation[]; readonly kept: number };

/** A read or an acknowledged write, and the version that it saw or made. The clock is that of the machine, the same for all processes. */
export interface HotOperation {
  readonly beganNs: bigint;
  readonly endedNs: bigint;
  readonly version: number;
}

const [directory, name, role] = process.argv.slice(2) as [string, string, EngineRole];
const send = (message: FromWorker): void => void process.send?.(message);
let armed: StopPlace | undefined;

function stopAt(place: StopPlace): () => Promise<void> {
  return async () => {
    if (armed !== place) return;
    armed = undefined;
    process.kill(process.pid, 'SIGSTOP');
  };
}

const ports = nodePorts();
const hooks = { beforeWrite: stopAt('beforeWrite'), afterSync: stopAt('afterSync'), beforeAcknowledge: stopAt('beforeAcknowledge') };
// A machine that stalls for a moment makes no owner silent, and commits wait for a new one as long as that takes on a slow disk.
const engine = await openSharedEngine({ ports, directory, role, name, silenceMs: 4_000, deadlineMs: 120_000, journal: { hooks } });

let writing = true;
async function write(writer: number): Promise<void> {
  for (let n = 0; writing; n++) {
    const entry = `${name}.${writer}-${n}`;
    const id = `${process.pid}:${entry}`;
    const result = await engine.commit({ id, append: [{ log: 'l', entries: [{ data: Buffer.from(entry) }] }] });
    if (result.status === 'done') send({ is: 'acknowledged', entry });
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

let operations: HotOperation[] = [];
let kept = 0;

/** Reads one key all the time, as the state store does, and writes it now and then. */
async function useHot(): Promise<void> {
  for (let n = 0; writing; n++) {
    const beganNs = process.hrtime.bigint();
    const version = n % 60 === 0 ? await writeHot() : await readHot();
    if (version !== undefined) operations.push({ beganNs, endedNs: process.hrtime.bigint(), version });
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

async function writeHot(): Promise<number | undefined> {
  const result = await engine.commit({ put: [{ key: 'hot', value: Buffer.from(name) }] });
  return result.status === 'done' ? result.versions[0] : undefined;
}

async function readHot(): Promise<number | undefined> {
  const known = engine.peek?.('hot');
  if (known !== undefined && !engine.owner) kept++;
  return (known ?? (await engine.get('hot')))?.version;
}

function tellHot(): void {
  if (operations.length > 0) send({ is: 'hot', operations, kept });
  operations = [];
}

async function readAll(): Promise<string[]> {
  const entries: string[] = [];
  for (let after = 0; ;) {
    const page = await engine.readLog('l', after, 1_000);
    if (page.entries.length === 0) return entries;
    for (const entry of page.entries) entries.push(Buffer.from(entry.data).toString());
    after = page.entries.at(-1)?.sequence ?? after;
  }
}

let writers: Promise<void>[] = [];
process.on('message', (message: ToWorker) => {
  if (message.do === 'write') writers = [...[0, 1, 2].map((writer) => write(writer)), useHot()];
  else if (message.do === 'arm') armed = message.place;
  else if (message.do === 'read') void readAll().then((entries) => send({ is: 'log', entries }));
  else {
    writing = false;
    void Promise.all(writers).then(() => {
      tellHot();
      send({ is: 'finished' });
    });
  }
});
process.on('disconnect', () => process.exit(0));
setInterval(() => {
  send({ is: 'seat', owner: engine.owner, epoch: engine.epoch });
  tellHot();
}, 20);
send({ is: 'ready' });
