import type { ChildProcess } from 'node:child_process';
import * as fs from 'node:fs';
import { homedir, hostname, tmpdir } from 'node:os';
import { promisify } from 'node:util';
import type { Child, ProcessPort, SpawnOptions } from '../../kernel/ports.ts';
import { createNodeNetwork, type NodeNetwork } from './network.ts';
import { nodeProfiler } from './profiler.ts';
import { createWorkers } from './workers.ts';

// As in disk.ts: `node:fs/promises` costs half a megabyte.
const readFile = promisify(fs.readFile);
const readdir = promisify(fs.readdir);
const readlink = promisify(fs.readlink);

/** The system's processes. Children get a process group of their own, so that a signal reaches what they started too. */
export function createNodeProcess(network: NodeNetwork = createNodeNetwork()): ProcessPort {
  // Asked for by every call that leaves; it is a system call.
  let host: string | undefined;
  return {
    ...createWorkers(network),
    pid: process.pid,
    platform: process.platform,
    nodeVersion: process.versions.node,
    env: (name) => process.env[name],
    environment: () => definedOnly(process.env),
    cwd: () => process.cwd(),
    homeDirectory: homedir,
    temporaryDirectory: tmpdir,
    hostName: () => (host ??= hostname()),
    loopTimes() {
      const { idle, active } = performance.eventLoopUtilization();
      return { idleMs: idle, activeMs: active };
    },
    memoryBytes() {
      const { rss, heapUsed, heapTotal } = process.memoryUsage();
      return { rss, heapUsed, heapHeld: heapTotal };
    },
    saveMemory,
    cpuUs() {
      const { user, system } = process.cpuUsage();
      return user + system;
    },
    profiler: nodeProfiler,
    spawn,
    alive,
    startTicks,
    listeningPorts,
    signalTo: (pid, signal) => void process.kill(pid, signal),
    onSignal(signal, handler) {
      process.on(signal, handler);
      return () => process.off(signal, handler);
    },
    writeOut: (text) => void process.stdout.write(text),
    writeErr: (text) => void process.stderr.write(text),
    isTerminal: (stream) => process[stream].isTTY,
    importModule,
    exit: (code) => process.exit(code),
  };
}

/**
 * V8 has a job that collects a heap in steps and compacts it once a program allocates little, but in Node it never finds that so and waits for ever. Under this flag it
 * asks nothing. The flag is read each time, and means nothing else to code that is compiled.
 */
function saveMemory(on: boolean): void {
  process.getBuiltinModule('node:v8').setFlagsFromString(on ? '--optimize-for-size' : '--no-optimize-for-size');
}

function definedOnly(env: NodeJS.ProcessEnv): Record<string, string> {
  const defined: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const [name, value] of Object.entries(env)) if (value !== undefined) defined[name] = value;
  return defined;
}

function importModule(path: string): Promise<Readonly<Record<string, unknown>>> {
  const { pathToFileURL } = process.getBuiltinModule('node:url');
  // What a build made of TypeScript is spoken of by the lines of its source.
  process.setSourceMapsEnabled(true);
  return import(pathToFileURL(path).href) as Promise<Readonly<Record<string, unknown>>>;
}

function spawn(options: SpawnOptions): Child {
  // Loaded on first use: a sidecar that starts no application does not pay for the module.
  const { spawn: start } = process.getBuiltinModule('node:child_process');
  const child: ChildProcess = start(options.command, [...options.args], {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: options.env,
    detached: true,
    stdio: [options.input === true ? 'pipe' : 'ignore', 'pipe', 'pipe'],
  });
  // A child that has ended reads no more.
  child.stdin?.on('error', () => {});
  child.stdout?.on('data', (chunk: Buffer) => options.output('stdout', chunk));
  child.stderr?.on('data', (chunk: Buffer) => options.output('stderr', chunk));
  const pid = child.pid ?? 0;
  const exit = new Promise<Awaited<Child['exit']>>((resolve) => {
    let failure: Error | undefined = undefined;
    child.on('error', (error) => {
      failure = error;
      // A child that could not be started has no exit to wait for.
      if (pid === 0) resolve({ code: undefined, signal: undefined, error });
    });
    child.on('exit', (code, signal) => {
      resolve({ code: code ?? undefined, signal: signal ?? undefined, ...(failure === undefined ? {} : { error: failure }) });
    });
  });
  return {
    pid,
    exit,
    kill(signal) {
      // Group 0 would be our own.
      if (pid === 0) return;
      try {
        process.kill(-pid, signal);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
      }
    },
    write: (text) => void child.stdin?.write(text),
    endInput: () => void child.stdin?.end(),
    groupAlive: () => groupAlive(pid),
  };
}

