import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { Ports, ProcessPort } from '../../kernel/ports.ts';
import { nodePorts } from '../../ports/node/index.ts';
import { createNodeProcess } from '../../ports/node/process.ts';
import { createMemoryDisk, type MemoryDisk } from '../../testing/memory-disk.ts';
import { main } from '../main.ts';

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close().closeAllConnections();
});

/** The runtime of one replica of the app "shop": says which actors it has in memory, of which it tells the first `told`. */
async function replica(disk: MemoryDisk, { ids, told = ids.length }: { ids: string[]; told?: number }) {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const [path = ''] = (request.url ?? '').split('?');
    const answer = (status: number, value: object): void =>
      void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
    if (path === '/proa/v1/actors')
      return answer(200, { types: [{ type: 'Cart', count: ids.length, ready: true, ids: ids.slice(0, told) }] });
    asked.push(`${request.method} ${path}`);
    const [, , , , , id = '', what] = path.split('/');
    if (what === 'deactivate' && !ids.includes(id)) return answer(400, { errorCode: 'ERR_ACTOR_INSTANCE_MISSING', message: 'not here' });
    return answer(200, { by: ids });
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port: httpPort } = server.address() as AddressInfo;
  const record = {
    version: 1,
    process: { pid: process.pid },
    mode: 'sidecar',
    startedAtMs: 0,
    directory: '/p',
    apps: [{ id: 'shop', httpPort, grpcPort: 0 }],
  };
  disk.put(`/state/runs/${servers.length}.json`, JSON.stringify(record));
  return { httpPort, asked };
}

async function actor(disk: MemoryDisk, ...args: string[]) {
  const out: string[] = [];
  const err: string[] = [];
  const system: ProcessPort = {
    ...createNodeProcess(),
    env: (name) => (name === 'PROA_STATE_DIR' ? '/state' : undefined),
    writeOut: (text) => void out.push(text),
    writeErr: (text) => void err.push(text),
  };
  const ports: Ports = { ...nodePorts(), disk, process: system };
  const code = await main(['actor', ...args, '--json'], { ports, loadHost: () => Promise.reject(new Error('no host here')), version: '1' });
  return { code, value: out.length === 0 ? undefined : (JSON.parse(out.join('')) as unknown), err: err.join('') };
}

describe('proa actor, of an app with two runtimes', () => {
  it('lists what both have in memory', async () => {
    const disk = createMemoryDisk();
    const [one, two] = [await replica(disk, { ids: ['a'] }), await replica(disk, { ids: ['b', 'c'] })];
    expect((await actor(disk, 'list', '--app-id', 'shop')).value).toEqual([
      { appId: 'shop', httpPort: one.httpPort, type: 'Cart', count: 1, ready: true, ids: ['a'] },
      { appId: 'shop', httpPort: two.httpPort, type: 'Cart', count: 2, ready: true, ids: ['b', 'c'] },
    ]);
  });

  it.each([{ flags: [] }, { flags: ['--app-id', 'shop'] }])('deactivates where the actor is: $flags', async ({ flags }) => {
    const disk = createMemoryDisk();
    const [one, two] = [await replica(disk, { ids: ['a'] }), await replica(disk, { ids: ['b', 'c'], told: 1 })];
    expect(await actor(disk, 'deactivate', 'Cart', 'b', ...flags)).toMatchObject({ code: 0, value: { by: ['b', 'c'] } });
    expect(one.asked).toEqual([]);
    // It is one of those that are too many to be told.
    expect(await actor(disk, 'deactivate', 'Cart', 'c', ...flags)).toMatchObject({ code: 0 });
    expect(two.asked).toContain('POST /proa/v1/actors/Cart/c/deactivate');
    expect(await actor(disk, 'deactivate', 'Cart', 'nowhere', ...flags)).toMatchObject({
      code: 1,
      err: expect.stringContaining('ERR_ACTOR_INSTANCE_MISSING'),
    });
  });

  it('asks one of them for what is kept for both, and none when nobody hosts the type', async () => {
    const disk = createMemoryDisk();
    const [one, two] = [await replica(disk, { ids: ['a'] }), await replica(disk, { ids: [] })];
    expect(await actor(disk, 'state', 'Cart', 'a', '--app-id', 'shop')).toMatchObject({ code: 0 });
    expect([...one.asked, ...two.asked]).toEqual(['GET /proa/v1/actors/Cart/a/state']);
    expect(await actor(disk, 'state', 'Nobody', 'a')).toMatchObject({ code: 4, err: expect.stringContaining('hosts actors of type') });
  });
});
