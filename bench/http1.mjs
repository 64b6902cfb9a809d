// What the HTTP/1.1 codec costs by itself, beside nginx: as a reverse proxy, and as a server of a constant.
import { accepts, bundle, freePort, interleaved, ratioOf, start, startNginx, which, wrk } from './harness.mjs';

export async function run() {
  if (which('nginx') === undefined || which('wrk') === undefined) return { skipped: 'nginx or wrk is not installed' };
  const [app, proxy, constant, ownProxy, ownConstant] = await Promise.all(Array.from({ length: 5 }, freePort));
  const answer = `return 200 '${JSON.stringify({ text: 'x'.repeat(53) })}'`;
  const serve = (port) => `server { listen 127.0.0.1:${port}; location / { default_type application/json; ${answer}; } }`;
  await startNginx('codec-app', serve(app), 1);
  const forward = `upstream up { server 127.0.0.1:${app}; keepalive 64; keepalive_requests 100000000; }
     server { listen 127.0.0.1:${proxy}; location / { proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection ""; } }`;
  const nginx = await startNginx('codec-peer', `${forward} ${serve(constant)}`, 0);
  const subject = await bundle('bench/http1-subject.ts');
  const own = (...args) => start(process.execPath, [subject, ...args.map(String)], { core: 0 });
  const [proxying, answering] = [own('proxy', ownProxy, app), own('constant', ownConstant)];
  for (const port of [app, proxy, constant, ownProxy, ownConstant]) await accepts(port);
  const shot = (pid, port) => () => wrk(`http://127.0.0.1:${port}/bench`, { pid });
  const rows = await interleaved({
    'nginx proxy': shot(nginx.pid, proxy),
    'codec as a proxy': shot(proxying.pid, ownProxy),
    'nginx constant': shot(nginx.pid, constant),
    'codec with a constant': shot(answering.pid, ownConstant),
  });
  return {
    conditions: '32 connections, one core, 64-byte answers; the codec alone, no runtime around it',
    rows,
    ratios: [
      ratioOf(rows, 'codec as a proxy / nginx', ['codec as a proxy', 'nginx proxy']),
      ratioOf(rows, 'codec with a constant / nginx', ['codec with a constant', 'nginx constant']),
    ],
  };
}