/** Zombies do not count: where process 1 is no init, orphans stay zombies for ever. */
async function groupAlive(group: number): Promise<boolean> {
  if (group === 0) return false;
  try {
    process.kill(-group, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  if (process.platform !== 'linux') return true;
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const [state, , member] = statFields(await readFile(`/proc/${name}/stat`, 'latin1').catch(() => ''));
    if (Number(member) === group && state !== 'Z') return true;
  }
  return false;
}

function alive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return !isZombie(pid);
  } catch (error) {
    // It exists, but belongs to somebody else.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** It has ended, and only waits for a parent that does not ask (common where process 1 of a container is no init). */
function isZombie(pid: number): boolean {
  try {
    return statFields(fs.readFileSync(`/proc/${pid}/stat`, 'latin1'))[0] === 'Z';
  } catch {
    return false;
  }
}

/** The fields of /proc/pid/stat behind the command, which may itself hold spaces and brackets. */
function statFields(text: string): string[] {
  return text.slice(text.lastIndexOf(')') + 2).split(' ');
}

function startTicks(pid: number): number | undefined {
  try {
    const ticks = Number(statFields(fs.readFileSync(`/proc/${pid}/stat`, 'latin1'))[19]);
    return Number.isSafeInteger(ticks) ? ticks : undefined;
  } catch {
    return undefined;
  }
}

async function listeningPorts(pid: number): Promise<number[]> {
  if (process.platform !== 'linux') return [];
  const inodes = await listeningInodes(pid);
  if (inodes.size === 0) return [];
  const ports = new Set<number>();
  for (const member of await processTree(pid)) {
    for (const inode of await socketInodes(member)) {
      const port = inodes.get(inode);
      if (port !== undefined) ports.add(port);
    }
  }
  return [...ports].sort((a, b) => a - b);
}

/** Ports of listening sockets by inode, in the network namespace of the process. */
async function listeningInodes(pid: number): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  for (const table of ['tcp', 'tcp6']) {
    const text = await readFile(`/proc/${pid}/net/${table}`, 'latin1').catch(() => '');
    for (const line of text.split('\n').slice(1)) {
      const columns = line.trim().split(/\s+/);
      // Column 3 is the state; 0A is LISTEN.
      if (columns[3] !== '0A') continue;
      const port = Number.parseInt(columns[1]?.split(':')[1] ?? '', 16);
      if (columns[9] !== undefined && port > 0) found.set(columns[9], port);
    }
  }
  return found;
}

/** The process and its descendants. Processes that vanish while we look are left out. */
async function processTree(root: number): Promise<number[]> {
  const children = new Map<number, number[]>();
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const stat = await readFile(`/proc/${name}/stat`, 'latin1').catch(() => '');
    const parent = Number(statFields(stat)[1]);
    if (stat !== '') children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const tree = [root];
  for (const member of tree) tree.push(...(children.get(member) ?? []));
  return tree;
}

async function socketInodes(pid: number): Promise<string[]> {
  const names = await readdir(`/proc/${pid}/fd`).catch(() => []);
  const links = await Promise.all(names.map((name) => readlink(`/proc/${pid}/fd/${name}`).catch(() => '')));
  return links.flatMap((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? []);
}
