import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as v from 'valibot';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { StateStore } from '../../src/contracts/state.ts';
import etcdDriver from '../../src/drivers/state-etcd/index.ts';
import mongoDriver from '../../src/drivers/state-mongodb/index.ts';
import mysqlDriver from '../../src/drivers/state-mysql/index.ts';
import postgresDriver from '../../src/drivers/state-postgres/index.ts';
import redisDriver from '../../src/drivers/state-redis/index.ts';
import { createHttpClient } from '../../src/host/http-client.ts';
import { nodePorts } from '../../src/ports/node/index.ts';
import { testDriverContext } from '../../src/testing/driver-context.ts';
import { startEtcd } from '../../src/testing/etcd-server.ts';
import { startMongo } from '../../src/testing/mongo-server.ts';
import { startMysql } from '../../src/testing/mysql-server.ts';
import { findPostgres, serverIdentity, startPostgres } from '../../src/testing/postgres-server.ts';
import { startRedis } from '../../src/testing/redis-server.ts';
import { findProgram, freePorts } from '../../src/testing/server-process.ts';

// TLS to the real servers, with certificates of an authority of the test: the right authority is believed, another one is not.
const ports = nodePorts();
const http = createHttpClient({ ports });
const context = testDriverContext({
  clock: ports.clock,
  random: ports.random,
  network: ports.network,
  disk: ports.disk,
  http,
  version: 'v1',
});
const [openssl, redis, mariadb, ferretdb, etcd, postgres] = [
  findProgram('openssl'),
  findProgram('redis-server'),
  findProgram('mariadbd'),
  findProgram('ferretdb'),
  findProgram('etcd'),
  findPostgres(),
];
for (const [name, found] of Object.entries({ openssl, 'redis-server': redis, mariadbd: mariadb, ferretdb, etcd, postgres }))
  if (found === undefined) console.log(`skipped: ${name} not found`);

let folder: string;
const file = (name: string): string => join(folder, name);
const pem = (name: string): string => readFileSync(file(name), 'utf8');

/** `<name>.crt` and `<name>.key` of an authority, and a server's, signed by the first one. */
function makeCertificates(): void {
  const run = (...args: string[]): void => void execFileSync(openssl as string, args, { cwd: folder, stdio: 'ignore' });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  for (const name of ['right', 'wrong'])
    run('req', '-x509', ...key, '-keyout', `${name}.key`, '-out', `${name}.crt`, '-days', '2', '-subj', `/CN=${name} authority`);
  run(
    'req',
    ...key,
    '-keyout',
    'server.key',
    '-out',
    'server.csr',
    '-subj',
    '/CN=localhost',
    '-addext',
    'subjectAltName=DNS:localhost,IP:127.0.0.1',
  );
  run(
    'x509',
    '-req',
    '-in',
    'server.csr',
    '-CA',
    'right.crt',
    '-CAkey',
    'right.key',
    '-CAcreateserial',
    '-out',
    'server.crt',
    '-days',
    '2',
    '-copy_extensions',
    'copy',
  );
  // PostgreSQL runs as another user and asks for a key that is its own.
  chmodSync(folder, 0o755);
  chmodSync(file('server.key'), 0o600);
  const { uid, gid } = serverIdentity();
  if (uid !== undefined) chownSync(file('server.key'), uid, gid ?? uid);
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'proa-tls-'));
  if (openssl !== undefined) makeCertificates();
});
afterAll(async () => {
  await http.close();
  rmSync(folder, { recursive: true, force: true });
});

type Driver = { readonly config: unknown; open(config: never, context: never): Promise<StateStore> };

async function open(driver: unknown, metadata: Record<string, string>): Promise<StateStore> {
  const { config, open: start } = driver as Driver;
  return start(v.parse(config as v.GenericSchema, metadata) as never, context as never);
}

async function works(driver: unknown, metadata: Record<string, string>): Promise<void> {
  const store = await open(driver, metadata);
  await store.set({ key: 'k', data: Buffer.from('secret') });
  expect(Buffer.from((await store.get({ key: 'k' }))?.data ?? []).toString()).toBe('secret');
  await store.close();
}

const untrusted = /certificate|self.signed|unable to verify/i;
const refused = (driver: unknown, metadata: Record<string, string>): Promise<void> =>
  expect(open(driver, metadata)).rejects.toMatchObject({ code: 'component.init-failed', message: expect.stringMatching(untrusted) });

