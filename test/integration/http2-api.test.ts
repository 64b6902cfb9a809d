import { spawn } from 'node:child_process';
import { connect, createServer, type Http2Server } from 'node:http2';
import { join } from 'node:path';
import type { AddressInfo } from 'node:net';
import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { component, createMachine, freePort, startSidecar, type TestMachine, type TestSidecar } from '../compat/sidecar.ts';

// HTTP/2 with prior knowledge (Dapr reference 2 and 5.1): the HTTP API of the real process over it, and an app that speaks nothing else.
let machine: TestMachine;
let sidecar: TestSidecar;
let app: Http2Server;
const seen: { readonly path: string; readonly headers: Readonly<Record<string, unknown>> }[] = [];
const sidecars: TestSidecar[] = [];

beforeAll(async () => {
  machine = createMachine();
  app = createServer();
  app.on('stream', (stream, headers) => {
    const path = String(headers[':path']);
    seen.push({ path, headers });
    stream.on('error', () => {});
    if (path === '/dapr/subscribe') {
      stream.respond({ ':status': 200, 'content-type': 'application/json' });
      stream.end(JSON.stringify([{ pubsubname: 'pubsub', topic: 'orders', route: '/on-order' }]));
    } else if (path === '/echo') {
      stream.respond({ ':status': 200, 'content-type': 'application/octet-stream' });
      stream.pipe(stream);
    } else {
      stream.resume();
      stream.respond({ ':status': path === '/on-order' ? 200 : 404 }, { endStream: true });
    }
  });
  await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve));
  const resources = { 'state.yaml': component('store', 'state.in-memory'), 'pubsub.yaml': component('pubsub', 'pubsub.in-memory') };
  const flags = ['--app-port', String((app.address() as AddressInfo).port), '--app-protocol', 'h2c'];
  sidecar = await start({ flags, resources });
});
afterAll(async () => {
  for (const each of sidecars) expect(await each.stop()).toBe(0);
  app.close();
  machine.remove();
});

async function start(options: {
  readonly flags?: readonly string[];
  readonly resources?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
}) {
  const started = await startSidecar({ appId: `h2-${sidecars.length}`, machine, ...options });
  sidecars.push(started);
  return started;
}

/** A request by curl over HTTP/2: its status and protocol, its body, and the exit code of curl. The app lives in this process, so it must not wait idly. */
function curl(path: string, args: readonly string[] = [], port = sidecar.httpPort) {
  const all = ['-s', '--max-time', '60', '--http2-prior-knowledge', '-w', '\n%{http_code} %{http_version}', ...args];
  const child = spawn('curl', [...all, `http://127.0.0.1:${port}${path}`], { stdio: ['ignore', 'pipe', 'ignore'] });
  const parts: Buffer[] = [];
  child.stdout.on('data', (part: Buffer) => parts.push(part));
  return new Promise<{ body: string; told: string; code: number | null }>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      const text = Buffer.concat(parts).toString('latin1');
      const at = text.lastIndexOf('\n');
      resolve({ body: text.slice(0, at), told: text.slice(at + 1), code });
    });
  });
}

describe('the HTTP API over HTTP/2 with prior knowledge', () => {
  it('answers what it answers over HTTP/1.1, on the same port at the same time', async () => {
    expect((await curl('/v1.0/healthz/outbound')).told).toBe('204 2');
    expect((await curl('/v1.0/state/store', ['-d', '[{"key":"a","value":{"b":1}}]', '-H', 'content-type: application/json'])).told).toBe(
      '204 2',
    );
    expect(await curl('/v1.0/state/store/a')).toMatchObject({ body: '{"b":1}', told: '200 2' });
    expect(await (await sidecar.get('/v1.0/state/store/a')).json()).toEqual({ b: 1 });
    const refused = await curl('/v1.0/state/nope/a');
    expect([refused.told, JSON.parse(refused.body)]).toEqual([
      '400 2',
      expect.objectContaining({ errorCode: 'ERR_STATE_STORE_NOT_FOUND' }),
    ]);
    const metrics = async (): Promise<string> => (await fetch(`http://127.0.0.1:${sidecar.metricsPort}/`)).text();
    await expect.poll(metrics, { timeout: 60_000 }).toMatch(/dapr_http_server_request_count\{[^}]*state\/nope[^}]*status="400"[^}]*\} 1/);
  });

  it('streams an invocation there and back, into an app over HTTP/2', async () => {
    await sidecar.ready();
    const bytes = Buffer.alloc(3_000_000, 'abc');
    const file = join(machine.directory, 'body');
    writeFileSync(file, bytes);
    const answer = await curl('/v1.0/invoke/h2-0/method/echo', ['--data-binary', `@${file}`]);
    expect([answer.told, answer.body === bytes.toString()]).toEqual(['200 2', true]);
    const call = seen.find(({ path }) => path === '/echo');
    expect(call?.headers).toMatchObject({ ':method': 'POST', ':scheme': 'http', 'dapr-caller-app-id': 'h2-0' });
  });

  it('delivers events to the app over HTTP/2', async () => {
    await sidecar.ready();
    expect((await curl('/v1.0/publish/pubsub/orders', ['-d', '{"n":1}', '-H', 'content-type: application/json'])).told).toBe('204 2');
    await expect.poll(() => seen.some(({ path }) => path === '/on-order'), { timeout: 60_000 }).toBe(true);
  });

  it('asks for the token, and lets what runs end when the process is told to stop', async () => {
    const guarded = await start({ env: { DAPR_API_TOKEN: 'secret' } });
    expect((await curl('/v1.0/metadata', [], guarded.httpPort)).told).toBe('401 2');
    expect((await curl('/v1.0/metadata', ['-H', 'dapr-api-token: secret'], guarded.httpPort)).told).toBe('200 2');
    const session = connect(`http://127.0.0.1:${guarded.httpPort}`);
    session.on('error', () => {});
    const gone = new Promise((resolve) => session.once('goaway', resolve));
    await new Promise((resolve) => session.once('remoteSettings', resolve));
    expect(await guarded.stop()).toBe(0);
    await gone;
    session.destroy();
  });

  it('can be switched off, and never opens what the public port does not serve', async () => {
    const off = await start({ env: { DAPR_HTTP_DISABLE_H2C: 'true' } });
    expect((await curl('/v1.0/healthz', [], off.httpPort)).code).not.toBe(0);
    const port = await freePort();
    await start({ flags: ['--dapr-public-port', port], resources: { 'state.yaml': component('store', 'state.in-memory') } });
    expect((await curl('/v1.0/state/store/a', [], port)).told).toBe('404 2');
    expect((await curl('/v1.0/metadata', [], port)).told).toBe('200 2');
  });
});
