// One proxied hop against nginx as a reverse proxy, and a state read against nginx answering a constant. Interleaved, medians, ratios.
import { accepts, freePort, median, startNginx, startProa, which, wrk } from './servers.mjs';

const rounds = Number(process.env.BENCH_ROUNDS ?? 5);

export async function run() {
  if (which('nginx') === undefined || which('wrk') === undefined) return { skipped: 'nginx or wrk is not installed' };
  const [app, proxy, constant] = [await freePort(), await freePort(), await freePort()];
  const body = '{"id":12345,"name":"a small answer","items":[1,2,3],"ok":true}..';
  await startNginx('app', `server { listen 127.0.0.1:${app}; location / { default_type application/json; return 200 '${body}'; } }`, 1);
  const nginx = await startNginx(
    'proxy',
    `upstream app { server 127.0.0.1:${app}; keepalive 128; }
     server { listen 127.0.0.1:${proxy}; location / { proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection ""; } }
     server { listen 127.0.0.1:${constant}; location / { default_type application/json; return 200 '${body}'; } }`,
    0,
  );
  for (const port of [app, proxy, constant]) await accepts(port);
  const proa = await startProa(['--app-id', 'bench', '--app-port', String(app)], { core: 0 });
  const state = `http://127.0.0.1:${proa.http}/v1.0/state/statestore`;
  const saved = await fetch(state, { method: 'POST', body: `[{"key":"k","value":${body.slice(0, -2)}}]` });
  if (saved.status !== 204) return { skipped: `state cannot be saved: ${saved.status} ${await saved.text()}` };
  const candidates = {
    'nginx proxy': { pid: nginx.pid, url: `http://127.0.0.1:${proxy}/` },
    'proa invoke': { pid: proa.child.pid, url: `http://127.0.0.1:${proa.http}/v1.0/invoke/bench/method/x` },
    'nginx constant': { pid: nginx.pid, url: `http://127.0.0.1:${constant}/` },
    'proa state get': { pid: proa.child.pid, url: `${state}/k` },
  };
  const shots = Object.fromEntries(Object.keys(candidates).map((name) => [name, []]));
  for (const { url, pid } of Object.values(candidates)) wrk(url, { pid, seconds: 2 });
  for (let round = 0; round < rounds; round++) {
    for (const [name, { url, pid }] of Object.entries(candidates)) shots[name].push(wrk(url, { pid, seconds: 2 }));
  }
  const rows = Object.entries(shots).map(([name, list]) => ({
    name,
    rate: median(list.map((shot) => shot.rate)),
    cpu: median(list.map((shot) => shot.cpu)),
    errors: list.find((shot) => shot.errors)?.errors,
  }));
  const of = (name) => rows.find((row) => row.name === name);
  return {
    conditions: '32 connections, one core for the thing under test, wrk and the app on the other; 64-byte answers',
    rows,
    ratios: [
      { name: 'proxied call / nginx', value: of('proa invoke').rate / of('nginx proxy').rate, goal: 0.8 },
      { name: 'state get / nginx constant', value: of('proa state get').rate / of('nginx constant').rate, goal: 0.6 },
    ],
  };
}
