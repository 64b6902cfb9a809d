// dist/bin: proa.cjs (the loader) and chunks/*.cjs. esbuild splits ESM only, and code caching on Node 20 means vm.Script over CommonJS: so the
// sources are split as ESM first, and every chunk is then turned into CommonJS, which keeps each module in exactly one chunk. What the usual
// starts need lies in packs: one file, one script and one code cache for many chunks.
import { createHash } from 'node:crypto';
import { copyFileSync, chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { build, transform } from 'esbuild';
import { licenseNotices } from './licenses.mjs';

// Packages that the user installs beside us; found from the user's project at run time.
export const vendorPackages = ['pg', 'pg-native', 'ioredis', 'mongodb', 'mysql2', 'nats'];

// What one start needs together, by entry points; a chunk belongs to the first pack that reaches it. `entry` is all that help and the small
// commands load; `host` is a sidecar with the embedded components.
const packRoots = {
  entry: ['src/cli/entry.ts'],
  host: [
    'src/cli/commands/sidecar.ts',
    'src/host/index.ts',
    ...['state', 'pubsub', 'lock', 'configuration'].map((kind) => `src/drivers/${kind}-engine/index.ts`),
    'src/drivers/secrets-env/index.ts',
  ],
};

/** Splits src/cli/entry.ts; answers the texts of the ESM chunks by name, the names that each pack holds, and the licences of what is inside. */
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
  return { chunks, packs: packsOf(result.metafile), notices: licenseNotices(root, result.metafile) };
}

/** The chunks that the roots of every pack import statically, all the way down. */
function packsOf({ outputs }) {
  const byEntry = new Map(Object.entries(outputs).map(([path, { entryPoint }]) => [entryPoint, path]));
  const taken = new Set();
  const reach = (path) => {
    if (path === undefined) throw new Error('a pack names an entry point that does not exist');
    if (outputs[path] === undefined || taken.has(path)) return [];
    taken.add(path);
    const following = outputs[path].imports.filter(({ kind }) => kind === 'import-statement').flatMap((other) => reach(other.path));
    return [basename(path), ...following];
  };
  return Object.entries(packRoots).map(([name, roots]) => ({ name, chunks: roots.flatMap((root) => reach(byEntry.get(root))) }));
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
// so its last statement exchanges them for values; chunks in a circle keep the getters that they took earlier. It spreads: an object that `Object.assign` gave
// more than 16 names is a dictionary to V8, and optimised code looks every one of them up at every use.
const plainExports = "module.exports = Object.defineProperty({ ...module.exports }, '__esModule', { value: true });";

// `import()` of what only the run time knows, which is a module of the user: Node's own, by way of the loader.
const unknownImport = /\bimport\((?!["'`])/g;

/** ESM to CommonJS, `import()` included: without it every lazy part would go through Node's ESM loader. */
async function toCommonJs(text) {
  const { code } = await transform(text.replaceAll(unknownImport, 'require.userModule('), {
    format: 'cjs',
    platform: 'node',
    target: 'node20.19',
    supported: { 'dynamic-import': false },
    minify: process.env.PROA_READABLE === undefined,
    legalComments: 'none',
    logLevel: 'error',
  });
  // One character of another script would make V8 keep the whole text at two bytes each. What esbuild leaves stands in regular expressions.
  const ascii = code.replaceAll(/[^\u0000-\u007f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
  return `${ascii}\n${plainExports}`;
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
    const final = name === 'entry.js' ? 'entry.cjs' : `${hashOf(text)}.cjs`;
    names.set(name, final);
    converted.set(name, text);
    return final;
  };
  for (const name of converted.keys()) visit(name);
  return names;
}

function hashOf(text) {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

const asFunction = (text) => `function(exports,require,module,__proaUrl){${text}\n}`;

/** One script whose value holds a function per chunk. */
function packText(members) {
  return `({${members.map(([name, text]) => `${JSON.stringify(name)}:${asFunction(text)}`).join(',\n')}})`;
}

/** The scripts to write by file name (their content's hash), and for the loader: which script holds a packed chunk. */
function scriptsOf({ converted, names, packs }) {
  const scripts = new Map();
  const packed = {};
  for (const { chunks } of packs) {
    const text = packText(chunks.map((name) => [names.get(name), converted.get(name)]));
    const file = `${hashOf(text)}.cjs`;
    scripts.set(file, text);
    for (const name of chunks) packed[names.get(name)] = file;
  }
  for (const [name, text] of converted) {
    if (packed[names.get(name)] === undefined) scripts.set(names.get(name), packText([[names.get(name), text]]));
  }
  return { scripts, packed };
}

/** Builds dist/bin; answers sizes for the log. */
export async function buildCommand(root) {
  const out = join(root, 'dist/bin');
  rmSync(out, { recursive: true, force: true });
  mkdirSync(join(out, 'chunks'), { recursive: true });
  const { chunks, packs, notices } = await splitAsEsm(root);
  const unknown = [...chunks.values()].flatMap((text) => text.match(unknownImport) ?? []).length;
  if (unknown !== 1) throw new Error(`one module of the user is imported, by ports/node/process.ts; ${unknown} are`);
  const converted = new Map();
  for (const [name, text] of chunks) converted.set(name, await toCommonJs(text));
  const names = nameByContent(converted);
  const { scripts, packed } = scriptsOf({ converted, names, packs });
  for (const [file, text] of scripts) writeFileSync(join(out, 'chunks', file), text);
  const loader = readFileSync(join(root, 'tools/build/loader.cjs'), 'utf8').replace(`JSON.parse('__PACKED__')`, JSON.stringify(packed));
  const { code } = await transform(loader, {
    minify: process.env.PROA_READABLE === undefined,
    platform: 'node',
    target: 'node20.19',
    legalComments: 'none',
  });
  const banner = '#!/usr/bin/env node\n';
  writeFileSync(join(out, 'proa.cjs'), banner + code.replace(/^#!.*\n/, ''));
  chmodSync(join(out, 'proa.cjs'), 0o755);
  writeFileSync(join(out, 'licenses.txt'), notices);
  copyFileSync(join(root, 'tools/build/package-type.json'), join(out, 'package.json'));
  const kib = (texts) => Math.round([...texts].reduce((sum, text) => sum + text.length, 0) / 1024);
  const sizes = packs.map(({ name, chunks }) => `${name} ${kib(chunks.map((chunk) => converted.get(chunk)))} KiB`);
  console.log(`dist/bin: ${scripts.size} scripts, ${kib(converted.values())} KiB (${sizes.join(', ')})`);
}
