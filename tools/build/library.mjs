// The library below dist/: tsc's output file for file, without comments, with the packages that it uses bundled into dist/vendor, and with the
// declarations that the entry points reach.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { build } from 'esbuild';
import ts from 'typescript';
import { licenseNotices } from './licenses.mjs';

const entries = ['index', 'sdk', 'testing/index'];
const apart = new Set(['bin', 'demo']);

/** Paths below dist/ by their ending. */
function filesOf(dist, ending) {
  const inside = readdirSync(dist, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith(ending));
  return inside.filter((file) => !apart.has(file.split('/')[0]));
}

/** Removes what an earlier build left: the file of a source that is gone would be shipped. */
function clean(dist) {
  mkdirSync(dist, { recursive: true });
  for (const name of readdirSync(dist)) if (!apart.has(name)) rmSync(join(dist, name), { recursive: true, force: true });
}

function compile(root) {
  const result = spawnSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', join(root, 'tsconfig.build.json')], {
    cwd: root,
    stdio: 'inherit',
  });
  if (result.status !== 0) process.exit(result.status ?? 1);
}

/**
 * Every file of ours stays a file of its own; packages become chunks that the files share, so that what is loaded on demand stays so. Names are
 * kept, so that a stack says where; comments and indentation would be a quarter of the code. Optional peers are left to the user's project.
 */
async function bundlePackages(root, dist, peers) {
  const ours = { name: 'ours', setup: ({ onResolve }) => onResolve({ filter: /^\.\.?\// }, oursStay) };
  const oursStay = ({ path, importer }) => (importer.includes('node_modules') ? undefined : { path, external: true });
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: filesOf(dist, '.js').map((file) => join(dist, file)),
    outbase: dist,
    outdir: dist,
    allowOverwrite: true,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    legalComments: 'none',
    minifyWhitespace: true,
    minifySyntax: true,
    // Node prints the line on which an error was thrown that nobody caught.
    lineLimit: 160,
    external: peers,
    // The ES module build: loaded by `import()`, a CommonJS package has no named exports.
    alias: { yaml: join(root, 'node_modules/yaml/browser/index.js') },
    chunkNames: 'vendor/[hash]',
    plugins: [ours],
    metafile: true,
    logLevel: 'warning',
  });
  return metafile;
}

/** The bundler has every file load the chunk of its own helpers, also those that need none of them: a chunk of nobody's code has no effect. */
function dropIdleImports(root, { outputs }) {
  const idle = Object.keys(outputs).filter((file) => Object.keys(outputs[file].inputs).length === 0);
  for (const file of Object.keys(outputs)) {
    const text = readFileSync(join(root, file), 'utf8');
    let kept = text;
    for (const chunk of idle) kept = kept.replace(`import"${relative(dirname(file), chunk).replaceAll('\\', '/')}";`, '');
    if (kept !== text) writeFileSync(join(root, file), kept);
  }
}

/** Relative imports of a declaration, as files. */
function* importsOf(dist, file, text) {
  for (const [, target] of text.matchAll(/(?:from|import)\s*\(?\s*['"](\.[^'"]+)['"]/g)) {
    yield relative(dist, join(dist, dirname(file), target.replace(/\.(?:ts|js)$/, '.d.ts')));
  }
}

/** Keeps the declarations that the entry points reach: nothing else of the package can be imported. */
function pruneDeclarations(dist) {
  const reached = new Set();
  const visit = (file) => {
    if (reached.has(file)) return;
    reached.add(file);
    for (const next of importsOf(dist, file, readFileSync(join(dist, file), 'utf8'))) visit(next);
  };
  for (const entry of entries) visit(`${entry}.d.ts`);
  for (const file of filesOf(dist, '.d.ts')) if (!reached.has(file)) rmSync(join(dist, file));
  return [...reached];
}

/** The declarations of a package that some names need, all the way down, without comments. */
function declarationsOf(text, names) {
  const source = ts.createSourceFile('index.d.ts', text, ts.ScriptTarget.Latest, true);
  const printer = ts.createPrinter({ removeComments: true });
  const byName = new Map();
  for (const statement of source.statements) {
    const declared = ts.isVariableStatement(statement) ? statement.declarationList.declarations.map(({ name }) => name) : [statement.name];
    for (const name of declared) if (name !== undefined) byName.set(name.text, [...(byName.get(name.text) ?? []), statement]);
  }
  const wanted = new Set();
  const visit = (node) => {
    // The name of a property or parameter refers to nothing.
    if (ts.isIdentifier(node) && node.parent.name !== node) for (const statement of byName.get(node.text) ?? []) want(statement);
    ts.forEachChild(node, visit);
  };
  const want = (statement) => {
    if (wanted.has(statement)) return;
    wanted.add(statement);
    visit(statement);
  };
  for (const name of names) {
    if (!byName.has(name)) throw new Error(`the declarations of the package have no ${name}`);
    for (const statement of byName.get(name)) want(statement);
  }
  const kept = source.statements.filter((statement) => wanted.has(statement));
  const printed = kept.map((statement) => printer.printNode(ts.EmitHint.Unspecified, statement, source)).join('\n');
  return `${printed.replaceAll(/^ +/gm, '')}\nexport type { ${names.join(', ')} };\n`;
}

/** What declarations of ours say of valibot (schemas of a driver's properties) becomes a file of ours. */
function bundleDeclarations(root, dist, files) {
  const names = new Set();
  for (const file of files) {
    const text = readFileSync(join(dist, file), 'utf8');
    if (!text.includes("'valibot'")) continue;
    for (const [, list] of text.matchAll(/import type \{([^}]+)\} from 'valibot'/g))
      for (const name of list.split(',')) names.add(name.trim());
    if (text.includes("import * as v from 'valibot'")) for (const [, name] of text.matchAll(/\bv\.(\w+)/g)) names.add(name);
    const path = relative(dirname(join(dist, file)), join(dist, 'vendor/valibot.js'));
    writeFileSync(join(dist, file), text.replaceAll("'valibot'", `'${path.startsWith('.') ? path : `./${path}`}'`));
  }
  const whole = readFileSync(join(root, 'node_modules/valibot/dist/index.d.mts'), 'utf8');
  writeFileSync(join(dist, 'vendor/valibot.d.ts'), declarationsOf(whole, [...names]));
}

/** No declaration may need a package that is not there: types would silently become `any`. */
function refuseForeignDeclarations(dist, peers) {
  for (const file of filesOf(dist, '.d.ts')) {
    for (const [, name] of readFileSync(join(dist, file), 'utf8').matchAll(/(?:from|import)\s*\(?\s*['"]([^.'"][^'"]*)['"]/g)) {
      if (!name.startsWith('node:') && !peers.includes(name)) throw new Error(`${file} needs the declarations of ${name}`);
    }
  }
}

/** Builds everything below dist/ but the command and the demo. */
export async function buildLibrary(root) {
  const dist = join(root, 'dist');
  const peers = Object.keys(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).peerDependencies);
  clean(dist);
  compile(root);
  const metafile = await bundlePackages(root, dist, peers);
  dropIdleImports(root, metafile);
  writeFileSync(join(dist, 'vendor/licenses.txt'), licenseNotices(root, metafile));
  const declarations = pruneDeclarations(dist);
  bundleDeclarations(root, dist, declarations);
  refuseForeignDeclarations(dist, peers);
}
