import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { component, createMachine, eventually, freePort, startSidecar, type TestMachine } from '../compat/sidecar.ts';

// The process from the outside: exit codes, messages, and an app that comes and goes.
const command = fileURLToPath(new URL('../../dist/bin/proa.cjs', import.meta.url));
let machine: TestMachine;

beforeAll(() => {
  machine = createMachine();
});
afterAll(() => machine.remove());

/** Runs a sidecar that must not start; answers its exit code and what it printed. */
async function refused(
  name: string,
  files: Readonly<Record<string, string>>,
  flags: readonly string[] = [],
): Promise<[number | null, string]> {
  const folder = join(machine.directory, name);
  mkdirSync(folder);
  for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, file), text);
  const ports = ['--dapr-http-port', await freePort(), '--dapr-grpc-port', await freePort(), '--metrics-port', await freePort()];
  const env = { ...process.env, PROA_DATA_DIR: join(folder, 'data') };
  const result = spawnSync(process.execPath, [command, 'sidecar', '--app-id', 'x', '--resources-path', folder, ...ports, ...flags], {
    env,
    encoding: 'utf8',
    timeout: 20_000,
  });
  return [result.status, result.stdout + result.stderr];
}

describe('what must not start says why', () => {
  it('an unknown key, with its place and the name that was meant', async () => {
    const [code, text] = await refused('unknown-key', {
      'c.yaml': component('s', 'state.in-memory').replace('version: v1', 'verison: v1'),
    });
    expect(code).toBe(1);
    expect(text).toMatch(/c\.yaml:\d+:\d+/);
    expect(text).toContain('verison');
    expect(text).toContain('did you mean');
  });

  it('an unknown component type', async () => {
    const [code, text] = await refused('unknown-type', { 'c.yaml': component('s', 'state.in-memry') });
    expect([code, text.includes('state.in-memry'), text.includes('state.in-memory')]).toEqual([1, true, true]);
  });

  it('two components of one name', async () => {
    const [code, text] = await refused('twice', {
      'a.yaml': component('s', 'state.in-memory'),
      'b.yaml': component('s', 'pubsub.in-memory'),
    });
    expect([code, text.includes('"s"')]).toEqual([1, true]);
  });

  it('a secret that is not there', async () => {
    const yaml = `${component('s', 'state.in-memory')}  metadata:\n    - name: primaryEncryptionKey\n      secretKeyRef: { name: nowhere, key: nowhere }\nauth:\n  secretStore: env\n`;
    const [code, text] = await refused('secret', { 'c.yaml': yaml, 'e.yaml': component('env', 'secretstores.local.env') });
    expect([code, text.includes('nowhere')]).toEqual([1, true]);
  });

  it('a flag that nobody knows: usage', async () => {
    const [code, text] = await refused('flag', {}, ['--app-prot', '1']);
    expect([code, text.includes('--app-port')]).toEqual([2, true]);
  });

  it('a port that is taken', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as { port: number };
    const [code, text] = await refused('port', {}, ['--dapr-http-port', String(port)]);
    expect([code, text.includes(String(port))]).toEqual([1, true]);
    taken.close();
  });

  it('a data directory that is a file', async () => {
    const file = join(machine.directory, 'a-file');
    writeFileSync(file, '');
    const [code, text] = await refused('directory', {}, ['--data-dir', file]);
    expect(code).toBe(1);
    expect(text).toContain(file);
    expect(text).not.toMatch(/^\s+at /m);
  });
});

describe('an app that comes and goes', () => {
  const events: number[] = [];

  async function startApp(port: string): Promise<Server> {
    const server = createServer((request, response) => {
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => {
        if (request.url === '/dapr/subscribe') return response.end(JSON.stringify([{ pubsubname: 'pubsub', topic: 't', route: '/t' }]));
        if (request.url === '/slow') return setTimeout(() => response.end('done'), 1_000);
        if (request.url !== '/t') return response.writeHead(404).end();
        events.push((JSON.parse(Buffer.concat(parts).toString()) as { data: number }).data);
        return response.end();
      });
    });
    await new Promise<void>((resolve) => server.listen(Number(port), '127.0.0.1', resolve));
    return server;
  }

  it('is served when it starts late, crashes and returns; a call under way is finished at the end', async () => {
    const appPort = await freePort();
    const sidecar = await startSidecar({ appId: 'late', appPort, machine, resources: { 'p.yaml': component('pubsub', 'pubsub.proa') } });
    const publish = async (n: number): Promise<void> => {
      const answer = await sidecar.get('/v1.0/publish/pubsub/t', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: String(n),
      });
      expect(answer.status).toBe(204);
    };
    expect((await sidecar.get('/v1.0/healthz')).status).toBe(500);
    await publish(1);
    let app = await startApp(appPort);
    await sidecar.ready();
    await eventually(() => events.includes(1), 'what was published before the app was there arrives');
    app.closeAllConnections();
    app.close();
    await publish(2);
    app = await startApp(appPort);
    await eventually(() => events.includes(2), 'what was published while it was away arrives');
    const slow = sidecar.get('/v1.0/invoke/late/method/slow');
    await new Promise((resolve) => setTimeout(resolve, 200));
    const stopped = sidecar.stop();
    expect(await (await slow).text()).toBe('done');
    expect(await stopped).toBe(0);
    app.close();
  });

  it('ends with 0 after POST /v1.0/shutdown, and with 1 when it is forced', async () => {
    for (const [headers, code] of [
      [{}, 0],
      [{ 'dapr-force-shutdown': 'true' }, 1],
    ] as const) {
      const sidecar = await startSidecar({ appId: 'ends', machine });
      const ended = new Promise<number | null>((resolve) => sidecar.onExit(resolve));
      expect((await sidecar.get('/v1.0/shutdown', { method: 'POST', headers })).status).toBe(204);
      expect(await ended).toBe(code);
    }
  });
});
