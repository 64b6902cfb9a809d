// Durable writes: publish over HTTP against NATS JetStream through its own client, state over HTTP against Redis with appendfsync always through ioredis.
// 128 producers each, 1 KB payloads, fsync before the answer everywhere.
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { accepts, bundle, cpuUs, directory, freePort, interleaved, median, ratioOf, start, startProa, which, wrk } from './harness.mjs';

// Servers on one core, clients on the other: neither gets in the other's way. BENCH_UNPINNED lets all of them run where they like.
const pinned = process.env.BENCH_UNPINNED === undefined;
const [serverCore, clientCore] = pinned ? [0, 1] : [undefined, undefined];
const producers = 128;
const seconds = 2;
const payload = JSON.stringify({ text: 'x'.repeat(1000) });

function script(name, path, body) {
  const file = join(directory, `${name}.lua`);
  writeFileSync(
    file,
    `wrk.method = "POST"\nwrk.path = "${path}"\nwrk.body = [==[${body}]==]\nwrk.headers["content-type"] = "application/json"\n`,
  );
  return file;
}

/** The same SETs by Redis' own load generator in C, which is to its server what wrk is to ours. */
function redisBenchmark(port) {
  if (which('redis-benchmark') === undefined) return [];
  const args = ['-p', port, '-c', producers, '-n', 100_000, '-d', payload.length, '-t', 'set', '--csv'].map(String);
  const pin = pinned ? ['taskset', ['-c', String(clientCore), 'redis-benchmark', ...args]] : ['redis-benchmark', args];
  const rate = Number(/"SET","([\d.]+)"/.exec(execFileSync(...pin).toString())?.[1]);
  return [{ name: 'SETs per second by redis-benchmark', value: rate }];
}

export async function run() {
  const absent = ['nats-server', 'redis-server', 'wrk'].filter((name) => which(name) === undefined);
  if (absent.length > 0) return { skipped: `${absent.join(', ')} not installed` };
  const [natsPort, redisPort] = [await freePort(), await freePort()];
  const config = join(directory, 'nats.conf');
  // JetStream syncs every two minutes unless told otherwise; here it acknowledges what is on disk, as Proa does.
  writeFileSync(config, `listen: 127.0.0.1:${natsPort}\njetstream { store_dir: "${directory}/nats", sync_interval: always }\n`);
  let natsServer = start(which('nats-server'), ['-c', config], { core: serverCore });
  const redisServer = start(
    which('redis-server'),
    [
      '--port',
      String(redisPort),
      '--bind',
      '127.0.0.1',
      '--dir',
      directory,
      '--appendonly',
      'yes',
      '--appendfsync',
      'always',
      '--save',
      '',
    ],
    { core: serverCore },
  );
  await accepts(redisPort);
  const natsAlways = await accepts(natsPort).then(
    () => true,
    () => false,
  );
  let note = 'JetStream with sync_interval: always';
  if (!natsAlways || natsServer.exitCode !== null) {
    // Older servers do not know `always`: the shortest interval they take is the nearest thing, and still weaker than Proa's promise.
    writeFileSync(config, `listen: 127.0.0.1:${natsPort}\njetstream { store_dir: "${directory}/nats" }\n`);
    natsServer = start(which('nats-server'), ['-c', config], { core: serverCore });
    await accepts(natsPort);
    note = 'this nats-server has no sync_interval: always, so JetStream acknowledges before its fsync (weaker than what Proa promises)';
  }
  const proa = await startProa(['--app-id', 'bench'], { core: serverCore });
  const base = `http://127.0.0.1:${proa.http}`;
  const publish = script('publish', '/v1.0/publish/pubsub/bench', payload);
  const save = script('save', '/v1.0/state/statestore', `[{"key":"k","value":${payload}}]`);
  const subject = await bundle('bench/durable-subject.ts');
  // What the peers' own clients cost: they share a core with nobody, so where this is 1/rate the client is what limits its server.
  const clientUs = { nats: [], redis: [] };
  /** Shots of a client in a process of its own; the CPU is the server's where there is one. */
  const client = async (kind, where, server) => {
    const child = start(process.execPath, [subject, kind, String(where)], { core: clientCore, ipc: true });
    await once(child, 'message');
    return async () => {
      const before = server && cpuUs(server.pid);
      child.send({ seconds, producers });
      const [{ rate, cpu }] = await once(child, 'message');
      if (server === undefined) return { rate, cpu };
      clientUs[kind].push(cpu);
      return { rate, cpu: (cpuUs(server.pid) - before) / (rate * seconds) };
    };
  };
  const floorPort = await freePort();
  const floorServer = start(process.execPath, [await bundle('bench/durable-floor-subject.ts'), String(floorPort), directory], {
    core: serverCore,
  });
  await accepts(floorPort);
  const rows = await interleaved({
    'NATS JetStream publish': await client('nats', natsPort, natsServer),
    'proa publish over HTTP': () => wrk(base, { pid: proa.child.pid, seconds, connections: producers, script: publish, core: clientCore }),
    'proa publish in process': await client('object', join(directory, 'object')),
    'the same of JSON made beforehand': await client('json', join(directory, 'json')),
    'Redis SET, appendfsync always': await client('redis', redisPort, redisServer),
    'floor: append, sync and a promise, in process': await client('floor', join(directory, 'floor')),
    'floor: append, sync and an answer, over HTTP': () =>
      wrk(`http://127.0.0.1:${floorPort}/bench`, {
        pid: floorServer.pid,
        seconds,
        connections: producers,
        script: publish,
        core: clientCore,
      }),
    'proa state save over HTTP': () => wrk(base, { pid: proa.child.pid, seconds, connections: producers, script: save, core: clientCore }),
  });
  return {
    conditions: `${producers} producers, 1 KB, ${pinned ? 'servers on one core, clients and publishers in process on the other, each in a process of its own' : 'two cores, nobody pinned'}; ${note}`,
    rows,
    ratios: [
      ratioOf(rows, 'publish over HTTP / JetStream', ['proa publish over HTTP', 'NATS JetStream publish'], 1.5),
      ratioOf(rows, 'publish in process / JetStream', ['proa publish in process', 'NATS JetStream publish'], 4),
      ratioOf(
        rows,
        'the same of JSON made beforehand, as the NATS client gets it',
        ['the same of JSON made beforehand', 'NATS JetStream publish'],
        4,
      ),
      ratioOf(rows, 'state save over HTTP / Redis', ['proa state save over HTTP', 'Redis SET, appendfsync always'], 2),
      ratioOf(rows, 'floor in process / JetStream', ['floor: append, sync and a promise, in process', 'NATS JetStream publish']),
      ratioOf(rows, 'floor over HTTP / JetStream', ['floor: append, sync and an answer, over HTTP', 'NATS JetStream publish']),
      ratioOf(rows, 'floor over HTTP / Redis', ['floor: append, sync and an answer, over HTTP', 'Redis SET, appendfsync always']),
    ],
    figures: [
      { name: 'CPU of the NATS client per publish (µs)', value: median(clientUs.nats) },
      { name: 'CPU of ioredis per SET (µs)', value: median(clientUs.redis) },
      ...redisBenchmark(redisPort),
    ],
  };
}
