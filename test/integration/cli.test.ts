import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

// The commands against running hosts, as a user gives them: real processes, real files, exit codes.
const program = fileURLToPath(new URL('../../dist/bin/proa.cjs', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'proa-cli-'));
const env = { ...process.env, PROA_STATE_DIR: join(directory, 'state'), NO_COLOR: '1' };

const app = `
import { createServer } from 'node:http';
const { NAME, PORT } = process.env;
createServer((request, response) => {
  let text = '';
  request.on('data', (part) => (text += part));
  request.on('end', () => {
    response.setHeader('content-type', 'application/json');
    if (request.url === '/dapr/subscribe') return response.end(JSON.stringify([{ pubsubname: 'pubsub', topic: 't', route: '/t' }]));
    if (request.url === '/t') console.log(NAME + ' got ' + JSON.parse(text).data.n);
    if (request.url === '/crash') { console.error('Error: told to crash'); process.exit(7); }
    if (request.url.startsWith('/dapr')) response.statusCode = 404;
    response.end(JSON.stringify({ name: NAME, path: request.url, body: text }));
  });
}).listen(Number(PORT), '127.0.0.1', () => console.log(NAME + ' listens'));
`;

interface Done {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

interface Running {
  readonly child: ChildProcess;
  printed(): string;
  readonly done: Promise<Done>;
}

const started: ChildProcess[] = [];

function start(cwd: string, ...args: string[]): Running {
  const child = spawn(process.execPath, [program, ...args], { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  started.push(child);
  let [out, err] = ['', ''];
  child.stdout.on('data', (part: Buffer) => (out += part.toString()));
  child.stderr.on('data', (part: Buffer) => (err += part.toString()));
  return { child, printed: () => out + err, done: new Promise((resolve) => child.once('close', (code) => resolve({ code, out, err }))) };
}

const proa = (cwd: string, ...args: string[]): Promise<Done> => start(cwd, ...args).done;

async function until(what: string, check: () => boolean, printed: () => string): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (!check()) {
    if (Date.now() > deadline) throw new Error(`did not happen: ${what}\n${printed()}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function project(name: string, runFile: string): string {
  const path = join(directory, name);
  mkdirSync(path);
  writeFileSync(join(path, 'app.mjs'), app);
  writeFileSync(join(path, 'proa.yaml'), runFile);
  return path;
}

const pidOf = (printed: string, name: string): number => Number(new RegExp(`${name}\\s+│ started \\(pid (\\d+)\\)`).exec(printed)?.[1]);
const lives = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

let first: string;
let second: string;
let shop: Running;
let other: Running;

beforeAll(async () => {
  first = project(
    'first',
    'apps:\n  one: { run: node app.mjs, env: { NAME: one }, restart: on-failure }\n  two: { run: node app.mjs, env: { NAME: two }, waits: [one] }\n',
  );
  second = project('second', 'apps:\n  three: { run: node app.mjs, env: { NAME: three } }\n');
  [shop, other] = [start(first, 'run', '-f', '.'), start(second, 'run')];
  const subscribed = (run: Running): number => run.printed().split('is subscribed to topic t').length - 1;
  await until(
    'two runs are ready',
    () => subscribed(shop) === 2 && subscribed(other) === 1,
    () => shop.printed() + other.printed(),
  );
});

afterAll(() => {
  for (const child of started) if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
  rmSync(directory, { recursive: true, force: true });
});

describe('two runs side by side', () => {
  it('start apps after those that they wait for are served', () => {
    const printed = shop.printed();
    const served = printed.search(/one\s+│ ready/);
    expect(served).toBeGreaterThan(0);
    expect(printed.search(/two\s+│ started/)).toBeGreaterThan(served);
  });

  it('are listed with what a script needs', async () => {
    const { code, out } = await proa(directory, 'list', '--json');
    const apps = JSON.parse(out) as { appId: string; httpPort: number; grpcPort: number }[];
    expect([code, apps.map(({ appId }) => appId).toSorted()]).toEqual([0, ['one', 'three', 'two']]);
    expect(apps.find(({ appId }) => appId === 'one')).toEqual({
      appId: 'one',
      mode: 'run',
      status: 'running',
      httpPort: expect.any(Number),
      grpcPort: expect.any(Number),
      metricsPort: expect.any(Number),
      appPort: expect.any(Number),
      runtimePid: shop.child.pid,
      appPid: pidOf(shop.printed(), 'one'),
      command: ['/bin/sh', '-c', 'node app.mjs'],
      directory: first,
      startedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
    });
    expect(new Set(apps.flatMap(({ httpPort, grpcPort }) => [httpPort, grpcPort])).size).toBe(6);
    expect((await proa(directory, 'list')).out).toMatch(/APP ID.*STATUS.*\n(.*\n)*three .*running/);
  });

  it('are called, and told apart when an app is not there', async () => {
    const plain = await proa(directory, 'invoke', '-a', 'one', '-m', 'hello', '-D', 'hi');
    expect([plain.code, JSON.parse(plain.out)]).toEqual([0, { name: 'one', path: '/hello', body: 'hi' }]);
    const json = await proa(directory, 'invoke', '--app-id', 'three', '--method', 'x', '--verb', 'GET', '--json');
    expect(JSON.parse(json.out)).toEqual({ status: 200, body: { name: 'three', path: '/x', body: '' } });
    const nobody = await proa(directory, 'invoke', '-a', 'nobody', '-m', 'x');
    expect([nobody.code, nobody.err]).toEqual([4, expect.stringContaining('no app "nobody" runs on this machine')]);
  });

  it('deliver what is published within each project only', async () => {
    const { code } = await proa(directory, 'publish', '-i', 'one', '--topic', 't', '-D', '{"n":5}');
    expect(code).toBe(0);
    await until('both apps get it', () => /one got 5/.test(shop.printed()) && /two got 5/.test(shop.printed()), shop.printed);
    expect(other.printed()).not.toContain('got 5');
    const failed = await proa(directory, 'publish', '-i', 'one', '--pubsub', 'nope', '--topic', 't', '-D', '{}', '--json');
    expect([failed.code, (JSON.parse(failed.out) as { status: number }).status]).toEqual([1, 404]);
  });

  it('job schedules, lists, shows, runs and deletes jobs of an app', async () => {
    const job = (...args: string[]): Promise<Done> => proa(directory, 'job', ...args);
    const nightly = ['schedule', 'one', 'nightly', '--schedule', 'CRON_TZ=Europe/Berlin 0 30 2 * * *', '--missed-runs', 'once'];
    expect(await job(...nightly, '-D', '{"full":true}')).toMatchObject({ code: 0 });
    expect(await job(...nightly)).toMatchObject({ code: 1, err: expect.stringContaining('job already exists') });
    expect(await job(...nightly, '--overwrite', '--repeats', '9', '-D', '{"full":true}')).toMatchObject({ code: 0 });
    const listed = JSON.parse((await job('list', 'one', '--json')).out) as unknown;
    expect(listed).toMatchObject([{ name: 'nightly', repeats: 9, missedRuns: 'once', runs: 0, data: { value: { full: true } } }]);
    expect((await job('list', 'one')).out).toMatch(
      /^NAME +SCHEDULE +NEXT RUN +RUNS +OF\nnightly +CRON_TZ=Europe\/Berlin 0 30 2 \* \* \* +\S+Z +0 +9\n$/,
    );
    expect(await job('run', 'one', 'nightly')).toMatchObject({ code: 0 });
    for (let runs = 0; runs === 0;) runs = (JSON.parse((await job('get', 'one', 'nightly', '--json')).out) as { runs: number }).runs;
    expect(await job('delete', 'one', '--prefix', 'night', '--json')).toMatchObject({ code: 0, out: '{"ok":true}\n' });
    expect(await job('get', 'one', 'nightly')).toMatchObject({ code: 4, err: expect.stringContaining('job not found') });
    expect(await job('run', 'one', 'nightly')).toMatchObject({ code: 4 });
    expect(await job('list', 'nobody')).toMatchObject({ code: 4 });
    expect(await job('schedule', 'one', 'x')).toMatchObject({ code: 2, err: expect.stringContaining('--due-time') });
    expect(await job('schedule', 'one', 'x', '--due-time', '1h', '-D', 'no json')).toMatchObject({ code: 2 });
    expect(await job('delete', 'one')).toMatchObject({ code: 2 });
    expect(await job('undo', 'one', 'x')).toMatchObject({ code: 2 });
    expect((await job('list', 'one')).err).toContain('one has no jobs');
  });

  it('keep logs', async () => {
    // What an app prints is shown at once, and in its file when the disk has taken it.
    const last = async (): Promise<unknown> => {
      const { code, out } = await proa(directory, 'logs', 'two', '--json', '-n', '1');
      return [code, JSON.parse(out || 'null')];
    };
    await expect.poll(last, { timeout: 60_000 }).toEqual([0, { app: 'two', line: 'two got 5' }]);
    expect((await proa(directory, 'logs', 'one')).out).toContain('one listens');
    expect((await proa(directory, 'logs', 'nobody')).code).toBe(4);
  });

  it('are found fine by the doctor', async () => {
    const { code, out } = await proa(first, 'doctor', '--json');
    expect([code, (JSON.parse(out) as { ok: boolean }).ok]).toEqual([0, true]);
    writeFileSync(join(directory, 'proa.yaml'), 'apps:\n  a: { rum: node app.mjs }\n');
    const wrong = await proa(directory, 'doctor');
    expect([wrong.code, wrong.out]).toEqual([3, expect.stringContaining('unknown key `rum`')]);
  });

  it('start a crashed app again, and say why it crashed', async () => {
    const pid = pidOf(shop.printed(), 'one');
    await proa(directory, 'invoke', '-a', 'one', '-m', 'crash');
    await until('it listens again', () => shop.printed().split('one listens').length >= 3, shop.printed);
    expect(shop.printed()).toMatch(/one\s+│ .*7.*\n(.*\n)*?.*told to crash/);
    expect(lives(pid)).toBe(false);
    const served = (): number => shop.printed().match(/one\s+│ ready/g)?.length ?? 0;
    await until('it is served again', () => served() >= 2, shop.printed);
    expect((await proa(directory, 'invoke', '-a', 'one', '-m', 'again')).code).toBe(0);
  });

  it('end by `stop` and by Ctrl-C with 0, and leave nothing behind', async () => {
    const pids = [
      shop.child.pid,
      other.child.pid,
      ...['one', 'two'].map((name) => pidOf(shop.printed(), name)),
      pidOf(other.printed(), 'three'),
    ];
    const stopped = await proa(directory, 'stop', 'one', '--json');
    expect(JSON.parse(stopped.out)).toEqual({ stopped: [{ apps: ['one', 'two'], pid: shop.child.pid, stopped: true }], notFound: [] });
    other.child.kill('SIGINT');
    expect([(await shop.done).code, (await other.done).code, stopped.code]).toEqual([0, 0, 0]);
    expect(pids.filter((pid) => lives(pid as number))).toEqual([]);
    expect(JSON.parse((await proa(directory, 'list', '--json')).out)).toEqual([]);
    expect((await proa(directory, 'stop', 'one')).code).toBe(4);
  });
});

describe('exit codes', () => {
  it('pass on the code of a single app, and tell configuration from failure at the start', async () => {
    const single = await proa(second, 'run', '--app-id', 'x', '--no-restart', '--', process.execPath, '-e', 'process.exit(9)');
    expect(single.code).toBe(9);
    expect((await proa(directory, 'run')).code).toBe(1);
    mkdirSync(join(directory, 'broken'));
    writeFileSync(
      join(directory, 'broken', 'store.yaml'),
      "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: { name: s }\nspec: { type: state.proa, version: v1, metadata: [{ name: keyPrefix, value: 'a||b' }] }\n",
    );
    const broken = await proa(
      second,
      'sidecar',
      '--app-id',
      'x',
      '--dapr-http-port',
      '0',
      '--dapr-grpc-port',
      '0',
      '--enable-metrics=false',
      '--resources-path',
      join(directory, 'broken'),
    );
    expect(broken.code).not.toBe(0);
    expect(broken.err + broken.out).toMatch(/component "s" \(state\.proa, .*store\.yaml:\d+.*\) cannot be started/);
  });

  it('of a configuration with errors, which are told once, and of commands that cannot be started', async () => {
    const folder = join(directory, 'unknown');
    mkdirSync(folder);
    writeFileSync(
      join(folder, 'store.yaml'),
      'apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: { name: s }\nspec: { type: state.nope, version: v1 }\n',
    );
    const program = ['--app-id', 'x', '--resources-path', folder];
    for (const args of [
      ['run', ...program, '--', process.execPath, '-e', '1'],
      ['sidecar', ...program],
    ]) {
      const { code, out, err } = await proa(second, ...args);
      expect([code, (out + err).split('error').length - 1, err]).toEqual([
        1,
        1,
        expect.stringMatching(/^error\[config\.unknown-type\]: component "s"/),
      ]);
    }
    const missing = await proa(second, 'run', '--app-id', 'x', '--', 'no-such-command');
    expect([missing.code, missing.out]).toEqual([
      127,
      expect.stringContaining('x    │ cannot be started: there is no command "no-such-command"\n'),
    ]);
    const notExecutable = await proa(second, 'run', '--app-id', 'x', '--', './app.mjs');
    expect([notExecutable.code, notExecutable.out]).toEqual([
      126,
      expect.stringContaining('cannot be started: "./app.mjs" is not executable\n'),
    ]);
  });

  it('of explain and completion', async () => {
    const known = await proa(directory, 'explain', 'ERR_STATE_GET', '--json');
    expect([known.code, JSON.stringify(JSON.parse(known.out))]).toEqual([0, expect.stringContaining('state.get')]);
    expect((await proa(directory, 'explain', 'nonsense')).code).toBe(4);
    for (const shell of ['bash', 'zsh', 'fish'])
      expect(await proa(directory, 'completion', shell)).toMatchObject({ code: 0, out: expect.stringContaining('publish') });
    expect((await proa(directory, 'nonsense')).code).toBe(2);
  });
});
