import { spawn, type ChildProcess } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findPostgres, startPostgres, type PostgresServer } from '../../src/testing/postgres-server.ts';
import { createMachine, eventually, freePort, startSidecar, type TestMachine, type TestSidecar } from '../compat/sidecar.ts';

// What is stored, as a whole: backed up under a live sidecar, restored, moved into a real PostgreSQL and back, and served from there.
const program = fileURLToPath(new URL('../../dist/bin/proa.cjs', import.meta.url));
const secret = 'pass-word-of-the-database';
let machine: TestMachine;
const children: ChildProcess[] = [];

beforeAll(() => {
  machine = createMachine();
});
afterAll(() => {
  for (const child of children) if (child.exitCode === null) child.kill('SIGKILL');
  machine.remove();
});

interface Running {
  readonly child: ChildProcess;
  printed(): string;
  readonly done: Promise<{ code: number | null; out: string; err: string }>;
}

function start(args: readonly string[], env: Readonly<Record<string, string>> = {}): Running {
  const surroundings = { ...process.env, NO_COLOR: '1', PROA_STATE_DIR: join(machine.directory, 'state'), ...env };
  const child = spawn(process.execPath, [program, ...args], { env: surroundings, stdio: ['ignore', 'pipe', 'pipe'] });
  children.push(child);
  let [out, err] = ['', ''];
  child.stdout.on('data', (part: Buffer) => (out += part.toString()));
  child.stderr.on('data', (part: Buffer) => (err += part.toString()));
  return { child, printed: () => out + err, done: new Promise((resolve) => child.once('close', (code) => resolve({ code, out, err }))) };
}

const proa = (...args: string[]) => start(args).done;
const post = (body: unknown): RequestInit => ({
  method: 'POST',
  body: JSON.stringify(body),
  headers: { 'content-type': 'application/json' },
});

async function save(sidecar: TestSidecar, from: number, to: number): Promise<void> {
  for (let n = from; n < to; n++) {
    expect((await sidecar.get('/v1.0/state/statestore', post([{ key: `k${n}`, value: n }]))).status).toBe(204);
    expect((await sidecar.get('/v1.0/publish/pubsub/numbers', post({ n }))).status).toBe(204);
  }
}

async function values(sidecar: TestSidecar, count: number): Promise<unknown[]> {
  const keys = Array.from({ length: count }, (_, n) => `k${n}`);
  const answer = await sidecar.get('/v1.0/state/statestore/bulk', post({ keys }));
  return ((await answer.json()) as { data: unknown }[]).map(({ data }) => data);
}

const counted = (count: number): number[] => Array.from({ length: count }, (_, n) => n);
const dataFlags = (name: string): string[] => ['--data-dir', join(machine.directory, name)];

