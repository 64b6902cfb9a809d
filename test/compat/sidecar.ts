import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePorts } from '../../src/testing/server-process.ts';

const command = fileURLToPath(new URL('../../dist/bin/proa.cjs', import.meta.url));

export interface TestSidecar {
  readonly pid: number;
  readonly appId: string;
  readonly httpPort: string;
  readonly grpcPort: string;
  readonly metricsPort: string;
  /** Everything that the process printed. */
  output(): string;
  /** Resolves when `/v1.0/healthz` answers 204: the app was asked what it wants. */
  ready(): Promise<void>;
  get(path: string, init?: RequestInit): Promise<Response>;
  /** SIGTERM; answers the exit code once the process has ended and its last output is read. */
  stop(): Promise<number | null>;
  kill(): void;
  /** Called with the exit code when the process ends. */
  onExit(ended: (code: number | null) => void): void;
}

export interface SidecarOptions {
  readonly appId: string;
  readonly appPort?: string;
  readonly appProtocol?: 'http' | 'grpc';
  /** Component and other resource files by name. */
  readonly resources?: Readonly<Record<string, string>>;
  readonly flags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly nodeFlags?: readonly string[];
  /** A machine: sidecars with the same one share its engine and find each other. */
  readonly machine: TestMachine;
}

/** A directory that stands for one machine; removed at the end. */
export interface TestMachine {
  readonly directory: string;
  /** Where its data and the records of its running sidecars lie, for those who look for them. */
  readonly env: { readonly PROA_DATA_DIR: string; readonly PROA_STATE_DIR: string };
  remove(): void;
}

export function createMachine(): TestMachine {
  const directory = mkdtempSync(join(tmpdir(), 'proa-compat-'));
  const env = { PROA_DATA_DIR: join(directory, 'data'), PROA_STATE_DIR: join(directory, 'state') };
  return { directory, env, remove: () => rmSync(directory, { recursive: true, force: true }) };
}

/** A port that nobody listens on. */
export async function freePort(): Promise<string> {
  const [port] = await freePorts(1);
  return String(port);
}

/** Starts `proa sidecar` as a user would and waits until its outgoing APIs answer and other commands find it. */
export async function startSidecar(options: SidecarOptions): Promise<TestSidecar> {
  // A port that was free when it was chosen can be somebody's by the time it is bound; that is the test's affair, not the product's.
  for (let attempt = 1; ; attempt++) {
    try {
      return await startOnce(options);
    } catch (error) {
      if (attempt === 3 || !/port \d+ is in use/.test(String(error))) throw error;
    }
  }
}

async function startOnce(options: SidecarOptions): Promise<TestSidecar> {
  const [httpPort, grpcPort, metricsPort] = [await freePort(), await freePort(), await freePort()];
  const folder = join(options.machine.directory, `resources-${options.appId}-${httpPort}`);
  mkdirSync(folder);
  for (const [name, yaml] of Object.entries(options.resources ?? {})) writeFileSync(join(folder, name), yaml);
  const flags = [
    ...['--app-id', options.appId, '--dapr-http-port', httpPort, '--dapr-grpc-port', grpcPort, '--metrics-port', metricsPort],
    ...['--resources-path', folder, ...(options.flags ?? [])],
    ...(options.appPort === undefined ? [] : ['--app-port', options.appPort, '--app-protocol', options.appProtocol ?? 'http']),
  ];
  const env = { ...process.env, ...options.machine.env, ...options.env };
  const child = spawn(process.execPath, [...(options.nodeFlags ?? []), command, 'sidecar', ...flags], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let printed = '';
  // Later than its exit: by then everything that it printed has been read.
  let closed = false;
  const close = new Promise<number | null>((resolve) => {
    child.once('close', (code) => {
      closed = true;
      resolve(code);
    });
  });
  child.stdout.on('data', (chunk: Buffer) => (printed += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (printed += chunk.toString()));
  const get = (path: string, init?: RequestInit): Promise<Response> => fetch(`http://127.0.0.1:${httpPort}${path}`, init);
  const until = (reached: () => boolean | Promise<boolean>): Promise<void> => {
    const over = async (why: string): Promise<never> => {
      child.kill('SIGKILL');
      await close;
      throw new Error(`the sidecar ${why}:\n${printed}`);
    };
    return eventually(async () => closed || reached(), 'the sidecar is ready').then(
      () => (closed ? over(`ended with ${child.exitCode}`) : undefined),
      () => over('is not ready'),
    );
  };
  const answers = async (path: string): Promise<boolean> => (await get(path).catch(() => undefined))?.status === 204;
  await until(() => answers('/v1.0/healthz/outbound'));
  // Later than its APIs: the command finds it.
  await until(() => existsSync(join(env.PROA_STATE_DIR, 'runs', `${child.pid}.json`)));
  return {
    pid: child.pid ?? 0,
    appId: options.appId,
    httpPort,
    grpcPort,
    metricsPort,
    get,
    output: () => printed,
    ready: () => until(() => answers('/v1.0/healthz')),
    stop() {
      if (!closed) child.kill('SIGTERM');
      return close;
    },
    kill: () => child.kill('SIGKILL'),
    onExit: (ended) => child.once('exit', ended),
  };
}

// Nothing waits so long but what will never come: a machine that is busy with other things is no fault.
const patienceMs = 60_000;

/** Waits for a condition that other processes bring about. */
export async function eventually(check: () => boolean | Promise<boolean>, what: string, timeoutMs = patienceMs): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await check())) {
    if (Date.now() > deadline) throw new Error(`did not happen within ${timeoutMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** A Component document. */
export function component(name: string, type: string, metadata: Readonly<Record<string, string>> = {}): string {
  const entries = Object.entries(metadata).map(([key, value]) => `    - name: ${key}\n      value: ${JSON.stringify(value)}`);
  return [
    'apiVersion: dapr.io/v1alpha1',
    'kind: Component',
    `metadata:\n  name: ${name}`,
    `spec:\n  type: ${type}\n  version: v1`,
    ...(entries.length === 0 ? [] : [`  metadata:\n${entries.join('\n')}`]),
    '',
  ].join('\n');
}
