import { describe, expect, it } from 'vitest';
import { createMemoryDisk } from '../../testing/memory-disk.ts';
import { renderProblem } from './problem.ts';
import { findRunFile, loadRunFile } from './run-file.ts';

const read = (text: string, more: Record<string, string> = {}) =>
  loadRunFile(createMemoryDisk({ '/p/run.yaml': text, ...more }), '/p/run.yaml');

describe('run files', () => {
  it('reads dapr.yaml: shared keys, defaults of the app folder, own values over common ones', async () => {
    const { run, problems } = await read(
      `
version: 1
name: shop
common:
  resourcesPath: ./components
  env: { A: 1, B: x }
  logLevel: debug
apps:
  - appID: orders
    appDirPath: ./orders
    appPort: 3001
    daprHTTPPort: 3501
    command: ["node", "app.js"]
    env: { B: "y", NUM: 1.50 }
    enableAppHealthCheck: true
    appHealthProbeInterval: 2
    appSSL: true
    appLogDestination: console
  - appDirPath: ./billing
    resourcesPaths: [./a, ./b]
`,
      { '/p/billing/.dapr/config.yaml': '' },
    );
    expect(problems).toEqual([]);
    expect(run?.apps[0]).toMatchObject({
      id: 'orders',
      dir: '/p/orders',
      command: ['node', 'app.js'],
      appPort: 3001,
      httpPort: 3501,
      protocol: 'https',
      env: { A: '1', B: 'y', NUM: '1.50' },
      resources: ['/p/components'],
      health: { path: '/healthz', intervalMs: 2000, timeoutMs: 500, threshold: 3 },
      appLogs: 'console',
      runtimeLogs: 'file',
      logLevel: 'debug',
    });
    expect(run?.apps[1]).toMatchObject({
      id: 'billing',
      resources: ['/p/components', '/p/a', '/p/b'],
      configs: ['/p/billing/.dapr/config.yaml'],
    });
    expect(run?.apps[1]?.command).toBeUndefined();
  });

  it('reads proa.yaml: shell lines, automatic ports, waits, restart, replicas', async () => {
    const { run, problems } = await read(`
apps:
  storefront: { dir: web, run: npm run dev, port: 3000, waits: [orders] }
  orders:     { dir: orders, run: [node, app.ts], port: auto, replicas: 2, restart: always, health: { interval: 1s } }
resources: ./proa
env: { MODE: dev }
`);
    expect(problems).toEqual([]);
    expect(run?.format).toBe('proa');
    expect(run?.apps[0]).toMatchObject({
      id: 'storefront',
      dir: '/p/web',
      command: ['/bin/sh', '-c', 'npm run dev'],
      waits: ['orders'],
      env: { MODE: 'dev' },
    });
    expect(run?.apps[1]).toMatchObject({
      appPort: 0,
      replicas: 2,
      restart: 'always',
      health: { intervalMs: 1000, threshold: 3 },
      resources: ['/p/proa'],
    });
  });

  it.each([
    ['apps: { a: { ruun: x } }', 'did you mean `run`?'],
    ['apps: { a: { run: x, port: 70000 } }', 'apps.a.port must be a port'],
    ['apps: { a: { waits: [b] } }', 'which is not in the file'],
    ['apps: { a: { waits: [b] }, b: { waits: [c] }, c: { waits: [b] } }', 'b → c → b'],
    ['apps: { a: { port: 1 }, b: { port: 1 } }', 'port 1 is given twice'],
    ['version: 1\napps: [{ appID: a, appDirPath: . }, { appID: a, appDirPath: . }]', 'two apps have the id "a"'],
    ['version: 2\napps: [{ appID: a, appDirPath: . }]', 'version must be a whole number from 1 to 1'],
    ['apps: { a b: { run: x } }', '"a b" cannot be an app id'],
    ['version: 1\napps: [{ appID: a.b, appDirPath: . }]', '"a.b" cannot be an app id'],
    ['apps: {}', 'there are no apps'],
    ['', 'is empty'],
    ['a: 1\n---\nb: 1', 'one document'],
  ])('refuses %j', async (text, expected) => {
    const { run, problems } = await read(text);
    expect(run).toBeUndefined();
    expect(problems.map(renderProblem).join('\n')).toContain(expected);
  });

  it('finds the file by folder, its own format first', async () => {
    const disk = createMemoryDisk({ '/p/dapr.yaml': '', '/p/proa.yaml': '', '/q/dapr.yml': '', '/r/x': '' });
    expect(await Promise.all(['/p', '/q', '/r', '/none', '/p/dapr.yaml'].map((path) => findRunFile(disk, path)))).toEqual([
      '/p/proa.yaml',
      '/q/dapr.yml',
      undefined,
      undefined,
      '/p/dapr.yaml',
    ]);
  });
});
