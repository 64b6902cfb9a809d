import { createServer, type IncomingMessage, type Server } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { component, createMachine, eventually, startSidecar, type TestMachine, type TestSidecar } from '../compat/sidecar.ts';

// Two runtimes of one machine: they share the journal through its owner, find each other, and carry each other's calls and events.
interface Neighbour {
  readonly server: Server;
  readonly port: string;
  readonly events: unknown[];
}

let machine: TestMachine;
let a: Neighbour;
let b: Neighbour;
let first: TestSidecar;
let second: TestSidecar;

async function body(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

async function neighbour(): Promise<Neighbour> {
  const events: unknown[] = [];
  const server = createServer((request, response) => {
    void body(request).then((bytes) => {
      if (request.url === '/dapr/subscribe') return response.end(JSON.stringify([{ pubsubname: 'pubsub', topic: 'news', route: '/news' }]));
      if (request.url === '/news') {
        events.push((JSON.parse(bytes.toString()) as { data: unknown }).data);
        return response.end();
      }
      if (request.url === '/echo')
        return response.writeHead(200, { 'x-own': 'yes', 'content-type': 'application/octet-stream' }).end(bytes);
      if (request.url === '/teapot') return response.writeHead(418, { 'x-kind': 'tea' }).end('short and stout');
      if (request.url?.startsWith('/look') === true)
        return response.end(JSON.stringify({ method: request.method, url: request.url, headers: request.headers }));
      return response.writeHead(404).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, port: String((server.address() as { port: number }).port), events };
}

const resources = { 'p.yaml': component('pubsub', 'pubsub.proa'), 's.yaml': component('statestore', 'state.proa') };

beforeAll(async () => {
  machine = createMachine();
  [a, b] = [await neighbour(), await neighbour()];
  first = await startSidecar({ appId: 'a', appPort: a.port, machine, resources, env: { DAPR_API_TOKEN: 'secret-of-a' } });
  second = await startSidecar({ appId: 'b', appPort: b.port, machine, resources });
  await Promise.all([first.ready(), second.ready()]);
});

afterAll(async () => {
  await Promise.all([first?.stop(), second?.stop()]);
  a?.server.close();
  b?.server.close();
  machine.remove();
});

const asA = { 'dapr-api-token': 'secret-of-a' };

describe('two runtimes of one machine', () => {
  it('pass method, path, query, headers and status on, and say who calls', async () => {
    const headers = { ...asA, 'x-mine': '1', connection: 'close', 'dapr-caller-app-id': 'forged', 'dapr-caller-namespace': 'forged' };
    const answer = await first.get('/v1.0/invoke/b/method/look/at?x=1&y=%20', { method: 'PATCH', headers, body: 'x' });
    const seen = (await answer.json()) as { method: string; url: string; headers: Record<string, string> };
    expect(seen).toMatchObject({
      method: 'PATCH',
      url: '/look/at?x=1&y=%20',
      headers: { 'x-mine': '1', 'dapr-caller-app-id': 'a', 'dapr-callee-app-id': 'b' },
    });
    expect(seen.headers['x-forwarded-for']).toBeDefined();
    // The caller's token is nobody else's business (CVE-2024-35223).
    expect(JSON.stringify(seen.headers)).not.toContain('secret-of-a');
    const teapot = await first.get('/v1.0/invoke/b/method/teapot', { headers: asA });
    expect([teapot.status, teapot.headers.get('x-kind'), await teapot.text()]).toEqual([418, 'tea', 'short and stout']);
  });

  it('stream large bodies both ways', async () => {
    const large = Buffer.alloc(10 * 1024 * 1024, 'proa');
    const answer = await second.get('/v1.0/invoke/a/method/echo', { method: 'POST', body: large });
    expect(answer.status).toBe(200);
    expect(Buffer.from(await answer.arrayBuffer()).equals(large)).toBe(true);
  });

  it('refuse calls without the token on every route but health (T7)', async () => {
    for (const path of [
      '/v1.0/metadata',
      '/v1.0/state/statestore/k',
      '/v1.0/invoke/b/method/look',
      '/v1.0//metadata',
      '/v1.0/metadata/?x=/v1.0/healthz',
    ]) {
      const answer = await first.get(path);
      expect([path, answer.status, await answer.text()]).toEqual([path, 401, 'invalid api token']);
    }
    expect((await first.get('/v1.0/healthz')).status).toBe(204);
  });

  it('say so when nobody has that name', async () => {
    const answer = await second.get('/v1.0/invoke/nobody/method/x');
    expect([answer.status, ((await answer.json()) as { errorCode: string }).errorCode]).toEqual([500, 'ERR_DIRECT_INVOKE']);
  });

  it('deliver an event to the groups of both', async () => {
    await second.get('/v1.0/publish/pubsub/news', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"n":1}' });
    await eventually(() => a.events.length > 0 && b.events.length > 0, 'both apps get it');
  });

  it('go on when the one that owns the journal is killed', async () => {
    expect((await second.get('/v1.0/state/statestore', { method: 'POST', body: '[{"key":"kept","value":1}]' })).status).toBe(204);
    first.kill();
    await eventually(
      async () => (await second.get('/v1.0/state/statestore', { method: 'POST', body: '[{"key":"after","value":2}]' })).status === 204,
      'writes go on',
    );
    expect(await (await second.get('/v1.0/state/statestore/kept')).json()).toBe(1);
    first = await startSidecar({ appId: 'a', appPort: a.port, machine, resources });
    await eventually(async () => (await second.get('/v1.0/invoke/a/method/look')).status === 200, 'the app is found again');
  });
});
