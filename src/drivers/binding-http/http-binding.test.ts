import * as v from 'valibot';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { collect, emptyBody } from '../../kernel/body.ts';
import { CancelScope, neverCancelled } from '../../kernel/cancel.ts';
import type { HttpClient, HttpClientRequest } from '../../contracts/http-client.ts';
import { nodeClock } from '../../ports/node/clock.ts';
import { createNodeNetwork } from '../../ports/node/network.ts';
import { bindingSuite } from '../../testing/binding-suite.ts';
import { testDriverContext } from '../../testing/driver-context.ts';
import { createMemoryDisk } from '../../testing/memory-disk.ts';
import { createHttp1Client, type Http1Client } from '../../wire/http1/client.ts';
import { serveHttp1, type Http1Server } from '../../wire/http1/server.ts';
import { config } from './config.ts';
import driver from './index.ts';

interface Seen {
  readonly method: string;
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

const network = createNodeNetwork();
const seen: Seen[] = [];
const plans: Record<string, { status: number; headers?: string[]; body?: string }> = {
  '/teapot': { status: 418, headers: ['x-why', 'short', 'x-why', 'stout'], body: 'no coffee' },
  '/moved': { status: 302, headers: ['location', 'http://127.0.0.1:1/secret'] },
  '/large': { status: 200, body: 'x'.repeat(3_000) },
};
let server: Http1Server;
let client: Http1Client;
let base = '';

beforeAll(async () => {
  server = await serveHttp1({
    network,
    clock: nodeClock,
    address: { host: '127.0.0.1', port: 0 },
    handler(request, response) {
      const { method, target, headers: flat } = request;
      const headers: Record<string, string> = {};
      for (let i = 0; i < flat.length; i += 2) headers[flat[i] as string] = flat[i + 1] as string;
      void collect(request.body, 10_000).then((bytes) => {
        seen.push({ method, target, headers, body: Buffer.from(bytes).toString() });
        if (target === '/never') return;
        const { status, headers: more = [], body = 'fine' } = plans[target] ?? { status: 200 };
        response.send(status, ['content-type', 'text/plain', ...more], body);
      });
    },
  });
  client = createHttp1Client({ network, clock: nodeClock });
  const { address } = server;
  base = `http://127.0.0.1:${'port' in address ? address.port : 0}`;
});
afterAll(async () => {
  client.close();
  await server.close();
});

const http: HttpClient = {
  async request({ address, method, target, headers, body, cancel }) {
    const { status, headers: answered, body: answer } = await client.request(address, { method, target, headers, body, cancel });
    return { status, headers: answered, body: answer };
  },
  close: async () => {},
};

const open = (metadata: Record<string, string> = {}, other: HttpClient = http) =>
  driver.open(
    v.parse(config, { url: base, ...metadata }),
    testDriverContext({
      http: other,
      clock: nodeClock,
      disk: createMemoryDisk({ '/pem': '-----BEGIN CERTIFICATE-----', '/text': 'x' }),
      name: 'api',
    }),
  );
async function invoke(operation: string, metadata: Record<string, string> = {}, component: Record<string, string> = {}) {
  const binding = await open(component);
  const response = await binding.output?.invoke({ operation, data: Buffer.from('"data"'), metadata }, neverCancelled);
  return { ...response, data: Buffer.from(response?.data ?? []).toString(), request: seen.at(-1) };
}

bindingSuite({ name: 'bindings.http', open, example: { operation: 'get', data: '', metadata: {} } });

describe('bindings.http', () => {
  it.each([
    ['create', 'POST', '"data"'],
    ['post', 'POST', '"data"'],
    ['put', 'PUT', '"data"'],
    ['patch', 'PATCH', '"data"'],
    ['get', 'GET', ''],
    ['delete', 'DELETE', ''],
    ['options', 'OPTIONS', ''],
    ['head', 'HEAD', ''],
  ])('sends %s as %s', async (operation, method, body) => {
    const { request, metadata } = await invoke(operation);
    expect(request).toMatchObject({ method, target: '/', body });
    expect(request?.headers['content-type']).toBe(body === '' ? undefined : 'application/json; charset=utf-8');
    expect(request?.headers['accept']).toBe('application/json; charset=utf-8');
    expect(metadata).toMatchObject({ statusCode: '200', status: '200 OK', 'Content-Type': 'text/plain' });
  });

  it('sends metadata with a capital letter as headers, the token, and the trace that nothing replaces', async () => {
    const { request } = await invoke(
      'post',
      {
        'Content-Type': 'text/csv',
        'X-One': '1',
        Host: 'evil',
        'Content-Length': '1',
        'Transfer-Encoding': 'chunked',
        Traceparent: 'forged',
        traceparent: '00-real',
        lower: 'no',
      },
      { securityToken: 's3cret', securityTokenHeader: 'X-Token' },
    );
    expect(request?.headers).toMatchObject({
      'content-type': 'text/csv',
      'x-one': '1',
      'x-token': 's3cret',
      traceparent: '00-real',
      host: base.slice(7),
    });
    expect(request?.headers).not.toHaveProperty('lower');
    expect(request?.body).toBe('"data"');
    await expect(invoke('get', { 'X-Bad': 'a\r\nX-Evil: 1' })).rejects.toThrow('the value of header X-Bad holds a line break');
    await expect(invoke('get', { 'X Bad': 'a' })).rejects.toThrow('is not a header name');
  });

  it.each([
    ['', '/api', '/api'],
    ['/users?id=1', '/api/', '/api/users?id=1'],
    ['users/ü', '', '/users/%C3%BC'],
    ['//x', '/api', '/api/x'],
    ['a/../b', '/api', '/api/b'],
    ['http://evil/', '', '/http://evil/'],
    ['@evil/', '', '/@evil/'],
  ])('puts the path "%s" behind the URL path "%s"', async (path, below, target) => {
    expect((await invoke('get', { path }, { url: base + below })).request?.target).toBe(target);
  });

  it.each(['../admin', 'x/../../admin', '%2e%2e/admin', '..\\admin'])('refuses the path "%s", which leads out of the URL', async (path) => {
    const before = seen.length;
    await expect(invoke('get', { path }, { url: `${base}/api` })).rejects.toThrow("leads out of the component's URL");
    expect(seen).toHaveLength(before);
  });

  it('fails on a status other than 2xx and keeps its metadata, unless told otherwise', async () => {
    const metadata = { statusCode: '418', status: '418', 'X-Why': 'short, stout' };
    await expect(invoke('get', { path: 'teapot' })).rejects.toMatchObject({ message: 'received status code 418', metadata });
    expect(await invoke('get', { path: 'teapot', errorIfNot2XX: 'false' })).toMatchObject({ data: 'no coffee', metadata });
    expect(await invoke('get', { path: 'teapot' }, { errorIfNot2XX: 'no' })).toMatchObject({ data: 'no coffee' });
    await expect(invoke('get', { path: 'teapot', errorIfNot2XX: 'true' }, { errorIfNot2XX: 'no' })).rejects.toThrow(
      'received status code 418',
    );
  });

  it('does not follow redirects', async () => {
    const moved = await invoke('get', { path: 'moved', errorIfNot2XX: 'false' });
    expect(moved.metadata).toMatchObject({ statusCode: '302', Location: 'http://127.0.0.1:1/secret' });
    expect(moved.request?.target).toBe('/moved');
  });

  it('gives up at its limits: size, time, and when the caller does', async () => {
    await expect(invoke('get', { path: 'large' }, { maxResponseBodySize: '2Ki' })).rejects.toMatchObject({ code: 'overloaded' });
    expect((await invoke('get', { path: 'large' }, { maxResponseBodySize: '0' })).data).toHaveLength(3_000);
    await expect(invoke('get', { path: 'never' }, { responseTimeout: '50ms' })).rejects.toMatchObject({ code: 'deadline-exceeded' });
    const scope = new CancelScope();
    const binding = await open();
    const pending = binding.output?.invoke({ operation: 'get', data: new Uint8Array(0), metadata: { path: 'never' } }, scope);
    scope.cancel(new Error('caller left'));
    await expect(pending).rejects.toMatchObject({ code: 'cancelled' });
  });

  it('hands certificates to the client for https, from PEM or files', async () => {
    const requests: HttpClientRequest[] = [];
    const recording: HttpClient = {
      request: async (request) => (requests.push(request), { status: 200, headers: [], body: emptyBody }),
      close: async () => {},
    };
    const pem = '-----BEGIN PRIVATE KEY-----';
    const binding = await open({ url: 'https://api.example', MTLSRootCA: '/pem', MTLSClientCert: '/pem', MTLSClientKey: pem }, recording);
    await binding.output?.invoke({ operation: 'get', data: new Uint8Array(0), metadata: {} }, neverCancelled);
    const certificate = '-----BEGIN CERTIFICATE-----';
    expect(requests[0]).toMatchObject({
      address: { host: 'api.example', port: 443 },
      tls: { serverName: 'api.example', rootCa: certificate, certificate, privateKey: pem },
    });
  });

  it.each([
    [{ url: 'ftp://x' }, /neither http nor https/],
    [{ url: 'not a url' }, /is not a URL/],
    [{ url: 'http://u:canary@x' }, /must not hold credentials/],
    [{ MTLSRootCA: '/none-canary' }, /MTLSRootCA is neither PEM nor the path/],
    [{ MTLSClientCert: '/pem' }, /need each other/],
    [{ MTLSClientCert: '/pem', MTLSClientKey: '/text' }, /the file of MTLSClientKey holds no PEM/],
  ])('refuses %j', async (metadata: Record<string, string>, message) => {
    const failure = await open(metadata).then(
      () => undefined,
      (error: unknown) => error as Error,
    );
    expect(failure).toMatchObject({ code: 'component.init-failed', message: expect.stringMatching(message) });
    expect(failure?.message).not.toContain('canary');
  });

  it('refuses metadata that cannot be', () => {
    for (const bad of [
      {},
      { url: '' },
      { url: base, MTLSRenegotiation: 'RenegotiateFreelyAsClient' },
      { url: base, responseTimeout: 'soon' },
      { url: base, x: '1' },
    ]) {
      expect(v.safeParse(config, bad).success).toBe(false);
    }
  });
});