describe('backup and restore', () => {
  it('copies the data of a live sidecar through their owner, and a restored copy serves what was acknowledged before', async () => {
    const live = await startSidecar({ appId: 'keeper', machine, flags: dataFlags('live') });
    await save(live, 0, 30);
    const to = join(machine.directory, 'backup');
    const made = await proa('engine', 'backup', '--to', to, '--json', ...dataFlags('live'));
    expect({ ...made, out: JSON.parse(made.out || '{}') as object }).toMatchObject({ code: 0, out: { to, files: expect.any(Number) } });
    await save(live, 30, 31);
    expect((await values(live, 31)).length).toBe(31);
    expect(await live.stop()).toBe(0);

    const restored = await proa('engine', 'restore', '--from', to, ...dataFlags('restored'));
    expect(restored).toMatchObject({ code: 0, out: expect.stringContaining(join(machine.directory, 'restored')) });
    const again = await startSidecar({ appId: 'keeper', machine, flags: dataFlags('restored') });
    expect(await values(again, 30)).toEqual(counted(30));
    expect(await again.stop()).toBe(0);
    // Without anybody running, the command itself is the owner.
    expect((await proa('engine', 'backup', '--to', join(machine.directory, 'second'), ...dataFlags('restored'))).code).toBe(0);
  });

  it('refuses what would mix or lose data, and says what to do', async () => {
    const taken = join(machine.directory, 'backup');
    expect(await proa('engine', 'backup', '--to', taken, ...dataFlags('restored'))).toMatchObject({
      code: 1,
      err: expect.stringContaining(`${taken} is not empty`),
    });
    expect(await proa('engine', 'restore', '--from', taken, ...dataFlags('restored'))).toMatchObject({
      code: 1,
      err: expect.stringContaining('is not empty'),
    });
    expect(await proa('engine', 'backup', '--to', join(machine.directory, 'n'), ...dataFlags('nothing'))).toMatchObject({
      code: 1,
      err: expect.stringContaining('holds no data of Proa'),
    });
    expect(await proa('engine', 'restore', '--from', join(machine.directory, 'nothing'), ...dataFlags('x'))).toMatchObject({
      code: 1,
      err: expect.stringContaining('holds no finished backup'),
    });
    const segment = readdirSync(taken).find((name) => name.startsWith('segment-')) as string;
    writeFileSync(join(taken, segment), 'not what it was');
    expect(await proa('engine', 'restore', '--from', taken, ...dataFlags('y'))).toMatchObject({
      code: 1,
      err: expect.stringContaining('is not what was backed up'),
    });
    expect(await proa('engine', 'copy', '--to', 'postgres://not a url')).toMatchObject({
      code: 1,
      err: expect.stringContaining('cannot be read'),
    });
    expect(await proa('engine', 'compact')).toMatchObject({ code: 2, err: expect.stringContaining('backup, restore or copy?') });
    expect((await proa('engine', 'backup')).code).toBe(2);
  });
});

