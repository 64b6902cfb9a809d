// Starts the programs that a bench compares, each on a free port of loopback, and ends only those.
import { spawn, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

export const root = fileURLToPath(new URL('..', import.meta.url));
export const directory = mkdtempSync(join(process.env.PROA_BENCH_DIR ?? tmpdir(), 'proa-bench-'));
const children = [];

process.on('exit', () => {
  // SIGTERM, because a killed nginx master leaves its workers behind.
  for (const child of children) child.kill('SIGTERM');
  removeDirectory();
});

/** They may still be writing their last, for as long as they drain. */
function removeDirectory() {
  for (let tries = 1; ; tries++) {
    try {
      return rmSync(directory, { recursive: true, force: true });
    } catch (error) {
      if (tries === 100) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
    }
  }
}

/** Path of a program, or undefined when it is not installed. */
export function which(name) {
  try {
    return execFileSync('sh', ['-c', `command -v ${name} || ls /usr/sbin/${name}`], { stdio: ['ignore', 'pipe', 'ignore'] })
      .toString()
      .trim()
      .split('\n')[0];
  } catch {
    return undefined;
  }
}

export function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** Resolves when the port accepts connections. */
export async function accepts(port) {
  for (let i = 0; i < 500; i++) {
    const open = await new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1', () => (socket.destroy(), resolve(true)));
      socket.once('error', () => resolve(false));
    });
    if (open) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`nothing listens on ${port}`);
}

/** Starts a program pinned to a core, with a channel for messages if wanted; answers the child. */
export function start(command, args, { core, env = {}, ipc = false } = {}) {
  const pinned = core === undefined ? [command, args] : ['taskset', ['-c', String(core), command, ...args]];
  const clean = { ...process.env, ...env };
  delete clean.NODE_EXTRA_CA_CERTS;
  const child = spawn(pinned[0], pinned[1], { env: clean, stdio: ['ignore', 'pipe', 'pipe', ...(ipc ? ['ipc'] : [])] });
  child.printed = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (child.printed = (child.printed + chunk).slice(-4000)));
  children.push(child);
  return child;
}

/** One nginx worker with the given server blocks. */
export async function startNginx(name, servers, core) {
  const config = join(directory, `${name}.conf`);
  writeFileSync(
    config,
    `worker_processes 1; pid ${directory}/${name}.pid; error_log ${directory}/${name}.log crit; daemon off;
     events { worker_connections 2048; }
     http { access_log off; keepalive_requests 1000000000; client_body_temp_path ${directory}/${name}-body; proxy_temp_path ${directory}/${name}-proxy;
       fastcgi_temp_path ${directory}/${name}-f; uwsgi_temp_path ${directory}/${name}-u; scgi_temp_path ${directory}/${name}-s; ${servers} }`,
  );
  return start(which('nginx'), ['-c', config, '-p', directory], { core });
}

/** CPU time of a process and its children so far, in microseconds. */
export function cpuUs(pid) {
  const ticks = execFileSync('sh', ['-c', `for p in ${pid} $(pgrep -P ${pid}); do cat /proc/$p/stat 2>/dev/null; done; true`]).toString();
  let sum = 0;
  for (const line of ticks.trim().split('\n')) {
    const fields = line.slice(line.lastIndexOf(')') + 2).split(' ');
    sum += Number(fields[11]) + Number(fields[12]);
  }
  return sum * 10_000;
}

/** One shot of wrk, from core 1 unless told otherwise (undefined: any): requests per second and CPU microseconds per request of `pid`. */
export function wrk(url, { pid, seconds = 2, connections = 32, headers = [], script, ...more } = {}) {
  const core = 'core' in more ? more.core : 1;
  const before = cpuUs(pid);
  const args = [
    '-t1',
    `-c${connections}`,
    `-d${seconds}s`,
    ...headers.flatMap((header) => ['-H', header]),
    ...(script ? ['-s', script] : []),
    url,
  ];
  const text = (
    core === undefined ? execFileSync('wrk', args) : execFileSync('taskset', ['-c', `${Number(core)}`, 'wrk', ...args])
  ).toString();
  const requests = Number(/(\d+) requests in/.exec(text)[1]);
  const rate = Number(/Requests\/sec:\s+([\d.]+)/.exec(text)[1]);
  const errors = /Non-2xx or 3xx responses: (\d+)/.exec(text)?.[1] ?? /Socket errors: (.*)/.exec(text)?.[1];
  return { rate, cpu: (cpuUs(pid) - before) / requests, errors };
}

