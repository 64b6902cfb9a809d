import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as v from 'valibot';
import { afterAll, describe, expect, it } from 'vitest';
import type { Endpoint } from '../../contracts/resolver.ts';
import { createHttpClient } from '../../host/http-client.ts';
import { nodePorts } from '../../ports/node/index.ts';
import { testDriverContext } from '../../testing/driver-context.ts';
import { resolverSuite } from '../../testing/resolver-suite.ts';
import driver from './index.ts';

const ports = nodePorts();
const http = createHttpClient({ ports });
afterAll(() => http.close());
const open = (metadata: Record<string, string>) =>
  driver.open(v.parse(driver.config, metadata), testDriverContext({ clock: ports.clock, network: ports.network, http }));
const endpoint: Endpoint = { appId: 'a', namespace: 'n', instance: 'one', mesh: { host: '10.0.0.1', port: 50_002 } };

/** A server with what the driver uses, after Nacos' Open API 1.x: instances, beats, lists, logins. */
async function fakeNacos() {
  const instances = new Map<string, { readonly fields: URLSearchParams; beatMs: number }>();
  const requests: string[] = [];
  const plan = { failing: false, token: '' };
  const server = createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    request.on('end', () => {
      const url = new URL(request.url ?? '', 'http://nacos');
      const fields = new URLSearchParams(`${url.search.slice(1)}&${text}`);
      const [path, key] = [
        url.pathname.replace('/nacos/v1/', ''),
        `${fields.get('serviceName')} ${fields.get('ip')}:${fields.get('port')}`,
      ];
      requests.push(`${request.method} ${path} ${[...fields.keys()].toSorted().join(',')}`);
      if (plan.failing) return void response.writeHead(500).end('server is DOWN now');
      if (path === 'auth/login') {
        if (fields.get('password') !== 'right') return void response.writeHead(403).end('unknown user!');
        plan.token = `token-${requests.length}`;
        return void response.end(JSON.stringify({ accessToken: plan.token, tokenTtl: 18_000 }));
      }
      if (plan.token !== '' && fields.get('accessToken') !== plan.token) return void response.writeHead(403).end('token invalid!');
      if (path === 'ns/instance/beat') {
        const beat = JSON.parse(fields.get('beat') ?? '{}') as { ip: string; port: number; serviceName: string };
        const found = instances.get(`${beat.serviceName.split('@@')[1]} ${beat.ip}:${beat.port}`);
        if (found !== undefined) found.beatMs = Date.now();
        return void response.end(JSON.stringify({ code: found === undefined ? 20_404 : 10_200, clientBeatInterval: 5_000 }));
      }
      if (path === 'ns/instance/list')
        return void response.end(JSON.stringify({ cacheMillis: 500, hosts: hosts(fields.get('serviceName')) }));
      if (request.method === 'POST') instances.set(key, { fields, beatMs: Date.now() });
      else instances.delete(key);
      response.end('ok');
    });
  });
  const hosts = (service: string | null) =>
    [...instances.values()]
      .filter(({ fields }) => fields.get('serviceName') === service)
      .map(({ fields, beatMs }) => {
        const metadata = JSON.parse(fields.get('metadata') ?? '{}') as Record<string, string>;
        const healthy = Date.now() - beatMs < Number(metadata['preserved.heart.beat.timeout']);
        return {
          ip: fields.get('ip'),
          port: Number(fields.get('port')),
          weight: Number(fields.get('weight')),
          healthy,
          enabled: true,
          metadata,
        };
      });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    instances,
    requests,
    plan,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

resolverSuite({
  name: 'nacos (a fake server)',
  can: ['announce', 'namespaces', 'facts', 'stale'],
  leaseMs: 8_000,
  rig: async () => {
    const server = await fakeNacos();
    return {
      open: () => open({ url: server.url, ttl: '2s' }),
      pass: (ms) => new Promise((resolve) => void ports.clock.timer(ms, resolve)),
      async fail() {
        server.plan.failing = true;
        return async () => {
          server.plan.failing = false;
        };
      },
      close: async () => server.close(),
    };
  },
});

describe('nacos', () => {
  it('asks in the form of its API, and registers again what the server has forgotten', async () => {
    const server = await fakeNacos();
    const registry = await open({ url: `${server.url}/`, namespaceId: 'team', ttl: '2s' });
    await registry.announce({ ...endpoint, weight: 3 });
    expect(server.requests[0]).toBe('POST ns/instance enabled,ephemeral,groupName,healthy,ip,metadata,namespaceId,port,serviceName,weight');
    expect((await registry.resolve('a', 'n')).endpoints).toMatchObject([{ instance: 'one', weight: 3, mesh: endpoint.mesh }]);
    server.instances.clear();
    await expect.poll(() => server.instances.size).toBe(1);
    await registry.close();
    server.close();
  });

  it('logs in, and again when its token is refused', async () => {
    const server = await fakeNacos();
    const registry = await open({ url: server.url, username: 'u', password: 'right' });
    await registry.announce(endpoint);
    server.plan.token = 'another';
    expect((await registry.resolve('a', 'n')).endpoints).toHaveLength(1);
    expect(server.requests.filter((line) => line.startsWith('POST auth/login'))).toHaveLength(2);
    await registry.close();
    const stranger = await open({ url: server.url, username: 'u', password: 'canary' });
    const failure = String(await stranger.announce(endpoint).catch((error: unknown) => error));
    expect(failure).toContain('refuses the user');
    expect(failure).not.toContain('canary');
    await stranger.close();
    server.close();
  });

  it.each([
    [{ url: 'nacos:8848' }, /neither http nor https/],
    [{ username: 'u' }, /need each other/],
  ])('refuses %j', async (metadata: Record<string, string>, message) => {
    await expect(open(metadata)).rejects.toMatchObject({
      code: 'component.init-failed',
      message: expect.stringMatching(message) as string,
    });
  });
});
