// The static checks: types, lint, format, layers, dead code. One after another, all reported, exit 1 when any fails.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const checks = [
  ['types', 'node_modules/typescript/bin/tsc', ['-p', 'tsconfig.json']],
  ['lint', 'node_modules/oxlint/bin/oxlint', ['--type-aware', '--deny-warnings', 'src', 'test', 'bench', 'tools', 'examples']],
  ['format', 'node_modules/oxfmt/bin/oxfmt', ['--check', 'src', 'test', 'bench', 'tools', 'examples']],
  ['layers', 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs', ['--config', '.dependency-cruiser.cjs', 'src']],
];
const only = process.argv.slice(2);
const failed = [];
for (const [name, script, args] of checks) {
  if (only.length > 0 && !only.includes(name)) continue;
  const result = spawnSync(process.execPath, [script, ...args], { cwd: root, stdio: 'inherit' });
  if (result.status !== 0) failed.push(name);
}
console.log(failed.length === 0 ? 'all checks passed' : `failed: ${failed.join(', ')}`);
process.exit(failed.length === 0 ? 0 : 1);
