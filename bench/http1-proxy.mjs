// What a request through our HTTP/1.1 codec costs, beside nginx: as a reverse proxy, and as a server of a constant.
// Usage: node bench/http1-proxy.mjs [--rounds 6] [--seconds 1] [--cases proxy,constant] [--profile]
// Needs Linux with two cores, nginx, wrk and taskset. Everything listens on loopback and ends with the script.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '6' },
    seconds: { type: 'string', default: '1' },
    cases: { type: 'string', default: 'proxy-get,proxy-post,constant' },
    profile: { type: 'boolean', default: false },
  },
});
const rounds = Number(values.rounds);
const seconds = Number(values.seconds);
const directory = mkdtempSync(join(tmpdir(), 'proa-bench-'));
const started = [];

/** What nginx and our own processes answer: 64 bytes of JSON. */
const answer = JSON.stringify({ text: 'x'.repeat(53) });

function nginxConfig(name, port, location) {
  const file = join(directory, `${name}.conf`);
  writeFileSync(
    file,
    `worker_processes 1; daemon off; pid ${directory}/${name}.pid; error_log /dev/null;
events { worker_connections 1024; }
http {
  access_log off; keepalive_requests 100000000; keepalive_timeout 600s; client_body_temp_path ${directory}/${name}-body;
  proxy_temp_path ${directory}/${name}-proxy; fastcgi_temp_path ${directory}/${name}-f; uwsgi_temp_path ${directory}/${name}-u; scgi_temp_path ${directory}/${name}-s;
  ${location}
}`.replace('PORT', String(port)),
  );
  return ['nginx', ['-c', file, '-p', directory]];
}

async function freePort() {
  const server = net.createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function start(name, core, [command, args], port) {
  const child = spawn('taskset', ['-c', String(core), command, ...args], { stdio: ['ignore', 'inherit', 'inherit'] });
  started.push(child);
  for (let i = 0; i < 200; i++) {
    const up = await new Promise((resolve) => {
      const socket = net.connect(port, '127.0.0.1', () => resolve(true)).on('error', () => resolve(false));
      socket.unref();
      setTimeout(() => socket.destroy(), 50);
    });
    if (up) return { name, child, port };
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`${name} did not start`);
}

/** User and system time in microseconds of a process and its descendants. */
function cpuUs(root) {
  const parents = new Map();
  const times = new Map();
  for (const pid of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    try {
      const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
      const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
      parents.set(Number(pid), Number(fields[1]));
      times.set(Number(pid), [Number(fields[11]) * 10_000, Number(fields[12]) * 10_000]);
    } catch {
      // It ended while we looked.
    }
  }
  let user = 0;
  let system = 0;
  for (const [pid, time] of times) {
    for (let at = pid; at !== undefined && at !== 0; at = parents.get(at)) {
      if (at !== root) continue;
      user += time[0];
      system += time[1];
      break;
    }
  }
  return { user, system };
}

function wrk(port, script, duration) {
  const args = ['-c', '1', 'wrk', '-t1', '-c32', `-d${duration}s`, '--latency'];
  if (script !== undefined) args.push('-s', script);
  args.push(`http://127.0.0.1:${port}/bench`);
  return new Promise((resolve) => {
    const child = spawn('taskset', args, { stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    child.stdout.on('data', (chunk) => (text += chunk));
    child.on('exit', () => {
      const requests = Number(/(\d+) requests in/.exec(text)?.[1] ?? 0);
      const rate = Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1] ?? 0);
      const errors = /Non-2xx|Socket errors/.test(text) ? text.match(/(Non-2xx.*|Socket errors.*)/)?.[1] : undefined;
      resolve({ requests, rate, errors });
    });
  });
}

const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];