/** A sidecar of the built product, ready for outgoing calls. */
export async function startProa(flags, { core, data, env = {} } = {}) {
  const [http, grpc, metrics] = [await freePort(), await freePort(), await freePort()];
  const child = start(
    process.execPath,
    [
      join(root, 'dist/bin/proa.cjs'),
      'sidecar',
      '--dapr-http-port',
      String(http),
      '--dapr-grpc-port',
      String(grpc),
      '--metrics-port',
      String(metrics),
      '--log-level',
      'error',
      ...flags,
    ],
    { core, env: { PROA_DATA_DIR: data ?? join(directory, `data-${http}`), ...env } },
  );
  await accepts(http);
  return { child, http, grpc, metrics };
}

export function median(values) {
  return quantile(values, 0.5);
}

/** The value below which that share of them lies; between two of them in proportion, so that an even number favours neither side. */
export function quantile(values, share) {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (sorted.length - 1) * share;
  const [low, high] = [sorted[Math.floor(at)], sorted[Math.ceil(at)]];
  return low + (high - low) * (at - Math.floor(at));
}

/**
 * Writes out what is dirty and gives the page cache back, where we may (root on Linux).
 * Files grow into memory that nobody used yet. In a virtual machine its host must find each such page first, which from some gigabytes on made every durable
 * write half as dear again, whoever wrote: system time per write doubled in the middle of a run and stayed so.
 */
function emptyPageCache() {
  try {
    execFileSync('sync');
    writeFileSync('/proc/sys/vm/drop_caches', '1');
  } catch {
    // Then shots that write much are measured as they come.
  }
}

/**
 * Interleaved shots of every candidate: one to warm up, then `rounds`, each with an empty page cache. A shot answers `{ rate, cpu?, errors? }`; a row holds the medians.
 * Candidates that fail beside each other in a slow minute fail alike, so their ratio holds where their rates do not.
 */
export async function interleaved(candidates, { rounds = Number(process.env.BENCH_ROUNDS ?? 5) } = {}) {
  const shots = Object.fromEntries(Object.keys(candidates).map((name) => [name, []]));
  for (let round = 0; round <= rounds; round++) {
    for (const [name, shot] of Object.entries(candidates)) {
      emptyPageCache();
      const result = await shot();
      if (round > 0) shots[name].push(result);
    }
  }
  return Object.entries(shots).map(([name, list]) => ({
    name,
    rate: median(list.map((shot) => shot.rate)),
    ...(list[0].cpu !== undefined && { cpu: median(list.map((shot) => shot.cpu)) }),
    errors: list.find((shot) => shot.errors)?.errors,
  }));
}

/** `{ name, value, goal }`: the rate of one row over another's. */
export function ratioOf(rows, name, [over, under], goal) {
  const rate = (wanted) => rows.find((row) => row.name === wanted).rate;
  return { name, value: rate(over) / rate(under), goal };
}

/** Bundles a file of the repository as an ES module; answers the path of the bundle. */
export async function bundle(entry) {
  const outfile = join(directory, entry.replaceAll('/', '-').replace(/\.ts$/, '.mjs'));
  const banner = { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" };
  const entryPoints = [entry];
  const shared = { bundle: true, platform: 'node', format: 'esm', target: 'node20.19', external: ['pg'], logLevel: 'error' };
  await build({ ...shared, absWorkingDir: root, entryPoints, outfile, banner });
  return outfile;
}

/** Runs a bundle pinned to a core; the JSON that it prints. */
export async function measured(entry, core, args = []) {
  const outfile = await bundle(entry);
  return JSON.parse(execFileSync('taskset', ['-c', String(core), process.execPath, outfile, ...args]).toString());
}
