import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createApp } from '../sdk/app.ts';
import type { TopicEvent } from '../sdk/event.ts';
import { recordingLogger } from '../testing/driver-context.ts';
import { freePorts } from '../testing/server-process.ts';
import { createRuntime, type Runtime } from './in-process.ts';

let dataDirectory: string;
let runtime: Runtime;

beforeEach(async () => {
  dataDirectory = mkdtempSync(join(tmpdir(), 'proa-in-process-'));
  runtime = await createRuntime({ appId: 'shop', dataDirectory });
});
afterEach(async () => {
  await runtime.close();
  rmSync(dataDirectory, { recursive: true, force: true });
});

describe('a runtime in the own process', () => {
  it('keeps state across its end, and guards it by etags', async () => {
    await runtime.state.set('statestore', 'cart', { items: 1 });
    const before = await runtime.state.get('statestore', 'cart');
    expect(before?.value).toEqual({ items: 1 });
    await runtime.state.set('statestore', 'cart', { items: 2 }, { etag: before?.etag ?? '' });
    await expect(runtime.state.set('statestore', 'cart', 0, { etag: before?.etag ?? '' })).rejects.toMatchObject({
      code: 'state.save-etag-mismatch',
    });
    await runtime.close();
    runtime = await createRuntime({ appId: 'shop', dataDirectory });
    expect((await runtime.state.get('statestore', 'cart'))?.value).toEqual({ items: 2 });
    await runtime.state.delete('statestore', 'cart');
    expect(await runtime.state.get('statestore', 'cart')).toBeUndefined();
  });

  it('delivers an event again until its handler takes it', async () => {
    const seen: TopicEvent[] = [];
    let took: () => void = () => {};
    const taken = new Promise<void>((resolve) => (took = resolve));
    const end = await runtime.subscribe('pubsub', 'placed', (event) => {
      seen.push(event);
      if (seen.length === 1) throw new Error('not yet');
      took();
    });
    await runtime.publish('pubsub', 'placed', { n: 7 });
    await taken;
    await end();
    expect(seen).toHaveLength(2);
    expect(seen[1]).toMatchObject({ id: seen[0]?.id, topic: 'placed', data: { n: 7 } });
  });

  it('calls by HTTP what has an address, and says who cannot be found', async () => {
    const server = createServer((request, response) => {
      let text = '';
      request.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      request.on('end', () => response.end(JSON.stringify([request.method, request.url, text])));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    try {
      // No content type is no JSON for sure: it is text.
      expect(JSON.parse(await runtime.invoke(address, 'orders?fast=1', { n: 1 }))).toEqual(['POST', '/orders?fast=1', '{"n":1}']);
      expect(JSON.parse(await runtime.invoke(address, 'orders'))).toEqual(['GET', '/orders', '']);
    } finally {
      server.close();
    }
    await expect(runtime.invoke('nobody', 'x')).rejects.toMatchObject({ code: expect.stringMatching(/^invoke\./) as string });
  });

  it('locks, and says with a code what it cannot do', async () => {
    const lock = { resourceId: 'door', owner: 'a', expirySeconds: 60 };
    expect(await runtime.lock.tryLock('lockstore', lock)).toMatchObject({ held: true });
    expect(await runtime.lock.tryLock('lockstore', { ...lock, owner: 'b' })).toMatchObject({ held: false });
    expect(await runtime.lock.unlock('lockstore', { ...lock, owner: 'b' })).toBe(false);
    expect(await runtime.lock.unlock('lockstore', lock)).toBe(true);
    await expect(runtime.state.get('nowhere', 'k')).rejects.toMatchObject({ code: 'state.not-found' });
    await expect(createRuntime({ appId: 'x', dataDirectory, resources: [join(dataDirectory, 'absent')] })).rejects.toMatchObject({
      code: 'config.invalid',
    });
  });

  it.each([
    ['no name', { appId: undefined }, /appId is undefined/],
    ['a name that nobody could call', { appId: 'a.b' }, /appId is "a\.b"; it must be a name of letters/],
    ['no directory', { dataDirectory: '' }, /dataDirectory is ""; it must be a path/],
    ['an app that is none', { app: {} }, /app is no app/],
    ['a database of another kind', { database: 'mysql://host/x' }, /no URL of a PostgreSQL database/],
    ['a path instead of a list', { resources: './components' }, /resources is ".\/components"; it must be a list of paths/],
    ['a port that is none', { metrics: { port: 99_999 } }, /metrics\.port is 99999; it must be a port/],
    ['a lease too short', { placementTtlMs: 5 }, /placementTtlMs must be between 300 and 600000/],
  ])('says what is wrong with %s before it opens anything', async (_, wrong, message) => {
    const opened = createRuntime({ appId: 'x', dataDirectory, ...(wrong as object) });
    await expect(opened).rejects.toMatchObject({ code: 'config.invalid', message: expect.stringMatching(message) as string });
  });

  it('warns on standard error of what nobody else hears', async () => {
    const written: string[] = [];
    const write = vi.spyOn(process.stderr, 'write').mockImplementation((chunk) => written.push(String(chunk)) > 0);
    try {
      const end = await runtime.subscribe('pubsub', 'placed', () => {
        throw new Error('not today');
      });
      await runtime.publish('pubsub', 'placed', {});
      await vi.waitFor(() => expect(written.join('')).toMatch(/^warning: an event of topic placed .*not today/m), { timeout: 60_000 });
      await end();
    } finally {
      write.mockRestore();
    }
  });

  it('calls and is called over TLS with certificates when it has a place in the mesh, and serves metrics', async () => {
    const [port = 0] = await freePorts(1);
    const app = createApp().handle('hello/{name}', ({ params, caller }) => ({ text: `hello ${params['name']}`, for: caller }));
    const greeter = await createRuntime({ appId: 'greeter', dataDirectory, app, mesh: {}, metrics: { port } });
    const guest = await createRuntime({ appId: 'guest', dataDirectory, mesh: {} });
    try {
      expect(await guest.invoke('greeter', 'hello/world')).toEqual({ text: 'hello world', for: 'guest' });
      const page = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
      expect(page).toMatch(/^dapr_runtime_mtls_init_total\{app_id="greeter"\} 1$/m);
      expect(page).toMatch(/^dapr_runtime_service_invocation_req_recv_total\{[^}]*src_app_id="guest"[^}]*\} 1$/m);
    } finally {
      await guest.close();
      await greeter.close();
    }
    await expect(fetch(`http://127.0.0.1:${port}/metrics`)).rejects.toThrow();
  });

  it('says which port is taken, and leaves nothing open', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    await expect(createRuntime({ appId: 'late', dataDirectory, metrics: { port } })).rejects.toMatchObject({ code: 'config.port-taken' });
    server.close();
  });

  it('follows its files: policies and components change while it runs, and what has errors changes nothing', async () => {
    const resources = mkdtempSync(join(tmpdir(), 'proa-in-process-files-'));
    const write = (name: string, text: string): void => writeFileSync(join(resources, name), text);
    const policy = (abort: string): string =>
      `apiVersion: proa.dev/v1alpha1\nkind: Policy\nmetadata: { name: p }\nspec: { target: { app: shop }, fault: { abort: { status: ${abort} } } }\n`;
    const lines: string[] = [];
    write('p.yaml', policy('418'));
    const web = await createRuntime({ appId: 'web', dataDirectory, resources: [resources], log: recordingLogger(lines) });
    const answered = async (): Promise<number> => (await web.request('shop', 'x')).status;
    const told = (text: string): Promise<void> => vi.waitFor(() => expect(lines.join('\n')).toContain(text), { timeout: 20_000 });
    try {
      expect(await answered()).toBe(418);
      write('p.yaml', policy('503'));
      await told('the files are in effect: new policies');
      expect(await answered()).toBe(503);
      write('p.yaml', policy('9'));
      await told('the files have errors: what was in effect stays');
      expect(lines.join('\n')).toMatch(/error spec.fault.abort.status must be .*"source":".*p.yaml:4:\d+"/);
      expect(await answered()).toBe(503);
      write('p.yaml', policy('503'));
      await told('the files have no errors any more');
      write('s.yaml', 'apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: { name: more }\nspec: { type: state.proa, version: v1 }\n');
      await told('added more');
      await web.state.set('more', 'k', 1);
      write('c.yaml', 'apiVersion: dapr.io/v1alpha1\nkind: HTTPEndpoint\nmetadata: { name: e }\nspec: { baseUrl: "http://x.example" }\n');
      await told('it takes effect when the runtime is opened again');
    } finally {
      await web.close();
      rmSync(resources, { recursive: true, force: true });
    }
  });
});
