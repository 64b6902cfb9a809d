import { createServer, type Server } from 'node:http';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as v from 'valibot';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { HttpClient, HttpClientRequest } from '../../contracts/http-client.ts';
import type { Secret, SecretStore } from '../../contracts/secrets.ts';
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

/** What the documentation of Kubernetes says of secrets, as far as the driver asks: no cluster can be installed from Debian. */
describe('secretstores.kubernetes, a server that answers as a cluster does', () => {
  let server: Server;
  let folder: string;
  let kubeconfigPath: string;
  let url: string;
  const token = 'cluster-canary';
  const namespaces = new Map<string, Map<string, Secret>>();

  const encode = (name: string, secret: Secret) => ({
    metadata: { name },
    data: Object.fromEntries(Object.entries(secret).map(([key, value]) => [key, Buffer.from(value).toString('base64')])),
  });
  const answer = (path: string, query: URLSearchParams): { status: number; body: unknown } => {
    const [, namespace = '', name] = /^\/api\/v1\/namespaces\/([^/]+)\/secrets(?:\/([^/]+))?$/.exec(path) ?? [];
    if (namespace === 'closed') return { status: 403, body: { kind: 'Status', message: 'secrets is forbidden' } };
    const secrets = namespaces.get(namespace) ?? new Map<string, Secret>();
    if (name !== undefined) {
      const secret = secrets.get(name);
      return secret === undefined ? { status: 404, body: { kind: 'Status' } } : { status: 200, body: encode(name, secret) };
    }
    // Pages of two, so that there are several.
    const at = Number(query.get('continue') ?? 0);
    const items = [...secrets].slice(at, at + 2).map(([key, secret]) => encode(key, secret));
    return { status: 200, body: { items, metadata: at + 2 < secrets.size ? { continue: String(at + 2) } : {} } };
  };

  beforeAll(async () => {
    server = createServer((request, response) => {
      const asked = new URL(request.url ?? '/', 'http://cluster');
      const known = request.headers.authorization === `Bearer ${token}`;
      const { status, body } = known ? answer(asked.pathname, asked.searchParams) : { status: 401, body: { message: 'Unauthorized' } };
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
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

  it.each([
    [{ exec: { command: 'aws' } }, {}, /known by exec/],
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
