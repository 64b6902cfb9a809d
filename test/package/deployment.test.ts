import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { eventually, freePort } from '../compat/sidecar.ts';

// What the guides for systemd and containers say, started and ended as the units and the manifest do it.
const root = fileURLToPath(new URL('../..', import.meta.url));
const command = join(root, 'dist/bin/proa.cjs');
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
let place: string;

beforeAll(() => {
  place = mkdtempSync(join(tmpdir(), 'proa-deployment-'));
});
afterAll(() => rmSync(place, { recursive: true, force: true }));

/** The files that a guide shows, by name. */
function filesOf(page: string): Map<string, string> {
  const text = readFileSync(join(root, 'docs/guides', page), 'utf8');
  return new Map(
    [...text.matchAll(/<!-- file: (\S+) -->\n+```\w*\n([\s\S]*?)```/g)].map(([, name, body]) => [name as string, body as string]),
  );
}

async function listen(port: number): Promise<Server> {
  const server = createServer((request, response) => void response.writeHead(request.url?.startsWith('/dapr/') ? 404 : 200).end('ok'));
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return server;
}

const closed = (server: Server): Promise<unknown> => {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(resolve));
};

const statusOf = async (port: number, path: string): Promise<number> =>
  (await fetch(`http://127.0.0.1:${port}${path}`).catch(() => undefined))?.status ?? 0;

