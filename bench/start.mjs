// Start-up and size: time until healthz answers, resident memory when idle, `proa --help`, the packed package.
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { freePort, median, root, start, directory } from './harness.mjs';

const rounds = Number(process.env.BENCH_ROUNDS ?? 7);
const command = join(root, 'dist/bin/proa.cjs');

// A code cache of its own: the first run finds none, as after an installation.
const cache = join(directory, 'cache');

async function readyMs(data) {
  const [http, grpc] = [await freePort(), await freePort()];
  const began = performance.now();
  const child = start(
    process.execPath,
    [
      command,
      'sidecar',
      '--app-id',
      'idle',
      '--dapr-http-port',
      String(http),
      '--dapr-grpc-port',
      String(grpc),
      '--metrics-port',
      '0',
      '--log-level',
      'error',
    ],
    {
      env: { PROA_DATA_DIR: join(directory, data ?? `idle-${http}`), XDG_CACHE_HOME: cache },
    },
  );
  for (;;) {
    if (await healthy(http)) break;
    if (child.exitCode !== null) throw new Error(`the sidecar ended: ${child.printed}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  const ready = performance.now() - began;
  await new Promise((resolve) => setTimeout(resolve, 500));
  const rss = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))[1]) / 1024;
  await new Promise((resolve) => {
    child.once('exit', resolve);
    child.kill('SIGTERM');
  });
  return { ready, rss };
}

// A plain socket: `fetch` in this process would take the processor that the program wants.
function healthy(port) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('GET /v1.0/healthz HTTP/1.1\r\nhost: localhost\r\n\r\n'));
    socket.once('data', (answer) => (socket.destroy(), resolve(answer.toString('latin1').startsWith('HTTP/1.1 204'))));
    socket.once('error', () => resolve(false));
  });
}

function helpMs() {
  const env = { ...process.env };
  delete env.NODE_EXTRA_CA_CERTS;
  const began = performance.now();
  spawnSync(process.execPath, [command, '--help'], { env });
  return performance.now() - began;
}

function emptyMs() {
  const env = { ...process.env };
  delete env.NODE_EXTRA_CA_CERTS;
  const began = performance.now();
  spawnSync(process.execPath, ['-e', '0'], { env });
  return performance.now() - began;
}

function packageMegabytes() {
  const packed = JSON.parse(
    execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: root, stdio: ['ignore', 'pipe', 'ignore'] }).toString(),
  );
  const own = (Array.isArray(packed) ? packed[0] : Object.values(packed)[0]).unpackedSize / 1e6;
  const names = Object.keys(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).dependencies ?? {});
  const dependencies = names.map(
    (name) =>
      Number(
        execFileSync('du', ['-sb', join(root, 'node_modules', name)])
          .toString()
          .split('\t')[0],
      ) / 1e6,
  );
  return own + dependencies.reduce((sum, size) => sum + size, 0);
}

export async function run() {
  const shots = [];
  const [again, help, empty] = [[], [], []];
  for (let round = 0; round < rounds; round++) {
    shots.push(await readyMs());
    again.push(await readyMs('kept'));
    help.push(helpMs());
    empty.push(emptyMs());
  }
  const cold = shots[0].ready;
  const figures = {
    'sidecar ready, warm (ms)': [median(shots.slice(1).map((shot) => shot.ready)), 100],
    'sidecar ready, its former data there (ms)': [median(again.slice(1).map((shot) => shot.ready)), 100],
    'sidecar ready, first run after installing (ms)': [cold, undefined],
    'idle RSS (MB)': [median(shots.map((shot) => shot.rss)), 50],
    'proa --help (ms)': [median(help.slice(1)), 80],
    'empty node script (ms)': [median(empty), undefined],
    'package with dependencies (MB)': [packageMegabytes(), 10],
  };
  return {
    conditions: 'NODE_EXTRA_CA_CERTS unset; one process at a time',
    figures: Object.entries(figures).map(([name, [value, atMost]]) => ({ name, value, atMost })),
  };
}
