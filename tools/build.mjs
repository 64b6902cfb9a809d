// Makes dist/: the library file for file (ESM, with declarations), the command as lazily loaded CommonJS chunks by esbuild, and the
// demo when examples/food-delivery is there. `--only library|command|demo` makes one part.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildCommand } from './build/command.mjs';
import { buildLibrary } from './build/library.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const only = process.argv.includes('--only') ? process.argv[process.argv.indexOf('--only') + 1] : undefined;

// The demo brings its own builder, because only it knows its apps: `build({ root, outdir })`.
async function buildDemo() {
  const script = join(root, 'examples/food-delivery/build.mjs');
  if (!existsSync(script)) return;
  const demo = await import(script);
  await demo.build({ root, outdir: join(root, 'dist/demo') });
}

const parts = { library: () => buildLibrary(root), command: () => buildCommand(root), demo: buildDemo };
if (only !== undefined && !Object.hasOwn(parts, only)) {
  console.error(`--only must be one of ${Object.keys(parts).join(', ')}`);
  process.exit(2);
}
for (const [name, build] of Object.entries(parts)) if (only === undefined || only === name) await build();
