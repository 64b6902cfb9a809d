import { createServer, type Server } from 'node:http';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as v from 'valibot';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Secret, SecretStore } from '../../contracts/secrets.ts';
import { createHttpClient } from '../../host/http-client.ts';
import { nodePorts } from '../../ports/node/index.ts';
import { testDriverContext } from '../../testing/driver-context.ts';
import { secretsSuite } from '../../testing/secrets-suite.ts';
import driver from './index.ts';

const ports = nodePorts();
const http = createHttpClient({ ports });
afterAll(() => http.close());
const context = testDriverContext({ clock: ports.clock, network: ports.network, disk: ports.disk, http });
const open = (metadata: Record<string, string>): Promise<SecretStore> => driver.open(v.parse(driver.config, metadata), context);

/** What Vault's documentation says of the KV engine, version 2, as far as the driver asks: no Vault can be installed from Debian. */
describe('secretstores.hashicorp.vault, a server that answers as Vault does', () => {
  let server: Server;
  let port = 0;
  let token = 'root-canary';
  let asked: string[] = [];
  /** By path below the engine; versions in their order. */
  const kept = new Map<string, readonly object[]>();

  const answer = (path: string, query: URLSearchParams): { status: number; body: unknown } => {
    const [area, ...rest] = path.split('/');
    const name = rest.join('/');
    if (area === 'metadata' && query.get('list') === 'true') {
      const folder = name === '' ? '' : `${name.replace(/\/$/, '')}/`;
      const below = [...kept.keys()].filter((key) => key.startsWith(folder)).map((key) => key.slice(folder.length));
      const keys = [...new Set(below.map((key) => key.replace(/\/.*/, '/')))];
      return keys.length === 0 ? { status: 404, body: { errors: [] } } : { status: 200, body: { data: { keys } } };
    }
    const versions = kept.get(name);
    const data = versions?.[Number(query.get('version') ?? versions.length) - 1];
    return data === undefined ? { status: 404, body: { errors: [] } } : { status: 200, body: { data: { data, metadata: {} } } };
  };

  beforeAll(async () => {
    server = createServer((request, response) => {
      const url = new URL(request.url ?? '/', 'http://vault');
      asked.push(`${request.method} ${request.url}`);
      const known = request.headers['x-vault-token'] === token && request.headers['x-vault-request'] === 'true';
      const engine = /^\/v1\/(secret|own%20kv)\/(.*)$/.exec(url.pathname);
      const { status, body } = !known
        ? { status: 403, body: { errors: ['permission denied'] } }
        : engine === null
          ? { status: 404, body: { errors: ['no handler'] } }
          : answer(decodeURIComponent(engine[2] as string), url.searchParams);
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    port = typeof address === 'object' && address !== null ? address.port : 0;
  });
  afterAll(() => new Promise((resolve) => server.close(resolve)));
  beforeEach(() => {
    token = 'root-canary';
    kept.clear();
    asked = [];
  });

  const vault = (metadata: Record<string, string> = {}) =>
    open({ vaultAddr: `http://127.0.0.1:${port}`, ...('vaultTokenMountPath' in metadata ? {} : { vaultToken: token }), ...metadata });
  const keep = (secrets: Readonly<Record<string, Secret>>): void => {
    for (const [name, secret] of Object.entries(secrets)) kept.set(`dapr/${name}`, [secret]);
  };

  secretsSuite({
    name: 'secretstores.hashicorp.vault',
    async open(secrets) {
      keep(Object.fromEntries(Object.entries(secrets).map(([name, value]) => [name, { [name]: value }])));
      return vault();
    },
    async openMultiple(secrets) {
      keep(secrets);
      return vault();
    },
  });

  it('finds secrets in folders, in other places, and older versions', async () => {
    keep({ 'db/prod': { user: 'u' }, 'db/test/x': { user: 't' }, top: { n: '1' } });
    kept.set('own', [{ a: 'old' }, { a: 'new', port: 5432 } as object]);
    const store = await vault();
    expect(await store.get('db/prod', {})).toEqual({ user: 'u' });
    expect(Object.keys(await store.bulkGet({})).toSorted()).toEqual(['db/prod', 'db/test/x', 'top']);
    const bare = await vault({ vaultKVUsePrefix: 'false', enginePath: 'own kv' });
    expect(await bare.get('own', {})).toEqual({ a: 'new', port: '5432' });
    expect(await bare.get('own', { version_id: '1' })).toEqual({ a: 'old' });
    expect(asked.at(-1)).toBe('GET /v1/own%20kv/data/own?version=1');
    for (const name of ['../dapr/top', 'a/../top', 'a//b', './top', '/top']) expect(await store.get(name, {})).toBeUndefined();
    const text = await vault({ vaultValueType: 'text' });
    expect(await text.get('top', {})).toEqual({ top: '{"n":"1"}' });
    expect(text.capabilities).toEqual([]);
  });

  it('says what Vault says, without the token', async () => {
    const store = await vault({ vaultToken: 'wrong-canary' });
    const error = await store.get('x', {}).catch((thrown: unknown) => thrown as Error);
    expect(error).toMatchObject({ code: 'permission-denied', message: expect.stringContaining('permission denied') });
    expect((error as Error).message).not.toContain('canary');
    const nobody = await open({ vaultAddr: 'http://127.0.0.1:1', vaultToken: 't' });
    await expect(nobody.get('x', {})).rejects.toMatchObject({ code: 'unavailable' });
  });

  describe('with a token in a file', () => {
    let folder: string;
    beforeEach(() => {
      folder = mkdtempSync(join(tmpdir(), 'proa-vault-'));
    });
    afterEach(() => rmSync(folder, { recursive: true }));

    it('reads it again when it is not valid any more', async () => {
      const file = join(folder, 'token');
      writeFileSync(file, `${token}\n`);
      keep({ k: { k: '1' } });
      const store = await vault({ vaultTokenMountPath: file });
      expect(await store.get('k', {})).toEqual({ k: '1' });
      token = 'renewed';
      await expect(store.get('k', {})).rejects.toMatchObject({ code: 'permission-denied' });
      writeFileSync(file, token);
      expect(await store.get('k', {})).toEqual({ k: '1' });
    });
  });

  it.each([
    [{}, /one of `vaultToken` and/],
    [{ vaultToken: 'a', vaultTokenMountPath: '/b' }, /not both/],
    [{ vaultTokenMountPath: '/no/such/file' }, /ENOENT/],
    [{ vaultToken: 'a', caCert: '/no/such/file' }, /ENOENT/],
  ])('refuses %j', async (metadata: Record<string, string>, message) => {
    await expect(open(metadata)).rejects.toMatchObject({
      code: 'component.init-failed',
      message: expect.stringMatching(message) as string,
    });
  });
});
