import { createServer, type Server } from 'node:http';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import * as v from 'valibot';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { HttpClient, HttpClientRequest } from '../../contracts/http-client.ts';
import type { SecretStore } from '../../contracts/secrets.ts';
import { createHttpClient } from '../../host/http-client.ts';
import { bytesBody } from '../../kernel/body.ts';
import { nodePorts } from '../../ports/node/index.ts';
import { testDriverContext } from '../../testing/driver-context.ts';
import { createMemoryDisk } from '../../testing/memory-disk.ts';
import { secretsSuite } from '../../testing/secrets-suite.ts';
import driver from './index.ts';

const ports = nodePorts();
const http = createHttpClient({ ports });
afterAll(() => http.close());

/** What kube-apiserver 1.34 answers of secrets, as far as the driver asks. */
describe('secretstores.kubernetes, a server that answers as a cluster does', () => {
  let server: Server;
  let folder: string;
  let kubeconfigPath: string;
  let url: string;
  const token = 'cluster-canary';
  const namespaces = new Map<string, Map<string, Readonly<Record<string, string | Buffer>>>>();
  /** So many lists are forgotten after their first page. */
  let forgets = 0;
  /** `kubectl proxy`, which knows its callers itself. */
  let proxied = false;
  let asked: string[] = [];

  const failure = (code: number, reason: string, message: string, details: object = {}) => ({
    status: code,
    body: { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason, details, code },
  });
  const encode = (name: string, secret: Readonly<Record<string, string | Buffer>>) => ({
    metadata: { name },
    data: Object.fromEntries(Object.entries(secret).map(([key, value]) => [key, Buffer.from(value).toString('base64')])),
  });
  const answer = (path: string, query: URLSearchParams): { status: number; body: unknown } => {
    const [found, namespace = '', name] = /^\/api\/v1\/namespaces\/([^/]+)\/secrets(?:\/([^/]+))?$/.exec(path) ?? [];
    if (found === undefined) return { status: 404, body: '404 page not found\n' };
    if (namespace === 'closed') return failure(403, 'Forbidden', 'secrets is forbidden: User "u" cannot list resource "secrets"');
    const secrets = namespaces.get(namespace) ?? new Map<string, never>();
    if (name !== undefined) {
      const secret = secrets.get(name);
      if (secret === undefined) return failure(404, 'NotFound', `secrets "${name}" not found`, { name, kind: 'secrets' });
      return { status: 200, body: { kind: 'Secret', apiVersion: 'v1', ...encode(name, secret), type: 'Opaque' } };
    }
    const at = Number(query.get('continue') ?? 0);
    if (at > 0 && forgets > 0) {
      forgets--;
      return failure(410, 'Expired', 'The provided continue parameter is too old to display a consistent list result.');
    }
    const end = at + Number(query.get('limit'));
    const items = [...secrets].slice(at, end).map(([key, secret]) => encode(key, secret));
    return { status: 200, body: { kind: 'SecretList', items, metadata: end < secrets.size ? { continue: String(end) } : {} } };
  };

  beforeAll(async () => {
    server = createServer((request, response) => {
      const url = new URL(request.url ?? '/', 'http://cluster');
      asked.push(url.pathname + url.search);
      const known = proxied || request.headers.authorization === `Bearer ${token}`;
      const { status, body } = known ? answer(url.pathname, url.searchParams) : failure(401, 'Unauthorized', 'Unauthorized');
      const text = typeof body === 'string' ? body : JSON.stringify(body);
      response.writeHead(status, { 'content-type': typeof body === 'string' ? 'text/plain' : 'application/json' }).end(text);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    url = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
    folder = mkdtempSync(join(tmpdir(), 'proa-kube-'));
    kubeconfigPath = join(folder, 'config');
  });
  afterAll(async () => {
    rmSync(folder, { recursive: true });
    await new Promise((resolve) => server.close(resolve));
  });
  beforeEach(() => {
    namespaces.clear();
    [forgets, proxied, asked] = [0, false, []];
    writeConfig({ token });
  });

  const writeConfig = (user: object, more: object = {}): void =>
    writeFileSync(
      kubeconfigPath,
      JSON.stringify({
        'current-context': 'here',
        contexts: [{ name: 'here', context: { cluster: 'c', user: 'u', namespace: 'team' } }],
        clusters: [{ name: 'c', cluster: { server: url } }],
        users: [{ name: 'u', user }],
        ...more,
      }),
    );
  const context = testDriverContext({ clock: ports.clock, disk: ports.disk, network: ports.network, http });
  const open = (metadata: Record<string, string> = {}): Promise<SecretStore> =>
    driver.open(v.parse(driver.config, { kubeconfigPath, ...metadata }), context);

  secretsSuite({
    name: 'secretstores.kubernetes',
    async open(secrets) {
      namespaces.set('team', new Map(Object.entries(secrets).map(([name, value]) => [name, { [name]: value }])));
      return open();
    },
    async openMultiple(secrets) {
      namespaces.set('team', new Map(Object.entries(secrets)));
      return open();
    },
  });

  it('looks into the namespace that the request, the component or the context names', async () => {
    for (const name of ['team', 'other', 'third']) namespaces.set(name, new Map([['s', { from: name }]]));
    const [store, other] = [await open(), await open({ defaultNamespace: 'other' })];
    expect(await store.get('s', {})).toEqual({ from: 'team' });
    expect(await other.get('s', {})).toEqual({ from: 'other' });
    expect(await other.get('s', { namespace: 'third' })).toEqual({ from: 'third' });
    await expect(store.get('s', { namespace: '../x' })).rejects.toMatchObject({ code: 'bad-request' });
  });

  it('loses no byte: what is no text comes as base64, and all of it when that is asked for', async () => {
    const bytes = Buffer.from([0xfe, 0xed, 0x00, 0xff]);
    const text = '\u{feff}gr\u00fc\u00df \u0000\n';
    namespaces.set('team', new Map([['s', { bytes, text, empty: '' }]]));
    const [store, asBase64] = [await open(), { encoding: 'base64' }];
    expect(await store.get('s', {})).toEqual({ bytes: '/u0A/w==', text, empty: '' });
    const encoded = { bytes: '/u0A/w==', text: Buffer.from(text).toString('base64'), empty: '' };
    expect(await store.get('s', asBase64)).toEqual(encoded);
    expect(await store.bulkGet(asBase64)).toEqual({ s: encoded });
    for (const ask of [store.get('s', { encoding: 'hex' }), store.bulkGet({ encoding: 'hex' })])
      await expect(ask).rejects.toMatchObject({ code: 'bad-request', message: expect.stringContaining('encoding') as string });
  });

  // What `kubectl config view` makes of the same files, 1.32.
  it('merges the files that KUBECONFIG lists as kubectl does', async () => {
    const write = (name: string, config: unknown): string => {
      const file = join(folder, name);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, typeof config === 'string' ? config : JSON.stringify(config));
      return file;
    };
    write('one/token', token);
    write('two/token', 'wrong-canary');
    const one = write('one/config', {
      contexts: [{ name: 'shared', context: { cluster: 'c', user: 'u', namespace: 'first' } }],
      users: [{ name: 'u', user: { tokenFile: 'token' } }],
    });
    const two = write('two/config', {
      'current-context': 'shared',
      contexts: [{ name: 'shared', context: { cluster: 'nowhere', user: 'other' } }],
      clusters: [{ name: 'c', cluster: { server: url } }],
      users: [{ name: 'u', user: { tokenFile: 'token', exec: {} } }],
    });
    const [empty, bad] = [write('empty', ''), write('bad', '{{{')];
    namespaces.set('first', new Map([['s', { k: 'v' }]]));
    const openWith = (KUBECONFIG: string): Promise<SecretStore> =>
      driver.open(
        v.parse(driver.config, {}),
        testDriverContext({ clock: ports.clock, disk: ports.disk, network: ports.network, http, env: { KUBECONFIG } }),
      );
    expect(await (await openWith([one, join(folder, 'missing'), '', empty, two, one].join(':'))).get('s', {})).toEqual({ k: 'v' });
    await expect(openWith(`${two}:${one}`)).rejects.toThrow(`${two}:${one} has no cluster "nowhere"`);
    await expect(openWith(`${one}:${empty}`)).rejects.toThrow(`${one}:${empty} has no current-context`);
    await expect(openWith(`${join(folder, 'missing')}:${folder}/absent`)).rejects.toThrow('names no file that exists');
    await expect(openWith(`${bad}:${two}`)).rejects.toThrow(`${bad} is no kubeconfig`);
    // One that is named is one file, whatever its name looks like.
    await expect(open({ kubeconfigPath: `${one}:${two}` })).rejects.toThrow('ENOENT');
  });

  it('says what the cluster says, without the token', async () => {
    const store = await open();
    await expect(store.get('s', { namespace: 'closed' })).rejects.toMatchObject({
      message: expect.stringContaining('secrets is forbidden'),
    });
    writeConfig({ token: 'wrong-canary' });
    const error = await (await open()).get('s', {}).catch((thrown: unknown) => thrown as Error);
    expect(error).toMatchObject({ code: 'permission-denied', message: expect.stringContaining('Unauthorized') });
    expect((error as Error).message).not.toContain('canary');
    writeFileSync(join(folder, 'token'), `${token}\n`);
    writeConfig({ tokenFile: 'token' });
    expect(await (await open()).bulkGet({})).toEqual({});
  });

  const many = (count: number, value: string): void => {
    namespaces.set('team', new Map(Array.from({ length: count }, (_, at) => [`s${at}`, { value }])));
  };

  it('lists in pages, and begins anew when the cluster forgot the list halfway', async () => {
    many(600, 'v');
    const store = await open();
    expect(Object.keys(await store.bulkGet({}))).toHaveLength(600);
    expect(asked).toHaveLength(3);
    forgets = 2;
    expect(Object.keys(await store.bulkGet({}))).toHaveLength(600);
    forgets = 3;
    await expect(store.bulkGet({})).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('forgot 3 lists') as string,
    });
  });

  it('lists secrets that are too large for one page', async () => {
    many(30, 'x'.repeat(1024 * 1024));
    expect(Object.keys(await (await open()).bulkGet({}))).toHaveLength(30);
    expect(asked.map((path) => path.split('?')[1])).toEqual(['limit=250', 'limit=63', 'limit=16', 'limit=16&continue=16']);
  });

  it('does not take what is no cluster for one without secrets', async () => {
    writeConfig({ token }, { clusters: [{ name: 'c', cluster: { server: `${url}/elsewhere` } }] });
    const store = await open();
    const error = { code: 'failed-precondition', message: 'the cluster answers with status 404: 404 page not found' };
    await expect(store.get('s', {})).rejects.toMatchObject(error);
    await expect(store.bulkGet({})).rejects.toMatchObject(error);
  });

  it('needs no user behind `kubectl proxy`', async () => {
    proxied = true;
    many(1, 'v');
    for (const user of [undefined, '']) {
      writeConfig({}, { users: null, contexts: [{ name: 'here', context: { cluster: 'c', user, namespace: 'team' } }] });
      expect(await (await open()).get('s0', {})).toEqual({ value: 'v' });
    }
  });

  it('believes the name that the kubeconfig says is in the certificate', async () => {
    const requests: HttpClientRequest[] = [];
    const recorder: HttpClient = {
      async request(request) {
        requests.push(request);
        return { status: 200, headers: [], body: bytesBody(Buffer.from('{}')) };
      },
      close: async () => {},
    };
    for (const more of [{}, { 'tls-server-name': 'kubernetes.default.svc' }]) {
      writeConfig({ token }, { clusters: [{ name: 'c', cluster: { server: 'https://10.0.0.1:6443', ...more } }] });
      const store = await driver.open(
        v.parse(driver.config, { kubeconfigPath }),
        testDriverContext({ clock: ports.clock, disk: ports.disk, http: recorder }),
      );
      await store.get('s', {});
    }
    expect(requests.map(({ tls }) => tls?.serverName)).toEqual(['10.0.0.1', 'kubernetes.default.svc']);
  });

  it.each([
    [{ exec: { command: 'aws' } }, {}, /known by exec/],
    [{ username: 'u', password: 'p' }, {}, /known by username/],
    [{ token, as: 'somebody' }, {}, /known by as /],
    [{ token }, { clusters: [{ name: 'c', cluster: { server: 'http://c', 'proxy-url': 'http://p' } }] }, /behind a proxy-url/],
    [{ token }, { contexts: [] }, /no context "here"/],
    [{ token }, { users: 'x' }, /is no kubeconfig: users/],
    [{ 'client-certificate': 'missing' }, {}, /ENOENT/],
  ])('refuses a kubeconfig with the user %j and %j', async (user: object, more: object, message) => {
    writeConfig(user, more);
    await expect(open()).rejects.toMatchObject({ code: 'component.init-failed', message: expect.stringMatching(message) as string });
  });
});

