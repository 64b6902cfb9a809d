// dist/bin: proa.cjs (the loader) and chunks/*.cjs. esbuild splits ESM only, and code caching on Node 20 means vm.Script over CommonJS: so the
// sources are split as ESM first, and every chunk is then turned into CommonJS, which keeps each module in exactly one chunk.
import { createHash } from 'node:crypto';
import { copyFileSync, chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { build, transform } from 'esbuild';

// Packages that the user installs beside us; found from the user's project at run time.
export const vendorPackages = ['pg', 'pg-native', 'ioredis', 'nats'];

/** Splits src/cli/entry.ts; answers the texts of the ESM chunks by name. */
async function splitAsEsm(root) {
  const result = await build({
    absWorkingDir: root,
    entryPoints: { entry: 'src/cli/entry.ts' },
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    minify: process.env.PROA_READABLE === undefined,
    keepNames: false,
    legalComments: 'none',
    external: vendorPackages,
    // The ES module build: see `refuseLazyCommonJs`.
    alias: { yaml: join(root, 'node_modules/yaml/browser/index.js') },
    outdir: 'dist/bin/chunks',
    chunkNames: 'c-[hash]',
    // The loader passes the URL of the program to every chunk.
    define: { 'import.meta.url': '__proaUrl' },
    write: false,
    metafile: true,
    logLevel: 'warning',
  });
  const chunks = new Map(result.outputFiles.map((file) => [basename(file.path), file.text]));
  refuseLazyCommonJs(result.metafile);
  return chunks;
}

/** `import()` of a CommonJS package has no named exports once it is split: such a package needs an alias to its ES module build. */
function refuseLazyCommonJs({ inputs, outputs }) {
  const wrong = Object.values(outputs)
    .map(({ entryPoint }) => entryPoint)
    .filter((entry) => entry !== undefined && inputs[entry]?.format === 'cjs');
  if (wrong.length > 0)
    throw new Error(`imported lazily, but CommonJS: ${wrong.join(', ')}; add an alias to the package's ES module build`);
}

// A chunk's exports are getters over getters, and every call across chunks would pay for them. Bindings never change after a module has run,
// so its last statement exchanges them for values; chunks in a circle keep the getters that they took earlier.
const plainExports = "module.exports = Object.defineProperty(Object.assign({}, module.exports), '__esModule', { value: true });";

/** ESM to CommonJS, `import()` included: without it every lazy part would go through Node's ESM loader. */
async function toCommonJs(text) {
  const { code } = await transform(text, {
    format: 'cjs',
    platform: 'node',
    target: 'node20.19',
    supported: { 'dynamic-import': false },
    minify: process.env.PROA_READABLE === undefined,
    legalComments: 'none',
    logLevel: 'error',
  });
  return `${code}\n${plainExports}`;
}

/** Names chunks by their content, so that the loader's cache needs no hashing at start; references inside follow. */
function nameByContent(converted) {
  const names = new Map();
  const visit = (name) => {
    if (names.has(name)) return names.get(name);
    // A circle of chunks keeps the names that esbuild made; they depend on the content too.
    names.set(name, name.replace(/\.js$/, '.cjs'));
    let text = converted.get(name);
    for (const other of converted.keys()) {
      if (other !== name && text.includes(`"./${other}"`)) text = text.replaceAll(`"./${other}"`, `"./${visit(other)}"`);
    }
    const hash = createHash('sha256').update(text).digest('hex').slice(0, 16);
    const final = name === 'entry.js' ? 'entry.cjs' : `${hash}.cjs`;
    names.set(name, final);
    converted.set(name, text);
    return final;
  };
  for (const name of converted.keys()) visit(name);
  return names;
}

/** Builds dist/bin; answers sizes for the log. */
export async function buildCommand(root) {
  const out = join(root, 'dist/bin');
  rmSync(out, { recursive: true, force: true });
  mkdirSync(join(out, 'chunks'), { recursive: true });
  const chunks = await splitAsEsm(root);
  const converted = new Map();
  for (const [name, text] of chunks) converted.set(name, await toCommonJs(text));
  const names = nameByContent(converted);
  for (const [name, text] of converted) writeFileSync(join(out, 'chunks', names.get(name)), text);
  // The entry keeps its name; its content stands in the key.
  const key = createHash('sha256').update(converted.get('entry.js')).digest('hex').slice(0, 16);
  const loader = readFileSync(join(root, 'tools/build/loader.cjs'), 'utf8').replace('__ENTRY_KEY__', key);
  const { code } = await transform(loader, {
    minify: process.env.PROA_READABLE === undefined,
    platform: 'node',
    target: 'node20.19',
    legalComments: 'none',
  });
  const banner = '#!/usr/bin/env node\n';
  writeFileSync(join(out, 'proa.cjs'), banner + code.replace(/^#!.*\n/, ''));
  chmodSync(join(out, 'proa.cjs'), 0o755);
  copyFileSync(join(root, 'tools/build/package-type.json'), join(out, 'package.json'));
  const total = [...converted.values()].reduce((sum, text) => sum + text.length, 0);
  console.log(
    `dist/bin: ${converted.size} chunks, ${Math.round(total / 1024)} KiB, first chunk ${Math.round(converted.get('entry.js').length / 1024)} KiB`,
  );
}
