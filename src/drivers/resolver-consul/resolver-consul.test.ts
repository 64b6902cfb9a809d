import { createServer, type IncomingMessage } from 'node:http';
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

interface Service {
  readonly ID: string;
  readonly Name: string;
  readonly Address: string;
  readonly Port: number;
  readonly Meta?: Readonly<Record<string, string>>;
  readonly Weights?: { readonly Passing: number };
  readonly Check?: { readonly CheckID: string; readonly TTL: string };
}

/** An agent with what the driver uses, after Consul's API documentation: registration, TTL checks, blocking health queries. */
async function fakeAgent() {
  const services = new Map<string, { readonly service: Service; renewedMs: number }>();
  const requests: { readonly line: string; readonly token: string | undefined }[] = [];
  const plan = { failing: false };
  let index = 1;
  let waiting: (() => void)[] = [];
  const changed = (): void => {
    index++;
    for (const wake of waiting.splice(0)) wake();
  };
  const critical = ({ service, renewedMs }: { service: Service; renewedMs: number }) =>
    service.Check !== undefined && Date.now() - renewedMs > Number.parseInt(service.Check.TTL, 10);
  const sweep = setInterval(changed, 200);
  const server = createServer((request, response) => {
    void (async () => {
      const url = new URL(request.url ?? '', 'http://agent');
      requests.push({ line: `${request.method} ${request.url}`, token: request.headers['x-consul-token'] as string | undefined });
      if (plan.failing) return response.writeHead(500).end('No cluster leader');
      const [kind, action, ...rest] = url.pathname.slice('/v1/'.length).split('/').map(decodeURIComponent);
      const body = await textOf(request);
      if (kind === 'agent' && action === 'service' && rest[0] === 'register') {
        const service = JSON.parse(body) as Service;
        services.set(service.ID, { service, renewedMs: Date.now() });
        changed();
        return response.end();
      }
      if (kind === 'agent' && action === 'service') {
        services.delete(rest[1] ?? '');
        changed();
        return response.end();
      }
      if (kind === 'agent' && action === 'check') {
        const found = [...services.values()].find(({ service }) => service.Check?.CheckID === rest[1]);
        if (found === undefined) return response.writeHead(404).end('Unknown check');
        found.renewedMs = Date.now();
        return response.end();
      }
      if (url.searchParams.get('index') === String(index)) await new Promise<void>((wake) => waiting.push(wake));
      const own = [...services.values()].filter(({ service }) => service.Name === action || service.Name === rest[0]);
      response.setHeader('x-consul-index', String(index));
      return response.end(
        JSON.stringify(
          own.map((entry) => ({
            Node: { Address: '192.0.2.1' },
            Service: entry.service,
            Checks: [{ Status: critical(entry) ? 'critical' : 'passing' }],
          })),
        ),
      );
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    services,
    requests,
    plan,
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    close() {
      clearInterval(sweep);
      waiting = [];
      server.close();
      server.closeAllConnections();
    },
  };
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  return text;
}

resolverSuite({
  name: 'consul (a fake agent)',
  can: ['announce', 'namespaces', 'facts', 'stale'],
  leaseMs: 8_000,
  rig: async () => {
    const agent = await fakeAgent();
    return {
      open: () => open({ client: JSON.stringify({ address: agent.address }), selfRegister: 'true', ttl: '2s' }),
      pass: (ms) => new Promise((resolve) => void ports.clock.timer(ms, resolve)),
      async fail() {
        agent.plan.failing = true;
        return async () => {
          agent.plan.failing = false;
        };
      },
      close: async () => agent.close(),
    };
  },
});

describe('consul', () => {
  it('registers as Dapr does, with facts in the meta, and only when told to', async () => {
    const agent = await fakeAgent();
    const client = JSON.stringify({ address: agent.address, datacenter: 'west', token: 'secret' });
    const registry = await open({ client, selfRegister: 'true', tags: '["blue"]', meta: '{"team":"x"}', daprPortMetaKey: 'PEER' });
    const leave = await registry.announce({ ...endpoint, weight: 5 });
    expect(agent.requests).toEqual([{ line: 'PUT /v1/agent/service/register?dc=west', token: 'secret' }]);
    expect(agent.services.get('one')?.service).toMatchObject({
      Name: 'a',
      Address: '10.0.0.1',
      Port: 50_002,
      Tags: ['blue'],
      Meta: { team: 'x', PEER: '50002', 'proa-namespace': 'n' },
      Weights: { Passing: 5 },
    });
    await leave();
    expect(agent.services.size).toBe(0);
    await registry.close();
    const silent = await open({ client: JSON.stringify({ address: agent.address }) });
    await (
      await silent.announce(endpoint)
    )();
    expect(agent.services.size).toBe(0);
    await silent.close();
    agent.close();
  });

  it('finds what Dapr registered, and leaves out what has no port for peers', async () => {
    const agent = await fakeAgent();
    const put = (service: Service) => agent.services.set(service.ID, { service, renewedMs: Date.now() });
    put({ ID: 'dapr', Name: 'a', Address: '10.0.0.9', Port: 80, Meta: { DAPR_PORT: '50002' } });
    put({ ID: 'no-address', Name: 'a', Address: '', Port: 80, Meta: { DAPR_PORT: '50003' } });
    put({ ID: 'plain', Name: 'a', Address: '10.0.0.8', Port: 80 });
    put({ ID: 'strange', Name: 'a', Address: '10.0.0.7', Port: 80, Meta: { DAPR_PORT: 'http' } });
    const registry = await open({ client: JSON.stringify({ address: agent.address }) });
    expect((await registry.resolve('a', 'any')).endpoints).toEqual([
      { appId: 'a', namespace: 'any', instance: 'dapr', mesh: { host: '10.0.0.9', port: 50_002 } },
      { appId: 'a', namespace: 'any', instance: 'no-address', mesh: { host: '192.0.2.1', port: 50_003 } },
    ]);
    await registry.close();
    agent.close();
  });

  it('registers again when the agent has forgotten', async () => {
    const agent = await fakeAgent();
    const registry = await open({ client: JSON.stringify({ address: agent.address }), selfRegister: 'true', ttl: '2s' });
    await registry.announce(endpoint);
    agent.services.clear();
    await expect.poll(() => agent.services.size).toBe(1);
    await registry.close();
    agent.close();
  });

  it.each([
    [{ client: '{"address":1}' }],
    [{ client: '{"adress":"x"}' }],
    [{ client: 'no json' }],
    [{ tags: '{}' }],
    [{ meta: '[]' }],
    [{ ttl: '1ms' }],
    [{ checks: '[]' }],
  ])('refuses %j', (metadata: Record<string, string>) => {
    expect(v.safeParse(driver.config, metadata).success).toBe(false);
  });

  it('watches an app as long as there is one of the name', async () => {
    const agent = await fakeAgent();
    const registry = await open({ client: JSON.stringify({ address: agent.address }), ttl: '2s' });
    const add = (name: string): void => {
      const service = { ID: name, Name: name, Address: '10.0.0.1', Port: 50_002, Meta: { DAPR_PORT: '50002' } };
      agent.services.set(name, { service, renewedMs: Date.now() });
    };
    const asked = (name: string): number => agent.requests.filter(({ line }) => line.includes(`/service/${name}?index=`)).length;
    const known = async (name: string): Promise<number> => (await registry.resolve(name, '')).endpoints.length;
    for (const name of ['stays', 'goes']) add(name);
    expect([await known('stays'), await known('goes')]).toEqual([1, 1]);
    await expect.poll(() => Math.min(asked('stays'), asked('goes'))).toBeGreaterThan(2);
    agent.services.delete('goes');
    await expect.poll(() => known('goes')).toBe(0);
    // The agent says that something changed, again and again; whoever watched would ask as often as for the other.
    await expect
      .poll(async () => {
        const [before, from] = [asked('goes'), asked('stays')];
        await expect.poll(() => asked('stays')).toBeGreaterThan(from + 4);
        return asked('goes') - before;
      })
      .toBe(0);
    add('goes');
    await expect.poll(() => known('goes')).toBe(1);
    const again = asked('goes');
    await expect.poll(() => asked('goes')).toBeGreaterThan(again + 2);
    await registry.close();
    agent.close();
  });

  it('refuses an address that is none', async () => {
    await expect(open({ client: '{"address":"a b"}' })).rejects.toMatchObject({ code: 'component.init-failed' });
  });
});
