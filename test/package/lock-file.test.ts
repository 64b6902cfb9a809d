import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { root } from './sources.ts';

interface Locked {
  readonly version: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly optionalDependencies?: Record<string, string>;
}

let clone: string;
beforeEach(() => {
  clone = mkdtempSync(join(tmpdir(), 'proa-lock-'));
  for (const name of ['package.json', 'package-lock.json']) copyFileSync(join(root, name), join(clone, name));
});
afterEach(() => rmSync(clone, { recursive: true, force: true }));

/** What `npm ci` says of the lock before it installs anything; nothing is downloaded. */
function check() {
  const flags = ['ci', '--dry-run', '--offline', '--ignore-scripts', '--no-audit', '--no-fund'];
  const { status, stderr } = spawnSync('npm', flags, { cwd: clone, encoding: 'utf8' });
  return { status, stderr };
}

describe('the lock file', () => {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as { packages: Record<string, Locked> };
  const locked = Object.entries(packages).filter(([path]) => path !== '');

  it('is what `npm ci` asks for', () => {
    expect(check()).toMatchObject({ status: 0 });
    const described = JSON.parse(readFileSync(join(clone, 'package.json'), 'utf8')) as { devDependencies: Record<string, string> };
    described.devDependencies['croner'] = '11.0.0';
    writeFileSync(join(clone, 'package.json'), JSON.stringify(described));
    expect(check()).toMatchObject({ status: 1, stderr: expect.stringContaining('croner') });
  });

  it('names no registry, and the content of every package', () => {
    expect(locked.length).toBeGreaterThan(300);
    expect(locked.filter(([, { resolved }]) => resolved !== undefined)).toEqual([]);
    expect(locked.filter(([, { integrity }]) => integrity?.startsWith('sha512-') !== true).map(([path]) => path)).toEqual([]);
  });

  it('holds the packages of every platform', () => {
    const missing = locked.flatMap(([path, { optionalDependencies = {} }]) =>
      Object.keys(optionalDependencies).filter(
        (name) => packages[`${path}/node_modules/${name}`] === undefined && packages[`node_modules/${name}`] === undefined,
      ),
    );
    expect(missing).toEqual([]);
    for (const platform of ['darwin-arm64', 'linux-x64', 'linux-arm64'])
      expect(packages).toHaveProperty([`node_modules/@esbuild/${platform}`]);
  });
});