const bin = findPostgres();
describe.skipIf(bin === undefined)('PostgreSQL', () => {
  let server: PostgresServer;
  let url: string;

  beforeAll(async () => {
    server = await startPostgres(bin as string);
    url = `postgres://proa@${encodeURIComponent(server.address.host)}:${server.address.port}/postgres`;
  });
  afterAll(() => server.destroy());

  it('takes a journal over, not while it is in use, and gives it back: nothing is lost', async () => {
    const busy = await startSidecar({ appId: 'mover', machine, flags: dataFlags('moved') });
    await save(busy, 0, 20);
    const place = `${url}?schema=moved`;
    expect(await proa('engine', 'copy', '--to', place, ...dataFlags('moved'))).toMatchObject({
      code: 1,
      err: expect.stringContaining('are in use'),
    });
    await save(busy, 20, 25);
    await busy.stop();
    const copied = await proa('engine', 'copy', '--to', place, '--json', ...dataFlags('moved'));
    expect(copied).toMatchObject({ code: 0 });
    expect(JSON.parse(copied.out)).toMatchObject({ entries: 25, to: expect.stringContaining('(schema moved)') });
    expect(await proa('engine', 'copy', '--to', place, ...dataFlags('moved'))).toMatchObject({
      code: 1,
      err: expect.stringContaining('is not empty'),
    });

    const served = await startSidecar({ appId: 'mover', machine, flags: ['--engine', place, ...dataFlags('elsewhere')] });
    expect(await values(served, 25)).toEqual(counted(25));
    await save(served, 25, 30);
    await served.stop();
    expect(await proa('engine', 'copy', '--from', place, '--to', join(machine.directory, 'back'))).toMatchObject({ code: 0 });
    const back = await startSidecar({ appId: 'mover', machine, flags: dataFlags('back') });
    expect(await values(back, 30)).toEqual(counted(30));
    await back.stop();
  });

  it('keeps state and events of `proa run` across restarts; its password shows nowhere', async () => {
    const app = join(machine.directory, 'app.mjs');
    writeFileSync(
      app,
      `import { createServer } from 'node:http';
       if (process.env.PROA_ENGINE) console.log('the app sees', process.env.PROA_ENGINE);
       createServer((request, response) => {
         let text = '';
         request.on('data', (part) => (text += part));
         request.on('end', () => {
           response.setHeader('content-type', 'application/json');
           if (request.url === '/dapr/subscribe') return response.end(JSON.stringify([{ pubsubname: 'pubsub', topic: 'kept', route: '/kept' }]));
           if (request.url !== '/kept') return response.writeHead(404).end();
           // The first life takes nothing.
           if (process.env.REFUSE) return response.writeHead(500).end();
           console.log('got ' + JSON.parse(text).data.n);
           response.end('{}');
         });
       }).listen(Number(process.env.PORT), '127.0.0.1');`,
    );
    const port = await freePort();
    const withSecret = `${url.replace('proa@', `proa:${secret}@`)}?schema=runs`;
    const life = async (env: Readonly<Record<string, string>>): Promise<Running> => {
      const flags = ['run', '--app-id', 'kept', '--dapr-http-port', port, ...dataFlags('runs')];
      const running = start([...flags, '--', process.execPath, app], { PROA_ENGINE: withSecret, ...env });
      const ready = (): Promise<boolean> =>
        fetch(`http://127.0.0.1:${port}/v1.0/healthz`).then(
          ({ status }) => status === 204,
          () => false,
        );
      await eventually(ready, `the run is ready: ${running.printed()}`);
      return running;
    };
    const first = await life({ REFUSE: '1' });
    for (let n = 0; n < 10; n++) {
      expect((await fetch(`http://127.0.0.1:${port}/v1.0/state/statestore`, post([{ key: `k${n}`, value: n }]))).status).toBe(204);
      expect((await fetch(`http://127.0.0.1:${port}/v1.0/publish/pubsub/kept`, post({ n }))).status).toBe(204);
    }
    const listed = await proa('list', '--json');
    first.child.kill('SIGKILL');
    await first.done;
    expect((await proa('stop', '--all')).code).toBe(0);

    const second = await life({});
    await eventually(() => counted(10).every((n) => second.printed().includes(`got ${n}`)), 'every event arrives');
    const kept = await fetch(`http://127.0.0.1:${port}/v1.0/state/statestore/k9`);
    expect(await kept.json()).toBe(9);
    second.child.kill('SIGTERM');
    const end = await second.done;
    expect(end.code).toBe(0);
    expect(first.printed() + end.out + end.err + listed.out + listed.err).not.toContain(secret);
    expect(first.printed() + end.out).not.toContain('the app sees');
  });

  it('takes a database back to an older format, and forward again with the next start', async () => {
    const place = `${url}?schema=formats`;
    const engine = await startSidecar({ appId: 'formats', machine, flags: ['--engine', place, ...dataFlags('formats')] });
    await save(engine, 0, 3);
    await engine.stop();
    expect(await proa('engine', 'downgrade', '--engine', place, '--format', '1')).toMatchObject({
      code: 0,
      out: expect.stringContaining('had format 2 and has format 1'),
    });
    const again = await startSidecar({ appId: 'formats', machine, flags: ['--engine', place, ...dataFlags('formats')] });
    expect(await values(again, 3)).toEqual(counted(3));
    await again.stop();
    expect(await proa('engine', 'downgrade', '--engine', place, '--format', '7')).toMatchObject({
      code: 1,
      err: expect.stringContaining('cannot be taken back to 7'),
    });
    expect(await proa('engine', 'downgrade', '--engine', place)).toMatchObject({ code: 2, err: expect.stringContaining('which format') });
    expect(await proa('engine', 'downgrade', '--format', '1')).toMatchObject({ code: 2, err: expect.stringContaining('no way back') });
  });

  it('refuses a password on the command line, and says when the database cannot be reached', async () => {
    const open = await proa('run', '--engine', `postgres://proa:${secret}@127.0.0.1/x`, '--', 'true');
    expect([open.code, open.err.includes('PROA_ENGINE'), open.err.includes(secret)]).toEqual([2, true, false]);
    const file = join(machine.directory, 'engine-url');
    writeFileSync(file, `postgres://proa:${secret}@127.0.0.1:${await freePort()}/x\n`);
    const away = await proa('sidecar', '--app-id', 'x', '--dapr-http-port', '0', '--engine', `@${file}`, ...dataFlags('away'));
    expect([away.code, away.err.includes(secret)]).toEqual([1, false]);
    expect(away.err).toMatch(/PostgreSQL.*ECONNREFUSED/);
    expect((await proa('run', '--engine', 'redis://x', '--', 'true')).code).toBe(2);
  });
});
