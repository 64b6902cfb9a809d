// The program `proa`: loads chunks on demand and keeps V8's compiled code in a private directory. The cache is optional: whatever goes wrong
// with it, the chunk is compiled as usual.
'use strict';
const fs = require('node:fs');
const path = require('node:path');
const vm = require('node:vm');
const { pathToFileURL } = require('node:url');

// Which script holds a chunk that lies in a pack; other chunks are scripts of their own.
const packed = JSON.parse('__PACKED__');
const chunkDirectory = path.join(__dirname, 'chunks');
const url = pathToFileURL(__filename).href;
const loaded = new Map();
const scripts = new Map();
const uncached = [];

// Private to the user: a cache that others could write would be code that others could run. Undefined: no cache.
function findCacheDirectory() {
  if (process.env.PROA_NO_CODE_CACHE || typeof process.getuid !== 'function') return undefined;
  const uid = process.getuid();
  const home = process.env.HOME;
  const bases = [process.env.XDG_CACHE_HOME, home && path.join(home, '.cache'), process.env.TMPDIR || '/tmp'];
  for (const [index, base] of bases.entries()) {
    if (!base || !path.isAbsolute(base)) continue;
    const directory = path.join(base, index === 2 ? `proa-code-${uid}` : 'proa-code');
    try {
      if (!fs.existsSync(directory)) fs.mkdirSync(directory, { recursive: true, mode: 0o700 });
      const stat = fs.lstatSync(directory);
      if (stat.isDirectory() && stat.uid === uid && (stat.mode & 0o077) === 0) return directory;
    } catch {
      // Read-only or not ours: the next place.
    }
  }
  return undefined;
}

const cacheDirectory = findCacheDirectory();
const suffix = `${process.versions.v8}-${process.arch}`.replace(/[^\w.-]/g, '_');

// Scripts are named by their content.
function cacheFile(file) {
  return path.join(cacheDirectory, `${file.slice(0, -4)}-${suffix}.bin`);
}

function readCache(file) {
  if (cacheDirectory === undefined) return undefined;
  try {
    return fs.readFileSync(cacheFile(file));
  } catch {
    return undefined;
  }
}

// Vendor packages belong to the user's project; what comes with this package is found from here.
let fromProject;
function requireOther(name) {
  if (name.startsWith('node:')) return require(name);
  try {
    fromProject ??= require('node:module').createRequire(path.join(process.cwd(), 'package.json'));
    return fromProject(name);
  } catch (error) {
    if (error.code !== 'MODULE_NOT_FOUND' && error.code !== 'ERR_MODULE_NOT_FOUND') throw error;
    return require(name);
  }
}

function requireChunk(name) {
  return name.startsWith('./') ? load(name.slice(2)) : requireOther(name);
}

requireChunk.userModule = (href) => import(href);

// The chunks of a script by name, as functions.
function script(file) {
  const known = scripts.get(file);
  if (known !== undefined) return known;
  const filename = path.join(chunkDirectory, file);
  const cachedData = readCache(file);
  const compiled = new vm.Script(fs.readFileSync(filename, 'latin1'), { filename, cachedData });
  if (cacheDirectory !== undefined && (cachedData === undefined || compiled.cachedDataRejected)) uncached.push([file, compiled]);
  const chunks = compiled.runInThisContext();
  scripts.set(file, chunks);
  return chunks;
}

function load(name) {
  const known = loaded.get(name);
  if (known !== undefined) return known.exports;
  const module = { exports: {} };
  loaded.set(name, module);
  script(packed[name] ?? name)[name](module.exports, requireChunk, module, url);
  return module.exports;
}

// After the work: functions that ran are compiled by then and go into the cache. Written beside and renamed, so that nobody reads half.
function writeCaches() {
  for (const [name, compiled] of uncached.splice(0)) {
    try {
      const file = cacheFile(name);
      const temporary = `${file}.${process.pid}`;
      fs.writeFileSync(temporary, compiled.createCachedData(), { mode: 0o600 });
      fs.renameSync(temporary, file);
    } catch {
      return;
    }
  }
}

// A long-running sidecar may be killed without an exit: it writes once when it has settled.
setTimeout(writeCaches, 3000).unref();
process.on('exit', writeCaches);
load('entry.cjs').start(process.argv.slice(2));
