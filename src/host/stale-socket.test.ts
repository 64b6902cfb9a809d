import { existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { appSpec } from '../../test/fixtures/app-spec.ts';
import { nodePorts } from '../ports/node/index.ts';
import { apiSocket } from './api-socket.ts';
import { startHost } from './host.ts';
import { removeStaleSocket } from './stale-socket.ts';

const directory = mkdtempSync(join(tmpdir(), 'proa-stale-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const listener = (path: string): Promise<Server> =>
  new Promise((resolve) => {
    const server = createServer((socket) => socket.destroy());
    server.listen(path, () => resolve(server));
  });

/** A socket at which nobody listens any more, as a killed process leaves it. */
async function leave(path: string): Promise<void> {
  const server = await listener(`${path}.x`);
  renameSync(`${path}.x`, path);
  await new Promise((resolve) => server.close(resolve));
  expect(existsSync(path)).toBe(true);
}

describe('a socket that is there already', () => {
  it('is removed when a killed process left it, and stays when somebody listens or it is none', async () => {
    const ports = nodePorts();
    const [stale, live, file] = ['stale', 'live', 'file'].map((name) => join(directory, name)) as [string, string, string];
    await leave(stale);
    const server = await listener(live);
    writeFileSync(file, 'mine');
    for (const path of [stale, live, file, join(directory, 'none')]) await removeStaleSocket(ports, { path });
    await removeStaleSocket(ports, { host: '127.0.0.1', port: 1 });
    expect([stale, live, file].map((path) => existsSync(path))).toEqual([false, true, true]);
    server.close();
  });

  it('keeps no sidecar from starting again after a kill, and a second one from starting beside the first', async () => {
    const spec = appSpec('shop', { unixSocketDirectory: directory });
    for (const protocol of ['http', 'grpc'] as const) await leave(apiSocket(spec, protocol) as string);
    const shared = {
      dataDirectory: join(directory, 'data'),
      logLevel: 'error',
      logFormat: 'human',
      graceMs: 1_000,
      mode: 'sidecar',
    } as const;
    const start = () => startHost({ ports: nodePorts(), apps: [spec], shared, events() {} });
    const host = await start();
    await expect(start()).rejects.toMatchObject({ code: 'config.port-taken' });
    expect(existsSync(apiSocket(spec, 'http') as string)).toBe(true);
    await host.stop('the test is over');
  });
});
