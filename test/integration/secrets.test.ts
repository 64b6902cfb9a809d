import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createMachine, eventually, freePort, startSidecar, type TestMachine } from '../compat/sidecar.ts';
import { startApp } from './test-app.ts';

// T26: a canary wherever a secret can stand; whatever the program says in good times and bad is searched for it.
const program = fileURLToPath(new URL('../../dist/bin/proa.cjs', import.meta.url));
const canary = 'c4n4ry';
let machine: TestMachine;
const said: string[] = [];

beforeAll(() => {
  machine = createMachine();
});
afterAll(() => machine.remove());

const secret = (name: string): string => `{ name: ${name}, key: ${name} }`;
const componentWith = (name: string, type: string, metadata: string, more = ''): string =>
  `apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: { name: ${name} }\nspec:\n  type: ${type}\n  version: v1\n${more}  metadata:\n${metadata}auth: { secretStore: vault }\n`;

/** Resources whose every secret holds the canary. */
function resources(url: string): Record<string, string> {
  const secretsFile = join(machine.directory, 'vault.json');
  const values = {
    token: `${canary}-token`,
    // 32 bytes as hex, and no key at all.
    key: Buffer.from(canary.padEnd(32, '.')).toString('hex'),
    header: `${canary}-header`,
    duration: `${canary}-duration`,
    url: `${url}/?password=${canary}`,
    bad: `http://user:${canary}@${new URL(url).host}/`,
  };
  writeFileSync(secretsFile, JSON.stringify(values));
  return {
    'vault.yaml': `apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: { name: vault }\nspec:\n  type: secretstores.local.file\n  version: v1\n  metadata: [{ name: secretsFile, value: ${JSON.stringify(secretsFile)} }]\n`,
    'web.yaml': componentWith(
      'web',
      'bindings.http',
      `    - { name: url, value: "${url}" }\n    - { name: securityToken, secretKeyRef: ${secret('token')} }\n    - { name: securityTokenHeader, value: x-token }\n`,
    ),
    'env.yaml': componentWith('env-web', 'bindings.http', '    - { name: url, envRef: BINDING_URL }\n'),
    'state.yaml': componentWith('locked', 'state.in-memory', `    - { name: primaryEncryptionKey, secretKeyRef: ${secret('key')} }\n`),
    // These cannot be opened, and say why.
    'late.yaml': componentWith(
      'late',
      'bindings.http',
      `    - { name: url, value: "${url}" }\n    - { name: responseTimeout, secretKeyRef: ${secret('duration')} }\n`,
      '  ignoreErrors: true\n',
    ),
    'bad.yaml': componentWith('bad', 'bindings.http', `    - { name: url, secretKeyRef: ${secret('bad')} }\n`, '  ignoreErrors: true\n'),
    'odd-key.yaml': componentWith(
      'odd-key',
      'state.in-memory',
      `    - { name: primaryEncryptionKey, secretKeyRef: ${secret('token')} }\n`,
      '  ignoreErrors: true\n',
    ),
    'end.yaml': `apiVersion: dapr.io/v1alpha1\nkind: HTTPEndpoint\nmetadata: { name: partner }\nspec:\n  baseUrl: "http://127.0.0.1:1"\n  headers: [{ name: authorization, secretKeyRef: ${secret('header')} }]\nauth: { secretStore: vault }\n`,
  };
}

function cli(args: readonly string[], env: Readonly<Record<string, string>> = {}): string {
  const all = { ...process.env, ...machine.env, ...env };
  const { stdout, stderr } = spawnSync(process.execPath, [program, ...args], {
    env: all,
    encoding: 'utf8',
    timeout: 60_000,
    cwd: machine.directory,
  });
  return stdout + stderr;
}

