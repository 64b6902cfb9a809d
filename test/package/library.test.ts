import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { root } from './sources.ts';

const unpackedBytesMax = 7 * 1024 * 1024;
let place: string;

interface Packed {
  readonly unpackedSize: number;
  readonly files: readonly { readonly path: string }[];
}

function tool(name: string, ...args: readonly string[]) {
  const result = spawnSync(process.execPath, [join(root, 'node_modules', name), ...args], { cwd: root, encoding: 'utf8' });
  return { code: result.status, out: result.stdout + result.stderr };
}

function pack(): Packed {
  const out = execFileSync('npm', ['pack', '--dry-run', '--json', '--loglevel=silent'], { cwd: root, encoding: 'utf8', shell: false });
  return (JSON.parse(out) as [Packed])[0];
}

beforeAll(() => {
  execFileSync(process.execPath, [join(root, 'tools/build.mjs')], { cwd: root, stdio: 'ignore' });
  // As npm lays it out: the package, and beside it what it depends on.
  place = mkdtempSync(join(tmpdir(), 'proa library '));
  const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { dependencies: Record<string, string> };
  const modules = join(place, 'node_modules');
  for (const name of [...Object.keys(dependencies), '@standard-schema']) {
    mkdirSync(dirname(join(modules, name)), { recursive: true });
    symlinkSync(join(root, 'node_modules', name), join(modules, name));
  }
  for (const { path } of pack().files) cpSync(join(root, path), join(modules, 'proa', path));
});
afterAll(() => rmSync(place, { recursive: true, force: true }));

describe('the package', () => {
  it('holds what is needed and no more', () => {
    const { files, unpackedSize } = pack();
    expect(unpackedSize).toBeLessThan(unpackedBytesMax);
    const paths = files.map(({ path }) => path);
    expect(paths.filter((path) => /\.(map|tsbuildinfo)$|\.test\.|^src\/|dist\/cli\//.test(path))).toEqual([]);
    for (const needed of [
      'dist/bin/proa.cjs',
      'dist/index.js',
      'dist/index.d.ts',
      'dist/sdk.js',
      'dist/sdk.d.ts',
      'dist/testing/index.d.ts',
      'dist/demo/proa.yaml',
      'LICENSE',
      'NOTICE',
    ])
      expect(paths).toContain(needed);
  });

  it('has entry points that publint and attw find sound', () => {
    expect(tool('publint/src/cli.js', '--strict')).toMatchObject({ code: 0 });
    expect(tool('@arethetypeswrong/cli/dist/index.js', '--pack', '.', '--profile', 'esm-only')).toMatchObject({ code: 0 });
  });

  it('works once installed: the library, and the demo of the command', () => {
    writeFileSync(
      join(place, 'use.mjs'),
      `import { createRuntime, version } from 'proa';
       const runtime = await createRuntime({ appId: 'a', dataDirectory: './data' });
       await runtime.state.set('statestore', 'k', 1);
       console.log(version, (await runtime.state.get('statestore', 'k')).value);
       await runtime.close();`,
    );
    const used = spawnSync(process.execPath, ['use.mjs'], { cwd: place, encoding: 'utf8' });
    expect(used).toMatchObject({ status: 0, stderr: '', stdout: '0.1.0 1\n' });
    const env = { PATH: process.env['PATH'] ?? '', HOME: place, PROA_STATE_DIR: join(place, 'state') };
    const demo = spawnSync(process.execPath, ['node_modules/proa/dist/bin/proa.cjs', 'demo', '--once', '--json'], {
      cwd: place,
      encoding: 'utf8',
      env,
    });
    expect(demo).toMatchObject({ status: 0, stderr: '' });
    expect(JSON.parse(demo.stdout)).toMatchObject({ placed: 5, completed: 5 });
  });
});
