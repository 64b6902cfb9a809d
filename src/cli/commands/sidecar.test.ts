import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import type { HostOptions, RunningHost, StartHost } from '../../host/host-api.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Ports, ProcessSignal } from '../../kernel/ports.ts';
import { nodePorts } from '../../ports/node/index.ts';
import { nodeClock } from '../../ports/node/clock.ts';
import { createNodeProcess } from '../../ports/node/process.ts';
import { createMemoryDisk } from '../../testing/memory-disk.ts';
import { main } from '../main.ts';

function sidecar(args: readonly string[], startHost: StartHost) {
  const signals = new Map<ProcessSignal, () => void>();
  const err: string[] = [];
  const process = {
    ...createNodeProcess(),
    env: () => undefined,
    cwd: () => '/p',
    homeDirectory: () => '/home',
    onSignal(signal: ProcessSignal, handler: () => void) {
      signals.set(signal, handler);
      return () => signals.delete(signal);
    },
    writeOut: () => {},
    writeErr: (text: string) => void err.push(text),
  };
  const disk = createMemoryDisk();
  const ports: Ports = { ...nodePorts(), disk, process };
  const code = main(['sidecar', ...args], { ports, loadHost: async () => startHost, version: '9.9.9' });
  return { code, err, disk, signals };
}

/** A host that only knows how to end. */
function host(told: string[]): { start: StartHost; options: () => HostOptions } {
  let given: HostOptions | undefined;
  const start: StartHost = async (options) => {
    given = options;
    let finish: (code: number) => void = () => {};
    const done = new Promise<number>((resolve) => (finish = resolve));
    const running: RunningHost = {
      apps: [],
      done,
      async stop(reason) {
        told.push(`stop ${reason}`);
        finish(0);
      },
      async restart() {
        told.push('restart');
      },
    };
    return running;
  };
  return { start, options: () => given as HostOptions };
}

const settled = async (told: readonly string[], count: number): Promise<void> => {
  while (told.length < count) await new Promise<void>((resolve) => nodeClock.soon(resolve));
};

describe('proa sidecar', () => {
  it('drains on SIGTERM with code 0, restarts inside on SIGHUP, and is listed meanwhile', async () => {
    const told: string[] = [];
    const { start, options } = host(told);
    const { code, signals, disk } = sidecar(['-app-id=orders', '--dapr-graceful-shutdown-seconds', '7', '--log-as-json'], start);
    while (signals.size < 3 || disk.text(`/home/.local/state/proa/runs/${process.pid}.json`) === undefined) {
      await new Promise<void>((resolve) => nodeClock.soon(resolve));
    }
    expect(options()).toMatchObject({
      apps: [{ id: 'orders', httpPort: 3500, defaults: 'when-empty' }],
      shared: { mode: 'sidecar', graceMs: 7000, logFormat: 'json', dataDirectory: '/home/.local/state/proa/data' },
    });
    signals.get('SIGHUP')?.();
    signals.get('SIGTERM')?.();
    await settled(told, 2);
    expect(told).toEqual(['restart', 'stop SIGTERM']);
    expect(await code).toBe(0);
    expect(disk.text(`/home/.local/state/proa/runs/${process.pid}.json`)).toBeUndefined();
    // Still caught, and without effect: the process is about to exit with 0.
    for (const signal of ['SIGHUP', 'SIGINT', 'SIGTERM'] as const) signals.get(signal)?.();
    expect(signals.size).toBe(3);
    expect(told).toHaveLength(2);
  });

  it('stops a host that was still starting when the signal came', async () => {
    const told: string[] = [];
    const inner = host(told);
    let open: () => void = () => {};
    const gate = new Promise<void>((resolve) => (open = resolve));
    const slow: StartHost = async (options) => {
      await gate;
      return inner.start(options);
    };
    const { code, signals } = sidecar(['--app-id', 'orders'], slow);
    while (signals.size < 3) await new Promise<void>((resolve) => nodeClock.soon(resolve));
    signals.get('SIGINT')?.();
    open();
    expect(await code).toBe(0);
    expect(told).toEqual(['stop signal']);
  });

  it('exits with 1 when the start fails and 2 when the flags are wrong', async () => {
    const taken: StartHost = async () => {
      throw new ProaError('config.port-taken', 'port 3500 is in use');
    };
    const failed = sidecar(['--app-id', 'orders'], taken);
    expect(await failed.code).toBe(1);
    expect(failed.err.join('')).toContain('choose another port');
    expect(await sidecar([], taken).code).toBe(2);
    expect(await sidecar(['--app-id', 'orders', '--dapr-htp-port=1'], taken).code).toBe(2);
  });

  it('starts no program, and says so', async () => {
    const failing: StartHost = async () => {
      throw new ProaError('config.port-taken', 'port 3500 is in use');
    };
    const stray = sidecar(['--app-id', 'orders', '--', 'node', 'app.js'], failing);
    await stray.code;
    expect(stray.err.join('')).toContain('warning: "node" has no effect: a sidecar starts no program (`proa run -- <command>` does)');
  });

  it('waits for a running sidecar with --wait', async () => {
    let asked = 0;
    const server = createServer((request, response) => {
      asked += 1;
      response.writeHead(request.url === '/v1.0/healthz/outbound' && asked > 2 ? 204 : 500).end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    expect(await sidecar(['--wait', `--dapr-http-port=${port}`], host([]).start).code).toBe(0);
    expect(asked).toBe(3);
    server.closeAllConnections();
    server.close();
  });
});
