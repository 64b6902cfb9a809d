import { createHash, generateKeyPairSync } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { CommunicationProtocolEnum, DaprClient, HttpMethod } from '@dapr/dapr';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gaps, recordCalls, type Exceptions, type Matrix } from './sdk-matrix.ts';
import { component, createMachine, eventually, startSidecar, type TestSidecar } from './sidecar.ts';

// The official SDK's client against every block, over both protocols. What is called is compared at the end with what the SDK can do; calls that are
// not made are named here, with the reason.
const ownIssue = 'its block has an issue of its own; until then it answers "unimplemented"';
const inside = "a part of the SDK's own, though reflection shows it";
const notCalled: Exceptions = { actor: ownIssue, workflow: 'the tests of workflows call the same rows' };
const notCalledByProtocol: Readonly<Record<'http' | 'grpc', Exceptions>> = {
  http: { ...notCalled, 'pubsub.handleBulkPublishError': inside },
  grpc: notCalled,
};

const machine = createMachine();
let sidecar: TestSidecar;
let echo: Server;

beforeAll(async () => {
  const keys = join(machine.directory, 'keys');
  mkdirSync(keys);
  writeFileSync(
    join(keys, 'rsa.pem'),
    generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs8', format: 'pem' }),
  );
  writeFileSync(join(machine.directory, 'secrets.json'), JSON.stringify({ token: 'abc', nested: { key: 'def' } }));
  writeFileSync(join(machine.directory, 'config.yaml'), 'colour: { value: blue, version: "1" }\nsize: { value: large, version: "1" }\n');
  echo = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      response.setHeader('content-type', 'application/json');
      response.end(
        JSON.stringify({
          method: request.method,
          path: request.url,
          body: Buffer.concat(parts).toString(),
          caller: request.headers['dapr-caller-app-id'],
        }),
      );
    });
  });
  await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve));
  const { port } = echo.address() as { port: number };
  sidecar = await startSidecar({
    appId: 'client',
    appPort: String(port),
    machine,
    resources: {
      'state.yaml': component('statestore', 'state.proa'),
      'memory.yaml': component('memory', 'state.in-memory'),
      'pubsub.yaml': component('pubsub', 'pubsub.proa'),
      'secrets.yaml': component('secrets', 'secretstores.local.file', { secretsFile: join(machine.directory, 'secrets.json') }),
      'config.yaml': component('config', 'configuration.file', { path: join(machine.directory, 'config.yaml') }),
      'lock.yaml': component('lock', 'lock.proa'),
      'crypto.yaml': component('crypto', 'crypto.dapr.localstorage', { path: keys }),
      'files.yaml': component('files', 'bindings.localstorage', { rootPath: join(machine.directory, 'files') }),
    },
  });
  await sidecar.ready();
});

afterAll(async () => {
  expect(await sidecar?.stop()).toBe(0);
  echo?.close();
  machine.remove();
});

const protocols = [CommunicationProtocolEnum.HTTP, CommunicationProtocolEnum.GRPC] as const;

