// A call of an actor that is in memory beside an ordinary invocation of the same app, and what the first call of an actor costs.
import { request, Agent } from 'node:http';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { accepts, directory, freePort, interleaved, ratioOf, startNginx, startProa, which, wrk } from './harness.mjs';

const actors = 256;
const fresh = 3_000;

export async function run() {
  if (which('nginx') === undefined || which('wrk') === undefined) return { skipped: 'nginx or wrk is not installed' };
  const app = await freePort();
  const body = '{"id":12345,"name":"a small answer","items":[1,2,3],"ok":true}..';
  await startNginx(
    'actor-app',
    `server { listen 127.0.0.1:${app};
       location = /dapr/config { default_type application/json; return 200 '{"entities":["Cart"]}'; }
       location / { default_type application/json; return 200 '${body}'; } }`,
    1,
  );
  await accepts(app);
  const proa = await startProa(['--app-id', 'bench', '--app-port', String(app)], { core: 0 });
  const base = `http://127.0.0.1:${proa.http}/v1.0`;
  for (let i = 0; (await fetch(`${base}/actors/Cart/0/method/x`, { method: 'POST' })).status !== 200; i++)
    if (i > 50) throw new Error('the actors are not hosted');
  const called = script('actors', '"/v1.0/actors/Cart/" .. n .. "/method/x"');
  // Actors have ids in their paths, and so have most calls.
  const spread = script('spread', '"/v1.0/invoke/bench/method/carts/" .. n .. "/x"');
  const invoke = script('invoke');
  const rows = await interleaved({
    invocation: () => wrk(`${base}/invoke/bench/method/x`, { pid: proa.child.pid, script: invoke }),
    'invocation, as many paths as actors': () => wrk(`${base}/invoke/bench/method/x`, { pid: proa.child.pid, script: spread }),
    'actor call': () => wrk(`${base}/actors/Cart/0/method/x`, { pid: proa.child.pid, script: called }),
  });
  const [hot, first] = [await latencies(proa.http, () => 'hot'), await latencies(proa.http, (i) => `fresh-${i}`)];
  return {
    conditions: `32 connections, ${actors} actors in memory, one core for the runtime, wrk and the app on the other; activation: ${fresh} first calls one after the other`,
    rows,
    ratios: [
      ratioOf(
        rows,
        'actor call / invocation, as many paths as actors (goal: at most 1.3 times the cost)',
        ['actor call', 'invocation, as many paths as actors'],
        1 / 1.3,
      ),
      ratioOf(rows, 'actor call / invocation of one path', ['actor call', 'invocation']),
    ],
    figures: [
      { name: 'first call of an actor, p90 (ms)', value: first, atMost: 3 },
      { name: 'call of an actor in memory, p90 (ms)', value: hot },
    ],
  };
}

/** A script of wrk that posts to the paths that an expression makes of `n`, in turns, or to the one of the command line. */
function script(name, path) {
  const file = join(directory, `${name}.lua`);
  const turns = `local n = 0 request = function() n = (n + 1) % ${actors}; return wrk.format(nil, ${path}) end`;
  writeFileSync(
    file,
    `wrk.method = "POST" wrk.body = '{"sku":"pear","n":1}' wrk.headers["content-type"] = "application/json" ${path === undefined ? '' : turns}`,
  );
  return file;
}

/** The 90th percentile of calls one after the other. */
async function latencies(port, idOf) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const took = [];
  for (let i = 0; i < fresh; i++) {
    const started = performance.now();
    await new Promise((resolve, reject) => {
      request({ agent, port, host: '127.0.0.1', method: 'POST', path: `/v1.0/actors/Cart/${idOf(i)}/method/x` }, (answer) => {
        answer.resume().on('end', () => (answer.statusCode === 200 ? resolve() : reject(new Error(`status ${answer.statusCode}`))));
      })
        .on('error', reject)
        .end('{}');
    });
    took.push(performance.now() - started);
  }
  agent.destroy();
  return took.toSorted((a, b) => a - b)[Math.floor(fresh * 0.9)];
}
