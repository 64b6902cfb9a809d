// Restate's single-node server, from its npm package. It is 225 MB, so it is fetched into .cache only when BENCH_RESTATE is set; what is there already is used.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { directory, freePort, root, start } from './harness.mjs';

const versions = { '@restatedev/restate-server': '1.7.12', '@restatedev/restate-sdk': '1.17.2' };
const folder = join(root, '.cache/bench/restate');
const program = join(folder, `node_modules/@restatedev/restate-server-${process.platform}-${process.arch}/bin/restate-server`);
const sdk = join(folder, 'node_modules/@restatedev/restate-sdk/dist/node.js');

/** Starts a server with its own defaults, on loopback; undefined when it is not there and nobody asked for it. */
export async function startRestate() {
  if (!existsSync(program) || !existsSync(sdk)) {
    if (process.env.BENCH_RESTATE === undefined) return undefined;
    fetchPackages();
  }
  const [admin, ingress, node] = [await freePort(), await freePort(), await freePort()];
  const child = start(program, ['--no-logo', '--listen-mode', 'tcp', '--base-dir', join(directory, 'restate'), '--bind-ip', '127.0.0.1'], {
    env: {
      DO_NOT_TRACK: '1',
      RESTATE_DISABLE_TELEMETRY: 'true',
      RESTATE_LOG_FILTER: 'warn',
      RESTATE_BIND_PORT: String(node),
      RESTATE_ADMIN__BIND_PORT: String(admin),
      RESTATE_INGRESS__BIND_PORT: String(ingress),
    },
  });
  await ready(child, admin);
  const stop = () =>
    new Promise((resolve) => {
      // It would take its time to drain, and write until its end.
      child.once('exit', resolve);
      child.kill('SIGKILL');
    });
  return { child, admin, ingress, sdk, version: versions['@restatedev/restate-server'], stop };
}

function fetchPackages() {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
  const names = Object.entries(versions).map(([name, version]) => `${name}@${version}`);
  execFileSync('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', ...names], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

// Its ports answer before its partitions have leaders; the first calls say so, and the client asks again.
async function ready(child, admin) {
  for (let tries = 0; tries < 600; tries++) {
    if (child.exitCode !== null) throw new Error(`restate-server ended: ${child.printed}`);
    const answered = await fetch(`http://127.0.0.1:${admin}/health`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (answered) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`restate-server is not ready: ${child.printed}`);
}
