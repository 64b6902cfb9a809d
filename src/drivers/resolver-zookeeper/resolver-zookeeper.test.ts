import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Endpoint } from '../../contracts/resolver.ts';
import type { Connection, Network } from '../../kernel/ports.ts';
import { nodePorts } from '../../ports/node/index.ts';
import { recordingLogger, testDriverContext } from '../../testing/driver-context.ts';
import { resolverSuite } from '../../testing/resolver-suite.ts';
import { findProgram, startProgram, type ServerProcess } from '../../testing/server-process.ts';
import driver from './index.ts';
import { frameSplitter, juteReader, juteWriter } from './jute.ts';

const java = findProgram('java');
const jars = '/usr/share/java';
const needed = [
  'zookeeper',
  'zookeeper-jute',
  'slf4j-api',
  'slf4j-nop',
  'slf4j-simple',
  'netty-all',
  'snappy-java',
  'metrics-core',
  'jackson-core',
  'jackson-databind',
  'jackson-annotations',
  'commons-cli',
];
const installed = java !== undefined && existsSync(join(jars, 'zookeeper.jar'));
if (!installed) console.log('skipped: zookeeper not found');

function classPath(): string {
  const files = readdirSync(jars);
  const single = needed.map((name) => `${name}.jar`).filter((name) => files.includes(name));
  const netty = files.filter((name) => /^netty-[a-z0-9-]+\.jar$/.test(name) && name !== 'netty-all.jar');
  return [...single, ...netty].map((name) => join(jars, name)).join(':');
}

/** Commands of four letters are off but for `srvr`, which says that it serves. */
async function serves(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = nodePorts().network.connect({ host: '127.0.0.1', port });
    let text = '';
    connection.handlers = {
      open: () => connection.write('srvr'),
      data: (chunk) => (text += Buffer.from(chunk).toString()),
      end: () => connection.destroy(),
      drain() {},
      close: () => resolve(text.includes('Mode:')),
    };
  });
}

const ports = nodePorts();
const lines: string[] = [];
const open = (metadata: Record<string, string>, network: Network = ports.network) =>
  driver.open(v.parse(driver.config, metadata), testDriverContext({ clock: ports.clock, network, log: recordingLogger(lines) }));
const wait = (ms: number) => new Promise<void>((resolve) => void ports.clock.timer(ms, resolve));
const endpoint: Endpoint = { appId: 'a', namespace: 'n', instance: 'one', mesh: { host: '10.0.0.1', port: 1 } };

