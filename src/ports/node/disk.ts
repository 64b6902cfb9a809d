import fs from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import type { Disk, DiskFile, FileStat, OpenMode, Random } from '../../kernel/ports.ts';

const created = fs.constants.O_RDWR | fs.constants.O_CREAT;
// Elsewhere than on Linux the flag reaches the drive's cache at most, where fdatasync (by libuv) reaches the medium.
const durableFlag = process.platform === 'linux' ? fs.constants.O_DSYNC : 0;

const flags: Record<OpenMode, number> = {
  read: fs.constants.O_RDONLY,
  write: created,
  exclusive: created | fs.constants.O_EXCL,
  'exclusive-durable': created | fs.constants.O_EXCL | durableFlag,
};

// f_type of statfs(2), as linux/magic.h names them. What is not listed is "unknown".
const fileSystems = new Map<number, string>([
  [0xef53, 'ext4'],
  [0x58465342, 'xfs'],
  [0x9123683e, 'btrfs'],
  [0x2fc12fc1, 'zfs'],
  [0xf2f52010, 'f2fs'],
  [0x01021994, 'tmpfs'],
  [0x794c7630, 'overlay'],
  [0x6969, 'nfs'],
  [0x517b, 'smb'],
  [0xff534d42, 'cifs'],
  [0xfe534d42, 'smb2'],
  [0x01021997, '9p'],
  [0x65735546, 'fuse'],
  [0x00c36400, 'ceph'],
  [0x0bd00bd0, 'lustre'],
  [0x47504653, 'gpfs'],
  [0x01161970, 'gfs2'],
  [0x7461636f, 'ocfs2'],
  [0x5346414f, 'afs'],
]);

// `fs.promises` would load streams and a reader of terminal lines with it: half a megabyte that a sidecar does not need.
const call = {
  readFile: promisify(fs.readFile),
  readdir: promisify(fs.readdir),
  mkdir: promisify(fs.mkdir),
  rename: promisify(fs.rename),
  unlink: promisify(fs.unlink),
  statfs: promisify(fs.statfs),
  stat: promisify(fs.stat),
  realpath: promisify(fs.realpath.native),
  open: promisify(fs.open),
  fsync: promisify(fs.fsync),
  close: promisify(fs.close),
};

/** The system's files. Where it is hot, a file's promises are made by hand: a promise per step of a handle costs more than the call. `random` names temporary files. */
export function createNodeDisk(random: Pick<Random, 'hex'>): Disk {
  return {
    open: (file, mode) => opened(file, mode),
    readFile: (file) => call.readFile(file),
    replaceFile: (file, bytes, mode) => replaceFile(file, { bytes, mode, temporary: `${file}.${random.hex(16)}.tmp` }),
    stat,
    exists: (file) => fs.statSync(file, { throwIfNoEntry: false }) !== undefined,
    list: (directory) => call.readdir(directory),
    makeDirectory: (directory, mode = 0o700) => makeDirectories(directory, mode),
    rename: (from, to) => call.rename(from, to),
    remove: (file) => call.unlink(file),
    syncDirectory,
    async space(file) {
      const { bavail, bsize, type } = await call.statfs(file);
      return { freeBytes: bavail * bsize, fileSystem: fileSystems.get(type >>> 0) ?? 'unknown' };
    },
    realPath: (file) => call.realpath(file),
    watch,
  };
}

function opened(file: string, mode: OpenMode): Promise<DiskFile> {
  return new Promise((resolve, reject) => {
    fs.open(file, flags[mode], 0o600, (error, fd) =>
      error === null ? resolve(new NodeFile(fd, mode === 'exclusive-durable' && durableFlag === 0)) : reject(error),
    );
  });
}

class NodeFile implements DiskFile {
  readonly #fd: number;
  readonly #syncEachWrite: boolean;

  constructor(fd: number, syncEachWrite: boolean) {
    this.#fd = fd;
    this.#syncEachWrite = syncEachWrite;
  }

  async write(chunks: readonly Uint8Array[], position: number): Promise<void> {
    await this.#writeAll(chunks, position);
    if (this.#syncEachWrite) await this.sync();
  }

  async #writeAll(chunks: readonly Uint8Array[], position: number): Promise<void> {
    let rest = chunks.filter((chunk) => chunk.length > 0);
    let at = position;
    while (rest.length > 0) {
      const written = await this.#writeSome(rest, at);
      at += written;
      rest = behind(rest, written);
    }
  }

