import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { join } from 'node:path';
import * as grpc from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { issueLeaf, issueRoot } from '../../src/mesh/identity/certificate.ts';
import { spiffeId } from '../../src/mesh/identity/spiffe-id.ts';
import { createKeyPair, type KeyPair } from '../../src/mesh/identity/x509.ts';
import { nodePorts } from '../../src/ports/node/index.ts';
import {
  createMachine,
  eventually,
  freePort,
  startSidecar,
  type SidecarOptions,
  type TestMachine,
  type TestSidecar,
} from '../compat/sidecar.ts';
import { findPostgres, startPostgres } from '../../src/testing/postgres-server.ts';
import { refereeClient, refereeServer, refereeService, refereeUnary } from '../fixtures/grpc-echo.ts';

// Runtimes in processes of their own that reach each other over TCP and TLS with certificates, or by the socket of the machine: everything but who
// is believed must be the same.
const postgres = findPostgres();
if (postgres === undefined) console.log('skipped: postgres not found');

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function body(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

async function httpApp(name: string): Promise<{ server: Server; port: string }> {
  const server = createServer((request, response) => {
    body(request).then(
      (bytes) => {
        if (request.url === '/echo')
          return response.writeHead(201, { 'x-own': name, 'content-type': 'application/octet-stream' }).end(bytes);
        if (request.url === '/slow') return setTimeout(() => response.end(name), 300);
        if (request.url === '/name') return response.end(name);
        return response.end(JSON.stringify({ method: request.method, url: request.url, headers: request.headers }));
      },
      () => request.destroy(),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, port: String((server.address() as { port: number }).port) };
}

async function sidecar(options: SidecarOptions): Promise<TestSidecar> {
  const started = await startSidecar(options);
  closers.push(() => started.stop());
  await started.ready();
  return started;
}

function machine(): TestMachine {
  const made = createMachine();
  closers.push(() => made.remove());
  return made;
}

/** Calls without pause until it is stopped; answers how many there were and which failed. */
function load(get: () => Promise<Response>, width = 8) {
  let stopped = false;
  let calls = 0;
  const failures: string[] = [];
  const workers = Array.from({ length: width }, async () => {
    while (!stopped) {
      try {
        const answer = await get();
        const text = await answer.text();
        if (answer.status !== 200) failures.push(`${answer.status} ${text}`);
      } catch (error) {
        failures.push(String(error));
      }
      calls++;
    }
  });
  return {
    get calls() {
      return calls;
    },
    async stop() {
      stopped = true;
      await Promise.all(workers);
      return { calls, failures };
    },
  };
}

describe.each([
  ['by the socket of the machine', []],
  ['over TLS', ['--enable-mtls']],
])('two runtimes, %s', (_how, flags) => {
  let place: TestMachine;
  let app: Awaited<ReturnType<typeof httpApp>>;
  let caller: TestSidecar;
  let called: TestSidecar;
  let grpcCalled: TestSidecar;
  let referee: Awaited<ReturnType<typeof refereeServer>>;
  let client: ReturnType<typeof refereeClient>;
  const metadata = new grpc.Metadata();

  beforeAll(async () => {
    place = createMachine();
    app = await httpApp('b');
    referee = await refereeServer();
    caller = await startSidecar({ appId: 'a', machine: place, flags });
    called = await startSidecar({ appId: 'b', appPort: app.port, machine: place, flags });
    grpcCalled = await startSidecar({ appId: 'c', appPort: String(referee.port), appProtocol: 'grpc', machine: place, flags });
    await Promise.all([caller.ready(), called.ready(), grpcCalled.ready()]);
    client = refereeClient(Number(caller.grpcPort));
    metadata.set('dapr-app-id', 'c');
  });

  afterAll(async () => {
    client?.close();
    await Promise.all([caller?.stop(), called?.stop(), grpcCalled?.stop()]);
    app?.server.close();
    referee?.server.forceShutdown();
    place?.remove();
  });

  it('pass a call on and say who calls, whatever the caller writes', async () => {
    const headers = { 'x-mine': '1', 'dapr-caller-app-id': 'forged', 'Dapr-Caller-Namespace': 'forged' };
    const answer = await caller.get('/v1.0/invoke/b/method/look/at%20%C3%BC?x=1&y=%20', { method: 'PATCH', headers, body: 'x' });
    expect(await answer.json()).toMatchObject({
      method: 'PATCH',
      url: '/look/at%20%C3%BC?x=1&y=%20',
      headers: { 'x-mine': '1', 'dapr-caller-app-id': 'a', 'dapr-caller-namespace': 'default', 'dapr-callee-app-id': 'b' },
    });
  });

  it('stream large bodies both ways', async () => {
    const large = Buffer.alloc(10 * 1024 * 1024, 'proa');
    const answer = await caller.get('/v1.0/invoke/b/method/echo', { method: 'POST', body: large });
    expect([answer.status, answer.headers.get('x-own')]).toEqual([201, 'b']);
    expect(Buffer.from(await answer.arrayBuffer()).equals(large)).toBe(true);
  });

  it('answer with the error of the runtime that met it', async () => {
    app.server.closeAllConnections();
    const answer = await caller.get('/v1.0/invoke/c/method/nothing', { method: 'POST' });
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(((await answer.json()) as { errorCode?: string }).errorCode ?? '').not.toBe('ERR_PEER_PROTOCOL');
  });

  it('pass gRPC on: metadata, statuses, all four kinds', async () => {
    const own = metadata.clone();
    own.set('x-echo', 'hello');
    own.set('x-echo-bin', Buffer.from([0, 255, 10]));
    const { reply, headers, trailers } = await refereeUnary(client, 'grüß dich', { metadata: own });
    expect(reply).toBe('grüß dich');
    expect(headers?.get('x-echo')).toEqual(['hello']);
    expect(trailers?.get('x-echo-bin')).toEqual([Buffer.from([0, 255, 10])]);
    expect((await refereeUnary(client, 'fail', { metadata })).error).toMatchObject({
      code: grpc.status.NOT_FOUND,
      details: 'é 100% missing',
    });
    let bytes = 0;
    const { Many, Sum } = refereeService;
    for await (const message of client.makeServerStreamRequest(
      Many.path,
      Many.requestSerialize,
      Many.responseDeserialize,
      '40 50000',
      metadata,
    ))
      bytes += (message as string).length;
    expect(bytes).toBe(2_000_000);
    const sum = await new Promise<string>((resolve, reject) => {
      const call = client.makeClientStreamRequest(Sum.path, Sum.requestSerialize, Sum.responseDeserialize, metadata, {}, (error, value) =>
        error === null ? resolve(value as string) : reject(error),
      );
      for (let i = 0; i < 200; i++) call.write('x'.repeat(10_000));
      call.end();
    });
    expect(sum).toBe('200 2000000');
    const chat = openChat(client, metadata);
    const heard: string[] = [];
    for (const word of ['one', 'two', 'three']) {
      const next = new Promise<string>((resolve) => chat.once('data', resolve));
      chat.write(word);
      heard.push(await next);
    }
    const status = new Promise<grpc.StatusObject>((resolve) => chat.once('status', resolve));
    chat.end();
    expect([heard, (await status).code]).toEqual([['one', 'two', 'three'], grpc.status.OK]);
  });

  it('pass a cancellation on', async () => {
    const chat = openChat(client, metadata);
    chat.on('error', () => {});
    const first = new Promise((resolve) => chat.once('data', resolve));
    chat.write('hello');
    await first;
    const status = new Promise<grpc.StatusObject>((resolve) => chat.once('status', resolve));
    chat.cancel();
    expect((await status).code).toBe(grpc.status.CANCELLED);
    expect((await refereeUnary(client, 'still there', { metadata })).reply).toBe('still there');
  });
});

describe('runtimes over TLS', () => {
  it('authorise by the certificate of the caller', async () => {
    const place = machine();
    const app = await httpApp('b');
    closers.push(() => app.server.close());
    const config = join(place.directory, 'acl.yaml');
    const policy = { appId: 'friend', defaultAction: 'allow', trustDomain: 'public', namespace: 'default' };
    writeFileSync(
      config,
      JSON.stringify({
        apiVersion: 'dapr.io/v1alpha1',
        kind: 'Configuration',
        metadata: { name: 'acl' },
        spec: { accessControl: { defaultAction: 'deny', trustDomain: 'public', policies: [policy] } },
      }),
    );
    await sidecar({ appId: 'b', appPort: app.port, machine: place, flags: ['--enable-mtls', '--config', config] });
    const [friend, stranger] = [await sidecar({ appId: 'friend', machine: place }), await sidecar({ appId: 'stranger', machine: place })];
    expect(await (await friend.get('/v1.0/invoke/b/method/name')).text()).toBe('b');
    const refused = await stranger.get('/v1.0/invoke/b/method/name', { headers: { 'dapr-caller-app-id': 'friend' } });
    expect(refused.status).toBe(403);
    expect(await refused.text()).toContain('spiffe://public/ns/default/stranger');
  });

  it('refuse a runtime of another trust domain, and both say why', async () => {
    const place = machine();
    const app = await httpApp('b');
    closers.push(() => app.server.close());
    const config = join(place.directory, 'other.yaml');
    writeFileSync(
      config,
      JSON.stringify({
        apiVersion: 'dapr.io/v1alpha1',
        kind: 'Configuration',
        metadata: { name: 'other' },
        spec: { accessControl: { trustDomain: 'elsewhere' } },
      }),
    );
    await sidecar({ appId: 'b', appPort: app.port, machine: place, flags: ['--enable-mtls'] });
    const other = await sidecar({ appId: 'a', machine: place, flags: ['--enable-mtls', '--config', config] });
    const answer = await other.get('/v1.0/invoke/b/method/name');
    expect(answer.status).toBe(500);
    expect(await answer.text()).toMatch(/not issued by an authority that is trusted here|trust domain/);
    await eventually(() => other.output().includes('a connection between runtimes was refused'), 'the caller says why');
  });

  it('lose no call when one of two instances stops', async () => {
    const place = machine();
    const [one, two] = [await httpApp('one'), await httpApp('two')];
    closers.push(
      () => one.server.close(),
      () => two.server.close(),
    );
    const caller = await sidecar({ appId: 'a', machine: place, flags: ['--enable-mtls'] });
    await sidecar({ appId: 'b', appPort: one.port, machine: place, flags: ['--enable-mtls'] });
    // The apps live in this process: a stall of the machine takes their time from the grace of the stop.
    const patient = ['--enable-mtls', '--dapr-graceful-shutdown-seconds', '60'];
    const second = await sidecar({ appId: 'b', appPort: two.port, machine: place, flags: patient });
    const seen = new Set<string>();
    const watched = async (): Promise<Response> => {
      const answer = await caller.get('/v1.0/invoke/b/method/name');
      seen.add(await answer.clone().text());
      return answer;
    };
    const running = load(watched);
    await eventually(() => seen.size === 2, 'both instances are called');
    const slow = caller.get('/v1.0/invoke/b/method/slow');
    expect(await second.stop()).toBe(0);
    const after = running.calls;
    await eventually(() => running.calls > after + 50, 'calls go on');
    expect((await running.stop()).failures).toEqual([]);
    expect((await slow).status).toBe(200);
  });

  it('reach each other from machine to machine, each with an engine of its own, by a static list', async () => {
    const [here, there] = [machine(), machine()];
    const app = await httpApp('b');
    closers.push(() => app.server.close());
    const identities = join(here.directory, 'identities');
    issuer(identities).write(['a', 'b']);
    const port = await freePort();
    const config = join(here.directory, 'discovery.yaml');
    const nameResolution = { component: 'proa.static', configuration: { apps: { b: [`127.0.0.1:${port}`] } } };
    writeFileSync(
      config,
      JSON.stringify({ apiVersion: 'dapr.io/v1alpha1', kind: 'Configuration', metadata: { name: 'discovery' }, spec: { nameResolution } }),
    );
    await sidecar({
      appId: 'b',
      appPort: app.port,
      machine: there,
      flags: ['--dapr-internal-grpc-port', port, '--identity-dir', identities],
    });
    const caller = await sidecar({ appId: 'a', machine: here, flags: ['--config', config, '--identity-dir', identities] });
    const answer = await caller.get('/v1.0/invoke/b/method/look');
    expect(await answer.json()).toMatchObject({ headers: { 'dapr-caller-app-id': 'a', 'dapr-callee-app-id': 'b' } });
    const other = await sidecar({ appId: 'a', machine: here, flags: ['--config', config] });
    expect(await (await other.get('/v1.0/invoke/b/method/look')).text()).toContain('not issued by an authority that is trusted here');
  });

  it.runIf(postgres !== undefined)(
    'find each other from machine to machine through the database that they share, by no setting',
    async () => {
      const database = await startPostgres(postgres as string);
      closers.push(() => database.destroy());
      const { host, port } = database.address;
      const [here, there] = [machine(), machine()];
      const app = await httpApp('b');
      closers.push(() => app.server.close());
      const identities = join(here.directory, 'identities');
      issuer(identities).write(['a', 'b']);
      const env = { PROA_ENGINE: `postgres://proa@${encodeURIComponent(host)}:${port}/postgres` };
      const flags = ['--enable-mtls', '--identity-dir', identities];
      const called = await sidecar({ appId: 'b', appPort: app.port, machine: there, flags, env });
      const caller = await sidecar({ appId: 'a', machine: here, flags, env });
      const answer = await caller.get('/v1.0/invoke/b/method/look');
      expect(await answer.json()).toMatchObject({ headers: { 'dapr-caller-app-id': 'a', 'dapr-callee-app-id': 'b' } });
      await called.stop();
      await eventually(async () => (await caller.get('/v1.0/invoke/b/method/look')).status === 500, 'the app has left');
      expect(await (await caller.get('/v1.0/invoke/b/method/look')).text()).toContain('ERR_DIRECT_INVOKE');
    },
  );

  it('take new certificates and a new authority from files, and lose no call', async () => {
    const place = machine();
    const app = await httpApp('b');
    closers.push(() => app.server.close());
    const identities = join(place.directory, 'identities');
    const files = issuer(identities);
    files.write(['a', 'b']);
    const flags = ['--enable-mtls', '--identity-dir', identities];
    const caller = await sidecar({ appId: 'a', machine: place, flags });
    const called = await sidecar({ appId: 'b', appPort: app.port, machine: place, flags });
    const running = load(() => caller.get('/v1.0/invoke/b/method/name'));
    await eventually(() => running.calls > 50, 'calls run');
    for (let round = 0; round < 2; round++) {
      // Roots are written first: whoever has the certificate of a step has its roots.
      const taken = async (expires: string, what: string): Promise<void> => {
        for (const each of [caller, called]) await eventually(() => each.output().includes(expires), what);
      };
      files.announce();
      await taken(files.write(['a', 'b']), 'the new root is trusted');
      files.rotate();
      await taken(files.write(['a', 'b']), 'the new certificate is used');
      const after = running.calls;
      await eventually(() => running.calls > after + 50, 'calls go on');
    }
    const { calls, failures } = await running.stop();
    expect(failures).toEqual([]);
    expect(calls).toBeGreaterThan(150);
    const metrics = await (await fetch(`http://127.0.0.1:${caller.metricsPort}/metrics`)).text();
    const value = (name: string): number => Number(new RegExp(`^${name}\\{[^}]*\\} (\\S+)`, 'm').exec(metrics)?.[1]);
    expect(value('dapr_runtime_mtls_init_total')).toBe(1);
    expect(value('dapr_runtime_mtls_workload_cert_rotated_total')).toBeGreaterThanOrEqual(2);
    expect(value('proa_mtls_certificate_expiry_timestamp_seconds')).toBeGreaterThan(Date.now() / 1000);
  });
});

function openChat(client: grpc.Client, metadata: grpc.Metadata): grpc.ClientDuplexStream<string, string> {
  const { Chat } = refereeService;
  return client.makeBidiStreamRequest(Chat.path, Chat.requestSerialize, Chat.responseDeserialize, metadata);
}

/** An authority that is no part of the runtimes: a folder for each app, as Kubernetes mounts them. */
function issuer(directory: string) {
  const { random } = nodePorts();
  interface Root {
    readonly name: string;
    readonly keys: KeyPair;
    readonly pem: string;
  }
  let count = 0;
  const root = (): Root => {
    const name = `root ${++count}`;
    const keys = createKeyPair();
    const validity = { notBeforeMs: Date.now() - 7_200_000, notAfterMs: Date.now() + 86_400_000 };
    return { name, keys, pem: issueRoot(keys, { name, trustDomain: 'public', serial: random.bytes(16), ...validity }) };
  };
  let writes = 0;
  let roots = [root()];
  let signing = roots[0] as Root;
  return {
    announce: () => void (roots = [...roots.slice(-1), root()]),
    rotate: () => void (signing = roots.at(-1) as Root),
    /** Answers when the new certificates expire, as the log of whoever takes them says it. */
    write(apps: readonly string[]): string {
      const notAfterMs = Math.floor(Date.now() / 1_000) * 1_000 + 3_600_000 + 60_000 * ++writes;
      for (const appId of apps) {
        const folder = join(directory, appId);
        mkdirSync(folder, { recursive: true });
        const keys = createKeyPair();
        const spec = {
          publicKey: keys.publicKey,
          serial: random.bytes(16),
          notBeforeMs: Date.now() - 3_600_000,
          notAfterMs,
        };
        const certificate = issueLeaf(
          { ...spec, issuer: { ...signing.keys, name: signing.name } },
          spiffeId({ trustDomain: 'public', namespace: 'default', appId }),
        );
        for (const [name, text] of Object.entries({
          'ca.crt': roots.map(({ pem }) => pem).join(''),
          'tls.crt': certificate,
          'tls.key': keys.privateKey,
        })) {
          writeFileSync(join(folder, `.${name}`), text, { mode: 0o600 });
          renameSync(join(folder, `.${name}`), join(folder, name));
        }
      }
      return new Date(notAfterMs).toISOString();
    },
  };
}
