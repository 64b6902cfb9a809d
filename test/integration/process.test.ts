import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { component, createMachine, eventually, freePort, startSidecar, type TestMachine } from '../compat/sidecar.ts';

// What the process promises to whoever starts it: exit codes, messages that name the fault and its place, signals, tokens.
const program = fileURLToPath(new URL('../../dist/bin/proa.cjs', import.meta.url));
let machine: TestMachine;
let count = 0;

beforeAll(() => {
  machine = createMachine();
});
afterAll(() => machine.remove());

/** Runs a sidecar that is expected to end by itself. */
async function ends(
  files: Readonly<Record<string, string>>,
  options: { readonly flags?: readonly string[]; readonly dataDir?: string } = {},
): Promise<{ code: number | null; text: string }> {
  const folder = join(machine.directory, `ends-${++count}`);
  mkdirSync(folder);
  for (const [name, yaml] of Object.entries(files)) writeFileSync(join(folder, name), yaml);
  const ports = ['--dapr-http-port', await freePort(), '--dapr-grpc-port', await freePort(), '--metrics-port', await freePort()];
  const env = { ...process.env, NO_COLOR: '1', PROA_DATA_DIR: options.dataDir ?? join(machine.directory, 'data') };
  const flags = ['sidecar', '--app-id', 'ends', '--resources-path', folder, ...ports, ...(options.flags ?? [])];
  const child = spawn(process.execPath, [program, ...flags], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const timer = setTimeout(() => child.kill('SIGKILL'), 60_000);
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  clearTimeout(timer);
  expect(text).not.toMatch(/\n\s+at .*:\d+:\d+/);
  return { code, text };
}

const fileSecrets = component('x', 'secretstores.local.file', { secretsFile: '/nope/secrets.json' });
const missingSecret = component('x', 'bindings.localstorage').replace(
  'version: v1',
  'version: v1\n  metadata:\n    - name: rootPath\n      secretKeyRef: {name: nope, key: nope}',
);

describe('a start that cannot succeed', () => {
  it.each([
    ['an unknown key', { 'a.yaml': `${component('x', 'state.in-memory')}  metdata: []\n` }, /a\.yaml:\d+[^]*did you mean `metadata`/],
    ['an unknown type', { 'a.yaml': component('x', 'state.redsi') }, /state\.redsi[^]*a\.yaml:\d+[^]*known: .*state\.in-memory/],
    [
      'two of a name',
      { 'a.yaml': component('x', 'state.in-memory'), 'b.yaml': component('x', 'state.in-memory') },
      /"x"[^]*b\.yaml:\d+[^]*a\.yaml:\d+/,
    ],
    ['a missing secret', { 'a.yaml': missingSecret }, /a\.yaml:\d+[^]*secret/],
    ['a component that fails', { 'a.yaml': fileSecrets }, /"x"[^]*\/nope\/secrets\.json/],
  ] as const)('ends with 1 and says where: %s', async (_, files, message) => {
    const { code, text } = await ends(files);
    expect(text).toMatch(message);
    expect(code).toBe(1);
  });

  it('ends with 2 for a flag that is not known', async () => {
    const { code, text } = await ends({}, { flags: ['--no-such-flag'] });
    expect([code, text.includes('--no-such-flag')]).toEqual([2, true]);
  });

  it('ends with 1 and names a port that is taken, and a data directory that is a file', async () => {
    const holder = createServer();
    await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve));
    const port = String((holder.address() as AddressInfo).port);
    const taken = await ends({}, { flags: ['--dapr-http-port', port] });
    holder.close();
    expect([taken.code, taken.text.includes(port)]).toEqual([1, true]);
    const file = join(machine.directory, 'a file');
    writeFileSync(file, '');
    const unusable = await ends({}, { dataDir: file });
    expect([unusable.code, unusable.text.includes(file)]).toEqual([1, true]);
  });
});

describe('a running sidecar', () => {
  it('goes on without a component that may fail, and tells which', async () => {
    const yaml = fileSecrets.replace('version: v1', 'version: v1\n  ignoreErrors: true');
    const sidecar = await startSidecar({ appId: 'ignores', machine, resources: { 'a.yaml': yaml } });
    expect((await sidecar.get('/v1.0/secrets/x/k')).status).toBeGreaterThanOrEqual(400);
    expect(await sidecar.stop()).toBe(0);
    expect(sidecar.output()).toContain('/nope/secrets.json');
  });

  it.each([
    ['0 when asked', {}, 0],
    ['1 when forced', { 'dapr-force-shutdown': 'true' }, 1],
  ])('is shut down over HTTP with %s', async (_, headers, code) => {
    const sidecar = await startSidecar({ appId: 'shut', machine });
    const ended = new Promise((resolve) => sidecar.onExit(resolve));
    expect((await sidecar.get('/v1.0/shutdown', { method: 'POST', headers })).status).toBe(204);
    expect(await ended).toBe(code);
  });

  it('lets a slow request finish after SIGTERM, and ends with 0', async () => {
    let arrived = false;
    const app = createServer((incoming, outgoing): unknown => {
      if (incoming.url !== '/slow') return outgoing.writeHead(404).end();
      arrived = true;
      return setTimeout(() => outgoing.end('done'), 1_000);
    });
    await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve));
    // The app lives in this process: a stall of the machine takes its time from the grace of the stop.
    const flags = ['--dapr-graceful-shutdown-seconds', '60'];
    const sidecar = await startSidecar({ appId: 'slow', machine, appPort: String((app.address() as AddressInfo).port), flags });
    await sidecar.ready();
    const answer = sidecar.get('/v1.0/invoke/slow/method/slow');
    await eventually(() => arrived, 'the request reaches the app');
    const code = sidecar.stop();
    expect(await (await answer).text()).toBe('done');
    expect(await code).toBe(0);
    app.closeAllConnections();
    app.close();
  });

  it('asks for its token everywhere but at the health checks, and knows its own id', async () => {
    const sidecar = await startSidecar({ appId: 'guarded', machine, env: { DAPR_API_TOKEN: 'secret' } });
    const paths = ['/v1.0/metadata', '/v1.0/state/statestore/k', '/v1.0/invoke/x/method/y', '/anything', '/v1.0/secrets/secretstore/PATH'];
    for (const path of paths) {
      const refused = await sidecar.get(path, { headers: { 'dapr-api-token': 'secrets' } });
      expect([refused.status, await refused.text()]).toEqual([401, 'invalid api token']);
    }
    expect((await sidecar.get('/v1.0/metadata', { headers: { 'dapr-api-token': 'secret' } })).status).toBe(200);
    expect((await sidecar.get('/v1.0/healthz')).status).toBe(204);
    const other = await sidecar.get('/v1.0/healthz?appid=another');
    expect([other.status, await other.text()]).toEqual([500, expect.stringContaining('ERR_HEALTH_APPID_NOT_MATCH')]);
    expect(await sidecar.stop()).toBe(0);
  });

  it('writes every line of its log as JSON when asked', async () => {
    const sidecar = await startSidecar({ appId: 'lines', machine, flags: ['--log-as-json'] });
    expect(await sidecar.stop()).toBe(0);
    for (const line of sidecar.output().trim().split('\n')) expect(JSON.parse(line)).toMatchObject({ app_id: 'lines', type: 'log' });
  });
});
