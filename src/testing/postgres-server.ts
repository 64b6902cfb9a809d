import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';

/** A PostgreSQL server of one test file: its own data directory, a Unix socket and no TCP port. */
export interface PostgresServer {
  /** For `pg`: the socket's directory as the host. */
  readonly address: { readonly host: string; readonly port: number; readonly user: string; readonly database: string };
  /** The same as components take it. */
  readonly connectionString: string;
  /** The rows of a statement, over a connection of its own. */
  sql(text: string): Promise<readonly Record<string, unknown>[]>;
  /** Fast shutdown (connections are broken off), then start; `immediate`: without any shutdown, so that it recovers when it starts. */
  restart(mode?: 'fast' | 'immediate'): Promise<void>;
  stop(): Promise<void>;
  start(): Promise<void>;
  /** SIGKILL to the server and all its processes, as when the machine's power fails but for what the disk has taken. */
  kill(): Promise<void>;
  /** SIGKILL to one process that serves a client, once there is one: the server breaks off all connections and recovers by itself. */
  killBackend(): Promise<void>;
  /** Stops it and removes its data. */
  destroy(): Promise<void>;
}

const usualPort = 5432;

export interface PostgresServerOptions {
  readonly tcp?: { readonly port: number; readonly settings: readonly string[] };
  readonly primary?: PostgresServer['address'];
  /** Waits for the disk, as a server in production does. Without it what was committed survives any death of its processes, but not one of the machine. */
  readonly synced?: boolean;
}

/** The directory of the newest installed server's programs; undefined when there is none. */
export function findPostgres(): string | undefined {
  const root = '/usr/lib/postgresql';
  if (!existsSync(root)) return undefined;
  const versions = readdirSync(root).sort((a, b) => Number(b) - Number(a));
  return versions.map((version) => join(root, version, 'bin')).find((bin) => existsSync(join(bin, 'initdb')));
}

/**
 * Makes and starts a server; `tcp` opens a port of loopback, too, with more settings (`name=value`), with `primary` it follows that server until `pg_promote()`. It refuses
 * to run as root, so as root it runs as the user `postgres` of the system's package.
 */
export async function startPostgres(bin: string, { tcp, primary, synced = false }: PostgresServerOptions = {}): Promise<PostgresServer> {
  const port = tcp?.port ?? usualPort;
  const directory = mkdtempSync(join(tmpdir(), 'proa-pg-'));
  const identity = serverIdentity();
  if (identity.uid !== undefined) chownSync(directory, identity.uid, identity.gid ?? identity.uid);
  const data = join(directory, 'data');
  const options = { ...identity, cwd: directory, stdio: 'ignore' } as const;
  if (primary === undefined)
    execFileSync(join(bin, 'initdb'), ['-D', data, '-U', 'proa', '-A', 'trust', '-E', 'UTF8', '--no-locale', '--no-sync'], options);
  else {
    const from = ['-h', primary.host, '-p', String(primary.port), '-U', primary.user];
    execFileSync(join(bin, 'pg_basebackup'), ['-D', data, ...from, '-R', '-X', 'stream', '-c', 'fast', '--no-sync'], options);
  }
  let child: ChildProcess | undefined;
  const settings = [`unix_socket_directories=${directory}`, 'listen_addresses=', `port=${port}`, 'max_connections=60'];
  // A disk that is busy with something else takes seconds for a sync, longer than the statements of some tests may.
  if (!synced) settings.push('fsync=off');
  if (tcp !== undefined) settings.push('listen_addresses=127.0.0.1', ...tcp.settings);
  const start = async (): Promise<void> => {
    child = spawn(join(bin, 'postgres'), ['-D', data, ...settings.flatMap((setting) => ['-c', setting])], options);
    await untilReady(bin, { directory, port }, child);
  };
  const end = async (signal: 'SIGINT' | 'SIGQUIT'): Promise<void> => {
    const running = child;
    child = undefined;
    if (running === undefined || running.exitCode !== null) return;
    const ended = new Promise((resolve) => running.once('exit', resolve));
    running.kill(signal);
    await ended;
  };
  const stop = (): Promise<void> => end('SIGINT');
  const kill = async (): Promise<void> => {
    const running = child;
    child = undefined;
    if (running?.pid === undefined || running.exitCode !== null) return;
    await killAll(running, running.pid);
  };
  const killBackend = async (): Promise<void> => {
    for (;;) {
      const backend = childrenOf(child?.pid ?? 0).find((pid) => /postgres: proa /.test(commandOf(pid)));
      if (backend !== undefined) return endProcess(backend);
      // Clients are on their way back after the last loss.
      await pause();
    }
  };
  const address = { host: directory, port, user: 'proa', database: 'postgres' };
  await start();
  return {
    kill,
    killBackend,
    address,
    connectionString: `host=${directory} user=${address.user} dbname=${address.database}`,
    sql: (text) => rowsOf(address, text),
    start,
    stop,
    async restart(mode = 'fast') {
      await end(mode === 'fast' ? 'SIGINT' : 'SIGQUIT');
      await start();
    },
    async destroy() {
      await stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

async function rowsOf(address: PostgresServer['address'], text: string): Promise<readonly Record<string, unknown>[]> {
  const client = new pg.Client(address);
  await client.connect();
  try {
    return (await client.query(text)).rows as Record<string, unknown>[];
  } finally {
    await client.end();
  }
}

/** SIGKILL to the server and its processes; resolves when none lives. */
async function killAll(running: ChildProcess, pid: number): Promise<void> {
  const ended = new Promise((resolve) => running.once('exit', resolve));
  // It stands still meanwhile: a child that it forked in between would outlive it.
  running.kill('SIGSTOP');
  while (stateOf(pid) !== 'T' && stateOf(pid) !== '') await pause();
  const processes = [pid, ...childrenOf(pid)];
  for (const each of processes) endProcess(each);
  await ended;
  // The next server finds the shared memory in use while one of them lives.
  while (processes.some(isAlive)) await pause();
}

function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return text === '' ? [] : text.split(' ').map(Number);
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}

function endProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended by itself.
  }
}

function isAlive(pid: number): boolean {
  // A process that nobody has waited for yet is dead all the same.
  return !['', 'Z'].includes(stateOf(pid));
}

/** The letter that `ps` shows; empty when there is no such process. */
function stateOf(pid: number): string {
  try {
    return /^State:\s+(\w)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? '';
  } catch {
    return '';
  }
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 20));
}

/** Whom servers that refuse root run as. */
export function serverIdentity(): { uid?: number; gid?: number } {
  if (process.getuid?.() !== 0) return {};
  const id = (flag: string): number => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }));
  return { uid: id('-u'), gid: id('-g') };
}

async function untilReady(
  bin: string,
  { directory, port }: { readonly directory: string; readonly port: number },
  child: ChildProcess,
): Promise<void> {
  const ready = join(bin, 'pg_isready');
  for (;;) {
    if (child.exitCode !== null) throw new Error(`postgres ended with code ${child.exitCode}`);
    const code = await new Promise((resolve) => {
      spawn(ready, ['-q', '-h', directory, '-p', String(port)], { stdio: 'ignore' }).once('exit', resolve);
    });
    if (code === 0) return;
  }
}

/** Tries a Unix socket once; a refusal is answered after a moment, so that callers may simply ask again. */
export function canConnect(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const answer = (connected: boolean): void => {
      socket.destroy();
      if (connected) resolve(true);
      else setTimeout(() => resolve(false), 20);
    };
    socket.once('connect', () => answer(true));
    socket.once('error', () => answer(false));
  });
}
