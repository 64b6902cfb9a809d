// Writes docs/reference out of the program's own tables; with --check it compares only, and exits 1 when a page is out of date.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('../..', import.meta.url));

function current(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

// The tables are TypeScript, which Node 20 does not run by itself.
async function load() {
  const outfile = join(root, '.cache/gen', `reference-${process.pid}.mjs`);
  await build({
    absWorkingDir: root,
    entryPoints: ['tools/gen/reference.mjs'],
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    packages: 'external',
    outfile,
    logLevel: 'error',
  });
  try {
    return await import(pathToFileURL(outfile).href);
  } finally {
    rmSync(outfile, { force: true });
  }
}

const { referencePages } = await load();
const folder = join(root, 'docs/reference');
mkdirSync(folder, { recursive: true });
const stale = [];
for (const [name, text] of Object.entries(await referencePages(root))) {
  if (current(join(folder, name)) === text) continue;
  stale.push(name);
  if (!process.argv.includes('--check')) writeFileSync(join(folder, name), text);
}
if (process.argv.includes('--check') && stale.length > 0) {
  console.error(`out of date: ${stale.join(', ')} in docs/reference; run \`node tools/gen/docs.mjs\``);
  process.exit(1);
}