describe.runIf(installed)('ZooKeeper, the real server', () => {
  let server: ServerProcess;
  let roots = 0;
  const servers = () => `127.0.0.1:${server.port}`;
  beforeAll(async () => {
    server = await startProgram({
      command: java as string,
      args({ directory, port }) {
        const file = join(directory, 'zoo.cfg');
        writeFileSync(
          file,
          [
            'tickTime=200',
            'maxSessionTimeout=60000',
            `dataDir=${directory}/data`,
            `clientPort=${port}`,
            'clientPortAddress=127.0.0.1',
            'admin.enableServer=false',
          ].join('\n'),
        );
        return ['-Xmx128m', '-Dzookeeper.forceSync=no', '-cp', classPath(), 'org.apache.zookeeper.server.quorum.QuorumPeerMain', file];
      },
      ready: serves,
    });
  });
  afterAll(() => server.destroy());

  resolverSuite({
    name: 'zookeeper',
    can: ['announce', 'namespaces', 'facts', 'list', 'stale'],
    leaseMs: 14_000,
    rig: async () => {
      const path = `/suite-${roots++}`;
      const connections = new Map<object, Connection[]>();
      return {
        async open() {
          // Its connections can be cut, so that a registry dies as a process does: without a farewell.
          const own: Connection[] = [];
          const network: Network = {
            ...ports.network,
            connect(address) {
              const connection = ports.network.connect(address);
              own.push(connection);
              return connection;
            },
          };
          const registry = await open({ servers: servers(), path, ttl: '8s' }, network);
          connections.set(registry, own);
          return registry;
        },
        pass: wait,
        async kill(registry) {
          for (const connection of connections.get(registry) ?? []) connection.write = () => true;
          await registry.close();
        },
        async fail() {
          await server.stop();
          return () => server.start();
        },
        close: async () => {},
      };
    },
  });

  it('keeps its nodes when the connection breaks: the session goes on', async () => {
    const made: Connection[] = [];
    const network: Network = {
      ...ports.network,
      connect(address) {
        const connection = ports.network.connect(address);
        made.push(connection);
        return connection;
      },
    };
    const [here, there] = [
      // Longer than a busy machine stands still.
      await open({ servers: servers(), path: '/broken', ttl: '30s' }, network),
      await open({ servers: servers(), path: '/broken' }),
    ];
    await here.announce(endpoint);
    made[0]?.destroy();
    await expect.poll(() => made.length).toBe(2);
    for (let i = 0; i < 10; i++) {
      expect(await there.list()).toHaveLength(1);
      await wait(500);
    }
    await here.close();
    await there.close();
  });

  it('withdraws everything at once when it is closed, and takes names that would be paths', async () => {
    const [here, there] = [
      await open({ servers: `127.0.0.1:1,${servers()}`, path: '/odd' }),
      await open({ servers: servers(), path: '/odd' }),
    ];
    await here.announce({ ...endpoint, appId: '..', namespace: 'n/m' });
    expect((await there.resolve('..', 'n/m')).endpoints).toHaveLength(1);
    await here.close();
    await expect.poll(() => there.list()).toEqual([]);
    await there.close();
  });

  it('makes nodes for its user alone', async () => {
    const [own, other] = [
      await open({ servers: servers(), path: '/private', digest: 'proa:secret' }),
      await open({ servers: servers(), path: '/private' }),
    ];
    await own.announce(endpoint);
    expect((await own.resolve('a', 'n')).endpoints).toHaveLength(1);
    await expect(other.resolve('a', 'n')).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('-102') as string,
    });
    await own.close();
    await other.close();
  });
});

describe('ZooKeeper, its configuration and its bytes', () => {
  it('refuses what cannot be', async () => {
    await expect(open({ servers: 'a:b' })).rejects.toMatchObject({ code: 'component.init-failed' });
    for (const bad of [{ path: 'x' }, { path: '/' }, { path: '/a/../b' }, { digest: 'user' }, { ttl: '1s' }, { server: 'x' }])
      expect(v.safeParse(driver.config, bad).success).toBe(false);
  });

  it('ends a connection whose peer is no ZooKeeper', async () => {
    const listener = await ports.network.listen({ host: '127.0.0.1', port: 0 }, (connection) => {
      connection.handlers = { data: () => connection.write('HTTP/1.1 400 Bad Request\r\n\r\n'), end() {}, drain() {}, close() {} };
    });
    const address = listener.address as { port: number };
    const registry = await open({ servers: `127.0.0.1:${address.port}` });
    await expect.poll(() => lines.some((line) => line.includes('a frame of'))).toBe(true);
    await registry.close();
    await listener.close();
  });

  it('reads what it writes, cut anywhere, and nothing that lies', () => {
    const frame = juteWriter().int(-2).long(-9n).flag(true).buffer(Uint8Array.of(1, 2)).text('ü').int(2).text('a').text('b').frame();
    const seen: Uint8Array[] = [];
    const split = frameSplitter((bytes) => seen.push(Uint8Array.from(bytes)));
    for (const byte of frame) split(Uint8Array.of(byte));
    split(Buffer.concat([frame, frame]));
    expect(seen).toHaveLength(3);
    const reader = juteReader(seen[0] as Uint8Array);
    expect([reader.int(), reader.long()]).toEqual([-2, -9n]);
    expect(reader.left).toBe((seen[0] as Uint8Array).length - 12);
    const cut = juteReader(Uint8Array.of(0, 0, 0, 9, 1));
    expect(() => cut.buffer()).toThrow(RangeError);
    expect(() => juteReader(Uint8Array.of(0x7f, 0xff, 0xff, 0xff)).texts()).toThrow('longer than its frame');
    expect(() => frameSplitter(() => {})(Uint8Array.of(0xff, 0, 0, 0))).toThrow('a frame of');
  });
});