  /** Nearly always one call fills the buffer: then one promise is all that it takes. */
  read(position: number, length: number): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const buffer = Buffer.allocUnsafeSlow(length);
      fs.read(this.#fd, buffer, 0, length, position, (error, count) => {
        if (error !== null) reject(error);
        else if (count === length) resolve(buffer);
        else this.#readOn(buffer, count, position).then(resolve, reject);
      });
    });
  }

  async #readOn(buffer: Buffer, begun: number, position: number): Promise<Uint8Array> {
    const { length } = buffer;
    let filled = begun;
    while (begun > 0 && filled < length) {
      const count = await this.#readSome(buffer, filled, position + filled);
      if (count === 0) break;
      filled += count;
    }
    return filled === length ? buffer : buffer.subarray(0, filled);
  }

  sync(): Promise<void> {
    return new Promise((resolve, reject) => {
      fs.fdatasync(this.#fd, (error) => (error === null ? resolve() : reject(error)));
    });
  }

  truncate(sizeBytes: number): Promise<void> {
    return new Promise((resolve, reject) => {
      fs.ftruncate(this.#fd, sizeBytes, (error) => (error === null ? resolve() : reject(error)));
    });
  }

  size(): Promise<number> {
    return new Promise((resolve, reject) => {
      fs.fstat(this.#fd, (error, stats) => (error === null ? resolve(stats.size) : reject(error)));
    });
  }

  close(): Promise<void> {
    return new Promise((resolve, reject) => {
      fs.close(this.#fd, (error) => (error === null || error === undefined ? resolve() : reject(error)));
    });
  }

  #writeSome(chunks: readonly Uint8Array[], position: number): Promise<number> {
    return new Promise((resolve, reject) => {
      const done = (error: Error | null, written: number): void => (error === null ? resolve(written) : reject(error));
      const only = chunks.length === 1 ? chunks[0] : undefined;
      if (only === undefined) fs.writev(this.#fd, chunks.slice(0, 1_000), position, done);
      else fs.write(this.#fd, only, 0, only.length, position, done);
    });
  }

  #readSome(buffer: Buffer, offset: number, position: number): Promise<number> {
    return new Promise((resolve, reject) => {
      fs.read(this.#fd, buffer, offset, buffer.length - offset, position, (error, count) =>
        error === null ? resolve(count) : reject(error),
      );
    });
  }
}

/** The chunks that remain when the first `written` bytes are gone. */
function behind(chunks: readonly Uint8Array[], written: number): Uint8Array[] {
  let skip = written;
  const rest: Uint8Array[] = [];
  for (const chunk of chunks) {
    if (skip >= chunk.length) skip -= chunk.length;
    else {
      rest.push(skip > 0 ? chunk.subarray(skip) : chunk);
      skip = 0;
    }
  }
  return rest;
}

/** Makes what is missing, one by one: Node's own way hides why one cannot be made, and where none can be (`/proc`) it tries for ever. */
async function makeDirectories(directory: string, mode: number): Promise<void> {
  const isThere = async (): Promise<boolean> => (await stat(directory))?.kind === 'directory';
  if (await isThere()) return;
  const parent = path.dirname(directory);
  if (parent !== directory && (await stat(parent)) === undefined) await makeDirectories(parent, mode);
  try {
    await call.mkdir(directory, mode);
  } catch (error) {
    // Somebody else may have made it meanwhile.
    if (!(await isThere())) throw error;
  }
}

/** Process ids are alike in containers that share a directory: the name of the temporary file is random, and only who made it removes it. */
async function replaceFile(
  file: string,
  { bytes, mode = 0o600, temporary }: { readonly bytes: Uint8Array; readonly mode: number | undefined; readonly temporary: string },
): Promise<void> {
  const fd = await call.open(temporary, 'wx', mode);
  try {
    await writeAll(fd, bytes);
    await call.rename(temporary, file);
  } catch (error) {
    await call.unlink(temporary).catch(() => {});
    throw error;
  }
  await syncDirectory(path.dirname(file));
}

async function stat(file: string): Promise<FileStat | undefined> {
  try {
    const stats = await call.stat(file);
    const kind = stats.isFile() ? 'file' : stats.isDirectory() ? 'directory' : 'other';
    return { sizeBytes: stats.size, mtimeMs: stats.mtimeMs, kind };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}

async function writeAll(fd: number, bytes: Uint8Array): Promise<void> {
  try {
    await new NodeFile(fd, false).write([bytes], 0);
    await call.fsync(fd);
  } finally {
    await call.close(fd);
  }
}

async function syncDirectory(directory: string): Promise<void> {
  const fd = await call.open(directory, 'r');
  try {
    await call.fsync(fd);
  } finally {
    await call.close(fd);
  }
}

function watch(file: string, changed: () => void): { close(): void } {
  const watcher = fs.watch(file, { persistent: false, recursive: true }, () => changed());
  // It is only a hint: when the watched thing goes away, nobody is told any more.
  watcher.on('error', () => {});
  return { close: () => watcher.close() };
}