function started(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): { child: ChildProcess; output: () => string; end: Promise<number | null> } {
  const child = spawn(process.execPath, [command, ...args], {
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => (text += chunk.toString()));
  return { child, output: () => text, end: new Promise((resolve) => child.once('close', resolve)) };
}

/** Ports of the guides, as this machine has them free. */
async function ports(...given: readonly number[]): Promise<(port: number | string) => number> {
  const free = new Map<number, number>();
  for (const port of given) free.set(port, Number(await freePort()));
  return (port) => free.get(Number(port)) ?? Number(port);
}

describe('the units of docs/guides/systemd.md', () => {
  const files = filesOf('systemd.md');
  const unit = (files.get('proa@.service') ?? '').replaceAll('\\\n', ' ');
  const setting = (name: string): string => new RegExp(`^${name}=(.*)$`, 'm').exec(unit)?.[1] ?? '';

  it('are units for systemd', (context) => {
    try {
      execFileSync('systemd-analyze', ['--version'], { stdio: 'ignore' });
    } catch {
      return context.skip('systemd-analyze not found');
    }
    const folder = join(place, 'units');
    mkdirSync(folder);
    const paths = [...files]
      .filter(([name]) => /\.(?:service|timer)$/.test(name))
      .map(([name, text]) => {
        const path = join(folder, name);
        writeFileSync(path, text.replaceAll(/^(Exec\w+=)\/\S+/gm, '$1/bin/true'));
        return path;
      });
    expect(paths).toHaveLength(4);
    const told = execFileSync('sh', ['-c', 'systemd-analyze verify "$@" 2>&1 || true', 'sh', ...paths], {
      env: { ...process.env, SYSTEMD_UNIT_PATH: `${folder}:` },
    }).toString();
    expect(told.split('\n').filter((line) => line.includes(folder) || /proa|orders/.test(line))).toEqual([]);
  });

  it('start, reload and stop a sidecar in the time that they allow', async () => {
    const env: Record<string, string> = {};
    for (const [, name, value] of (files.get('orders.env') ?? '').matchAll(/^(\w+)=(.*)$/gm)) env[name as string] = value as string;
    const at = await ports(...Object.values(env).map(Number));
    for (const name of Object.keys(env)) env[name] = String(at(env[name] as string));
    const moved = new Map([
      ['/var/lib/proa', join(place, 'lib')],
      ['/run/proa', join(place, 'run')],
      ['/etc/proa/resources', join(place, 'resources')],
    ]);
    for (const folder of moved.values()) mkdirSync(folder, { mode: 0o700 });
    const here = (text: string): string => [...moved].reduce((sum, [from, to]) => sum.replaceAll(from, to), text);
    const argsOf = (name: string): string[] =>
      here(setting(name))
        .replaceAll('%i', 'orders')
        .replaceAll(/\$\{(\w+)\}/g, (_, variable: string) => env[variable] ?? '')
        .split(/\s+/)
        .slice(1);
    const given = Object.fromEntries(
      here(setting('Environment'))
        .split(' ')
        .map((pair) => pair.split('=') as [string, string]),
    );
    const sidecar = started(argsOf('ExecStart'), { ...env, ...given });
    const waiting = started(argsOf('ExecStartPost'), { ...env, ...given });
    expect([await waiting.end, waiting.output()]).toEqual([0, '']);
    const port = Number(env['DAPR_HTTP_PORT']);
    // The app comes after its sidecar.
    expect(await statusOf(port, '/v1.0/healthz/outbound')).toBe(204);
    expect(await statusOf(port, '/v1.0/healthz')).toBe(500);
    const app = await listen(Number(env['APP_PORT']));
    await eventually(async () => (await statusOf(port, '/v1.0/healthz')) === 204, 'the app is served');
    expect(setting('ExecReload')).toBe('/bin/kill -HUP $MAINPID');
    sidecar.child.kill('SIGHUP');
    await eventually(
      async () => sidecar.output().includes('restarting inside the process') && (await statusOf(port, '/v1.0/healthz')) === 204,
      'it is reloaded',
    );
    sidecar.child.kill('SIGTERM');
    expect([await sidecar.end, sidecar.output().includes('msg=stopped')]).toEqual([0, true]);
    await closed(app);
    const graceSeconds = Number(/--dapr-graceful-shutdown-seconds (\d+)/.exec(setting('ExecStart'))?.[1]);
    expect(Number(setting('TimeoutStopSec'))).toBeGreaterThanOrEqual(2 * graceSeconds + 10);
  });
});

interface Probe {
  readonly httpGet: { readonly path: string; readonly port: number };
}

interface Container {
  readonly args: readonly string[];
  readonly restartPolicy: string;
  readonly ports: readonly { readonly containerPort: number }[];
  readonly startupProbe: Probe;
  readonly readinessProbe: Probe;
  readonly livenessProbe: Probe;
  readonly securityContext: { readonly readOnlyRootFilesystem: boolean };
  readonly volumeMounts: readonly { readonly mountPath: string; readonly readOnly?: boolean }[];
}

interface Pod {
  readonly terminationGracePeriodSeconds: number;
  readonly securityContext: { readonly runAsUser: number; readonly runAsGroup: number };
  readonly initContainers: readonly [Container];
}

describe('the image and manifest of docs/guides/containers.md', () => {
  const files = filesOf('containers.md');
  const documents = parseAllDocuments(files.get('orders.yaml') ?? '').map((document) => document.toJS() as Record<string, never>);
  const pod = (documents[0] as unknown as { spec: { template: { spec: Pod } } }).spec.template.spec;
  const [sidecar] = pod.initContainers;

  it('belong together', () => {
    const image = files.get('Dockerfile') ?? '';
    expect(image).toContain(`proa-${version}.tgz`);
    const { runAsUser, runAsGroup } = pod.securityContext;
    expect(image).toContain(`USER ${runAsUser}:${runAsGroup}\n`);
    expect(image).toContain(`-o ${runAsUser} -g ${runAsGroup} -m 0700 /var/lib/proa`);
    const state = /^ENV PROA_STATE_DIR=(\S+)$/m.exec(image)?.[1];
    expect(sidecar.securityContext.readOnlyRootFilesystem).toBe(true);
    expect(sidecar.volumeMounts.filter(({ readOnly }) => readOnly !== true).map(({ mountPath }) => mountPath)).toEqual([state, '/tmp']);
    expect(sidecar.restartPolicy).toBe('Always');
    const graceSeconds = Number(sidecar.args.join(' ').match(/--dapr-graceful-shutdown-seconds=(\d+)/)?.[1]);
    expect(pod.terminationGracePeriodSeconds).toBeGreaterThanOrEqual(2 * graceSeconds + 10 + 30);
  });

  it('probe what answers, before the app is there, with it and after it, and end in order', async () => {
    const at = await ports(3000, 3500, 50_001, 3501, 9090);
    const resources = join(place, 'pod-resources');
    mkdirSync(resources);
    for (const [name, text] of Object.entries((documents[1] as unknown as { data: Record<string, string> }).data))
      writeFileSync(join(resources, name), text);
    const args = sidecar.args.map((argument) =>
      argument
        .replace(/(port=)(\d+)$/, (_, name: string, port: string) => `${name}${at(port)}`)
        .replace('0.0.0.0', '127.0.0.1')
        .replace('/etc/proa/resources', resources),
    );
    const run = started(args, { PROA_STATE_DIR: join(place, 'pod'), TMPDIR: place });
    const ask = ({ httpGet: { path, port } }: Probe): Promise<number> => statusOf(at(port), path);
    await eventually(async () => (await ask(sidecar.startupProbe)) === 204, 'the startup probe passes without the app');
    expect([await ask(sidecar.readinessProbe), await ask(sidecar.livenessProbe)]).toEqual([500, 204]);
    const app = await listen(at(3000));
    await eventually(async () => (await ask(sidecar.readinessProbe)) === 204, 'the pod is ready');
    expect(await statusOf(at(3501), '/v1.0/state/statestore/k')).toBe(404);
    expect(sidecar.ports.map(({ containerPort }) => containerPort)).toEqual([3501, 9090]);
    expect(await statusOf(at(9090), '/metrics')).toBe(200);
    // Kubernetes ends the app first.
    await closed(app);
    expect(await ask(sidecar.livenessProbe)).toBe(204);
    run.child.kill('SIGTERM');
    expect(await run.end).toBe(0);
    expect(
      run
        .output()
        .trim()
        .split('\n')
        .every((line) => line.startsWith('{')),
    ).toBe(true);
  });

  it('keeps what runs when another version is put beside it', async () => {
    const [link, port] = [join(place, 'current'), Number(await freePort())];
    symlinkSync(dirname(command), link);
    const env = { PATH: process.env['PATH'], PROA_STATE_DIR: join(place, 'linked') };
    const child = spawn(
      process.execPath,
      [join(link, 'proa.cjs'), 'sidecar', '--app-id=x', `--dapr-http-port=${port}`, '--dapr-grpc-port=0', '--metrics-port=0'],
      { env, stdio: 'ignore' },
    );
    const end = new Promise((resolve) => child.once('close', resolve));
    await eventually(async () => (await statusOf(port, '/v1.0/healthz')) === 204, 'it serves');
    rmSync(link);
    symlinkSync(join(place, 'nowhere'), link);
    // Loaded only now.
    const body = JSON.stringify({ resourceId: 'r', lockOwner: 'o', expiryInSeconds: 5 });
    const answer = await fetch(`http://127.0.0.1:${port}/v1.0-alpha1/lock/lockstore`, { method: 'POST', body });
    expect(answer.status).toBe(200);
    child.kill('SIGTERM');
    expect(await end).toBe(0);
  });
});
