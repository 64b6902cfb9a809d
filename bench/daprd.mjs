// Dapr's own sidecar beside ours: the same components, one core for the sidecar, the same app. `BENCH_DAPRD=/path/to/daprd npm run bench -- daprd`; docs/decisions/daprd.md
// says how a daprd is built that has only these components.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { accepts, cpuUs, directory, freePort, interleaved, median, ratioOf, root, start, startNginx, which, wrk } from './harness.mjs';

const daprd = process.env.BENCH_DAPRD;
const rounds = Number(process.env.BENCH_ROUNDS ?? 5);
const seconds = 2;
const body = '{"id":12345,"name":"a small answer","items":[1,2,3],"ok":true}..';
const sidecars = { daprd: [], proa: [] };

export async function run() {
  if (daprd === undefined || !existsSync(daprd)) return { skipped: 'BENCH_DAPRD does not name a daprd' };
  if (which('nginx') === undefined || which('wrk') === undefined) return { skipped: 'nginx or wrk is not installed' };
  const version = execFileSync(daprd, ['--version']).toString().trim();
  const app = await freePort();
  await startNginx('app', `server { listen 127.0.0.1:${app}; location / { default_type application/json; return 200 '${body}'; } }`, 1);
  await accepts(app);
  writeComponents();
  const idle = await idleFigures();
  const shots = {};
  for (const kind of ['daprd', 'proa']) Object.assign(shots, await candidates(kind, app));
  const rows = await interleaved(shots, { rounds });
  const ratio = (name, what) => ratioOf(rows, `${name}, Proa / daprd`, [`proa: ${what}`, `daprd: ${what}`]);
  return {
    conditions:
      `daprd ${version} built with the components compared and no others (state.in-memory, pubsub.in-memory), without placement, scheduler and mTLS, its log at error, ` +
      'names resolved in an SQLite file; Proa as it ships, its log at error too. One core for the sidecar (for both, where a call passes two), wrk with 32 connections and the app ' +
      '(nginx, a constant of 64 bytes) on the other. "own app" calls the app of the sidecar that is asked; "app of a second sidecar" goes on from there to that of the other app. ' +
      'Published events have no subscriber. Start until healthz answers, and resident memory half a second later: without an app, one process at a time on all cores, its data directory new, what it keeps of its code there from before. CPU: of all sidecars of the call',
    rows,
    ratios: [
      ratio('call of the own app', 'own app'),
      ratio('call of the app of a second sidecar', 'app of a second sidecar'),
      ratio('state get', 'state get'),
      ratio('state set', 'state set'),
      ratio('publish', 'publish'),
    ],
    figures: idle,
  };
}

/** The shots of one of both, and what is needed for them. */
async function candidates(kind, app) {
  const near = await startSidecar(kind, { id: 'bench', app });
  const far = await startSidecar(kind, { id: 'other', app });
  const url = (path) => `http://127.0.0.1:${near.http}/v1.0/${path}`;
  const post = (name, text) => {
    const file = join(directory, `${name}.lua`);
    writeFileSync(file, `wrk.method = "POST" wrk.headers["content-type"] = "application/json" wrk.body = '${text}'`);
    return file;
  };
  const item = `{"key":"k","value":${body.slice(0, -2)}}`;
  await fetch(url('state/mem'), { method: 'POST', body: `[${item}]` });
  // A name is known to both only a while after its sidecar has started.
  await until(async () => (await fetch(url('invoke/other/method/x'))).status === 200, `${kind} finds the second sidecar`);
  const shot = (path, { script, pids = [near.child.pid] } = {}) => {
    return () => {
      const before = sum(pids);
      const { rate, errors } = wrk(url(path), { pid: near.child.pid, seconds, ...(script && { script }) });
      return { rate, cpu: (sum(pids) - before) / (rate * seconds), errors };
    };
  };
  return {
    [`${kind}: own app`]: shot('invoke/bench/method/x'),
    [`${kind}: app of a second sidecar`]: shot('invoke/other/method/x', { pids: [near.child.pid, far.child.pid] }),
    [`${kind}: state get`]: shot('state/mem/k'),
    [`${kind}: state set`]: shot('state/mem', { script: post('set', `[${item}]`) }),
    [`${kind}: publish`]: shot('publish/pubsub/orders', { script: post('publish', '{"order":17}') }),
  };
}

