import { describe, expect, it } from 'vitest';
import type { ActiveSpan } from '../../contracts/tracer.ts';
import { noTrace } from '../../kernel/trace-context.ts';
import { describeCall } from '../grpc/span-attributes.ts';
import { createRouter } from './router.ts';
import { apiRoutes } from './routes/all.ts';
import { describeRequest } from './span-attributes.ts';

const router = createRouter(apiRoutes);

function recording(): { span: ActiveSpan; said: Record<string, string | number>; name(): string | undefined } {
  const said: Record<string, string | number> = {};
  let name: string | undefined;
  const span: ActiveSpan = {
    trace: noTrace,
    sampled: true,
    set: (attribute, value) => void (said[attribute] = value),
    rename: (given) => void (name = given),
    end() {},
  };
  return { span, said, name: () => name };
}

function ofRequest(method: string, path: string, headers: readonly string[] = ['host', 'localhost:3500']) {
  const { span, said, name } = recording();
  const header = (wanted: string): string | undefined => headers[headers.indexOf(wanted) + 1];
  const request = { method, path, headers, header: (wanted: string) => (headers.includes(wanted) ? header(wanted) : undefined) };
  describeRequest(span, request, path.startsWith('/v1.0/invoke/') ? undefined : router.match(method, path));
  return { said, name: name() };
}

describe('the span of a request', () => {
  it('names protocol, API, URL and server', () => {
    expect(ofRequest('GET', '/v1.0/metadata').said).toEqual({
      'dapr.protocol': 'http',
      'dapr.api': 'GET /v1.0/metadata',
      'http.request.method': 'GET',
      'url.full': 'http://localhost:3500/v1.0/metadata',
      'server.address': 'localhost',
      'server.port': 3500,
    });
    expect(ofRequest('GET', '/x', ['host', '[::1]:1']).said).toMatchObject({ 'server.address': '::1', 'server.port': 1 });
    expect(ofRequest('GET', '/x', ['host', 'plain']).said).toMatchObject({ 'server.address': 'plain', 'server.port': 80 });
    for (const host of ['', 'a:b:c', 'x:999999']) expect(ofRequest('GET', '/x', ['host', host]).said).not.toHaveProperty(['url.full']);
  });

  it.each([
    ['/v1.0/state/s/k', 'state', 's'],
    ['/v1.0/secrets/vault/key', 'secrets', 'vault'],
  ])('names the component of GET %s', (path, system, name) => {
    expect(ofRequest('GET', path).said).toMatchObject({
      'db.system': system,
      'db.name': name,
      'db.statement': `GET ${path}`,
      'db.connection_string': system,
    });
  });

  it('names bindings, topics and apps', () => {
    expect(ofRequest('POST', '/v1.0/bindings/b').said).toMatchObject({ 'db.system': 'bindings', 'db.name': 'b' });
    const published = ofRequest('POST', '/v1.0/publish/p/a/b').said;
    expect(published).toMatchObject({ 'messaging.system': 'pubsub', 'messaging.destination.name': 'a/b' });
    expect(published).not.toHaveProperty(['db.system']);
    const invoked = ofRequest('GET', '/v1.0/invoke/orders/method/a/b');
    expect([invoked.name, invoked.said]).toEqual([
      'CallLocal/orders/a/b',
      expect.objectContaining({
        'rpc.service': 'ServiceInvocation',
        'net.peer.name': 'orders',
        'dapr.invoke_method': 'a/b',
      }),
    ]);
    expect(ofRequest('GET', '/m', ['host', 'x', 'dapr-app-id', 'orders']).name).toBe('CallLocal/orders/m');
  });

  it('takes headers for the runtime along, but no credentials', () => {
    const { said } = ofRequest('GET', '/v1.0/metadata', [
      'host',
      'x',
      'Dapr-Reentrancy-Id',
      '7',
      'dapr-api-token',
      'secret',
      'x-other',
      '1',
    ]);
    expect(said).toMatchObject({ 'dapr-reentrancy-id': '7' });
    expect(JSON.stringify(said)).not.toMatch(/secret|x-other/);
  });
});

describe('the span of a gRPC call', () => {
  const ofCall = (block: string, input: unknown) => {
    const { span, said, name } = recording();
    const call = { path: '/dapr.proto.runtime.v1.Dapr/X', metadata: ['dapr-y', '1', 'dapr-api-token', 'secret'] };
    describeCall(span, call, { operation: { block, name: 'x', idempotent: false }, input });
    return { said, name: name() };
  };
  const always = { 'dapr.protocol': 'grpc', 'dapr.api': '/dapr.proto.runtime.v1.Dapr/X', 'rpc.system': 'grpc', 'dapr-y': '1' };

  it('says what the same call over HTTP says', () => {
    expect(ofCall('state', { store: 's' }).said).toEqual({
      ...always,
      'rpc.service': 'Dapr',
      'db.system': 'state',
      'db.name': 's',
      'db.statement': '/dapr.proto.runtime.v1.Dapr/X',
      'db.connection_string': 'state',
    });
    expect(ofCall('bindings', { name: 'b' }).said).toMatchObject({ 'db.name': 'b' });
    expect(ofCall('pubsub', { pubsub: 'p', topic: 't' }).said).toMatchObject({ 'messaging.destination.name': 't' });
    const { said, name } = ofCall('invoke', { appId: 'a', path: 'm' });
    expect([name, said['rpc.service'], said['net.peer.name'], said['dapr.invoke_method']]).toEqual([
      'CallLocal/a/m',
      'ServiceInvocation',
      'a',
      'm',
    ]);
  });
});
