import { createServer, type Server } from 'node:http';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as v from 'valibot';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { HttpClient, HttpClientRequest } from '../../contracts/http-client.ts';
import type { Secret, SecretStore } from '../../contracts/secrets.ts';
import { createHttpClient } from '../../host/http-client.ts';
import { emptyBody } from '../../kernel/body.ts';
import { nodePorts } from '../../ports/node/index.ts';
import { testDriverContext } from '../../testing/driver-context.ts';
import { secretsSuite } from '../../testing/secrets-suite.ts';
import driver from './index.ts';

const ports = nodePorts();
const http = createHttpClient({ ports });
afterAll(() => http.close());
const context = testDriverContext({ clock: ports.clock, network: ports.network, disk: ports.disk, http });
const open = (metadata: Record<string, string>): Promise<SecretStore> => driver.open(v.parse(driver.config, metadata), context);

/** What Vault 1.14 answers of the KV engine, version 2, as far as the driver asks. */
describe('secretstores.hashicorp.vault, a server that answers as Vault does', () => {
  let server: Server;
  let port = 0;
  let token = 'root-canary';
  let asked: string[] = [];
  let sealed = false;
  /** Another node of the cluster that this one names as the active one. */
  let activeAt: string | undefined;
  /** By path below the engine; versions in their order, undefined: deleted. */
  const kept = new Map<string, readonly (object | undefined)[]>();

  const none = { status: 404, body: { errors: [] } };
  const refused = (status: number, ...errors: string[]) => ({ status, body: { errors } });
  const answer = (path: string, query: URLSearchParams): { status: number; body: unknown } => {
    const [area, ...rest] = path.split('/');
    const name = rest.join('/');
    if (area === 'metadata' && query.get('list') === 'true') {
      const folder = name === '' ? '' : `${name.replace(/\/$/, '')}/`;
      const below = [...kept.keys()].filter((key) => key.startsWith(folder)).map((key) => key.slice(folder.length));
      const keys = [...new Set(below.map((key) => key.replace(/\/.*/, '/')))];
      return keys.length === 0 ? none : { status: 200, body: { data: { keys } } };
    }
    const asked = query.get('version') ?? '0';
    if (!/^-?\d+$/.test(asked)) return refused(400, 'error converting input for field "version"');
    const versions = kept.get(name) ?? [];
    const version = Number(asked) > 0 ? Number(asked) : versions.length;
    if (version < 1 || version > versions.length) return none;
    const data = versions[version - 1];
    const metadata = { version, deletion_time: data === undefined ? '2026-01-01T00:00:00Z' : '', destroyed: false };
    return { status: data === undefined ? 404 : 200, body: { data: { data: data ?? null, metadata } } };
  };

  beforeAll(async () => {
    server = createServer((request, response) => {
      const url = new URL(request.url ?? '/', 'http://vault');
      asked.push(`${request.method} ${request.url}`);
      if (activeAt !== undefined) return void response.writeHead(307, { location: `${activeAt}${request.url}` }).end();
      const known = request.headers['x-vault-token'] === token && request.headers['x-vault-request'] === 'true';
      const path = decodeURIComponent(url.pathname.slice('/v1/'.length));
      const engine = /^(secret|own kv)\/(.*)$/s.exec(path);
      // A path is judged before anything else, and without a word.
      if (/[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/u.test(path)) return void response.writeHead(400).end();
      const { status, body } = sealed
        ? refused(503, 'Vault is sealed')
        : !known
          ? refused(403, 'permission denied')
          : path.includes('closed')
            ? refused(403, '1 error occurred:\n\t* permission denied\n\n')
            : engine === null
              ? refused(404, `no handler for route "${path}". route entry not found.`)
              : answer(engine[2] as string, url.searchParams);
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
    sealed = false;
    activeAt = undefined;
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

  it('knows no secret that was deleted, is of a later version, or has a name that Vault does not allow', async () => {
    kept.set('dapr/gone', [{ a: '1' }, undefined]);
    keep({ here: { b: '2' } });
    const store = await vault();
    expect(await store.get('gone', {})).toBeUndefined();
    expect(await store.get('gone', { version_id: '1' })).toEqual({ a: '1' });
    expect(await store.get('here', { version_id: '2' })).toBeUndefined();
    expect(await store.bulkGet({})).toEqual({ here: { b: '2' } });
    for (const name of ['a\nb', 'a\u0000', 'a\u200b', '\ud800']) expect(await store.get(name, {})).toBeUndefined();
    await expect(store.get('here', { version_id: 'first' })).rejects.toMatchObject({ code: 'bad-request' });
  });

  it('does not take an engine that is not mounted for one without secrets', async () => {
    const store = await vault({ enginePath: 'nowhere' });
    const error = { code: 'failed-precondition', message: expect.stringContaining('no handler for route "nowhere/') as string };
    await expect(store.get('x', {})).rejects.toMatchObject(error);
    await expect(store.bulkGet({})).rejects.toMatchObject(error);
  });

  it('is unavailable while Vault is sealed', async () => {
    keep({ k: { k: '1' } });
    const store = await vault();
    sealed = true;
    await expect(store.get('k', {})).rejects.toMatchObject({
      code: 'unavailable',
      message: 'Vault answers with status 503: Vault is sealed',
    });
    await expect(store.bulkGet({})).rejects.toMatchObject({ code: 'unavailable' });
    sealed = false;
    expect(await store.get('k', {})).toEqual({ k: '1' });
  });

  it('asks no more when one of many secrets cannot be read', async () => {
    keep(Object.fromEntries(Array.from({ length: 200 }, (_, at) => [at === 0 ? 'closed' : `s${at}`, { at: String(at) }])));
    const store = await vault();
    const message = 'Vault answers with status 403: 1 error occurred: * permission denied';
    await expect(store.bulkGet({})).rejects.toMatchObject({ code: 'permission-denied', message });
    for (let again = 0; again < 20; again++) await store.get('s1', {});
    expect(asked.filter((path) => !path.endsWith('/s1')).length).toBeLessThan(50);
  });

  it('goes on to the active node when a standby names it, once', async () => {
    const standby = createServer((request, response) =>
      response.writeHead(307, { location: `http://127.0.0.1:${port}${request.url}` }).end(),
    );
    await new Promise<void>((resolve) => standby.listen(0, '127.0.0.1', resolve));
    const at = `http://127.0.0.1:${(standby.address() as AddressInfo).port}`;
    keep({ 'a b': { k: '1' } });
    const store = await vault({ vaultAddr: at });
    expect(await store.get('a b', {})).toEqual({ k: '1' });
    expect(await store.bulkGet({})).toEqual({ 'a b': { k: '1' } });
    activeAt = at;
    await expect(store.get('a b', {})).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('status 307') as string,
    });
    await new Promise((resolve) => standby.close(resolve));
  });

  it('quotes what answers in place of Vault', async () => {
    const other = createServer((_request, response) => response.writeHead(400).end('Client sent an HTTP request to an HTTPS server.\n'));
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const store = await vault({ vaultAddr: `http://127.0.0.1:${(other.address() as AddressInfo).port}` });
    await expect(store.get('k', {})).rejects.toMatchObject({
      code: 'failed-precondition',
      message: 'Vault answers with status 400: Client sent an HTTP request to an HTTPS server.',
    });
    await new Promise((resolve) => other.close(resolve));
  });

  it('does not carry the token from TLS to a node without it', async () => {
    const requests: HttpClientRequest[] = [];
    const recorder: HttpClient = {
      async request(request) {
        requests.push(request);
        return { status: 307, headers: ['Location', 'http://127.0.0.1:1/v1/x'], body: emptyBody };
      },
      close: async () => {},
    };
    const metadata = { vaultAddr: 'https://127.0.0.1:8200', vaultToken: 'canary', tlsServerName: 'vault.internal' };
    const store = await driver.open(v.parse(driver.config, metadata), { ...context, http: recorder });
    await expect(store.get('k', {})).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('without TLS') as string,
    });
    expect(requests.map(({ tls }) => tls)).toEqual([{ serverName: 'vault.internal' }]);
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
