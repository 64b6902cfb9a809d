import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { root } from './sources.ts';

/** All that an installation brings: there are no dependencies. */
const unpackedBytesMax = 7_250_000;
const imported = /(?:\bfrom\s*|\bimport\s*\(?\s*)['"]([@\w][\w@./:-]*)['"]/g;
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
  // As npm lays it out: the package, and nothing beside it.
  place = mkdtempSync(join(tmpdir(), 'proa library '));
  for (const { path } of pack().files) cpSync(join(root, path), join(place, 'node_modules/proa', path));
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

  it('needs no other package, runs nothing when it is installed, and holds nothing native', () => {
    const described = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Record<string, Record<string, string> | undefined>;
    expect(described['dependencies']).toBeUndefined();
    expect(described['optionalDependencies']).toBeUndefined();
    expect(Object.keys(described['scripts'] ?? {}).filter((name) => /^(pre|post)?install$|^prepare$/.test(name))).toEqual([]);
    const ours = pack().files.map(({ path }) => path);
    expect(ours.filter((path) => /\.(node|wasm|so|dylib)$|binding\.gyp$/.test(path))).toEqual([]);
    const foreign = ours
      .filter((path) => /^dist\/(?!bin|demo).*\.(d\.ts|js)$/.test(path))
      .flatMap((path) => [...readFileSync(join(root, path), 'utf8').matchAll(imported)].map(([, name]) => name as string))
      .filter((name) => !name.startsWith('node:') && described['peerDependencies']?.[name] === undefined);
    expect(foreign).toEqual([]);
  });

  it('ships the licences of what is bundled', () => {
    const read = (path: string): string => readFileSync(join(root, 'dist', path, 'licenses.txt'), 'utf8');
    for (const name of ['@bufbuild/protobuf', '@marcbachmann/cel-js', 'croner', 'jose', 'valibot', 'yaml']) {
      expect(read('vendor')).toMatch(new RegExp(`^${name} \\d+\\.`, 'm'));
      expect(read('bin')).toMatch(new RegExp(`^${name} \\d+\\.`, 'm'));
    }
    // One file of protobuf-es comes from elsewhere and says so only itself.
    expect(read('vendor')).toContain('Copyright 2008 Google Inc.');
    expect(read('demo')).toMatch(/^@dapr\/dapr \d+\./m);
    expect(read('demo')).toMatch(/^express \d+\./m);
    // Terms are there once, each package with its own copyright, and no line of the terms is taken for one.
    const demo = read('demo');
    expect(demo.match(/Permission is hereby granted, free of charge/g)?.length).toBeLessThan(6);
    expect(demo).toMatch(/^express \d+\.[^]*?^ {4}Copyright \(c\) .*TJ Holowaychuk/m);
    expect(demo).not.toMatch(/^ {4}copyright notice/m);
    expect(demo).toMatch(/copyright\s+notice, this list/);
  });

  it('has declarations that stand alone: a driver of somebody else, with a valibot of their own, is checked', () => {
    const modules = join(place, 'node_modules');
    for (const name of ['valibot', '@types/node', 'undici-types']) {
      mkdirSync(dirname(join(modules, name)), { recursive: true });
      symlinkSync(join(root, 'node_modules', name), join(modules, name));
    }
    const driver = (age: string): string => `
      import * as v from 'valibot';
      import { defineDriver, property } from 'proa/testing';
      import { createRuntime } from 'proa';
      import { createApp, serve } from 'proa/sdk';
      export default defineDriver({
        kind: 'secretstores', types: ['secretstores.mine'], versions: ['v1'], status: 'alpha', capabilities: [],
        config: v.strictObject({ path: property.text(), age: v.optional(property.durationMs(), '5s') }),
        open: async ({ path, age }, { log }) => { const text: string = path; const ms: ${age} = age; log.info(text + ms); throw new Error(); },
      });
      export const parts = [createRuntime, createApp, serve];`;
    writeFileSync(join(place, 'sound.mts'), driver('number'));
    writeFileSync(join(place, 'wrong.mts'), driver('boolean'));
    const flags = ['--noEmit', '--strict', '--exactOptionalPropertyTypes', '--target', 'es2023', '--module', 'nodenext', '--types', 'node'];
    const script = join(root, 'node_modules/typescript/bin/tsc');
    const { stdout } = spawnSync(process.execPath, [script, ...flags, 'sound.mts', 'wrong.mts'], { cwd: place, encoding: 'utf8' });
    // Properties that had become `any` would be a boolean too.
    expect(stdout.trim().split('\n')).toEqual([expect.stringMatching(/^wrong\.mts.*'number' is not assignable to type 'boolean'/)]);
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
    writeFileSync(join(place, 'wrong.mjs'), `import { connect } from 'proa/sdk'; await connect({ mode: 'http' });`);
    const { stderr } = spawnSync(process.execPath, ['wrong.mjs'], { cwd: place, encoding: 'utf8', env: {} });
    expect(stderr).toMatch(/^ProaError: the mode is http, but DAPR_HTTP_PORT is not set$/m);
    // Node prints the line of the code as well.
    expect(Math.max(...stderr.split('\n').map((line) => line.length))).toBeLessThan(400);
    const env = { PATH: process.env['PATH'] ?? '', HOME: place, PROA_STATE_DIR: join(place, 'state') };
    const demo = spawnSync(process.execPath, ['node_modules/proa/dist/bin/proa.cjs', 'demo', '--once', '--json', '--timeout', '4m'], {
      cwd: place,
      encoding: 'utf8',
      env,
    });
    expect(demo).toMatchObject({ status: 0, stderr: '' });
    expect(JSON.parse(demo.stdout)).toMatchObject({ placed: 5, completed: 5 });
  });
});
