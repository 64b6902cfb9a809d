// Makes a fresh clone ready: installs dependencies, generates code, and builds with `--build`. Does only what is out of date.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, lstatSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`Proa needs Node 20.19 or newer; this is ${process.version}. Node 24 is recommended.`);
  process.exit(1);
}

function hashOf(...paths) {
  const hash = createHash('sha256');
  for (const path of paths) addTo(hash, join(root, path));
  return hash.digest('hex');
}

function addTo(hash, path) {
  const entries = existsSync(path) ? tryList(path) : undefined;
  if (entries !== undefined) for (const name of entries) addTo(hash, join(path, name));
  else if (existsSync(path)) hash.update(path.slice(root.length)).update(readFileSync(path));
}

function tryList(path) {
  try {
    return readdirSync(path).toSorted();
  } catch {
    return undefined;
  }
}

// A step runs when what it reads has changed since it last succeeded.
function step(name, inputs, outputs, run) {
  const stampFile = join(root, '.cache/setup', `${name}.stamp`);
  const hash = hashOf(...inputs);
  const current = existsSync(stampFile) ? readFileSync(stampFile, 'utf8') : '';
  if (current === hash && outputs.every((output) => existsSync(join(root, output)))) return;
  const began = performance.now();
  process.stderr.write(`${name} ...`);
  run();
  mkdirSync(join(root, '.cache/setup'), { recursive: true });
  writeFileSync(stampFile, hash);
  process.stderr.write(` ${((performance.now() - began) / 1000).toFixed(1)} s\n`);
}

function node(script, ...args) {
  execFileSync(process.execPath, [join(root, script), ...args], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
}

// A linked node_modules belongs to another checkout, which keeps it up to date.
const linked = lstatSync(join(root, 'node_modules'), { throwIfNoEntry: false })?.isSymbolicLink() === true;
// `npm ci` throws away what is installed: right for a fresh clone, slow for a tree that lacks one package.
if (!linked)
  step('install', ['package.json', 'package-lock.json'], ['node_modules/vitest'], () => {
    const npm = process.env.npm_execpath;
    const [command, args] = npm ? [process.execPath, [npm]] : ['npm', []];
    const how = existsSync(join(root, 'node_modules')) ? ['install', '--no-save'] : ['ci'];
    execFileSync(command, [...args, ...how, '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], {
      cwd: root,
      stdio: ['ignore', 'inherit', 'inherit'],
    });
  });
if (existsSync(join(root, 'tools/gen.mjs')))
  step('generate', ['tools/gen.mjs', 'tools/gen', 'proto', 'package-lock.json', 'src/drivers'], ['src/gen/drivers.ts'], () =>
    node('tools/gen.mjs'),
  );
// `--build` makes everything, `--build=command,demo` some parts: whoever wants to look at the demo need not wait for declarations.
const wanted = process.argv.find((argument) => argument.startsWith('--build'));
if (wanted !== undefined) {
  const parts = wanted.slice('--build='.length).split(',').filter(Boolean);
  const outputs = { library: 'dist/index.js', command: 'dist/bin/proa.cjs', demo: 'dist/demo/proa.yaml' };
  for (const part of parts.length === 0 ? Object.keys(outputs) : parts)
    step(part, ['src', 'tools', 'examples', 'tsconfig.build.json', 'package.json'], [outputs[part]], () =>
      node('tools/build.mjs', '--only', part),
    );
}