it('is in no log, error, header, metadata, metric or word of the command line', async () => {
  const web = createServer((request, response) =>
    response.writeHead(500, { 'x-saw': String(request.headers['x-token'] !== undefined) }).end('no'),
  );
  await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(web.address() as AddressInfo).port}`;
  const app = await startApp(({ path }) =>
    path === '/boom' ? 'break' : path.startsWith('/dapr') ? undefined : { status: 500, body: 'no' },
  );
  const env = {
    DAPR_API_TOKEN: `${canary}-api`,
    APP_API_TOKEN: `${canary}-app`,
    BINDING_URL: `${url}/?password=${canary}`,
  };
  const files = resources(url);
  const sidecar = await startSidecar({
    appId: 'canary',
    appPort: app.port,
    machine,
    env,
    resources: files,
    flags: ['--log-level', 'debug', '--enable-api-logging'],
  });
  const headers = { 'dapr-api-token': `${canary}-api`, 'content-type': 'application/json' };
  const ask = async (path: string, init: RequestInit = {}): Promise<number> => {
    const answer = await sidecar.get(path, { ...init, headers });
    said.push(JSON.stringify([...answer.headers]), await answer.text());
    return answer.status;
  };
  await eventually(async () => (await ask('/v1.0/healthz')) === 204, 'the app is served');
  expect(await ask('/v1.0/metadata')).toBe(200);
  expect(await ask('/v1.0/bindings/web', { method: 'POST', body: '{"operation":"get"}' })).toBe(500);
  expect(said.join()).toContain('["metadata.x-saw","true"]');
  expect(await ask('/v1.0/bindings/web', { method: 'POST', body: '{"operation":"get","metadata":{"path":"../../.."}}' })).toBe(500);
  expect(await ask('/v1.0/bindings/env-web', { method: 'POST', body: '{"operation":"get"}' })).toBe(500);
  for (const name of ['late', 'bad', 'none']) await ask(`/v1.0/bindings/${name}`, { method: 'POST', body: '{"operation":"get"}' });
  expect(await ask('/v1.0/state/locked', { method: 'POST', body: '[{"key":"k","value":1}]' })).toBe(204);
  expect(await ask('/v1.0/state/odd-key/k')).toBeGreaterThanOrEqual(400);
  expect(await ask('/v1.0/invoke/partner/method/m')).toBe(500);
  expect(await ask('/v1.0/invoke/canary/method/boom', { method: 'POST', body: 'x' })).toBe(500);
  expect(await ask('/v1.0/secrets/vault/none')).toBeGreaterThanOrEqual(204);
  const wrong = await sidecar.get('/v1.0/metadata', { headers: { 'dapr-api-token': 'wrong' } });
  said.push(await wrong.text());
  said.push(await (await fetch(`http://127.0.0.1:${sidecar.metricsPort}/metrics`)).text());
  for (const args of [
    ['list'],
    ['list', '--json'],
    ['doctor'],
    ['doctor', '--json'],
    ['logs', '--app', 'canary'],
    ['explain', 'component.init-failed'],
  ])
    said.push(cli(args, env));
  const invoked = cli(['invoke', 'canary', 'boom', '--dapr-http-port', sidecar.httpPort], env);
  said.push(invoked);
  expect(await sidecar.stop()).toBe(0);
  said.push(sidecar.output());
  expect(sidecar.output()).toContain('component=late');
  expect(sidecar.output()).toContain('component=odd-key');
  // A start that fails says so at length.
  const folder = join(machine.directory, 'fails');
  mkdirSync(folder);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text.replace('  ignoreErrors: true\n', ''));
  const ports = ['--dapr-http-port', await freePort(), '--dapr-grpc-port', await freePort(), '--metrics-port', await freePort()];
  for (const more of [[], ['--log-as-json']]) {
    const failed = cli(['sidecar', '--app-id', 'fails', '--resources-path', folder, '--log-level', 'debug', ...ports, ...more], env);
    expect(failed).toMatch(/component \\?"(?:late|bad|odd-key)/);
    said.push(failed);
  }
  await app.close();
  web.close();
  const key = Buffer.from(canary).toString('hex');
  const base64 = Buffer.from(canary).toString('base64').slice(0, 7);
  for (const text of said) for (const form of [canary, key, base64]) expect(text).not.toContain(form);
});
