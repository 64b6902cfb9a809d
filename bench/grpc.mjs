// gRPC: one proxied hop beside haproxy and a proxy by grpc-js, and the API's calls beside the same calls over HTTP.
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { accepts, bundle, cpuUs, directory, freePort, interleaved, ratioOf, root, start, startProa, which, wrk } from './harness.mjs';

const connections = 4;
const streams = 8;

export async function run() {
  const missing = ['haproxy', 'h2load', 'wrk'].filter((name) => which(name) === undefined);
  if (missing.length > 0) return { skipped: `${missing.join(', ')} is not installed` };
  const { proa, haproxy, grpcJs } = await startAll();
  const body = (name, bytes) => {
    const file = join(directory, name);
    writeFileSync(file, framed(bytes));
    return file;
  };
  const echo = { path: '/bench.Echo/Call', data: body('echo', Buffer.alloc(256, 0x62)) };
  const getState = { path: '/dapr.proto.runtime.v1.Dapr/GetState', data: body('get', fields([1, 'memory'], [2, 'k'])) };
  const event = fields([1, 'events'], [2, 'nobody'], [3, 'x'.repeat(256)], [4, 'text/plain']);
  const publish = { path: '/dapr.proto.runtime.v1.Dapr/PublishEvent', data: body('publish', event) };
  const post = join(directory, 'publish.lua');
  writeFileSync(post, `wrk.method = "POST"\nwrk.body = "${'x'.repeat(256)}"\nwrk.headers["Content-Type"] = "text/plain"\n`);
  const base = `http://127.0.0.1:${proa.http}/v1.0`;
  const saved = await fetch(`${base}/state/memory`, { method: 'POST', body: '[{"key":"k","value":"v"}]' });
  if (saved.status !== 204) throw new Error(`state cannot be saved: ${saved.status} ${await saved.text()}`);
  const { pid } = proa.child;
  const rows = await interleaved({
    haproxy: () => h2load(haproxy.port, haproxy.pid, echo),
    'grpc-js proxy': () => h2load(grpcJs.port, grpcJs.pid, echo),
    'proa, transparent proxy': () => h2load(proa.grpc, pid, { ...echo, headers: ['dapr-app-id: bench'] }),
    'GetState over HTTP': () => wrk(`${base}/state/memory/k`, { pid }),
    'GetState over gRPC': () => h2load(proa.grpc, pid, getState),
    'PublishEvent over HTTP': () => wrk(`${base}/publish/events/nobody`, { pid, script: post }),
    'PublishEvent over gRPC': () => h2load(proa.grpc, pid, publish),
  });
  const cpu = (name) => rows.find((row) => row.name === name).cpu;
  return {
    conditions: `${connections} connections of ${streams} streams (HTTP: 32 connections), one core for the thing under test, the client and the app on the other; 256 bytes there`,
    rows,
    ratios: [
      { name: 'CPU of the grpc-js proxy / ours', value: cpu('grpc-js proxy') / cpu('proa, transparent proxy'), goal: 3 },
      ratioOf(rows, 'proxied call / haproxy', ['proa, transparent proxy', 'haproxy'], 0.7),
      ratioOf(rows, 'GetState, gRPC / HTTP', ['GetState over gRPC', 'GetState over HTTP'], 0.8),
      ratioOf(rows, 'PublishEvent, gRPC / HTTP', ['PublishEvent over gRPC', 'PublishEvent over HTTP'], 0.8),
    ],
  };
}

async function startAll() {
  const [app, haproxyPort, grpcJsPort] = [await freePort(), await freePort(), await freePort()];
  const subject = await bundle('bench/grpc-subject.ts');
  const node = (args, core) => start(process.execPath, [subject, ...args.map(String)], { core });
  node(['app', app], 1);
  const grpcJs = node(['grpc-js', grpcJsPort, app], 0);
  const config = join(directory, 'haproxy.cfg');
  const shared = 'timeout client 60s\n timeout server 60s\n timeout connect 5s\n timeout http-keep-alive 60s';
  writeFileSync(
    config,
    `global\n nbthread 1\n maxconn 1000\ndefaults\n mode http\n ${shared}\nfrontend f\n bind 127.0.0.1:${haproxyPort} proto h2\n default_backend b
backend b\n http-reuse always\n server app 127.0.0.1:${app} proto h2\n`,
  );
  const haproxy = start(which('haproxy'), ['-db', '-f', config], { core: 0 });
  for (const port of [app, haproxyPort, grpcJsPort]) await accepts(port);
  const resources = join(directory, 'grpc-resources');
  mkdirSync(resources, { recursive: true });
  for (const [kind, type] of [
    ['state', 'state.in-memory'],
    ['pubsub', 'pubsub.in-memory'],
  ]) {
    const name = kind === 'state' ? 'memory' : 'events';
    writeFileSync(
      join(resources, `${kind}.yaml`),
      `apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: { name: ${name} }\nspec: { type: ${type}, version: v1 }\n`,
    );
  }
  const flags = ['--app-id', 'bench', '--app-port', String(app), '--app-protocol', 'grpc', '--resources-path', resources];
  const proa = await startProa(flags, { core: 0 });
  return { proa, haproxy: { port: haproxyPort, pid: haproxy.pid }, grpcJs: { port: grpcJsPort, pid: grpcJs.pid } };
}

/** One shot of h2load from core 1. */
function h2load(port, pid, { path, data, headers = [], seconds = 2 }) {
  const before = cpuUs(pid);
  const all = ['content-type: application/grpc', 'te: trailers', ...headers].flatMap((header) => ['-H', header]);
  const load = ['h2load', `-D${seconds}`, `-c${connections}`, `-m${streams}`, '-t1', '-d', data, ...all, `http://127.0.0.1:${port}${path}`];
  const text = execFileSync('taskset', ['-c', '1', ...load], { cwd: root, maxBuffer: 1e8 }).toString();
  const [, done, succeeded, failed] = /requests: \d+ total, \d+ started, (\d+) done, (\d+) succeeded, (\d+) failed/.exec(text);
  // It takes a head for an answer.
  const answered = Number(/ \((\d+)\) data/.exec(text)[1]) > 0;
  const rate = Number(/finished in [\d.]+s, ([\d.]+) req\/s/.exec(text)[1]);
  return {
    rate,
    cpu: (cpuUs(pid) - before) / Number(done),
    errors: Number(failed) > 0 || Number(succeeded) === 0 ? `${failed} failed` : answered ? undefined : 'no message came',
  };
}

function framed(message) {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

/** A protobuf message of short string fields. */
function fields(...list) {
  return Buffer.concat(
    list.map(([number, text]) => {
      const bytes = Buffer.from(text);
      const length = bytes.length < 128 ? [bytes.length] : [(bytes.length & 127) | 128, bytes.length >> 7];
      return Buffer.concat([Buffer.from([(number << 3) | 2, ...length]), bytes]);
    }),
  );
}
