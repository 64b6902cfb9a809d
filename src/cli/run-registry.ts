import { join } from 'node:path';
import type { Ports } from '../kernel/ports.ts';
import { makePrivateDirectory, stateDirectory } from './directories.ts';

/** A process together with what tells it from a later one of the same id. */
export interface ProcessId {
  readonly pid: number;
  readonly startTicks?: number;
}

export interface RegisteredApp {
  readonly id: string;
  readonly httpPort: number;
  readonly grpcPort: number;
  /** Where its HTTP API listens in place of a port. */
  readonly httpSocket?: string;
  readonly metricsPort?: number;
  readonly appPort?: number;
  /** The app's process, when we started it. */
  readonly process?: ProcessId;
  readonly command?: readonly string[];
  readonly logFile?: string;
}

/** One `proa run` or `proa sidecar`, as it announces itself to the other commands. */
export interface RunRecord {
  readonly version: 1;
  readonly process: ProcessId;
  readonly mode: 'run' | 'sidecar' | 'demo';
  readonly startedAtMs: number;
  readonly directory: string;
  /** Where its data are; absent in records of older versions. */
  readonly dataDirectory?: string;
  readonly apps: readonly RegisteredApp[];
}

/** A record that was found. `leftovers` are apps whose runtime died without stopping them. */
export interface FoundRun {
  readonly record: RunRecord;
  readonly alive: boolean;
  readonly leftovers: readonly RegisteredApp[];
  readonly file: string;
}

function runsDirectory(ports: Ports): string {
  return join(stateDirectory(ports.process), 'runs');
}

/** Identifies a process now, for `isAlive` later. */
export function identify(ports: Ports, pid: number): ProcessId {
  const startTicks = ports.process.startTicks(pid);
  return { pid, ...(startTicks !== undefined && { startTicks }) };
}

/** True while that very process exists: a later one with the same id started at another time. */
export function isAlive(ports: Ports, { pid, startTicks }: ProcessId): boolean {
  if (!ports.process.alive(pid)) return false;
  const now = ports.process.startTicks(pid);
  return startTicks === undefined || now === undefined || now === startTicks;
}

/** Announces this process. `update` rewrites the record; `remove` takes it back. Without a writable state directory nothing is announced. */
export class RunRegistration {
  readonly #ports: Ports;
  readonly #file: string;
  #last: Promise<void> = Promise.resolve();
  #removed = false;

  constructor(ports: Ports) {
    this.#ports = ports;
    this.#file = join(runsDirectory(ports), `${ports.process.pid}.json`);
  }

  /** Writes follow one another; resolves when this one is on disk, false when it cannot be. */
  async update(record: RunRecord): Promise<boolean> {
    let written = false;
    this.#last = this.#last.then(async () => {
      if (this.#removed || !(await makePrivateDirectory(this.#ports, runsDirectory(this.#ports)))) return;
      try {
        await this.#ports.disk.replaceFile(this.#file, new TextEncoder().encode(JSON.stringify(record)), 0o600);
        written = true;
      } catch {
        // A read-only home: `list` and `stop` cannot see this run, everything else works.
      }
    });
    await this.#last;
    return written;
  }

  async remove(): Promise<void> {
    this.#removed = true;
    await this.#last;
    await this.#ports.disk.remove(this.#file).catch(() => {});
  }
}

function parseRecord(bytes: Uint8Array): RunRecord | undefined {
  try {
    const record = JSON.parse(new TextDecoder().decode(bytes)) as Partial<RunRecord> | null;
    const sound = record?.version === 1 && typeof record.process?.pid === 'number' && Array.isArray(record.apps);
    return sound ? (record as RunRecord) : undefined;
  } catch {
    return undefined;
  }
}

/** Every run of this machine and user. Records of runs that ended and left nothing behind are deleted on the way. */
export async function findRuns(ports: Ports): Promise<FoundRun[]> {
  const directory = runsDirectory(ports);
  const names = await ports.disk.list(directory).catch(() => []);
  const found: FoundRun[] = [];
  for (const name of names.filter((candidate) => candidate.endsWith('.json')).toSorted()) {
    const file = join(directory, name);
    const bytes = await ports.disk.readFile(file).catch(() => undefined);
    const record = bytes && parseRecord(bytes);
    if (record === undefined) continue;
    const alive = isAlive(ports, record.process);
    const leftovers = alive ? [] : record.apps.filter((app) => app.process !== undefined && isAlive(ports, app.process));
    if (alive || leftovers.length > 0) found.push({ record, alive, leftovers, file });
    else await ports.disk.remove(file).catch(() => {});
  }
  return found;
}

/** The runs that serve an app of this id. */
export async function findApp(ports: Ports, id: string): Promise<{ readonly run: FoundRun; readonly app: RegisteredApp }[]> {
  const runs = await findRuns(ports);
  return runs.flatMap((run) => (run.alive ? run.record.apps.filter((app) => app.id === id).map((app) => ({ run, app })) : []));
}
