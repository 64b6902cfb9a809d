// Two hops with TLS in between: client - Proa - mTLS - Proa - app against client - nginx - mTLS - nginx - app; both sidecars of a chain on one core. Beside them
// the ceilings: two processes on node:net and node:tls that exchange frames of fixed bytes and look at nothing, and two that read and write messages with the
// product's codecs and do nothing else.
import { execFile, execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import {
  accepts,
  bundle,
  cpuUs,
  directory,
  freePort,
  interleaved,
  median,
  ratioOf,
  start,
  startNginx,
  startProa,
  which,
} from './harness.mjs';

const body = '{"id":12345,"name":"a small answer","items":[1,2,3],"ok":true}..';

const rounds = Number(process.env.BENCH_ROUNDS ?? 5);
const perSecond = 1_000;
/**
 * Of 1,000 requests/s before the first shot of a chain and before each, and of one connection before its first: until what that load makes hot is compiled, in
 * the chain and in the client. Compilers run on threads of their own, but on the one core that the chain has, and every call that comes meanwhile waits for a slice
 * of the scheduler: 1 to 3 ms.
 */
const warmSeconds = { first: 10, each: 3, oneConnection: 5 };
/** An answer that takes longer is an error. */
const lateMs = 500;

export async function run() {
  if (which('nginx') === undefined || which('wrk') === undefined || which('openssl') === undefined)
    return { skipped: 'nginx, wrk or openssl is not installed' };
  const app = await startApp();
  const [nginx, logged] = await startNginxChain(app);
  const proa = await startProaChain(app);
  const bare = await startEnds('bench/bare-subject.ts', app);
  const codec = await startEnds('bench/chain-codec-subject.ts', app);
  const direct = { url: `http://127.0.0.1:${app}/`, pids: [] };
  // Until what is hot is compiled; nginx was compiled beforehand.
  for (const chain of [proa, bare, codec]) wrkLatency(chain.url, { pids: chain.pids, connections: 32, seconds: 3 });
  const many = await manyCalls({ nginx, logged, proa, bare, codec });
  const one = await rounded({ direct, nginx, logged, proa, bare, codec }, ({ url, pids }, seconds, round) =>
    wrkLatency(url, { pids, connections: 1, seconds: round === 0 ? warmSeconds.oneConnection : seconds }),
  );
  const load = await bundle('bench/open-loop.ts');
  const paced = await rounded({ direct, nginx, proa, bare }, ({ url }, seconds, round) =>
    openLoop(load, url, { seconds, warmSeconds: round === 0 ? warmSeconds.first : warmSeconds.each }),
  );
  return {
    conditions:
      'GET, 64-byte answers; both sidecars of a chain on one core, load and the app on the other; mTLS with P-256 certificates, TLS 1.3; the bare chain parses nothing, the codecs alone read and write messages and do nothing else: the ceilings; 1,000 requests/s are counted after some seconds of them, in which what they need is compiled',
    rows: [...many, ...rowsOf(one)],
    ratios: [
      ratioOf(
        many,
        'throughput / nginx chain, 32 connections',
        ['proa - mTLS - proa, 32 connections', 'nginx - mTLS - nginx, 32 connections'],
        1.5,
      ),
      ratioOf(many, 'throughput / nginx chain, 128 connections', [
        'proa - mTLS - proa, 128 connections',
        'nginx - mTLS - nginx, 128 connections',
      ]),
      ratioOf(many, 'throughput / nginx chain, 8 connections', [
        'proa - mTLS - proa, 8 connections',
        'nginx - mTLS - nginx, 8 connections',
      ]),
      ratioOf(many, 'throughput / nginx chain, 32 connections, nginx with access logs as Debian ships it', [
        'proa - mTLS - proa, 32 connections',
        'nginx - mTLS - nginx with access logs, 32 connections',
      ]),
      ratioOf(many, 'bare chain / nginx chain, 32 connections: the ceiling', [
        'bare node:tls chain, 32 connections',
        'nginx - mTLS - nginx, 32 connections',
      ]),
      ratioOf(many, 'codecs alone / nginx chain, 32 connections: the ceiling of what reads messages', [
        'codecs alone over mTLS, 32 connections',
        'nginx - mTLS - nginx, 32 connections',
      ]),
    ],
    figures: [...figuresOfOne(one), ...figuresOfPace(paced)],
  };
}

function manyCalls({ nginx, logged, proa, bare, codec }) {
  const shot =
    (chain, connections = 32) =>
    () =>
      wrkLatency(chain.url, { pids: chain.pids, connections });
  return interleaved({
    'nginx - mTLS - nginx, 8 connections': shot(nginx, 8),
    'proa - mTLS - proa, 8 connections': shot(proa, 8),
    'nginx - mTLS - nginx, 128 connections': shot(nginx, 128),
    'proa - mTLS - proa, 128 connections': shot(proa, 128),
    'nginx - mTLS - nginx, 32 connections': shot(nginx),
    'nginx - mTLS - nginx with access logs, 32 connections': shot(logged),
    'proa - mTLS - proa, 32 connections': shot(proa),
    'bare node:tls chain, 32 connections': shot(bare),
    'codecs alone over mTLS, 32 connections': shot(codec),
  });
}

/** Interleaved shots of every chain, the first and shortest of them to warm up; answers the median of a field of one chain's. */
async function rounded(chains, shoot) {
  const shots = Object.fromEntries(Object.keys(chains).map((name) => [name, []]));
  for (let round = 0; round <= rounds; round++) {
    for (const [name, chain] of Object.entries(chains)) {
      const shot = await shoot(chain, round === 0 ? 1 : 2, round);
      if (round > 0) shots[name].push(shot);
    }
  }
  const of = (name, field) => median(shots[name].map((shot) => shot[field]));
  return { of, errors: (name) => shots[name].find((shot) => shot.errors)?.errors };
}

function rowsOf({ of, errors }) {
  const names = {
    nginx: 'nginx - mTLS - nginx',
    logged: 'nginx - mTLS - nginx with access logs',
    proa: 'proa - mTLS - proa',
    bare: 'bare node:tls chain',
    codec: 'codecs alone over mTLS',
  };
  return Object.entries(names).map(([name, title]) => ({
    name: `${title}, 1 connection`,
    rate: of(name, 'rate'),
    cpu: of(name, 'cpu'),
    errors: errors(name),
  }));
}

function figuresOfOne({ of }) {
  const ratio = (name, field, to = 'nginx') => of(name, field) / of(to, field);
  return [
    { name: 'p50 / nginx chain, 1 connection', value: ratio('proa', 'p50Us'), atMost: 1.25 },
    { name: 'the same, nginx with access logs as Debian ships it', value: ratio('proa', 'p50Us', 'logged') },
    { name: 'p50 of the bare chain / nginx chain, 1 connection: the ceiling', value: ratio('bare', 'p50Us') },
    { name: 'p50 of the codecs alone / nginx chain, 1 connection', value: ratio('codec', 'p50Us') },
    { name: 'p99 / nginx chain, 1 connection', value: ratio('proa', 'p99Us'), atMost: 2 },
  ];
}

function figuresOfPace({ of }) {
  const added = (name, field) => of(name, field) - of('direct', field);
  const at = `at ${perSecond.toLocaleString('en')} requests/s, ms`;
  return [
    { name: `p50 added ${at}`, value: added('proa', 'p50Ms'), atMost: 0.4 },
    { name: `p99 added ${at}`, value: added('proa', 'p99Ms'), atMost: 1 },
    { name: `p50 added by the nginx chain ${at}`, value: added('nginx', 'p50Ms') },
    { name: `p99 added by the nginx chain ${at}`, value: added('nginx', 'p99Ms') },
    { name: `p99 added by the bare chain ${at}`, value: added('bare', 'p99Ms') },
    { name: `p99 of a direct call ${at}`, value: of('direct', 'p99Ms') },
  ];
}

async function startApp() {
  const port = await freePort();
  await startNginx('app', `server { listen 127.0.0.1:${port}; location / { default_type application/json; return 200 '${body}'; } }`, 1);
  await accepts(port);
  return port;
}

async function startNginxChain(app) {
  const [front, back, loggedFront, loggedBack] = [await freePort(), await freePort(), await freePort(), await freePort()];
  const ssl = (...args) => execFileSync('openssl', args, { cwd: directory, stdio: 'ignore' });
  ssl(
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-keyout',
    'ca.key',
    '-out',
    'ca.crt',
    '-days',
    '2',
    '-subj',
    '/CN=ca',
  );
  for (const name of ['a', 'b']) {
    ssl(
      'req',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.csr`,
      '-subj',
      `/CN=${name}`,
    );
    ssl('x509', '-req', '-in', `${name}.csr`, '-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-out', `${name}.crt`);
  }
  const shared = (name) =>
    `${name}_certificate ${directory}/${name === 'ssl' ? 'b' : 'a'}.crt; ${name}_certificate_key ${directory}/${name === 'ssl' ? 'b' : 'a'}.key; ${name}_protocols TLSv1.3;`;
  const keep = 'proxy_http_version 1.1; proxy_set_header Connection "";';
  const b = await startNginx(
    'back',
    `upstream app { server 127.0.0.1:${app}; keepalive 256; }
     ${shared('ssl')} ssl_client_certificate ${directory}/ca.crt; ssl_verify_client on;
     server { listen 127.0.0.1:${back} ssl; location / { proxy_pass http://app; ${keep} } }
     server { listen 127.0.0.1:${loggedBack} ssl; access_log ${directory}/back-access.log; location / { proxy_pass http://app; ${keep} } }`,
    0,
  );
  const a = await startNginx(
    'front',
    `upstream back { server 127.0.0.1:${back}; keepalive 256; }
     upstream loggedback { server 127.0.0.1:${loggedBack}; keepalive 256; }
     ${shared('proxy_ssl')} proxy_ssl_trusted_certificate ${directory}/ca.crt; proxy_ssl_verify on; proxy_ssl_name b; proxy_ssl_session_reuse on;
     server { listen 127.0.0.1:${front}; location / { proxy_pass https://back; ${keep} } }
     server { listen 127.0.0.1:${loggedFront}; access_log ${directory}/front-access.log; location / { proxy_pass https://loggedback; ${keep} } }`,
    0,
  );
  for (const port of [back, front, loggedBack, loggedFront]) await accepts(port);
  const pids = [a.pid, b.pid];
  return [front, loggedFront].map((port) => ({ url: `http://127.0.0.1:${port}/`, pids }));
}

/** The two ends of a chain that a program of the bench plays: `front` and `back`. */
async function startEnds(entry, app) {
  const subject = await bundle(entry);
  const [front, back] = [await freePort(), await freePort()];
  const run = async (mode, port, peer) => {
    const child = start(process.execPath, [subject, mode, String(port), String(peer), directory], { core: 0 });
    await accepts(port);
    return child.pid;
  };
  const pids = [await run('back', back, app), await run('front', front, back)];
  const url = `http://127.0.0.1:${front}/`;
  await (await fetch(url)).text();
  return { url, pids };
}

async function startProaChain(app) {
  const data = join(directory, 'chain');
  const b = await startProa(['--app-id', 'called', '--app-port', String(app), '--enable-mtls'], { core: 0, data });
  const a = await startProa(['--app-id', 'calling', '--enable-mtls'], { core: 0, data });
  const url = `http://127.0.0.1:${a.http}/v1.0/invoke/called/method/x`;
  for (let i = 0; ; i++) {
    const answer = await fetch(url);
    const text = await answer.text();
    if (answer.status === 200 && text === body) break;
    if (i > 20) throw new Error(`the chain does not work: ${answer.status} ${text}\n${a.child.printed}\n${b.child.printed}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  return { url, pids: [a.child.pid, b.child.pid] };
}

/** wrk from core 1, with the latencies of single requests. */
function wrkLatency(url, { pids, connections, seconds = 2 }) {
  const before = pids.reduce((sum, pid) => sum + cpuUs(pid), 0);
  const script = join(directory, 'latency.lua');
  writeFileSync(
    script,
    `done = function(summary, latency) io.write(string.format("RESULT %d %d %d %d %d\\n", summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), summary.errors.status + summary.errors.read + summary.errors.write + summary.errors.timeout + summary.errors.connect)) end`,
  );
  const text = execFileSync('taskset', ['-c', '1', 'wrk', '-t1', `-c${connections}`, `-d${seconds}s`, '-s', script, url]).toString();
  const [requests, durationUs, p50Us, p99Us, errors] = /RESULT (\d+) (\d+) (\d+) (\d+) (\d+)/.exec(text).slice(1).map(Number);
  const cpu = (pids.reduce((sum, pid) => sum + cpuUs(pid), 0) - before) / requests;
  return { rate: (requests / durationUs) * 1e6, cpu, p50Us, p99Us, ...(errors > 0 && { errors }) };
}

/**
 * Requests at a fixed rate, whatever became of the ones before. They come from a process that sleeps between them: one that counts time in a loop takes the app's
 * core away from it, and its turns of the scheduler are what is measured then.
 */
async function openLoop(load, url, { seconds, warmSeconds: warm }) {
  const { port, pathname } = new URL(url);
  const args = ['-c', '1', process.execPath, load, port, pathname, perSecond, seconds, lateMs, 0, 0, 0, warm];
  const { good, sent, p50Ms, p99Ms } = JSON.parse((await promisify(execFile)('taskset', args.map(String))).stdout);
  return { p50Ms, p99Ms, ...(good < sent && { errors: sent - good }) };
}