async function measure(title, candidates, script) {
  const shots = new Map(candidates.map(({ name }) => [name, []]));
  for (const { port } of candidates) await wrk(port, script, 2);
  for (let round = 0; round < rounds; round++) {
    for (const { name, child, port } of candidates) {
      const before = cpuUs(child.pid);
      const { requests, rate, errors } = await wrk(port, script, seconds);
      const after = cpuUs(child.pid);
      if (errors !== undefined) console.error(`${name}: ${errors}`);
      const user = (after.user - before.user) / requests;
      const system = (after.system - before.system) / requests;
      shots.get(name).push({ rate, user, system, cpu: user + system });
    }
  }
  console.log(`\n${title}: one core, 32 connections, ${rounds} interleaved rounds of ${seconds} s\n`);
  console.log('| candidate | req/s (median) | x nginx | CPU us/req (usr+sys) | min CPU us | x nginx |\n|---|---|---|---|---|---|');
  const base = shots.get(candidates[0].name);
  for (const [name, list] of shots) {
    const rate = median(list.map((shot) => shot.rate));
    const cpu = median(list.map((shot) => shot.cpu));
    const [user, system] = [median(list.map((shot) => shot.user)), median(list.map((shot) => shot.system))];
    const min = Math.min(...list.map((shot) => shot.cpu));
    const over = (pick, value) => (value / median(base.map(pick))).toFixed(2);
    console.log(
      `| ${name} | ${rate.toFixed(0)} | ${over((shot) => shot.rate, rate)} | ${cpu.toFixed(1)} (${user.toFixed(1)}+${system.toFixed(1)}) | ${min.toFixed(1)} | ${over((shot) => shot.cpu, cpu)} |`,
    );
  }
}

async function bundle() {
  const outfile = join(directory, 'http1-subject.mjs');
  const entry = fileURLToPath(new URL('http1-subject.ts', import.meta.url));
  await build({
    entryPoints: [entry],
    bundle: true,
    minify: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    outfile,
    logLevel: 'warning',
  });
  return outfile;
}

async function main() {
  for (const tool of ['nginx', 'wrk', 'taskset']) {
    if (spawnSync('which', [tool]).status !== 0) throw new Error(`${tool} is not installed`);
  }
  const subject = await bundle();
  const ports = [];
  for (let i = 0; i < 5; i++) ports.push(await freePort());
  const [upstream, nginxProxy, ownProxy, nginxConstant, ownConstant] = ports;
  const constant = `server { listen 127.0.0.1:PORT; location / { default_type application/json; return 200 '${answer}'; } }`;
  await start('upstream', 1, nginxConfig('upstream', upstream, constant), upstream);
  const profile = values.profile ? ['--cpu-prof', `--cpu-prof-dir=${tmpdir()}/proa-profile`] : [];
  const wanted = values.cases.split(',');
  if (wanted.some((name) => name.startsWith('proxy'))) {
    const forward = `upstream up { server 127.0.0.1:${upstream}; keepalive 64; keepalive_requests 100000000; }
  server { listen 127.0.0.1:PORT; location / { proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection ""; } }`;
    const proxies = [
      await start('nginx', 0, nginxConfig('proxy', nginxProxy, forward), nginxProxy),
      await start('proa', 0, [process.execPath, [...profile, subject, 'proxy', ownProxy, upstream].map(String)], ownProxy),
    ];
    if (wanted.includes('proxy-get')) await measure('Reverse proxy, GET, 64-byte answer', proxies);
    const post = join(directory, 'post.lua');
    const headers = ['accept', 'user-agent', 'x-request-id', 'authorization', 'x-tenant'].map(
      (name) => `wrk.headers["${name}"] = "some-value-of-${name}"`,
    );
    writeFileSync(
      post,
      `wrk.method = "POST"\nwrk.body = string.rep("b", 256)\nwrk.headers["content-type"] = "application/json"\n${headers.join('\n')}\n`,
    );
    if (wanted.includes('proxy-post')) await measure('Reverse proxy, POST, 256-byte body, 7 headers', proxies, post);
    for (const { child } of proxies) child.kill('SIGINT');
  }
  if (wanted.includes('constant')) {
    await measure('Constant answer, GET, 64 bytes', [
      await start('nginx', 0, nginxConfig('constant', nginxConstant, constant), nginxConstant),
      await start('proa', 0, [process.execPath, [...profile, subject, 'constant', ownConstant].map(String)], ownConstant),
    ]);
  }
}

try {
  await main();
} finally {
  const ended = started.map((child) => new Promise((resolve) => (child.exitCode === null ? child.once('exit', resolve) : resolve())));
  for (const child of started) child.kill('SIGINT');
  await Promise.all(ended);
  rmSync(directory, { recursive: true, force: true });
}