describe('secretstores.kubernetes in a pod', () => {
  const pod = async (env: Record<string, string>) => {
    const disk = createMemoryDisk();
    const account = '/var/run/secrets/kubernetes.io/serviceaccount';
    await disk.makeDirectory(account);
    const write = (name: string, text: string) => disk.replaceFile(`${account}/${name}`, Buffer.from(text));
    await write('ca.crt', 'PEM');
    await write('namespace', 'pods\n');
    await write('token', 'first\n');
    const requests: HttpClientRequest[] = [];
    const recorder: HttpClient = {
      async request(request) {
        requests.push(request);
        return { status: 200, headers: [], body: bytesBody(Buffer.from('{"data":{"a":"MQ=="}}')) };
      },
      close: async () => {},
    };
    const store = await driver.open(v.parse(driver.config, {}), testDriverContext({ clock: ports.clock, disk, http: recorder, env }));
    return { store, requests, write };
  };

  it('uses the service account, whose token is renewed', async () => {
    const { store, requests, write } = await pod({ KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '6443' });
    expect(await store.get('s', {})).toEqual({ a: '1' });
    await write('token', 'second');
    await store.get('s', {});
    expect(requests.map(({ headers }) => headers[headers.indexOf('authorization') + 1])).toEqual(['Bearer first', 'Bearer second']);
    expect(requests[0]).toMatchObject({
      address: { host: 'fd00::1', port: 6443 },
      tls: { rootCa: 'PEM' },
      target: '/api/v1/namespaces/pods/secrets/s',
    });
  });

  it('says what it needs elsewhere', async () => {
    await expect(pod({})).rejects.toMatchObject({ code: 'component.init-failed', message: expect.stringContaining('no pod of a cluster') });
  });
});
