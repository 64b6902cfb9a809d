import { spawn, type ChildProcess } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A server program of one test file, with a directory and a port of its own. */
export interface ServerProcess {
  readonly port: number;
  /** SIGKILL. */
  stop(): Promise<void>;
  /** Again, on the same port and directory. */
  start(): Promise<void>;
  /** Stops it and removes its directory. */
  destroy(): Promise<void>;
}

/** What a program may use. */
export interface ServerPlace {
  readonly directory: string;
  readonly port: number;
  readonly otherPort: number;
}

export interface ServerProgram {
  readonly command: string;
  args(place: ServerPlace): readonly string[];
  /** Files to write into its directory before its first start: texts by name. */
  files?(place: ServerPlace): Readonly<Record<string, string>>;
  /** What must be done before its first start. */
  prepare?(place: ServerPlace): void;
  /** True when it answers. */
  ready(port: number): Promise<boolean>;
}

/** The path of a program; undefined when it is not installed. */
export function findProgram(name: string): string | undefined {
  return (process.env['PATH'] ?? '')
    .split(':')
    .concat('/usr/bin', '/usr/sbin')
    .map((directory) => join(directory, name))
    .find((path) => existsSync(path));
}

/** Starts it and waits until it answers; fails when it ends before that, or after two minutes. */
export async function startProgram({ command, args, files, prepare, ready }: ServerProgram): Promise<ServerProcess> {
  const directory = mkdtempSync(join(tmpdir(), 'proa-server-'));
  const [port, otherPort] = (await freePorts(2)) as [number, number];
  const place = { directory, port, otherPort };
  for (const [name, text] of Object.entries(files?.(place) ?? {})) writeFileSync(join(directory, name), text);
  prepare?.(place);
  let child: ChildProcess | undefined;
  const start = async (): Promise<void> => {
    const started = spawn(command, [...args(place)], { cwd: directory, stdio: 'ignore' });
    child = started;
    for (let tries = 0; tries < 1_200; tries++) {
      if (started.exitCode !== null) throw new Error(`${command} ended with ${started.exitCode}`);
      if (await ready(port).catch(() => false)) return;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`${command} does not answer`);
  };
  const stop = async (): Promise<void> => {
    const running = child;
    child = undefined;
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return;
    const ended = new Promise((resolve) => running.once('exit', resolve));
    running.kill('SIGKILL');
    await ended;
  };
  await start();
  return {
    port,
    start,
    stop,
    async destroy() {
      await stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

// Systems give out ports from 32768 (Linux) or 49152 on, to whoever listens on port 0 and to every connection that goes out: of those, one that was just free is
// somebody's a moment later now and then. Below, only who asks for a port by its number gets it.
const portMin = 15_000;
const portMax = 32_000;

/** Ports of 127.0.0.1 that nobody listens on, and that nobody is given before they are bound. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const found = new Set<number>();
  while (found.size < count) {
    const port = randomInt(portMin, portMax);
    if (!found.has(port) && (await isFree(port))) found.add(port);
  }
  return [...found];
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
