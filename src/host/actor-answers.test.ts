import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { appSpec } from '../../test/fixtures/app-spec.ts';
import { nodePorts } from '../ports/node/index.ts';
import { startHost } from './host.ts';

const directory = mkdtempSync(join(tmpdir(), 'proa-answers-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const types: Readonly<Record<string, string | undefined>> = { none: undefined, empty: '', text: 'text/plain' };

it('gives an answer of an actor that says no content type that of JSON, as daprd does', async () => {
  const app = createServer(({ url = '' }, response) => {
    if (url === '/dapr/config') return response.end('{"entities":["Counter"]}');
    const method = url.startsWith('/actors/Counter/1/method/') ? url.slice(25) : undefined;
    if (method === undefined) return response.writeHead(404).end();
    if (method === 'nothing') return response.writeHead(204).end();
    const type = types[method];
    return response.writeHead(200, type === undefined ? {} : { 'content-type': type }).end('{}');
  });
  await new Promise<void>((resolve) => void app.listen(0, '127.0.0.1', resolve));
  const host = await startHost({
    ports: nodePorts(),
    apps: [appSpec('shop', { appPort: (app.address() as AddressInfo).port })],
    shared: { dataDirectory: join(directory, 'data'), logLevel: 'error', logFormat: 'human', graceMs: 5_000, mode: 'run' },
    events() {},
  });
  const port = host.apps[0]?.httpPort;
  const call = (method: string) => fetch(`http://127.0.0.1:${port}/v1.0/actors/Counter/1/method/${method}`, { method: 'POST' });
  const typeOf = async (method: string) => (await call(method)).headers.get('content-type');
  try {
    await expect.poll(async () => (await call('none')).status, { timeout: 30_000 }).toBe(200);
    expect(await typeOf('none')).toBe('application/json');
    expect(await typeOf('empty')).toBe('application/json');
    expect(await typeOf('text')).toBe('text/plain');
    expect(await typeOf('nothing')).toBeNull();
  } finally {
    await host.stop('the test is over');
    app.closeAllConnections();
    app.close();
  }
});
