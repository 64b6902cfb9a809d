// Goodput under overload, open loop: users do not wait for each other. The app does eight things at once and queues the rest without end, so what
// keeps it useful is the admission at its door. What is late (250 ms) counts as lost.
import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { accepts, bundle, directory, freePort, median, start, startProa, which, wrk } from './harness.mjs';

const deadlineMs = 250;
const rounds = Number(process.env.BENCH_ROUNDS ?? 3);
const door = `apiVersion: proa.dev/v1alpha1
kind: Policy
metadata: { name: door }
spec:
  target: { app: called, at: callee }
  admission: {}
`;
const repeats = `apiVersion: proa.dev/v1alpha1
kind: Policy
metadata: { name: repeats }
spec:
  target: { app: called }
  retry: {}
`;

export async function run() {
  if (which('wrk') === undefined) return { skipped: 'wrk is not installed' };
  const appFile = await bundle('bench/overload-app.ts');
  const loadFile = await bundle('bench/open-loop.ts');
  const load = async (port, ...numbers) => {
    const args = ['-c', '1', process.execPath, loadFile, port, '/v1.0/invoke/called/method/x', ...numbers];
    return JSON.parse((await promisify(execFile)('taskset', args.map(String))).stdout);
  };
  const { http, url, sidecar } = await startDoor(appFile);
  const shots = [];
  wrk(url, { pid: sidecar.pid, connections: 16 });
  for (let round = 0; round < rounds; round++) {
    // Twice as many callers as the app has places: it is never idle, and the door has nothing to refuse.
    const capacity = wrk(url, { pid: sidecar.pid, connections: 16 }).rate;
    const share = async (times) => (await load(http, Math.round(capacity * times), 3, deadlineMs)).goodput / capacity;
    const shot = { capacity, none: await share(0.8), double: await share(2), quadruple: await share(4) };
    shot.recovery = recoveredAfter(await load(http, Math.round(capacity * 0.8), 14, deadlineMs, Math.round(capacity * 4), 1, 4), 4);
    shots.push(shot);
  }
  const of = (name) => median(shots.map((shot) => shot[name]));
  const amplification = await amplificationWithOneDead(appFile, load);
  return {
    conditions: `an app with 8 places of 5 ms and an endless queue; app and load on one core, the sidecar on the other; answers after ${deadlineMs} ms are lost; admission: {}`,
    ratios: [
      { name: 'goodput at 0.8x / capacity', value: of('none') },
      { name: 'goodput at 2x / capacity', value: of('double'), goal: 0.9 },
      { name: 'goodput at 4x / capacity', value: of('quadruple'), goal: 0.8 },
    ],
    figures: [
      { name: 'capacity (requests/s)', value: of('capacity') },
      { name: 'goodput is back after a spike of 4x (s)', value: of('recovery'), atMost: 5 },
      { name: 'attempts per call, one of two endpoints killed', value: amplification, atMost: 1.2 },
    ],
  };
}

async function startApp(file) {
  const port = await freePort();
  start(process.execPath, [file, String(port)], { core: 1 });
  await accepts(port);
  return port;
}

function resources(name, text) {
  const folder = join(directory, name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'policy.yaml'), text);
  return folder;
}

async function startDoor(appFile) {
  const flags = ['--app-id', 'called', '--app-port', String(await startApp(appFile)), '--resources-path', resources('door', door)];
  const { child, http } = await startProa(flags, { core: 0 });
  const url = `http://127.0.0.1:${http}/v1.0/invoke/called/method/x`;
  await answers(url, child);
  return { http, url, sidecar: child };
}

async function answers(url, child) {
  for (let i = 0; ; i++) {
    const answer = await fetch(url).catch(() => undefined);
    if (answer?.status === 200 && (await answer.text()) === 'done') return;
    if (i > 50) throw new Error(`no answer behind ${url}: ${answer?.status}\n${child.printed}`);
    await sleep(100);
  }
}

/** Seconds from the end of the spike to the end of the last tenth of a second in which fewer than nine in ten were answered well. */
function recoveredAfter({ slices }, spikeEnd) {
  const last = slices.findLastIndex((share) => share < 0.9);
  return Math.max(0, (last + 1) / 10 - spikeEnd);
}

/** One of two sidecars of an app is killed under load: attempts of the caller per call of its users. */
async function amplificationWithOneDead(appFile, load) {
  const data = join(directory, 'two');
  const called = async () => startProa(['--app-id', 'called', '--app-port', String(await startApp(appFile))], { core: 0, data });
  // The first one owns the journal; the second one is the one that dies.
  await called();
  const second = await called();
  const caller = await startProa(['--app-id', 'calling', '--resources-path', resources('repeats', repeats)], { core: 0, data });
  await answers(`http://127.0.0.1:${caller.http}/v1.0/invoke/called/method/x`, caller.child);
  const before = await retries(caller.metrics);
  const loading = load(caller.http, 400, 6, deadlineMs);
  await sleep(2_000);
  second.child.kill('SIGKILL');
  const { sent, good } = await loading;
  if (good < sent * 0.9) throw new Error(`only ${good} of ${sent} calls were answered with one endpoint dead`);
  return (sent + (await retries(caller.metrics)) - before) / sent;
}

/** Repetitions that the runtime counted. */
async function retries(port) {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  const lines = text.matchAll(/^dapr_resiliency_activations_total\{[^}]*policy="retry"[^}]*\} (\d+)/gm);
  return [...lines].reduce((sum, [, count]) => sum + Number(count), 0);
}