describe.runIf(openssl !== undefined && redis !== undefined)('Redis', () => {
  it('is believed when told to, and not by an authority that nobody knows', async () => {
    const [port] = await freePorts(1);
    const tls = ['--tls-port', String(port), '--tls-cert-file', file('server.crt'), '--tls-key-file', file('server.key')];
    const server = await startRedis(redis as string, [...tls, '--tls-ca-cert-file', file('right.crt'), '--tls-auth-clients', 'no']);
    try {
      const place = { redisHost: `127.0.0.1:${port}`, enableTLS: 'true' };
      await works(redisDriver, { ...place, insecureSkipTLSVerify: 'true' });
      await refused(redisDriver, place);
    } finally {
      await server.destroy();
    }
  });
});

describe.runIf(openssl !== undefined && postgres !== undefined)('PostgreSQL', () => {
  it('is believed by its authority and its name, encrypted without either, and refused with another authority', async () => {
    const [port = 0] = await freePorts(1);
    const settings = ['ssl=on', `ssl_cert_file=${file('server.crt')}`, `ssl_key_file=${file('server.key')}`];
    const server = await startPostgres(postgres as string, { tcp: { port, settings } });
    try {
      const place = (host: string, more: string) => ({ connectionString: `host=${host} port=${port} user=proa dbname=postgres ${more}` });
      await works(postgresDriver, place('localhost', `sslmode=verify-full sslrootcert=${file('right.crt')}`));
      await works(postgresDriver, place('127.0.0.1', 'sslmode=require'));
      for (const mode of ['verify-ca', 'verify-full'])
        await refused(postgresDriver, place('localhost', `sslmode=${mode} sslrootcert=${file('wrong.crt')}`));
      await refused(postgresDriver, place('localhost', 'sslmode=verify-full'));
    } finally {
      await server.destroy();
    }
  });
});

describe.runIf(openssl !== undefined && mariadb !== undefined)('MariaDB', () => {
  it('is believed by its authority, unverified when told to, and refused with another authority', async () => {
    const tls = [`--ssl-cert=${file('server.crt')}`, `--ssl-key=${file('server.key')}`, `--ssl-ca=${file('right.crt')}`];
    const server = await startMysql(mariadb as string, tls);
    try {
      const place = (mode: string) => ({
        connectionString: `root:canary@tcp(localhost:${server.port})/?allowNativePasswords=true&tls=${mode}`,
      });
      await works(mysqlDriver, { ...place('custom'), pemPath: file('right.crt') });
      await works(mysqlDriver, place('skip-verify'));
      await refused(mysqlDriver, { ...place('custom'), pemPath: file('wrong.crt') });
      await refused(mysqlDriver, place('true'));
    } finally {
      await server.destroy();
    }
  });
});

describe.runIf(openssl !== undefined && ferretdb !== undefined)('FerretDB', () => {
  it('is believed by its authority, unverified when told to, and refused with another authority', async () => {
    const [port = 0] = await freePorts(1);
    const tls = [
      `--listen-tls=127.0.0.1:${port}`,
      `--listen-tls-cert-file=${file('server.crt')}`,
      `--listen-tls-key-file=${file('server.key')}`,
    ];
    const server = await startMongo(ferretdb as string, tls);
    try {
      const place = (params: string) => ({ host: `localhost:${port}`, params: `?tls=true${params}`, operationTimeout: '2s' });
      await works(mongoDriver, place(`&tlsCAFile=${file('right.crt')}`));
      await works(mongoDriver, place('&tlsInsecure=true'));
      await refused(mongoDriver, place(`&tlsCAFile=${file('wrong.crt')}`));
      await refused(mongoDriver, place(''));
    } finally {
      await server.destroy();
    }
  });
});

describe.runIf(openssl !== undefined && etcd !== undefined)('etcd', () => {
  it('is believed by its authority, and refused with another one or none', async () => {
    const [port = 0] = await freePorts(1);
    const server = await startEtcd(etcd as string, { port, certFile: file('server.crt'), keyFile: file('server.key') });
    try {
      const place = { endpoints: `127.0.0.1:${port}`, tlsEnable: 'true' };
      await works(etcdDriver, { ...place, ca: pem('right.crt') });
      await refused(etcdDriver, { ...place, ca: pem('wrong.crt') });
      await refused(etcdDriver, place);
    } finally {
      await server.destroy();
    }
  });
});
