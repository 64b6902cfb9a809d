import { join } from 'node:path';
import { CommunicationProtocolEnum, DaprClient, DaprServer } from '@dapr/dapr';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nodePorts } from '../../src/ports/node/index.ts';
import { bindingServices, pubSubServices, secretServices, stateServices } from '../fixtures/pluggable-components.ts';
import { createSocketFolder, servePluggable, type PluggableServer } from '../fixtures/pluggable-server.ts';
import { component, createMachine, eventually, freePort, startSidecar, type TestMachine, type TestSidecar } from './sidecar.ts';

// Components in a process of their own, written with grpc-js, used by an app through the official SDK.
describe('pluggable components', () => {
  const { clock, random } = nodePorts();
  const folder = createSocketFolder();
  const feed = bindingServices();
  const properties = { init: {} as Record<string, string>, calls: [] as string[] };
  const servers: PluggableServer[] = [];
  const [events, inputs] = [[] as unknown[], [] as unknown[]];
  let machine: TestMachine;
  let sidecar: TestSidecar;
  let app: DaprServer;
  let client: DaprClient;

  beforeAll(async () => {
    const all = [
      ...stateServices({ clock, random, features: ['ETAG', 'TRANSACTIONAL'], seen: properties }),
      ...pubSubServices({ clock }),
      ...feed.services,
      ...secretServices({ db: { user: 'u', password: 'p' } }),
    ];
    servers.push(await servePluggable(join(folder.path, 'Shelf.sock'), all));
    machine = createMachine();
    const appPort = await freePort();
    sidecar = await startSidecar({
      appId: 'app',
      appPort,
      machine,
      env: { DAPR_COMPONENTS_SOCKETS_FOLDER: folder.path },
      resources: {
        'secrets.yaml': component('vault', 'secretstores.shelf'),
        'state.yaml': stateWithSecret,
        'pubsub.yaml': component('bus', 'pubsub.shelf'),
        'binding.yaml': component('feed', 'bindings.shelf'),
      },
    });
    const hosts = { daprHost: '127.0.0.1', daprPort: sidecar.httpPort, communicationProtocol: CommunicationProtocolEnum.HTTP };
    client = new DaprClient(hosts);
    app = new DaprServer({ serverHost: '127.0.0.1', serverPort: appPort, clientOptions: hosts });
    await app.pubsub.subscribe('bus', 'orders', async (data: unknown) => void events.push(data));
    await app.binding.receive('feed', async (data: unknown) => {
      inputs.push(data);
      return { seen: data };
    });
    await app.start();
    await sidecar.ready();
  });
  afterAll(async () => {
    await app.stop();
    await sidecar.stop();
    for (const server of servers) await server.stop();
    machine.remove();
    folder.remove();
  });

  it('keep state, with etags and transactions, configured from a pluggable secret store', async () => {
    expect(properties.init).toMatchObject({ password: 'p' });
    await client.state.save('shelf', [{ key: 'a', value: { n: 1 } }]);
    expect(await client.state.get('shelf', 'a')).toEqual({ n: 1 });
    expect(properties.calls).toContain('shelf');
    const wrong = await sidecar.get('/v1.0/state/shelf/a', { method: 'DELETE', headers: { 'if-match': 'wrong' } });
    expect([wrong.status, ((await wrong.json()) as { errorCode: string }).errorCode]).toEqual([409, 'ERR_STATE_DELETE']);
    await client.state.transaction('shelf', [
      { operation: 'upsert', request: { key: 'b', value: 'two' } },
      { operation: 'delete', request: { key: 'a' } },
    ]);
    expect([await client.state.get('shelf', 'a'), await client.state.get('shelf', 'b')]).toEqual(['', 'two']);
  });

  it('carry events to the app', async () => {
    await client.pubsub.publish('bus', 'orders', { id: 7 });
    await eventually(() => events.length === 1, 'the event');
    expect(events).toEqual([{ id: 7 }]);
  });

  it('are bound in both directions', async () => {
    expect(await client.binding.send('feed', 'echo', 'hello')).toBe('hello');
    await eventually(() => feed.cause('{"tick":1}') > 0, 'a reader');
    await eventually(() => feed.answers.length > 0, 'the answer');
    expect(inputs[0]).toBe('{"tick":1}');
    expect(feed.answers[0]).not.toContain('!');
  });

  it('give secrets, and are listed in the metadata', async () => {
    expect(await client.secret.get('vault', 'db')).toEqual({ user: 'u', password: 'p' });
    const { components } = (await (await sidecar.get('/v1.0/metadata')).json()) as { components: { type: string }[] };
    expect(components.map(({ type }) => type).toSorted()).toEqual(['bindings.shelf', 'pubsub.shelf', 'secretstores.shelf', 'state.shelf']);
  });
});

const stateWithSecret = `
apiVersion: dapr.io/v1alpha1
kind: Component
metadata:
  name: shelf
spec:
  type: state.shelf
  version: v1
  metadata:
    - name: password
      secretKeyRef:
        name: db
        key: password
auth:
  secretStore: vault
`;
