import { createServer, type Server } from 'node:http';
import { mkdtempSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { appSpec } from '../../test/fixtures/app-spec.ts';
import { nodePorts } from '../ports/node/index.ts';
import { startHost } from './host.ts';

const directory = mkdtempSync(join(tmpdir(), 'proa-again-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** An app that hosts actors, and answers their methods with its name. */
function app(name: string): Promise<Server> {
  const server = createServer((request, response) => {
    if (request.url === '/dapr/config') return void response.end('{"entities":["Counter"]}');
    if (request.url?.startsWith('/actors/') === true) return void response.end(JSON.stringify(name));
    response.writeHead(404).end();
  });
  return new Promise((resolve) => void server.listen(0, '127.0.0.1', () => resolve(server)));
}

const portOf = (server: Server): number => (server.address() as AddressInfo).port;

it('hosts the actors of an app again that ended and came back under the same runtime', async () => {
  const host = await startHost({
    ports: nodePorts(),
    apps: [appSpec('shop')],
    shared: { dataDirectory: join(directory, 'data'), logLevel: 'error', logFormat: 'human', graceMs: 5_000, mode: 'run' },
    events() {},
  });
  const [runtime] = host.apps;
  const call = async (): Promise<string> =>
    (await fetch(`http://127.0.0.1:${runtime?.httpPort}/v1.0/actors/Counter/1/method/who`, { method: 'POST' })).text();
  try {
    for (const name of ['first', 'second', 'third']) {
      const server = await app(name);
      await runtime?.connect(portOf(server));
      await expect.poll(call, { timeout: 30_000 }).toBe(`"${name}"`);
      server.closeAllConnections();
      server.close();
      await runtime?.disconnect();
    }
  } finally {
    await host.stop('the test is over');
  }
});
