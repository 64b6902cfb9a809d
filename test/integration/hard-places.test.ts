import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { crc32 } from '../../src/drivers/engine-journal/crc32.ts';
import { component, createMachine, eventually, freePort, type TestMachine } from '../compat/sidecar.ts';

// A process in places that are hard to live in: data of a newer version, directories that cannot be written, a disk that fills, a SIGHUP.
const program = fileURLToPath(new URL('../../dist/bin/proa.cjs', import.meta.url));
const children: ChildProcess[] = [];
const mounts: string[] = [];
let machine: TestMachine;

beforeAll(() => {
  machine = createMachine();
});
afterAll(() => {
  for (const child of children) if (child.exitCode === null) child.kill('SIGKILL');
  for (const mount of mounts) spawnSync('umount', [mount]);
  machine.remove();
});

interface Started {
  readonly child: ChildProcess;
  printed(): string;
  readonly end: Promise<number | null>;
  call(path: string, init?: RequestInit): Promise<Response>;
  ready(): Promise<void>;
}

async function start(flags: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Started> {
  const port = await freePort();
  const all = ['sidecar', '--app-id', 'hard', '--dapr-http-port', port, '--dapr-grpc-port', '0', '--metrics-port', '0', ...flags];
  const child = spawn(process.execPath, [program, ...all], {
    env: { PATH: process.env['PATH'] ?? '', HOME: machine.directory, NO_COLOR: '1', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  let text = '';
  child.stdout.on('data', (part: Buffer) => (text += part.toString()));
  child.stderr.on('data', (part: Buffer) => (text += part.toString()));
  const call = (path: string, init?: RequestInit): Promise<Response> => fetch(`http://127.0.0.1:${port}${path}`, init);
  const healthy = (): Promise<boolean> =>
    call('/v1.0/healthz').then(
      ({ status }) => status === 204,
      () => false,
    );
  return {
    child,
    printed: () => text,
    end: new Promise((resolve) => child.once('close', resolve)),
    call,
    ready: () => eventually(healthy, `the sidecar is ready: ${text}`),
  };
}

const saved = (key: string, value: unknown): [string, RequestInit] => [
  '/v1.0/state/statestore',
  { method: 'POST', body: JSON.stringify([{ key, value }]), headers: { 'content-type': 'application/json' } },
];

function directory(name: string): string {
  const path = join(machine.directory, name);
  mkdirSync(path, { recursive: true });
  return path;
}

/** Nobody can write there, not even root. False where that cannot be arranged. */
function madeReadOnly(path: string): boolean {
  if (process.getuid?.() !== 0) {
    chmodSync(path, 0o500);
    return true;
  }
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'ro,size=1m', 'tmpfs', path]).status !== 0) return false;
  mounts.push(path);
  return true;
}

describe('data that this version cannot take', () => {
  it('ends with 1 for a newer format, names both versions, and leaves the files alone', async () => {
    const data = directory('newer');
    const first = await start(['--data-dir', data]);
    await first.ready();
    expect((await first.call(...saved('k', 1))).status).toBe(204);
    first.child.kill('SIGTERM');
    expect(await first.end).toBe(0);
    const journal = join(data, 'journal');
    const segment = join(journal, readdirSync(journal).find((name) => name.startsWith('segment-')) as string);
    const bytes = readFileSync(segment);
    const original = Buffer.from(bytes);
    bytes.writeUInt32LE(7, 8);
    bytes.writeInt32LE(crc32(bytes.subarray(16, 128), crc32(bytes.subarray(0, 12))), 12);
    writeFileSync(segment, bytes);

    const refused = await start(['--data-dir', data]);
    expect(await refused.end).toBe(1);
    expect(refused.printed()).toMatch(/has format 7, this version of Proa knows up to 2/);
    expect(refused.printed()).not.toMatch(/\n\s+at .*:\d+:\d+/);
    expect(readFileSync(segment).equals(bytes)).toBe(true);

    writeFileSync(segment, original);
    const again = await start(['--data-dir', data]);
    await again.ready();
    expect(await (await again.call('/v1.0/state/statestore/k')).json()).toBe(1);
    again.child.kill('SIGTERM');
    expect(await again.end).toBe(0);
  });
});

describe('places that cannot be written', () => {
  it('ends with 1 and names a data directory that is read-only', async () => {
    const data = directory('read only');
    expect(madeReadOnly(data)).toBe(true);
    const refused = await start(['--data-dir', data]);
    expect(await refused.end).toBe(1);
    expect(refused.printed()).toContain(data);
    expect(refused.printed()).toMatch(/EROFS|EACCES/);
    expect(refused.printed()).not.toMatch(/\n\s+at .*:\d+:\d+/);
  });

  it('works in a read-only home when its data lie elsewhere, and says where they cannot when they do not', async () => {
    const home = directory('home');
    expect(madeReadOnly(home)).toBe(true);
    const env = { HOME: home, TMPDIR: directory('tmp') };
    const refused = await start([], env);
    expect(await refused.end).toBe(1);
    expect(refused.printed()).toContain(join(home, '.local/state/proa'));
    expect(refused.printed()).toMatch(/EROFS|EACCES/);

    const works = await start(['--data-dir', directory('elsewhere')], env);
    await works.ready();
    expect((await works.call(...saved('k', 1))).status).toBe(204);
    works.child.kill('SIGTERM');
    expect(await works.end).toBe(0);
  });
});

function tmpfsMissing(): boolean {
  return process.platform !== 'linux' || process.getuid?.() !== 0;
}

describe.skipIf(tmpfsMissing())('a disk that fills', () => {
  it('refuses writes with a precise error, goes on reading, resumes by itself, and keeps everything it acknowledged', async () => {
    const data = directory('small disk');
    expect(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=12m', 'tmpfs', data]).status).toBe(0);
    mounts.push(data);
    const filler = join(data, 'filler');
    writeFileSync(filler, Buffer.alloc(6 * 1024 * 1024));
    const sidecar = await start(['--data-dir', join(data, 'proa')]);
    await sidecar.ready();
    const acknowledged: number[] = [];
    const value = 'x'.repeat(60_000);
    const write = async (n: number): Promise<{ status: number; text: string }> => {
      const answer = await sidecar.call(...saved(`k${n}`, { n, value }));
      if (answer.status === 204) acknowledged.push(n);
      return { status: answer.status, text: await answer.text() };
    };
    let refused = { status: 0, text: '' };
    for (let n = 0; n < 400 && refused.status === 0; n++) {
      const answer = await write(n);
      if (answer.status !== 204) refused = answer;
    }
    expect(refused.status).toBeGreaterThanOrEqual(500);
    expect(refused.text).toMatch(/ERR_[A-Z_]+/);
    expect(refused.text).toMatch(/disk is full|no space/i);
    const read = await sidecar.call('/v1.0/state/statestore/k0');
    expect([read.status, await read.text()]).toEqual([200, expect.stringContaining('"n":0')]);
    expect((await sidecar.call('/v1.0/healthz')).status).toBe(204);

    rmSync(filler);
    let next = 1_000;
    await eventually(async () => (await write(next++)).status === 204, 'writing resumes');
    sidecar.child.kill('SIGKILL');
    await sidecar.end;

    const again = await start(['--data-dir', join(data, 'proa')]);
    await again.ready();
    for (const n of acknowledged) {
      const found = (await (await again.call(`/v1.0/state/statestore/k${n}`)).json()) as { n: number; value: string };
      expect([found.n, found.value.length]).toEqual([n, value.length]);
    }
    again.child.kill('SIGTERM');
    expect(await again.end).toBe(0);
  });
});

describe('SIGHUP', () => {
  it('starts the runtime again inside the process: same process, same ports, new configuration, nothing lost', async () => {
    const resources = directory('resources');
    const configuration = join(machine.directory, 'hup.yaml');
    const denying = (group: string): string =>
      `apiVersion: dapr.io/v1alpha1
kind: Configuration
metadata: {name: hup}
spec: {api: {denied: [{name: ${group}, version: v1, protocol: http}]}}
`;
    const flags = ['--data-dir', directory('hup'), '--resources-path', resources, '--log-level', 'info', '--config', configuration];
    writeFileSync(join(resources, 'store.yaml'), component('statestore', 'state.proa'));
    writeFileSync(configuration, denying('secrets'));
    const sidecar = await start(flags);
    await sidecar.ready();
    const metadata = async (): Promise<number> => (await sidecar.call('/v1.0/metadata')).status;
    expect((await sidecar.call(...saved('k', 'kept'))).status).toBe(204);
    expect(await metadata()).toBe(200);
    writeFileSync(configuration, denying('metadata'));
    writeFileSync(join(resources, 'second.yaml'), component('second', 'state.in-memory'));
    sidecar.child.kill('SIGHUP');
    await eventually(() => sidecar.printed().includes('restarting inside the process'), 'it says so');
    await eventually(
      () =>
        metadata().then(
          (status) => status === 404,
          () => false,
        ),
      'what is denied now is not served',
    );
    await sidecar.ready();
    expect(await (await sidecar.call('/v1.0/state/statestore/k')).json()).toBe('kept');
    expect((await sidecar.call('/v1.0/state/second/none')).status).toBe(204);
    expect(sidecar.child.exitCode).toBe(null);
    sidecar.child.kill('SIGTERM');
    expect(await sidecar.end).toBe(0);
  });
});
