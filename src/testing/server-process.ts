import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type ListenOptions, type Server } from 'node:net';
import { platform, tmpdir } from 'node:os';
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
      if (await Promise.race([ready(port).catch(() => false), unanswered()])) return;
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

/** A question that came while a program was starting may never be answered: then it is asked again. */
async function unanswered(): Promise<boolean> {
  await new Promise((resolve) => setTimeout(resolve, unansweredMs).unref());
  return false;
}

const unansweredMs = 5_000;
const lowestPort = 10_000;
let lastPort = 0;

/**
 * Ports of 127.0.0.1 that nobody listens on, and that nobody gets by chance before a server does, or while one is away: none is of those that the system
 * gives to connections and to whoever asks for any port, and none is given twice by the tests that run on this machine.
 */
export async function freePorts(count: number): Promise<readonly number[]> {
  const ports: number[] = [];
  const [low, span] = [lowestPort, systemPorts() - lowestPort];
  if (lastPort === 0) lastPort = low + ((process.pid * 101) % span);
  for (let tries = 0; ports.length < count; tries++) {
    if (tries > span) throw new Error(`no free port between ${low} and ${low + span}`);
    const port = low + ((lastPort + 1 - low) % span);
    lastPort = port;
    if (await reserve(port)) ports.push(port);
  }
  return ports;
}

/** The first port that the system may give to anybody. */
function systemPorts(): number {
  const file = '/proc/sys/net/ipv4/ip_local_port_range';
  const first = existsSync(file) ? Number.parseInt(readFileSync(file, 'utf8'), 10) : 49_152;
  return first > lowestPort + 1_000 ? first : 32_768;
}

/** Whether the port is free and this process the first to want it. Linux lets go of the name when the process ends, however it does. */
async function reserve(port: number): Promise<boolean> {
  const name = platform() === 'linux' ? await listening({ path: `\0proa-test-port-${port}` }) : undefined;
  if (platform() === 'linux' && name === undefined) return false;
  name?.unref();
  const server = await listening({ host: '127.0.0.1', port });
  await new Promise((resolve) => (server === undefined ? resolve(undefined) : server.close(resolve)));
  return server !== undefined;
}

function listening(where: ListenOptions): Promise<Server | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen(where, () => resolve(server));
  });
}
