import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as v from 'valibot';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { actorDefaults } from '../../src/blocks/actors/index.ts';
import { encryptedStore } from '../../src/blocks/state/index.ts';
import { checkActorStore } from '../../src/contracts/actor-store.ts';
import type { Component } from '../../src/contracts/component-set.ts';
import type { StateStore } from '../../src/contracts/state.ts';
import etcdDriver from '../../src/drivers/state-etcd/index.ts';
import mongoDriver from '../../src/drivers/state-mongodb/index.ts';
import mysqlDriver from '../../src/drivers/state-mysql/index.ts';
import postgresDriver from '../../src/drivers/state-postgres/index.ts';
import redisDriver from '../../src/drivers/state-redis/index.ts';
import { hasSqlite } from '../../src/drivers/state-sqlite/database.ts';
import sqliteDriver from '../../src/drivers/state-sqlite/index.ts';
import { createHttpClient } from '../../src/host/http-client.ts';
import { nodePorts } from '../../src/ports/node/index.ts';
import { actorStateSuite } from '../../src/testing/actor-state-suite.ts';
import { testDriverContext } from '../../src/testing/driver-context.ts';
import { startEtcd } from '../../src/testing/etcd-server.ts';
import { startMongoReplicaSet } from '../../src/testing/mongo-replica-set.ts';
import { startMysql } from '../../src/testing/mysql-server.ts';
import { findPostgres, startPostgres } from '../../src/testing/postgres-server.ts';
import { startRedis } from '../../src/testing/redis-server.ts';
import { findProgram } from '../../src/testing/server-process.ts';
import { actorsRig, ttlMs } from '../fixtures/actors-rig.ts';

// The state of actors in stores of others, against the real servers: the fence that each activation raises has to hold there.
const ports = nodePorts();
const { random } = ports;
const http = createHttpClient({ ports });
afterAll(() => http.close());

type Driver = { readonly types: readonly string[]; readonly config: unknown; open(config: never, context: never): Promise<StateStore> };

interface Place {
  readonly metadata: Readonly<Record<string, string>>;
  destroy(): unknown;
}

interface Candidate {
  readonly driver: Driver;
  readonly version?: string;
  /** Undefined: why it is skipped stands in the log. */
  readonly start: (() => Promise<Place>) | undefined;
}

const [redis, mariadb, etcd, postgres] = [findProgram('redis-server'), findProgram('mariadbd'), findProgram('etcd'), findPostgres()];

const candidates: readonly Candidate[] = [
  {
    driver: redisDriver as never,
    start:
      redis === undefined
        ? undefined
        : () =>
            startRedis(redis).then((server) => ({ metadata: { redisHost: `127.0.0.1:${server.port}` }, destroy: () => server.destroy() })),
  },
  ...['v1', 'v2'].map((version) => ({
    driver: postgresDriver as never,
    version,
    start:
      postgres === undefined
        ? undefined
        : () =>
            startPostgres(postgres).then((server) => ({
              metadata: { connectionString: server.connectionString },
              destroy: () => server.destroy(),
            })),
  })),
  {
    driver: mysqlDriver as never,
    start:
      mariadb === undefined
        ? undefined
        : () =>
            startMysql(mariadb).then((server) => ({
              metadata: { connectionString: `root:canary@tcp(127.0.0.1:${server.port})/?allowNativePasswords=true` },
              destroy: () => server.destroy(),
            })),
  },
  {
    driver: etcdDriver as never,
    start:
      etcd === undefined
        ? undefined
        : () =>
            startEtcd(etcd).then((server) => ({ metadata: { endpoints: `127.0.0.1:${server.port}` }, destroy: () => server.destroy() })),
  },
  // Only replica sets have transactions; the one of the tests says what it is.
  {
    driver: mongoDriver as never,
    start: () =>
      startMongoReplicaSet().then((server) => ({ metadata: { host: `127.0.0.1:${server.port}` }, destroy: () => server.close() })),
  },
  // Node 20 has no SQLite.
  ...(hasSqlite()
    ? [
        {
          driver: sqliteDriver as never,
          start: () => {
            const folder = mkdtempSync(join(tmpdir(), 'proa-actors-'));
            return Promise.resolve({
              metadata: { connectionString: join(folder, 'state.db') },
              destroy: () => rmSync(folder, { recursive: true, force: true }),
            });
          },
        },
      ]
    : []),
];

for (const { driver, version = 'v1', start } of candidates) {
  const type = driver.types[0] ?? '';
  const name = `${type} ${version}`;
  if (start === undefined) console.log(`skipped: no server for ${name}`);
  describe.runIf(start !== undefined)(name, () => {
    let place: Place;
    let store: StateStore;
    beforeAll(async () => {
      place = await (start as () => Promise<Place>)();
      const config = v.parse(driver.config as v.GenericSchema, place.metadata);
      const context = testDriverContext({ clock: ports.clock, random, network: ports.network, http, version });
      store = await driver.open(config as never, context as never);
    });
    afterAll(async () => {
      await store?.close();
      await place?.destroy();
    });

    const component = (properties: Record<string, string>) =>
      ({ name: 's', type, version, properties, driver: store }) as unknown as Component<'state'>;

    it('may keep actors', () => {
      expect(() => checkActorStore(component({ actorStateStore: 'true' }))).not.toThrow();
    });

    actorStateSuite({ name: 'of actors there', createRig: actorsRig, ttlMs, defaults: actorDefaults, openStore: () => fresh(store) });
    actorStateSuite({
      name: 'of actors there, encrypted',
      createRig: actorsRig,
      ttlMs,
      defaults: actorDefaults,
      openStore: () => fresh(encryptedStore(component({ primaryEncryptionKey: '00112233445566778899aabbccddeeff' }), random)),
    });
  });
}

let spaces = 0;

/** The store with keys that no other test uses. */
function fresh(store: StateStore): StateStore {
  const space = `space${spaces++}/`;
  const { transact } = store;
  if (transact === undefined) throw new Error('the store has no transactions');
  return {
    ...({} as StateStore),
    capabilities: store.capabilities,
    ...(store.transactionOperationsMax === undefined ? {} : { transactionOperationsMax: store.transactionOperationsMax }),
    get: (request) => store.get({ ...request, key: space + request.key }),
    set: (request) => store.set({ ...request, key: space + request.key }),
    transact: (operations, metadata) =>
      transact.call(
        store,
        operations.map((each) => ({ ...each, key: space + each.key })),
        metadata,
      ),
  };
}
