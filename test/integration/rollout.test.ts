import { execFile } from 'node:child_process';
import { createServer, type Server } from 'node:http';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { createMachine, eventually, startSidecar, type SidecarOptions, type TestSidecar } from '../compat/sidecar.ts';

const command = fileURLToPath(new URL('../../dist/bin/proa.cjs', import.meta.url));
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function versionApp(answer: () => { readonly status: number; readonly text: string }): Promise<string> {
  const server: Server = createServer((request, response) => {
    request.resume();
    const { status, text } = request.url === '/work' ? answer() : { status: 404, text: '' };
    response.writeHead(status).end(text);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return String((server.address() as { port: number }).port);
}

describe('a rollout between processes', () => {
  it('is begun by the command, is rolled back when the new version fails, survives restarts, and is promoted when it works', async () => {
    const machine = createMachine();
    closers.push(() => machine.remove());
    const start = async (options: Omit<SidecarOptions, 'machine'>): Promise<TestSidecar> => {
      const started = await startSidecar({ ...options, machine });
      closers.push(() => started.stop());
      await started.ready();
      return started;
    };
    const told = (...args: string[]) =>
      promisify(execFile)(process.execPath, [command, ...args], { env: { ...process.env, ...machine.env } });
    const proa = async (...args: string[]) => (await told(...args)).stdout;
    const status = async () =>
      (JSON.parse(await proa('rollout', 'status', 'orders', '--json')) as [{ state: string; percent: number; why: string }])[0];
    let broken = true;
    const old = await versionApp(() => ({ status: 200, text: 'v1' }));
    const fresh = await versionApp(() => ({ status: broken ? 500 : 200, text: 'v2' }));
    await start({ appId: 'orders', appPort: old, env: { PROA_APP_VERSION: 'v1' } });
    await start({ appId: 'orders', appPort: fresh, env: { PROA_APP_VERSION: 'v2' } });
    let web = await start({ appId: 'web' });
    const share = async (calls: number): Promise<number> => {
      let found = 0;
      for (let i = 0; i < calls; i++) if ((await (await web.get('/v1.0/invoke/orders/method/work')).text()) === 'v2') found++;
      return found / calls;
    };

    const plan = ['--steps', '50:1s,100:1s', '--min-requests', '10', '--latency', 'p90:10s'];
    await proa('rollout', 'start', 'orders', 'v1', 'v2', ...plan);
    await eventually(async () => {
      await share(20);
      return (await status()).state === 'rolled-back';
    }, 'the rollout is rolled-back');
    expect((await status()).percent).toBe(0);
    expect((await status()).why).toMatch(/version v2: 0 % good/);
    await eventually(async () => (await share(10)) === 0, 'all calls go to one version');

    await web.stop();
    web = await start({ appId: 'web' });
    await eventually(async () => (await share(10)) === 0, 'all calls go to one version');

    broken = false;
    await proa('rollout', 'start', 'orders', 'v1', 'v2', ...plan);
    await eventually(async () => {
      await share(20);
      return (await status()).state === 'promoted';
    }, 'the rollout is promoted');
    expect((await status()).percent).toBe(100);
    await eventually(async () => (await share(10)) === 1, 'all calls go to one version');
    const explained = await proa('explain', 'orders', 'GET', '/work', '--app-id', 'web');
    expect(explained).toContain('targets: version v1 0 %, version v2 100 %');
    expect(explained).toContain('from: Rollout "orders", promoted');

    await proa('rollout', 'abort', 'orders');
    await eventually(async () => (await share(10)) === 0, 'all calls go to one version');

    // The same, asked for by a file that comes while the runtime runs.
    const file = join(machine.directory, `resources-web-${web.httpPort}`, 'rollout.yaml');
    const declared = (more: string): string =>
      `apiVersion: proa.dev/v1alpha1\nkind: Rollout\nmetadata: { name: new-orders }\nspec: { app: orders, from: v1, to: v2, steps: [{ percent: 50, hold: 1s }, { percent: 100, hold: 1s }], gates: { minRequests: 10 }${more} }\n`;
    writeFileSync(file, declared(''));
    await eventually(async () => {
      await share(20);
      return (await status()).state === 'promoted';
    }, 'the declared rollout is promoted');
    await eventually(async () => (await share(10)) === 1, 'all calls go to one version');
    expect(await proa('explain', 'orders', 'GET', '/work', '--app-id', 'web')).toContain(`from: Rollout "orders", ${file}:4, promoted`);
    writeFileSync(file, declared(', state: aborted'));
    await eventually(async () => (await share(10)) === 0, 'the file takes it back');
    expect((await status()).why).toBe(`${file}:4 says so`);
    await expect(proa('rollout', 'promote', 'nobody')).rejects.toThrow(/there is no rollout of app "nobody"/);
    const misspelt = await told('rollout', 'start', 'odrers', 'v1', 'v2');
    expect(misspelt.stderr).toBe('warning: no app "odrers" runs on this machine; the rollout waits for it. Did you mean orders?\n');
    expect(misspelt.stdout).toContain('\n  v1: no calls\n  v2: no calls');
  });
});
