import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { StartHost } from '../../host/host-api.ts';
import { hintDetail } from '../../kernel/hint-detail.ts';
import type { Child, Ports } from '../../kernel/ports.ts';
import { nodePorts } from '../../ports/node/index.ts';
import { createNodeProcess } from '../../ports/node/process.ts';
import { main } from '../main.ts';
import { identify, RunRegistration, type RegisteredApp, type RunRecord } from '../run-registry.ts';

const noHost: StartHost = async () => {
  throw new Error('no host here');
};
let directory: string;
let out: string[];
let err: string[];
let ports: Ports;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'proa-cli-'));
  out = [];
  err = [];
  const real = createNodeProcess();
  const process = {
    ...real,
    cwd: () => directory,
    env: (name: string) => ({ PROA_STATE_DIR: join(directory, 'state'), DAPR_API_TOKEN: ' token, the-one-that-goes' })[name],
    writeOut: (text: string) => void out.push(text),
    writeErr: (text: string) => void err.push(text),
  };
  ports = { ...nodePorts(), process };
});
afterEach(() => rm(directory, { recursive: true, force: true }));

async function cli(...args: readonly string[]): Promise<number> {
  out.length = 0;
  err.length = 0;
  return main(args, { ports, loadHost: async () => noHost, version: '0' });
}

function announce(owner: RunRecord['process'], apps: readonly RegisteredApp[]): Promise<boolean> {
  return new RunRegistration(ports).update({ version: 1, process: owner, mode: 'run', startedAtMs: ports.clock.now(), directory, apps });
}

const sleeper = (): Child =>
  ports.process.spawn({ command: process.execPath, args: ['-e', 'setInterval(() => {}, 1000)'], env: {}, output() {} });

describe('commands that look at other runs', () => {
  it('lists a run, forgets it once its process is another one, and stops it', async () => {
    const runtime = sleeper();
    const app = { id: 'orders', httpPort: 1, grpcPort: 2, appPort: 3, command: ['node', 'app.js'] };
    const owner = identify(ports, runtime.pid);
    await announce(owner, [app]);
    expect(await cli('list')).toBe(0);
    expect(out.join('')).toMatch(/orders +1 +2 +3 .*running +node app\.js/);
    expect(await cli('list', '--json')).toBe(0);
    expect(JSON.parse(out.join(''))).toMatchObject([{ appId: 'orders', status: 'running', appPort: 3, metricsPort: null }]);
    expect(await cli('stop', 'orders', '--json')).toBe(0);
    expect(JSON.parse(out.join(''))).toEqual({ stopped: [{ apps: ['orders'], pid: runtime.pid, stopped: true }], notFound: [] });
    expect(ports.process.alive(runtime.pid)).toBe(false);
    // The same process id with another start time is another process.
    await announce({ pid: process.pid, startTicks: 1 }, [app]);
    expect(await cli('list', '--json')).toBe(0);
    expect(out.join('')).toBe('[]\n');
  });

  it('finds and ends an app whose runtime was killed', async () => {
    const [runtime, app] = [sleeper(), sleeper()];
    const owner = identify(ports, runtime.pid);
    await announce(owner, [{ id: 'orders', httpPort: 1, grpcPort: 2, process: identify(ports, app.pid) }]);
    runtime.kill('SIGKILL');
    await runtime.exit;
    await cli('list', '--json');
    expect(JSON.parse(out.join(''))).toMatchObject([{ appId: 'orders', status: 'left behind', appPid: app.pid }]);
    expect(await cli('doctor', '--json', '--dapr-http-port=0', '--dapr-grpc-port=0', '--metrics-port=0')).toBe(3);
    expect(out.join('')).toContain('proa stop --all');
    expect(await cli('stop', '--all')).toBe(0);
    expect(ports.process.alive(app.pid)).toBe(false);
    await cli('list', '--json');
    expect(out.join('')).toBe('[]\n');
  });

  it('follows a log until a signal comes, and keeps signals caught after it', async () => {
    const logFile = join(directory, 'orders.log');
    await writeFile(logFile, 'line 0\n');
    await announce(identify(ports, process.pid), [{ id: 'orders', httpPort: 1, grpcPort: 2, logFile }]);
    const caught = new Map<string, () => void>();
    ports = {
      ...ports,
      process: { ...ports.process, onSignal: (signal, handler) => (caught.set(signal, handler), () => caught.delete(signal)) },
    };
    const code = cli('logs', 'orders', '--follow');
    while (!caught.has('SIGTERM')) await new Promise<void>((resolve) => ports.clock.soon(resolve));
    caught.get('SIGINT')?.();
    expect(await code).toBe(0);
    expect([...caught.keys()]).toEqual(['SIGINT', 'SIGTERM']);
  });

  it('looks for rollouts where what runs keeps its data', async () => {
    const app = { id: 'orders', httpPort: 1, grpcPort: 2 };
    const self = identify(ports, process.pid);
    const place = { directory, dataDirectory: join(directory, 'elsewhere') };
    await new RunRegistration(ports).update({ version: 1, process: self, mode: 'run', startedAtMs: 0, ...place, apps: [app] });
    for (const words of [['status'], ['status', 'orders'], ['abort', 'orders'], ['start', 'orders', 'v1', 'v2']]) {
      expect(await cli('rollout', ...words)).toBe(1);
      expect(err.join('')).toContain(`${place.dataDirectory} holds no data of Proa`);
    }
    // Another app is not there: the usual place.
    expect(await cli('rollout', 'status', 'other')).toBe(1);
    expect(err.join('')).toContain(`${join(directory, 'state', 'data')} holds no data of Proa`);
  });

  it('shows the last lines of a log', async () => {
    const logFile = join(directory, 'orders.log');
    await writeFile(logFile, Array.from({ length: 500 }, (_, index) => `line ${index}\n`).join(''));
    await announce(identify(ports, process.pid), [{ id: 'orders', httpPort: 1, grpcPort: 2, logFile }]);
    expect(await cli('logs', 'orders', '-n', '2')).toBe(0);
    expect(out.join('')).toBe('line 498\nline 499\n');
    expect(await cli('logs', 'orders', '-n', '0')).toBe(0);
    expect(out).toEqual([]);
    expect(await cli('logs', 'orders', '--lines=-1')).toBe(2);
  });
});

