import { execFile, spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { component, createMachine, eventually, freePort, startSidecar, type TestMachine, type TestSidecar } from './sidecar.ts';

// Dapr's SDK for Python, unmodified (python/requirements.txt), in an environment that PROA_TEST_PYTHON names.
const folder = fileURLToPath(new URL('python/', import.meta.url));
const python = process.env['PROA_TEST_PYTHON'] ?? 'python3';
const installed = await promisify(execFile)(python, ['-c', 'import dapr.ext.workflow, dapr.ext.fastapi']).then(
  () => true,
  () => false,
);
if (!installed) console.log('skipped: the Dapr SDK for Python is not installed');

interface Told {
  readonly step: string;
  readonly value: unknown;
}

interface PythonApp {
  readonly sidecar: TestSidecar;
  /** What the app has told so far. */
  readonly told: readonly Told[];
  /** Runs a script against the sidecar: what it told, by step. */
  run(script: string): Promise<Readonly<Record<string, unknown>>>;
  stop(): Promise<void>;
}

/** A sidecar with an app of this folder, which subscribes, hosts and answers. */
async function startApp(machine: TestMachine, script: string, protocol: 'http' | 'grpc', resources: Readonly<Record<string, string>>) {
  const appPort = await freePort();
  const sidecar = await startSidecar({ appId: 'py', appPort, appProtocol: protocol, machine, resources });
  const env = { ...process.env, DAPR_HTTP_PORT: sidecar.httpPort, DAPR_GRPC_PORT: sidecar.grpcPort, PYTHONDONTWRITEBYTECODE: '1' };
  const told: Told[] = [];
  const started = (file: string, into: Told[], ...args: string[]) => {
    const child = spawn(python, ['-W', 'ignore', join(folder, file), ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    let complained = '';
    child.stderr.on('data', (chunk: Buffer) => (complained += chunk.toString()));
    createInterface(child.stdout).on('line', (line) => line.startsWith('{') && into.push(JSON.parse(line) as Told));
    const ended = new Promise<string>((resolve) => child.once('close', () => resolve(complained)));
    return { child, ended };
  };
  const { child, ended } = started(script, told, appPort);
  await sidecar.ready();
  const app: PythonApp = {
    sidecar,
    told,
    async run(file) {
      const steps: Told[] = [];
      const run = started(file, steps);
      const complaint = await run.ended;
      if (run.child.exitCode !== 0) throw new Error(`${file} failed:\n${complaint}`);
      return Object.fromEntries(steps.map(({ step, value }) => [step, value]));
    },
    async stop() {
      await sidecar.stop();
      child.kill('SIGKILL');
      await ended;
    },
  };
  return app;
}

describe.runIf(installed)("Dapr's SDK for Python", () => {
  let machine: TestMachine;
  beforeAll(() => {
    machine = createMachine();
  });
  afterAll(() => machine.remove());

  describe('an app over gRPC', () => {
    let app: PythonApp;
    const heard = (step: string): unknown[] => app.told.filter((each) => each.step === step).map(({ value }) => value);
    beforeAll(async () => {
      const keys = join(machine.directory, 'keys');
      mkdirSync(keys);
      const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
      writeFileSync(join(keys, 'rsa.pem'), privateKey.export({ type: 'pkcs8', format: 'pem' }));
      const secretsFile = join(machine.directory, 'secrets.json');
      writeFileSync(secretsFile, JSON.stringify({ db: { password: 's3cret' }, api: 'k' }));
      app = await startApp(machine, 'grpc_app.py', 'grpc', {
        'files.yaml': component('files', 'bindings.localstorage', { rootPath: join(machine.directory, 'files') }),
        'keys.yaml': component('keys', 'crypto.dapr.localstorage', { path: keys }),
        'lockstore.yaml': component('lockstore', 'lock.proa'),
        'pubsub.yaml': component('pubsub', 'pubsub.proa'),
        'secrets.yaml': component('secrets', 'secretstores.local.file', { secretsFile }),
        'statestore.yaml': component('statestore', 'state.proa'),
        'tick.yaml': component('tick', 'bindings.cron', { schedule: '@every 1s' }),
      });
    });
    afterAll(() => app.stop());

    it('uses every building block', async () => {
      const said = await app.run('blocks.py');
      expect(said).toMatchObject({
        metadata: ['py', 'me', ['files', 'keys', 'lockstore', 'pubsub', 'secrets', 'statestore', 'tick']],
        invoke: ['got hi', ['1']],
        'invoke a failing method': { error: 'DaprHttpError' },
        'invoke nobody': { error: 'DaprHttpError', text: expect.stringContaining('ERR_DIRECT_INVOKE') },
        'stale etag': { error: 'DaprGrpcError', text: expect.stringContaining('ABORTED') },
        'bulk state': { a: '1', b: '2', c: '' },
        transaction: ['11', ''],
        query: ['q3', 'q1'],
        'unknown store': { error: 'DaprGrpcError', text: expect.stringContaining('state store nostore is not found') },
        publish: 0,
        'publish to nobody': { error: 'DaprGrpcError', text: expect.stringContaining('pubsub nobody is not found') },
        stream: [{ s: 1 }, 'stream', 'com.dapr.event.sent', 'py'],
        handler: ['0', '1', '2', '3', '4'],
        binding: 'content',
        secret: { 'db:password': 's3cret' },
        secrets: { 'db:password': { 'db:password': 's3cret' }, api: { api: 'k' } },
        lock: [true, false],
        crypto: [true, true],
        job: ['report', '1s'],
      });
      const all = () =>
        heard('event').length === 3 && heard('again').length === 3 && ['dead', 'job', 'tick'].every((step) => heard(step).length > 0);
      await eventually(all, `everything reaches the app: ${JSON.stringify(app.told)}`);
      expect(heard('event')).toHaveLength(3);
      expect(heard('event')).toContainEqual({ topic: 'orders', data: '{"order": 1}', type: 'application/json' });
      expect([heard('dead'), heard('job'), heard('special'), heard('ordinary')]).toEqual([['rotten'], ['payload'], ['{"z":1}'], ['plain']]);
    });

    it('runs workflows', async () => {
      expect(await app.run('workflows.py')).toMatchObject({
        chain: ['COMPLETED', '6', null],
        history: true,
        list: true,
        rerun: '103',
        fan: ['COMPLETED', '210', null],
        timeout: ['COMPLETED', '"timeout"', null],
        approve: '{"by": "me"}',
        parent: ['COMPLETED', '60', 'child done'],
        retrying: ['COMPLETED', '3', null],
        failing: 'FAILED',
        counting: ['COMPLETED', '3', null],
        telling: ['COMPLETED', '["telling"]', null],
        pause: ['SUSPENDED', 'RUNNING', '"bye"', null],
        twice: { text: expect.stringContaining('ALREADY_EXISTS') },
        nobody: null,
      });
    });
  });

  it('hosts and calls actors, and hears of events, over HTTP', async () => {
    const resources = {
      'pubsub.yaml': component('pubsub', 'pubsub.proa'),
      'statestore.yaml': component('statestore', 'state.proa', { actorStateStore: 'true' }),
    };
    const app = await startApp(machine, 'http_app.py', 'http', resources);
    await eventually(() => app.sidecar.output().includes('hosting actors of Counter'), 'actors are hosted');
    expect(await app.run('actors.py')).toMatchObject({
      add: 2,
      'add again': 5,
      fail: { error: 'DaprHttpError', text: expect.stringContaining('the actor failed') },
      many: Array.from({ length: 30 }, (_, n) => n),
      schedule: { count: 5, reminded: 2, timed: 2, data: 'reminder data' },
      hello: { hi: { a: 1 } },
    });
    await eventually(() => app.told.length > 0, 'the event reaches the app');
    expect(app.told).toEqual([{ step: 'event', value: [{ x: 1 }, 'com.dapr.event.sent'] }]);
    await app.stop();
  });
});
