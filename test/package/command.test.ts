import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
let place: string;
let program: string;

function run(args: readonly string[], env: Record<string, string> = {}) {
  const cache = join(place, 'cache');
  const result = spawnSync(process.execPath, [program, ...args], {
    cwd: place,
    encoding: 'utf8',
    env: { PATH: process.env['PATH'] ?? '', XDG_CACHE_HOME: cache, PROA_STATE_DIR: join(place, 'state'), ...env },
  });
  return { code: result.status, out: result.stdout, err: result.stderr };
}

beforeAll(() => {
  execFileSync(process.execPath, [join(root, 'tools/build.mjs'), '--only', 'command'], { cwd: root, stdio: 'ignore' });
  // A path with a space, away from node_modules: everything that is needed must be inside.
  place = mkdtempSync(join(tmpdir(), 'proa command '));
  cpSync(join(root, 'dist/bin'), join(place, 'bin'), { recursive: true });
  program = join(place, 'bin/proa.cjs');
});
afterAll(() => rmSync(place, { recursive: true, force: true }));

describe('the built command', () => {
  it('runs by itself and loads only what a command needs', () => {
    expect(run(['--help'])).toMatchObject({ code: 0, out: expect.stringContaining('proa run -- node app.js') });
    expect(run(['nope']).code).toBe(2);
    const chunks = readdirSync(join(place, 'bin/chunks'));
    const used = readdirSync(join(place, 'cache/proa-code'));
    expect(used.length).toBeLessThan(chunks.length / 2);
    expect(chunks.map((name) => readFileSync(join(place, 'bin/chunks', name), 'utf8')).join('')).not.toMatch(/require\("(yaml|valibot)/);
  });

  it('starts a sidecar without the modules that are dear to load', async () => {
    const cache = join(place, 'start');
    const flags = ['sidecar', '--app-id', 'idle', '--dapr-http-port', '0', '--dapr-grpc-port', '0', '--metrics-port', '0'];
    const env = { PATH: process.env['PATH'] ?? '', XDG_CACHE_HOME: cache, PROA_STATE_DIR: join(place, 'state') };
    const child = spawn(process.execPath, [program, ...flags], { cwd: place, env, stdio: ['ignore', 'pipe', 'inherit'] });
    // It says something once it runs; when it has ended in order, its scripts are in the cache.
    child.stdout.once('data', () => child.kill('SIGTERM'));
    child.stdout.resume();
    expect(await new Promise((resolve) => child.once('exit', resolve))).toBe(0);
    const used = readdirSync(join(cache, 'proa-code')).map((name) => `${name.split('-')[0]}.cjs`);
    expect(used.length).toBeLessThan(6);
    const text = used.map((name) => readFileSync(join(place, 'bin/chunks', name), 'latin1')).join('');
    const required = new Set([...text.matchAll(/require\("node:(\w+(?:\/\w+)?)"\)/g)].map(([, name]) => name));
    const dear = ['crypto', 'http', 'http2', 'https', 'tls', 'child_process', 'cluster', 'worker_threads', 'inspector', 'sqlite'];
    expect(required).toContain('net');
    expect(dear.filter((name) => required.has(name))).toEqual([]);
  });

  it('keeps compiled code in a private directory, and survives a cache that is broken, unwritable or open to others', () => {
    const cache = join(place, 'cache/proa-code');
    run(['version']);
    expect(statSync(cache).mode & 0o777).toBe(0o700);
    for (const name of readdirSync(cache)) writeFileSync(join(cache, name), 'garbage');
    expect(run(['version']).code).toBe(0);
    expect(readdirSync(cache).some((name) => readFileSync(join(cache, name)).length > 100)).toBe(true);

    const open = join(place, 'open');
    mkdirSync(join(open, 'proa-code'), { recursive: true });
    chmodSync(join(open, 'proa-code'), 0o777);
    expect(run(['version'], { XDG_CACHE_HOME: open, TMPDIR: join(place, 'none') }).code).toBe(0);
    expect(readdirSync(join(open, 'proa-code'))).toEqual([]);

    const off = join(place, 'off');
    expect(run(['version'], { XDG_CACHE_HOME: off, PROA_NO_CODE_CACHE: '1' }).code).toBe(0);
    expect(existsSync(off)).toBe(false);
  });

  it('lints YAML resources, which needs parser and drivers out of lazy chunks', () => {
    mkdirSync(join(place, 'r'), { recursive: true });
    writeFileSync(join(place, 'r/x.yaml'), 'apiVersion: dapr.io/v1alpha1\nkind: Componnet\nmetadata: { name: x }\n');
    const { code, out } = run(['doctor', '--resources-path', 'r']);
    expect(code).toBe(3);
    expect(out).toContain('did you mean `Component`?');
    expect(out).toContain('/r/x.yaml:2:7');
  });
});
