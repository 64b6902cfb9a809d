import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { root } from './sources.ts';

let copy: string;

interface Cruise {
  readonly summary: {
    readonly totalCruised: number;
    readonly violations: readonly { readonly from: string; readonly rule: { readonly name: string } }[];
  };
}

function cruise(cwd: string): Cruise {
  const result = spawnSync(
    process.execPath,
    [
      join(root, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs'),
      '--config',
      '.dependency-cruiser.cjs',
      '--output-type',
      'json',
      'src',
    ],
    { cwd, encoding: 'utf8', maxBuffer: 256 * 1024 * 1024 },
  );
  return JSON.parse(result.stdout) as Cruise;
}

beforeAll(() => {
  copy = mkdtempSync(join(tmpdir(), 'proa-layers-'));
  for (const name of ['src', '.dependency-cruiser.cjs', 'tsconfig.json', 'package.json'])
    cpSync(join(root, name), join(copy, name), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
});
afterAll(() => rmSync(copy, { recursive: true, force: true }));

describe('the layers', () => {
  it('hold, and planted violations are seen', () => {
    const clean = cruise(copy);
    expect(clean.summary.totalCruised).toBeGreaterThan(200);
    expect(clean.summary.violations).toEqual([]);

    const plants: readonly (readonly [file: string, text: string, rule: string])[] = [
      ['src/kernel/planted.ts', "export * from '../host/host.ts';\n", 'kernel-alone'],
      ['src/blocks/state/planted.ts', "export * from '../../drivers/state-memory/index.ts';\n", 'blocks'],
      ['src/contracts/planted.ts', "export { createServer } from 'node:net';\n", 'kernel-no-io'],
      ['src/drivers/state-memory/planted.ts', "export * from '../pubsub-memory/index.ts';\n", 'drivers-apart'],
      ['src/clients/redis/planted.ts', "export * from '../../drivers/state-memory/index.ts';\n", 'clients'],
      ['src/filters/retry/planted.ts', "export * from '../metrics/component-metrics.ts';\n", 'filters-apart'],
      ['src/fronts/http/planted.ts', "export * from '../../host/index.ts';\n", 'host-is-the-root'],
    ];
    for (const [file, text] of plants) writeFileSync(join(copy, file), text);
    const found = cruise(copy).summary.violations;
    const unseen = plants.filter(([file, , rule]) => !found.some((violation) => violation.from === file && violation.rule.name === rule));
    expect(unseen).toEqual([]);
  });
});
