// One proxied hop against nginx as a reverse proxy, and a state read against nginx answering a constant; beside them the ceiling: processes on node:net that
// do nothing but read and write fixed bytes, and one that does with our codec what no proxy of ours can leave out.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { accepts, bundle, directory, freePort, interleaved, ratioOf, start, startNginx, startProa, which, wrk } from './harness.mjs';

export async function run() {
  if (which('nginx') === undefined || which('wrk') === undefined) return { skipped: 'nginx or wrk is not installed' };
  const [app, proxy, logged, constant] = [await freePort(), await freePort(), await freePort(), await freePort()];
  const body = '{"id":12345,"name":"a small answer","items":[1,2,3],"ok":true}..';
  await startNginx('app', `server { listen 127.0.0.1:${app}; location / { default_type application/json; return 200 '${body}'; } }`, 1);
  const nginx = await startNginx(
    'proxy',
    `upstream app { server 127.0.0.1:${app}; keepalive 256; }
     proxy_http_version 1.1; proxy_set_header Connection "";
     server { listen 127.0.0.1:${proxy}; location / { proxy_pass http://app; } }
     server { listen 127.0.0.1:${logged}; access_log ${directory}/access.log; location / { proxy_pass http://app; } }
     server { listen 127.0.0.1:${constant}; location / { default_type application/json; return 200 '${body}'; } }`,
    0,
  );
  for (const port of [app, proxy, logged, constant]) await accepts(port);
  const proa = await startProa(['--app-id', 'bench', '--app-port', String(app)], { core: 0 });
  const bare = await startBare(app);
  const state = `http://127.0.0.1:${proa.http}/v1.0/state/statestore`;
  const saved = await fetch(state, { method: 'POST', body: `[{"key":"k","value":${body.slice(0, -2)}}]` });
  if (saved.status !== 204) throw new Error(`state cannot be saved: ${saved.status} ${await saved.text()}`);
  // Most real calls have an id in their path.
  const script = join(directory, 'orders.lua');
  writeFileSync(script, 'local n = 0 request = function() n = n + 1; return wrk.format(nil, wrk.path .. "orders/" .. n .. "/lines") end');
  const shot = (pid, url, more) => () => wrk(url, { pid, ...more });
  const invoked = `http://127.0.0.1:${proa.http}/v1.0/invoke/bench/method/x`;
  const rows = await interleaved({
    'nginx proxy': shot(nginx.pid, `http://127.0.0.1:${proxy}/`),
    'nginx proxy, 8 connections': shot(nginx.pid, `http://127.0.0.1:${proxy}/`, { connections: 8 }),
    'proa invoke, 8 connections': shot(proa.child.pid, invoked, { connections: 8 }),
    'nginx proxy, 128 connections': shot(nginx.pid, `http://127.0.0.1:${proxy}/`, { connections: 128 }),
    'proa invoke, 128 connections': shot(proa.child.pid, invoked, { connections: 128 }),
    'nginx proxy with its access log': shot(nginx.pid, `http://127.0.0.1:${logged}/`),
    'proa invoke': shot(proa.child.pid, invoked),
    'codec that routes and traces': shot(bare.floor.pid, `${bare.floor.url}v1.0/invoke/bench/method/x`),
    'bare node:net proxy': shot(bare.proxy.pid, bare.proxy.url),
    'nginx proxy, a new path each time': shot(nginx.pid, `http://127.0.0.1:${proxy}/`, { script }),
    'proa invoke, a new path each time': shot(proa.child.pid, `http://127.0.0.1:${proa.http}/v1.0/invoke/bench/method/`, { script }),
    'nginx constant': shot(nginx.pid, `http://127.0.0.1:${constant}/`),
    'proa state get': shot(proa.child.pid, `${state}/k`),
    'bare node:net constant': shot(bare.constant.pid, bare.constant.url),
  });
  return {
    conditions:
      '32 connections unless said otherwise, one core for the thing under test, wrk and the app on the other; 64-byte answers; the bare ones parse nothing and are the ceiling',
    rows,
    ratios: [
      ratioOf(rows, 'proxied call / nginx', ['proa invoke', 'nginx proxy'], 0.8),
      ratioOf(rows, 'the same, 8 connections', ['proa invoke, 8 connections', 'nginx proxy, 8 connections'], 0.8),
      ratioOf(rows, 'the same, 128 connections', ['proa invoke, 128 connections', 'nginx proxy, 128 connections'], 0.8),
      ratioOf(rows, 'proxied call / nginx with its access log, as Debian ships it', ['proa invoke', 'nginx proxy with its access log']),
      ratioOf(rows, 'proxied call / nginx, a new path each time', [
        'proa invoke, a new path each time',
        'nginx proxy, a new path each time',
      ]),
      ratioOf(rows, 'codec that routes and traces / nginx', ['codec that routes and traces', 'nginx proxy']),
      ratioOf(rows, 'bare proxy / nginx: the ceiling', ['bare node:net proxy', 'nginx proxy']),
      ratioOf(rows, 'state get / nginx constant', ['proa state get', 'nginx constant'], 0.6),
      ratioOf(rows, 'bare constant / nginx: the ceiling', ['bare node:net constant', 'nginx constant']),
    ],
  };
}

async function startBare(app) {
  const run = async (entry, mode, ...more) => {
    const subject = await bundle(entry);
    const port = await freePort();
    const { pid } = start(process.execPath, [subject, mode, String(port), ...more.map(String)], { core: 0 });
    await accepts(port);
    return { pid, url: `http://127.0.0.1:${port}/` };
  };
  return {
    proxy: await run('bench/bare-subject.ts', 'proxy', app),
    constant: await run('bench/bare-subject.ts', 'constant'),
    floor: await run('bench/http1-subject.ts', 'floor', app),
  };
}
