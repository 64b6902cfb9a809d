// Calls from one Node process to another: Proa in both processes, without a sidecar, beside plain HTTP/1.1 with keep-alive and moleculer.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { cpuUs, directory, freePort, interleaved, ratioOf, root, start } from './harness.mjs';

const subject = join(root, 'bench/remote-subject.mjs');
const callers = 32;

export async function run() {
  const pairs = {};
  for (const kind of ['http', 'proa', 'moleculer']) pairs[kind] = await serve(kind);
  const rows = await interleaved({
    'node:http, keep-alive': () => shot('http', pairs.http),
    'proa in both processes': () => shot('proa', pairs.proa),
    'moleculer, TCP transporter': () => shot('moleculer', pairs.moleculer),
  });
  return {
    conditions: `${callers} callers, JSON in and out, the called process on one core, the calling one on the other; CPU is that of both`,
    rows,
    ratios: [
      ratioOf(rows, 'in-process call / HTTP keep-alive', ['proa in both processes', 'node:http, keep-alive'], 1.5),
      ratioOf(rows, 'in-process call / moleculer', ['proa in both processes', 'moleculer, TCP transporter']),
    ],
  };
}

async function serve(kind) {
  const port = await freePort();
  const place = kind === 'moleculer' ? String(await freePort()) : join(directory, `remote-${kind}`);
  const child = start(process.execPath, [subject, kind, 'serve', String(port), place], { core: 0 });
  for (let i = 0; !child.printed.includes('ready'); i++) {
    if (i > 200 || child.exitCode !== null) throw new Error(`${kind} does not start: ${child.printed}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return { child, port, place };
}

/** One run of a fresh calling process. */
async function shot(kind, { child, port, place }) {
  const before = cpuUs(child.pid);
  const args = ['-c', '1', process.execPath, subject, kind, 'call', String(port), place, String(callers), '2000'];
  const caller = spawn('taskset', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  caller.stdout.on('data', (chunk) => (text += chunk));
  const code = await new Promise((resolve) => caller.on('close', resolve));
  if (code !== 0) throw new Error(`the calling side of ${kind} ended with ${code}: ${text}`);
  const { rate, cpu, calls } = JSON.parse(text);
  return { rate, cpu: cpu + (cpuUs(child.pid) - before) / calls };
}
