// What another process adds (`--workers 2`). The machine has two cores and the load needs a part of them, so beside the gain stands the most that could be seen here: what one request
// costs all who work for it, divided among two cores. Batches of requests make the load cheap; a call of an app is what a runtime does most.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { accepts, cpuUs, directory, freePort, interleaved, median, ratioOf, startNginx, startProa, which } from './harness.mjs';

const paths = {
  'state get': '/v1.0/state/statestore/k',
  'state get in batches': '/v1.0/state/statestore/k',
  call: '/v1.0/invoke/bench/method/x',
};
const batch = 16;
const seconds = 3;
export async function run() {
  if (which('wrk') === undefined || which('nginx') === undefined) return { skipped: 'wrk or nginx is not installed' };
  const app = await freePort();
  const nginx = await startNginx('app', `server { listen 127.0.0.1:${app}; location / { return 200 '{"ok":true}'; } }`);
  await accepts(app);
  const shots = {};
  const spent = {};
  for (const workers of [1, 2]) {
    const flags = ['--app-id', 'bench', '--app-port', String(app), '--workers', String(workers)];
    const proa = await startProa(flags, {});
    const api = `http://127.0.0.1:${proa.http}`;
    const saved = await fetch(`${api}/v1.0/state/statestore`, { method: 'POST', body: '[{"key":"k","value":{"id":12345,"ok":true}}]' });
    if (saved.status !== 204) throw new Error(`state cannot be saved: ${saved.status} ${await saved.text()}`);
    for (const [what, path] of Object.entries(paths)) {
      const name = nameOf(what, workers);
      const script = what.endsWith('batches') ? batches(path) : undefined;
      spent[name] = [];
      shots[name] = () => shot({ runtime: proa.child.pid, app: nginx.pid, url: `${api}${path}`, script, spent: spent[name] });
    }
  }
  const rows = await interleaved(shots);
  const ratios = Object.keys(paths).flatMap((what) => ratiosOf(rows, what, spent));
  return { conditions: `64 connections, nothing pinned; batches of ${batch}; the app is nginx`, rows, ratios };
}

const nameOf = (what, workers) => `${what}, ${workers} process${workers > 1 ? 'es' : ''}`;

function ratiosOf(rows, what, spent) {
  const [one, two] = [nameOf(what, 1), nameOf(what, 2)];
  const cost = (name) => rows.find((row) => row.name === name).cpu;
  const load = median(spent[one]);
  return [
    ratioOf(rows, `${what}: two processes / one`, [two, one]),
    { name: `${what}: the most that two cores allow beside the load`, value: (2 * cost(one)) / (cost(one) + load) },
    { name: `${what}: requests per CPU second, two / one`, value: cost(one) / cost(two) },
    { name: `${what}: CPU of load and app, as a share of the runtime's`, value: load / cost(one) },
  ];
}

function batches(path) {
  const file = join(directory, 'batches.lua');
  writeFileSync(
    file,
    `init = function(args) local r = {}; for i = 1, ${batch} do r[i] = wrk.format("GET", "${path}") end; all = table.concat(r) end\nrequest = function() return all end\n`,
  );
  return file;
}

/** Rate, CPU microseconds of the runtime per request, and in `spent` those of wrk and the app. */
function shot({ runtime, app, url, script, spent }) {
  const before = [cpuUs(runtime), cpuUs(app)];
  const command = `TIMEFORMAT='cpu %U %S'; time wrk -t1 -c64 -d${seconds}s ${script === undefined ? '' : `-s ${script} `}${url}`;
  const text = execFileSync('bash', ['-c', `{ ${command}; } 2>&1`]).toString();
  const requests = Number(/(\d+) requests in/.exec(text)[1]);
  const [, user, system] = /cpu ([\d.]+) ([\d.]+)/.exec(text);
  spent.push(((Number(user) + Number(system)) * 1e6 + cpuUs(app) - before[1]) / requests);
  return {
    rate: Number(/Requests\/sec:\s+([\d.]+)/.exec(text)[1]),
    cpu: (cpuUs(runtime) - before[0]) / requests,
    errors: /Non-2xx or 3xx responses: (\d+)/.exec(text)?.[1],
  };
}