describe.each(protocols)('the SDK client over protocol %i', (communicationProtocol) => {
  const http = communicationProtocol === CommunicationProtocolEnum.HTTP;
  let client: DaprClient;
  let matrix: Matrix<DaprClient>;
  const key = (name: string): string => `${http ? 'h' : 'g'}-${name}`;

  beforeAll(() => {
    client = new DaprClient({ daprHost: '127.0.0.1', daprPort: http ? sidecar.httpPort : sidecar.grpcPort, communicationProtocol });
    matrix = recordCalls(client);
  });
  afterAll(() => client.stop());

  describe.each(['statestore', 'memory'])('state in %s', (store) => {
    it('saves, gets, gets in bulk, deletes', async () => {
      await client.state.save(store, [
        { key: key('a'), value: { n: 1 } },
        { key: key('b'), value: 'text' },
      ]);
      expect(await client.state.get(store, key('a'))).toEqual({ n: 1 });
      expect(await client.state.get(store, key('b'))).toBe('text');
      const bulk = await client.state.getBulk(store, [key('a'), key('missing')]);
      expect(bulk.map((item) => item['key'])).toEqual([key('a'), key('missing')]);
      expect(bulk[0]?.['data']).toEqual({ n: 1 });
      await client.state.delete(store, key('a'));
      expect(await client.state.get(store, key('a'))).toBe('');
    });

    it('refuses a stale etag', async () => {
      await client.state.save(store, [{ key: key('e'), value: 1 }]);
      // The SDK answers an error object over HTTP and throws over gRPC.
      const stale = await client.state.save(store, [{ key: key('e'), value: 2, etag: '987654321' }]).catch((error: unknown) => ({ error }));
      expect(String(stale.error)).toMatch(/etag|409/i);
      expect(await client.state.get(store, key('e'))).toEqual(1);
    });

    it('runs a transaction', async () => {
      await client.state.save(store, [{ key: key('t1'), value: 1 }]);
      await client.state.transaction(store, [
        // Over gRPC the SDK takes texts only.
        { operation: 'upsert', request: { key: key('t2'), value: http ? { two: 2 } : JSON.stringify({ two: 2 }) } },
        { operation: 'delete', request: { key: key('t1') } },
      ]);
      expect(await client.state.get(store, key('t1'))).toBe('');
      expect(await client.state.get(store, key('t2'))).toEqual({ two: 2 });
    });
  });

  it('queries state', async () => {
    await client.state.save('statestore', [
      { key: key('q1'), value: { city: `${key('Bern')}`, n: 1 }, metadata: { contentType: 'application/json' } },
      { key: key('q2'), value: { city: `${key('Bern')}`, n: 2 }, metadata: { contentType: 'application/json' } },
    ]);
    const found = await client.state.query('statestore', {
      filter: { EQ: { city: key('Bern') } },
      sort: [{ key: 'n', order: 'DESC' }],
      page: { limit: 10 },
    } as never);
    // Over gRPC the SDK leaves the bytes as they are.
    const numbers = found.results.map(
      ({ data }) => (data instanceof Uint8Array ? (JSON.parse(Buffer.from(data).toString()) as { n: number }) : (data as { n: number })).n,
    );
    expect(numbers).toEqual([2, 1]);
  });

  it('publishes, and publishes in bulk', async () => {
    expect(await client.pubsub.publish('pubsub', 'topic', { hello: 1 })).not.toHaveProperty('error');
    const bulk = await client.pubsub.publishBulk('pubsub', 'topic', ['one', { two: 2 }]);
    expect(bulk.failedMessages).toEqual([]);
    const refused = await client.pubsub.publish('nowhere', 'topic', {}).catch((error: unknown) => ({ error }));
    expect(refused.error).toBeDefined();
  });

  it('invokes an app with every method', async () => {
    for (const method of [HttpMethod.GET, HttpMethod.POST, HttpMethod.PUT, HttpMethod.DELETE]) {
      const body = method === HttpMethod.GET ? undefined : { n: 1 };
      const answer = (await client.invoker.invoke('client', 'some/path', method, body)) as { method: string; path: string; body: string };
      expect(answer).toMatchObject({ path: '/some/path', caller: 'client', ...(http ? { method: method.toUpperCase() } : {}) });
      if (body !== undefined) expect(JSON.parse(answer.body)).toEqual(body);
    }
  });

  it('uses an output binding', async () => {
    await client.binding.send('files', 'create', 'content', { fileName: key('file') });
    const read = await client.binding.send('files', 'get', '', { fileName: key('file') });
    const { data } = read as { data?: Uint8Array };
    expect(data === undefined ? JSON.stringify(read) : Buffer.from(data).toString()).toContain('content');
  });

  it('reads secrets', async () => {
    expect(await client.secret.get('secrets', 'token')).toEqual({ token: 'abc' });
    expect(await client.secret.getBulk('secrets')).toMatchObject({ token: { token: 'abc' }, 'nested:key': { 'nested:key': 'def' } });
  });

  it('locks and unlocks', async () => {
    expect(await client.lock.lock('lock', key('r'), 'me', 30)).toEqual({ success: true });
    expect(await client.lock.lock('lock', key('r'), 'you', 30)).toEqual({ success: false });
    expect((await client.lock.unlock('lock', key('r'), 'you')).status).toBe(2);
    expect((await client.lock.unlock('lock', key('r'), 'me')).status).toBe(0);
    expect((await client.lock.unlock('lock', key('r'), 'me')).status).toBe(1);
  });

  it('reads and writes metadata', async () => {
    await client.metadata.set('greeting', key('hi'));
    const metadata = await client.metadata.get();
    expect(metadata.id).toBe('client');
    expect(metadata.extended).toMatchObject({ greeting: key('hi') });
    expect(metadata.components.map((c) => c.name)).toContain('statestore');
  });

  it('is healthy', async () => {
    expect(await client.health.isHealthy()).toBe(true);
  });

  if (http)
    it('has calls that the SDK itself refuses over HTTP', async () => {
      const refused = [
        () => client.configuration.get('config', ['colour']),
        () => client.configuration.subscribe('config', async () => {}),
        () => client.configuration.subscribeWithKeys('config', ['colour'], async () => {}),
        () => client.configuration.subscribeWithMetadata('config', ['colour'], {}, async () => {}),
        () => client.crypto.encrypt('x', { componentName: 'crypto', keyName: 'rsa.pem', keyWrapAlgorithm: 'RSA-OAEP-256' }),
        () => client.crypto.decrypt(Buffer.from('x'), { componentName: 'crypto' }),
      ];
      for (const call of refused) await expect((async () => call())()).rejects.toThrow(/not supported|HTTP/i);
    });

  it('has a proxy that the SDK itself refuses', async () => {
    await expect((async () => client.proxy.create(class {} as never))()).rejects.toThrow(/not supported|HTTP/i);
  });

  if (!http)
    it('reads configuration and subscribes to it', async () => {
      expect((await client.configuration.get('config', ['colour'])).items['colour']?.value).toBe('blue');
      const seen = { all: '', keys: '', metadata: '' };
      const into = (name: keyof typeof seen) => (update: { items: Record<string, { value: string }> }) => {
        seen[name] = update.items['colour']?.value ?? seen[name];
        return Promise.resolve();
      };
      const streams = [
        await client.configuration.subscribe('config', into('all')),
        await client.configuration.subscribeWithKeys('config', ['colour'], into('keys')),
        await client.configuration.subscribeWithMetadata('config', ['colour'], { any: 'thing' }, into('metadata')),
      ];
      // The SDK subscribes in the background and does not say when that is done, so the value changes until it has arrived everywhere.
      let version = 2;
      await eventually(async () => {
        await new Promise((resolve) => setTimeout(resolve, 400));
        writeFileSync(join(machine.directory, 'config.yaml'), `colour: { value: green, version: "${version++}" }\n`);
        return Object.values(seen).every((value) => value === 'green');
      }, 'a changed value arrives on every stream');
      for (const stream of streams) stream.stop();
    });

  if (!http)
    it('encrypts and decrypts', async () => {
      const text = createHash('sha512').update('x').digest('hex').repeat(2_000);
      const secret = await client.crypto.encrypt(text, { componentName: 'crypto', keyName: 'rsa.pem', keyWrapAlgorithm: 'RSA-OAEP-256' });
      expect(secret.includes(text)).toBe(false);
      expect((await client.crypto.decrypt(secret, { componentName: 'crypto' })).toString()).toBe(text);
    });

  it('shuts a runtime down', async () => {
    const doomed = await startSidecar({ appId: `doomed-${http ? 'h' : 'g'}`, machine });
    const own = new DaprClient({ daprHost: '127.0.0.1', daprPort: http ? doomed.httpPort : doomed.grpcPort, communicationProtocol });
    const recorded = recordCalls(own);
    const ended = new Promise((resolve) => doomed.onExit(resolve));
    await own.sidecar.shutdown();
    expect(recorded.called).toContain('sidecar.shutdown');
    expect(await ended).toBe(0);
    await own.stop();
    (matrix.called as Set<string>).add('sidecar.shutdown');
  });

  it('was called in every way that it has', () => {
    expect(matrix.all.length).toBeGreaterThan(25);
    expect(gaps(matrix, notCalledByProtocol[http ? 'http' : 'grpc'])).toEqual({ missing: [], stale: [] });
  });
});
