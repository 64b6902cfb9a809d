import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fetchBytes } from '../contracts/fetch-bytes.ts';
import { parseEgressAllow } from '../contracts/egress-allow.ts';
import { parseEgressDeny } from '../contracts/egress.ts';
import { nodeClock } from '../ports/node/clock.ts';
import { createNodeNetwork } from '../ports/node/network.ts';
import { createFakeClock } from '../testing/fake-clock.ts';
import { createHttpClient } from './http-client.ts';
import { createOutboundClients, outboundOf } from './outbound-client.ts';

// T14: a fake resolver, real sockets. What is reached is what was checked.
let server: Server;
let port: number;
let hosts: string[];
let closers: (() => Promise<void>)[];

beforeEach(async () => {
  hosts = [];
  closers = [];
  server = createServer((request, response) => {
    hosts.push(String(request.headers.host));
    response.end('reached');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ({ port } = server.address() as AddressInfo);
});
afterEach(async () => {
  for (const close of closers) await close();
  server.closeAllConnections();
  server.close();
});

/** A client whose resolver answers from the list, one answer per question; the last one stays. */
function rig(answers: readonly (readonly string[])[], denied = '', allowed = '') {
  const asked: string[] = [];
  const network = {
    ...createNodeNetwork(),
    resolve: (host: string) => {
      asked.push(host);
      return Promise.resolve(answers[Math.min(asked.length, answers.length) - 1] ?? []);
    },
  };
  const clock = createFakeClock();
  const inner = createHttpClient({ ports: { network, clock: nodeClock } });
  closers.push(() => inner.close());
  const lists = { deny: parseEgressDeny(denied), allow: parseEgressAllow(allowed) };
  const clients = createOutboundClients({ client: inner, network, clock, ...lists });
  const get = (url: string, owner = 'web'): Promise<string> =>
    fetchBytes({ http: clients(owner), clock: nodeClock, url, bytesMax: 100 }).then(
      ({ data }) => Buffer.from(data).toString(),
      (error: { code: string }) => error.code,
    );
  return { get, asked, clock };
}

describe('calls to servers outside', () => {
  it('go to the address that was checked, under the name that was meant, and the name is resolved once', async () => {
    const { get, asked } = rig([['127.0.0.1'], ['169.254.169.254']]);
    const url = `http://names.example:${port}/`;
    expect([await get(url), await get(url)]).toEqual(['reached', 'reached']);
    expect(asked).toEqual(['names.example']);
    expect(hosts).toEqual([`names.example:${port}`, `names.example:${port}`]);
  });

  it('notice when a name moves to an address that is not called', async () => {
    const { get, clock } = rig([['127.0.0.1'], ['169.254.169.254']]);
    const url = `http://names.example:${port}/`;
    expect(await get(url)).toBe('reached');
    clock.advance(10_000);
    expect(await get(url)).toBe('permission-denied');
    expect(hosts).toHaveLength(1);
  });

  it('leave out the addresses of a name that are not called, and take the next when one does not answer', async () => {
    const { get } = rig([['169.254.169.254', '::1', '127.0.0.1']]);
    expect(await get(`http://names.example:${port}/`)).toBe('reached');
  });

  it.each([[['169.254.169.254']], [['fe80::1']], [['::ffff:169.254.169.254', 'fd00:ec2::254']], [['224.0.0.1']], [[]]])(
    'refuse a name that leads to %j',
    async (addresses) => {
      expect(await rig([addresses]).get(`http://names.example:${port}/`)).toBe('permission-denied');
    },
  );

  it('refuse loopback and private addresses when the machine wants it, by name and as they are', async () => {
    const { get } = rig([['127.0.0.1'], ['10.0.0.1'], ['::1']], 'loopback,private');
    for (const host of ['a.example', 'b.example', 'c.example', '127.0.0.1', '[::1]', '0', '2130706433', '10.1.2.3', '[::ffff:127.0.0.1]'])
      expect([host, await get(`http://${host}:${port}/`)]).toEqual([host, 'permission-denied']);
    expect(hosts).toEqual([]);
  });

  it('say that a name does not exist, and ask again the next time', async () => {
    const inner = createHttpClient({ ports: { network: createNodeNetwork(), clock: nodeClock } });
    closers.push(() => inner.close());
    let asked = 0;
    const resolve = (): Promise<string[]> => {
      asked++;
      return asked === 1 ? Promise.reject(new Error('getaddrinfo ENOTFOUND x')) : Promise.resolve(['127.0.0.1']);
    };
    const lists = { deny: new Set<never>(), allow: parseEgressAllow('') };
    const http = createOutboundClients({ client: inner, network: { resolve }, clock: nodeClock, ...lists })('web');
    const options = { http, clock: nodeClock, url: `http://x.example:${port}/`, bytesMax: 10 };
    await expect(fetchBytes(options)).rejects.toMatchObject({ code: 'unavailable', message: expect.stringContaining('"x.example"') });
    expect((await fetchBytes(options)).status).toBe(200);
  });

  it('need words that are known', () => {
    const of = (values: Readonly<Record<string, string>>) => () =>
      outboundOf(
        { network: createNodeNetwork(), clock: nodeClock, process: { env: (name: string) => values[name] } } as never,
        undefined as never,
      );
    expect(of({ PROA_EGRESS_DENY: 'everything' })).toThrow('PROA_EGRESS_DENY: "everything" is neither');
    expect(of({ PROA_EGRESS_ALLOW: 'everything' })).toThrow('PROA_EGRESS_ALLOW: "everything" has no component');
    expect(of({})).not.toThrow();
  });
});

describe('lists of what a component may call', () => {
  it('let a name through that is listed, for this component alone', async () => {
    const { get, asked } = rig([['127.0.0.1']], '', `web=*.example:${port}, api.test; shut=`);
    const url = (host: string): string => `http://${host}:${port}/`;
    expect(await get(url('a.example'))).toBe('reached');
    expect(await get(url('api.test'))).toBe('reached');
    expect(asked).toEqual(['a.example', 'api.test']);
    for (const host of ['example', 'evil.test', 'a.example.evil.test', '127.0.0.1'])
      expect([host, await get(url(host))]).toEqual([host, 'permission-denied']);
    expect([await get(url('a.example'), 'shut'), await get(url('a.example'), 'other')]).toEqual(['permission-denied', 'reached']);
    // What is not called is not asked for either.
    expect(asked).toEqual(['a.example', 'api.test']);
  });

  it('let addresses through that are in a range, whatever their names', async () => {
    const { get } = rig([['10.0.0.1', '127.0.0.1']], '', `*=127.0.0.0/8:${port}`);
    expect(await get(`http://name.example:${port}/`)).toBe('reached');
    expect(await get(`http://127.0.0.1:${port}/`)).toBe('reached');
    expect(await get(`http://127.0.0.1:${port + 1}/`)).toBe('permission-denied');
    expect(await rig([['10.0.0.1']], '', '*=127.0.0.0/8').get('http://name.example/')).toBe('permission-denied');
  });

  it('never let through what is refused always', async () => {
    const { get } = rig([['169.254.169.254']], 'loopback', '*=169.254.0.0/16,127.0.0.1,metadata.example');
    expect(await get('http://metadata.example/')).toBe('permission-denied');
    expect(await get(`http://127.0.0.1:${port}/`)).toBe('permission-denied');
  });
});