const sum = (pids) => pids.reduce((all, pid) => all + cpuUs(pid), 0);

async function idleFigures() {
  const shots = { daprd: [], proa: [] };
  for (let round = 0; round <= rounds; round++)
    for (const kind of ['daprd', 'proa']) {
      const shot = await startAndStop(kind);
      // The first run of Proa compiles, the first of daprd reads its file.
      if (round > 0) shots[kind].push(shot);
    }
  return ['daprd', 'proa'].flatMap((kind) => [
    { name: `${kind}: start until healthz (ms)`, value: median(shots[kind].map(({ readyMs }) => readyMs)) },
    { name: `${kind}: idle RSS (MB)`, value: median(shots[kind].map(({ rss }) => rss)) },
  ]);
}

async function startAndStop(kind) {
  const { child, readyMs } = await startSidecar(kind, { id: `idle${sidecars[kind].length}` });
  await new Promise((resolve) => setTimeout(resolve, 500));
  const rss = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))[1]) / 1024;
  await new Promise((resolve) => {
    child.once('exit', resolve);
    child.kill('SIGTERM');
  });
  return { readyMs, rss };
}

function writeComponents() {
  const folder = join(directory, 'components');
  mkdirSync(folder, { recursive: true });
  for (const [name, type] of Object.entries({ mem: 'state.in-memory', pubsub: 'pubsub.in-memory' }))
    writeFileSync(
      join(folder, `${name}.yaml`),
      `apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: { name: ${name} }\nspec: { type: ${type}, version: v1 }\n`,
    );
  // Multicast is seldom allowed where benches run.
  writeFileSync(
    join(directory, 'daprd.yaml'),
    `apiVersion: dapr.io/v1alpha1\nkind: Configuration\nmetadata: { name: bench }\nspec:\n  nameResolution:\n    component: sqlite\n    version: v1\n    configuration: { connectionString: ${join(directory, 'names.db')} }\n`,
  );
}

/** A sidecar, ready; on core 0 when it has an app. */
async function startSidecar(kind, { id, app }) {
  const core = app === undefined ? undefined : 0;
  const [http, grpc, internal, metrics] = [await freePort(), await freePort(), await freePort(), await freePort()];
  const flags = Object.entries({
    'app-id': id,
    'dapr-http-port': http,
    'dapr-grpc-port': grpc,
    'metrics-port': metrics,
    'resources-path': join(directory, 'components'),
    'log-level': 'error',
    'placement-host-address': '',
    'scheduler-host-address': '',
    ...(app !== undefined && { 'app-port': app }),
    // Runtimes of one machine need no port of Proa's between them; one would be for mutual TLS, which daprd has not here.
    ...(kind === 'daprd' && { config: join(directory, 'daprd.yaml'), 'dapr-internal-grpc-port': internal }),
  }).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const began = performance.now();
  const child =
    kind === 'daprd'
      ? start(daprd, flags, { core, env: { DAPR_HOST_IP: '127.0.0.1' } })
      : start(process.execPath, [join(root, 'dist/bin/proa.cjs'), 'sidecar', ...flags], { core, env: proaEnvironment(id) });
  sidecars[kind].push(child);
  await until(() => {
    if (child.exitCode !== null) throw new Error(`${kind} ended: ${child.printed}`);
    return healthy(http);
  }, `${kind} is ready`);
  return { child, http, readyMs: performance.now() - began };
}

// Those that are started to be stopped share nothing; the two of a call are of one machine.
function proaEnvironment(id) {
  return { PROA_DATA_DIR: join(directory, id.startsWith('idle') ? id : 'data'), XDG_CACHE_HOME: join(directory, 'cache') };
}

async function until(reached, what) {
  for (let tries = 0; tries < 20_000; tries++) {
    if (await reached()) return;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  throw new Error(`did not happen: ${what}`);
}

// A plain socket: `fetch` in this process would take the processor that the program wants.
function healthy(port) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('GET /v1.0/healthz HTTP/1.1\r\nhost: localhost\r\n\r\n'));
    socket.once('data', (answer) => (socket.destroy(), resolve(answer.toString('latin1').startsWith('HTTP/1.1 204'))));
    socket.once('error', () => resolve(false));
  });
}
