import { posix } from 'node:path';
import type { Disk, DiskFile, FileStat, OpenMode } from '../kernel/ports.ts';

function systemError(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code });
}

/** A disk in memory with directories, for tests: everything is durable at once, errors carry the system's codes, watchers hear of every change at once. */
export interface MemoryDisk extends Disk {
  /** Writes a text file, making its directories. */
  put(path: string, text: string): void;
  text(path: string): string | undefined;
}

interface Entry {
  bytes: Uint8Array;
  mtimeMs: number;
}

export function createMemoryDisk(files: Readonly<Record<string, string>> = {}): MemoryDisk {
  const entries = new Map<string, Entry>();
  const directories = new Set<string>(['/']);
  const watchers = new Set<{ path: string; changed: () => void }>();
  let clockMs = 0;

  const clean = (path: string): string => posix.resolve('/', path);
  const touch = (path: string): void => {
    for (const watcher of watchers) if (path === watcher.path || path.startsWith(`${watcher.path.replace(/\/$/, '')}/`)) watcher.changed();
  };
  const store = (path: string, bytes: Uint8Array): void => {
    entries.set(path, { bytes, mtimeMs: ++clockMs });
    touch(path);
  };
  const makeAll = (path: string): void => {
    for (let at = path; !directories.has(at); at = posix.dirname(at)) directories.add(at);
  };
  const need = (path: string): Entry => {
    const entry = entries.get(path);
    if (entry === undefined) throw systemError(directories.has(path) ? 'EISDIR' : 'ENOENT', path);
    return entry;
  };
  const needParent = (path: string): void => {
    if (!directories.has(posix.dirname(path))) throw systemError('ENOENT', path);
  };

  const openFile = (path: string): DiskFile => ({
    async write(chunks, position) {
      const total = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
      const { bytes } = need(path);
      const grown = new Uint8Array(Math.max(bytes.length, position + total));
      grown.set(bytes);
      let at = position;
      for (const chunk of chunks) {
        grown.set(chunk, at);
        at += chunk.length;
      }
      store(path, grown);
    },
    read: async (position, length) => need(path).bytes.slice(position, position + length),
    sync: async () => {},
    async truncate(sizeBytes) {
      const kept = new Uint8Array(sizeBytes);
      kept.set(need(path).bytes.subarray(0, sizeBytes));
      store(path, kept);
    },
    size: async () => need(path).bytes.length,
    close: async () => {},
  });

  const disk: MemoryDisk = {
    put(path, text) {
      const at = clean(path);
      makeAll(posix.dirname(at));
      store(at, new TextEncoder().encode(text));
    },
    text(path) {
      const entry = entries.get(clean(path));
      return entry && new TextDecoder().decode(entry.bytes);
    },
    async open(path: string, mode: OpenMode) {
      const at = clean(path);
      if (mode === 'read') need(at);
      if (mode.startsWith('exclusive') && entries.has(at)) throw systemError('EEXIST', at);
      needParent(at);
      if (!entries.has(at)) store(at, new Uint8Array(0));
      return openFile(at);
    },
    readFile: async (path) => need(clean(path)).bytes.slice(),
    async replaceFile(path, bytes) {
      needParent(clean(path));
      store(clean(path), bytes.slice());
    },
    async stat(path): Promise<FileStat | undefined> {
      const at = clean(path);
      const entry = entries.get(at);
      if (entry !== undefined) return { sizeBytes: entry.bytes.length, mtimeMs: entry.mtimeMs, kind: 'file' };
      return directories.has(at) ? { sizeBytes: 0, mtimeMs: 0, kind: 'directory' } : undefined;
    },
    exists: (path) => entries.has(clean(path)) || directories.has(clean(path)),
    async list(directory) {
      const at = clean(directory);
      if (!directories.has(at)) throw systemError(entries.has(at) ? 'ENOTDIR' : 'ENOENT', at);
      const inside = [...entries.keys(), ...directories].filter((path) => path !== '/' && posix.dirname(path) === at);
      return inside.map((path) => posix.basename(path));
    },
    makeDirectory: async (path) => makeAll(clean(path)),
    async rename(from, to) {
      const entry = need(clean(from));
      needParent(clean(to));
      entries.delete(clean(from));
      store(clean(to), entry.bytes);
      touch(clean(from));
    },
    async remove(path) {
      const at = clean(path);
      if (!entries.delete(at) && !directories.delete(at)) throw systemError('ENOENT', at);
      touch(at);
    },
    syncDirectory: async () => {},
    space: async () => ({ freeBytes: 1024 ** 4, fileSystem: 'memory' }),
    realPath: async (path) => clean(path),
    watch(path, changed) {
      const watcher = { path: clean(path), changed };
      watchers.add(watcher);
      return { close: () => void watchers.delete(watcher) };
    },
  };
  for (const [path, text] of Object.entries(files)) disk.put(path, text);
  return disk;
}