describe('commands that call a runtime', () => {
  const refusal = `{"errorCode":"ERR_STATE\\u001b_X","message":"there is\\u001b no x","details":[${JSON.stringify(hintDetail('did you mean y?'))}]}`;
  let server: Server;
  let requests: { method?: string | undefined; url?: string | undefined; type?: string | undefined; token: unknown; body: string }[];
  let port: number;
  beforeEach(async () => {
    requests = [];
    server = createServer((request: IncomingMessage, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const { method, url, headers } = request;
        requests.push({
          method,
          url,
          type: headers['content-type'],
          token: headers['dapr-api-token'],
          body: Buffer.concat(chunks).toString(),
        });
        if (url?.includes('silent') === true) return;
        if (url?.includes('refused') === true) return void response.writeHead(400).end(refusal);
        response.writeHead(url?.includes('missing') === true ? 404 : 200).end('{"ok":\u001b[2Jtrue}');
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    port = (server.address() as AddressInfo).port;
    await announce(identify(ports, process.pid), [{ id: 'orders', httpPort: port, grpcPort: 1 }]);
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  it('invokes and publishes over the HTTP API, with the token, and prints answers harmlessly', async () => {
    expect(await cli('invoke', '-a', 'orders', '-m', '/place?x=1', '-D', '{"a":1}')).toBe(0);
    expect(out.join('')).toBe('{"ok":\\x1b[2Jtrue}\n');
    expect(await cli('publish', '-i', 'orders', '-t', 'a b/c', '-D', 'text', '--metadata', '{"ttlInSeconds":5}')).toBe(0);
    expect(requests).toEqual([
      { method: 'POST', url: '/v1.0/invoke/orders/method/place?x=1', type: 'application/json', token: 'token', body: '{"a":1}' },
      { method: 'POST', url: '/v1.0/publish/pubsub/a%20b/c?metadata.ttlInSeconds=5', type: 'text/plain', token: 'token', body: 'text' },
    ]);
  });

  it('tell a refusal of the runtime in its words, and an answer of the app as it is', async () => {
    expect(await cli('publish', '-i', 'orders', '-t', 'refused', '-D', '1')).toBe(1);
    expect(err.join('')).toBe('error: there is\\x1b no x [ERR_STATE\\x1b_X]\n  help: did you mean y?\n');
    expect(await cli('wf', 'show', 'refused')).toBe(1);
    expect(err.join('')).toBe('error: there is\\x1b no x [ERR_STATE\\x1b_X]\n  help: did you mean y?\n');
    expect(await cli('invoke', '-a', 'orders', '-m', 'missing')).toBe(1);
    expect(err.join('')).toBe('error: 404: {"ok":\\x1b[2Jtrue}\n');
  });

  it('reach a runtime whose API listens on a socket', async () => {
    const socket = join(directory, 'api.socket');
    const behind = createServer((request, response) =>
      response.end(JSON.stringify({ path: request.url, host: request.headers.host, types: [] })),
    );
    await new Promise<void>((resolve) => void behind.listen(socket, resolve));
    await announce(identify(ports, process.pid), [{ id: 'orders', httpPort: 0, grpcPort: 0, httpSocket: socket }]);
    expect(await cli('invoke', '-a', 'orders', '-m', 'x')).toBe(0);
    expect(JSON.parse(out.join(''))).toMatchObject({ path: '/v1.0/invoke/orders/method/x' });
    expect(await cli('actor', 'list', '--json')).toBe(0);
    expect(out.join('')).toBe('[]\n');
    behind.closeAllConnections();
    await new Promise((resolve) => behind.close(resolve));
    expect(await cli('invoke', '-a', 'orders', '-m', 'x')).toBe(6);
    expect(err.join('')).toContain(`is the runtime on ${socket} well?`);
  });

  it('guess which app was meant', async () => {
    for (const words of [
      ['invoke', '-a', 'ordres', '-m', 'x'],
      ['stop', 'ordres'],
      ['logs', 'ordres'],
      ['actor', 'list', '-a', 'ordres'],
      ['wf', 'list', '-a', 'ordres'],
    ]) {
      expect([await cli(...words), err.join('')]).toEqual([
        4,
        'error: no app "ordres" runs on this machine\n  help: did you mean orders?\n',
      ]);
    }
    expect(await cli('stop', 'warehouse')).toBe(4);
    expect(err.join('')).toContain('help: proa list');
  });

  it('tells failure, silence and absence apart by exit code', async () => {
    expect(await cli('invoke', '-a', 'orders', '-m', 'missing', '--verb', 'GET', '--json')).toBe(1);
    expect(JSON.parse(out.join(''))).toMatchObject({ status: 404 });
    expect(await cli('invoke', '-a', 'orders', '-m', 'silent', '--timeout', '100ms')).toBe(5);
    expect(err.join('')).toContain('help: --timeout gives it longer');
    await announce(identify(ports, process.pid), [{ id: 'orders', httpPort: 1, grpcPort: 1 }]);
    expect(await cli('invoke', '-a', 'orders', '-m', 'x')).toBe(6);
    expect(await cli('publish', '-i', 'orders', '-t', 'x', '-D', 'x', '--metadata', '[1]')).toBe(2);
  });
});
