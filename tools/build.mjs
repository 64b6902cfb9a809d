// Makes dist/: the library file for file by tsc (ESM, with declarations), the command as lazily loaded CommonJS chunks by esbuild, and the
// demo when examples/food-delivery is there. `--only library|command|demo` makes one part.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { transform } from 'esbuild';
import { buildCommand } from './build/command.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const only = process.argv.includes('--only') ? process.argv[process.argv.indexOf('--only') + 1] : undefined;

function buildLibrary() {
  const result = spawnSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', join(root, 'tsconfig.build.json')], {
    cwd: root,
    stdio: 'inherit',
  });
  if (result.status !== 0) process.exit(result.status ?? 1);
  return dropComments();
}

// Declarations keep their comments, which editors show; in the code they would only be weight to download, and in those of messages
// they repeat the field's name. Names stay, so that a stack says where; indentation would be a quarter of the code.
async function dropComments() {
  const dist = join(root, 'dist');
  const files = readdirSync(dist, { recursive: true }).filter((file) => !/^(bin|demo)\b/.test(file));
  for (const file of files.filter((name) => name.endsWith('.js'))) {
    const path = join(dist, file);
    const { code } = await transform(readFileSync(path, 'utf8'), {
      format: 'esm',
      target: 'node20.19',
      legalComments: 'none',
      minifyWhitespace: true,
      minifySyntax: true,
    });
    writeFileSync(path, code);
  }
  for (const file of files.filter((name) => /^gen\b.*\.d\.ts$/.test(name))) {
    const path = join(dist, file);
    writeFileSync(path, readFileSync(path, 'utf8').replaceAll(/^\s*\/\*\*[\s\S]*?\*\/\n/gm, ''));
  }
}

// The demo brings its own builder, because only it knows its apps: `build({ root, outdir })`.
async function buildDemo() {
  const script = join(root, 'examples/food-delivery/build.mjs');
  if (!existsSync(script)) return;
  const demo = await import(script);
  await demo.build({ root, outdir: join(root, 'dist/demo') });
}

const parts = { library: buildLibrary, command: () => buildCommand(root), demo: buildDemo };
if (only !== undefined && !Object.hasOwn(parts, only)) {
  console.error(`--only must be one of ${Object.keys(parts).join(', ')}`);
  process.exit(2);
}
for (const [name, build] of Object.entries(parts)) if (only === undefined || only === name) await build();
