import type { Disk, DiskFile, OpenMode, Random } from '../../kernel/ports.ts';

/** A seeded generator (mulberry32): the same seed gives the same numbers. */
export function seededRandom(seed: number): Pick<Random, 'u32'> {
  let state = seed >>> 0;
  return {
    u32() {
      state = (state + 0x6d2b79f5) >>> 0;
      let t = state;
      t = Math.imul(t ^ (t >>> 15), t | 1);
      t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
      return (t ^ (t >>> 14)) >>> 0;
    },
  };
}

/** What a fault decides on: the how-many-th call of the disk this is (from 1), what it does, and to which path. */
export interface DiskCall {
  readonly n: number;
  readonly kind:
    | 'open'
    | 'write'
    | 'read'
    | 'sync'
    | 'truncate'
    | 'rename'
    | 'remove'
    | 'syncDirectory'
    | 'makeDirectory'
    | 'list'
    | 'stat';
  readonly path: string;
}

export interface SimulatedDiskOptions {
  readonly random: Pick<Random, 'u32'>;
  /**
   * What a crash keeps of unsynced writes: a random prefix and perhaps a torn part of the next one (default), nothing, or any of them, whole or torn,
   * whatever became of those before. With `any` a durable write makes nothing but itself durable, so that of two at once either may be the one that is lost.
   */
  readonly unsynced?: 'prefix' | 'any' | 'nothing';
  /** `sync` answers at once and makes nothing durable: tests of tests switch it on. */
  readonly syncOff?: boolean;
  readonly capacityBytes?: number;
  /** An error code for this call: it fails with it, having done a part of its work perhaps. */
  readonly fault?: (call: DiskCall) => string | undefined;
  /** Awaited before each call: the place where a test holds a disk, or where other work gets its turn. */
  readonly delay?: (call: DiskCall) => Promise<void>;
}

/** A disk in memory whose faults follow from the seed. */
export interface SimulatedDisk extends Disk {
  /** The machine loses power: from now on every call fails with EIO, and files that were open stay dead. */
  readonly crash: () => void;
  /** The machine starts again, with what the disk kept. */
  readonly restart: () => void;
  /** May be changed at any time. */
  options: SimulatedDiskOptions;
  /** Calls so far. */
  readonly calls: number;
  /** All files with their bytes as they are seen now. */
  files(): { readonly path: string; readonly sizeBytes: number }[];
  /** Flips one bit of what is stored, as decaying hardware does. */
  flip(path: string, bit: number): void;
}

interface Inode {
  seen: Uint8Array;
  durable: Uint8Array;
  pending: Change[];
}

type Change = { readonly position: number; readonly bytes: Uint8Array } | { readonly truncate: number };
type NameChange = { readonly path: string; readonly inode: Inode | undefined };

export function createSimulatedDisk(options: SimulatedDiskOptions): SimulatedDisk {
  return new MemoryDisk(options);
}

function systemError(code: string, call: string, path: string): Error {
  return Object.assign(new Error(`${code}: simulated, ${call} '${path}'`), { code });
}

function directoryOf(path: string): string {
  return path.slice(0, Math.max(1, path.lastIndexOf('/')));
}

function applied(content: Uint8Array, change: Change): Uint8Array {
  if ('truncate' in change) {
    const shorter = new Uint8Array(change.truncate);
    shorter.set(content.subarray(0, change.truncate));
    return shorter;
  }
  const end = change.position + change.bytes.length;
  let target = content;
  if (end > content.length) {
    // Grown in steps inside a larger buffer: appending must not copy the whole file each time.
    const room = content.byteOffset === 0 ? content.buffer.byteLength : 0;
    if (room >= end) target = new Uint8Array(content.buffer, 0, end);
    else {
      target = new Uint8Array(new ArrayBuffer(Math.max(end * 2, 4096)), 0, end);
      target.set(content);
    }
  }
  target.set(change.bytes, change.position);
  return target;
}

class MemoryDisk implements SimulatedDisk {
  options: SimulatedDiskOptions;
  calls = 0;
  #generation = 0;
  #off = false;
  #names = new Map<string, Inode>();
  #durableNames = new Map<string, Inode>();
  #nameChanges: NameChange[] = [];
  readonly #directories = new Set<string>(['/']);
  readonly #watchers = new Set<{ readonly path: string; readonly changed: () => void }>();

  constructor(options: SimulatedDiskOptions) {
    this.options = options;
  }

  async open(path: string, mode: OpenMode): Promise<DiskFile> {
    const generation = this.#generation;
    await this.enter('open', path);
    this.mustLive('open', path, generation);
    let inode = this.#names.get(path);
    if (inode === undefined && mode === 'read') throw systemError('ENOENT', 'open', path);
    if (inode !== undefined && mode.startsWith('exclusive')) throw systemError('EEXIST', 'open', path);
    if (inode === undefined) {
      if (!this.#directories.has(directoryOf(path))) throw systemError('ENOENT', 'open', path);
      inode = { seen: new Uint8Array(0), durable: new Uint8Array(0), pending: [] };
      this.#name(path, inode);
    }
    return new MemoryFile(this, inode, { path, generation: this.#generation, durable: mode === 'exclusive-durable' });
  }

  async readFile(path: string): Promise<Uint8Array> {
    const file = await this.open(path, 'read');
    return file.read(0, await file.size());
  }

  async replaceFile(path: string, bytes: Uint8Array): Promise<void> {
    const temporary = `${path}.tmp`;
    this.#name(temporary, undefined);
    const file = await this.open(temporary, 'exclusive');
    await file.write([bytes], 0);
    await file.sync();
    await this.rename(temporary, path);
    await this.syncDirectory(directoryOf(path));
  }

  async stat(path: string) {
    await this.enter('stat', path);
    const inode = this.#names.get(path);
    if (inode !== undefined) return { sizeBytes: inode.seen.length, mtimeMs: 0, kind: 'file' as const };
    return this.#directories.has(path) ? { sizeBytes: 0, mtimeMs: 0, kind: 'directory' as const } : undefined;
  }

  exists(path: string): boolean {
    this.#mayDo({ n: ++this.calls, kind: 'stat', path }, this.#generation);
    return this.#names.has(path) || this.#directories.has(path);
  }

  async list(directory: string): Promise<string[]> {
    await this.enter('list', directory);
    if (!this.#directories.has(directory)) throw systemError('ENOENT', 'scandir', directory);
    const inside = `${directory}/`;
    const names = [...this.#names.keys()].filter((path) => path.startsWith(inside)).map((path) => path.slice(inside.length));
    return names.filter((name) => !name.includes('/')).sort();
  }

  async makeDirectory(path: string): Promise<void> {
    await this.enter('makeDirectory', path);
    for (let at = path.indexOf('/', 1); at >= 0; at = path.indexOf('/', at + 1)) this.#directories.add(path.slice(0, at));
    this.#directories.add(path);
  }

  async rename(from: string, to: string): Promise<void> {
    const generation = this.#generation;
    await this.enter('rename', from);
    this.mustLive('rename', from, generation);
    const inode = this.#names.get(from);
    if (inode === undefined) throw systemError('ENOENT', 'rename', from);
    this.#name(to, inode);
    this.#name(from, undefined);
  }

  async remove(path: string): Promise<void> {
    const generation = this.#generation;
    await this.enter('remove', path);
    this.mustLive('remove', path, generation);
    if (!this.#names.has(path)) throw systemError('ENOENT', 'unlink', path);
    this.#name(path, undefined);
  }

  async syncDirectory(path: string): Promise<void> {
    const generation = this.#generation;
    await this.enter('syncDirectory', path);
    this.mustLive('syncDirectory', path, generation);
    if (this.options.syncOff === true) return;
    const inside = (change: NameChange): boolean => directoryOf(change.path) === path;
    for (const change of this.#nameChanges.filter(inside)) rename(this.#durableNames, change);
    this.#nameChanges = this.#nameChanges.filter((change) => !inside(change));
  }

  async space() {
    const freeBytes = (this.options.capacityBytes ?? 1e12) - this.used();
    return { freeBytes: Math.max(0, freeBytes), fileSystem: 'simulated' };
  }

  async realPath(path: string): Promise<string> {
    return path;
  }

  watch(path: string, changed: () => void): { close(): void } {
    const watcher = { path, changed };
    this.#watchers.add(watcher);
    return { close: () => void this.#watchers.delete(watcher) };
  }

  readonly crash = (): void => {
    this.#generation++;
    this.#off = true;
    const kept = this.options.unsynced === 'nothing' ? 0 : this.#below(this.#nameChanges.length + 1);
    for (const change of this.#nameChanges.slice(0, kept)) rename(this.#durableNames, change);
    this.#nameChanges = [];
    for (const inode of new Set([...this.#names.values(), ...this.#durableNames.values()])) this.#settle(inode);
    this.#names = new Map(this.#durableNames);
  };

  readonly restart = (): void => {
    this.#off = false;
  };

  files() {
    return [...this.#names].map(([path, inode]) => ({ path, sizeBytes: inode.seen.length }));
  }

  flip(path: string, bit: number): void {
    const inode = this.#names.get(path);
    if (inode === undefined) throw systemError('ENOENT', 'flip', path);
    const flipped = inode.seen.slice();
    flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
    inode.seen = flipped;
    inode.durable = flipped.slice();
    inode.pending = [];
  }

  /** Counts a call, holds it, and fails it when the options say so. */
  async enter(kind: DiskCall['kind'], path: string, generation = this.#generation): Promise<void> {
    const call = { n: ++this.calls, kind, path };
    await this.options.delay?.(call);
    this.#mayDo(call, generation);
  }

  #mayDo(call: DiskCall, generation: number): void {
    this.mustLive(call.kind, call.path, generation);
    const code = this.options.fault?.(call);
    if (code !== undefined) throw systemError(code, call.kind, call.path);
  }

  mustLive(kind: DiskCall['kind'], path: string, generation: number): void {
    if (this.#off || generation !== this.#generation) throw systemError('EIO', kind, path);
  }

  used(): number {
    let bytes = 0;
    for (const inode of new Set(this.#names.values())) bytes += inode.seen.length;
    return bytes;
  }

  below(count: number): number {
    return this.#below(count);
  }

  notify(path: string): void {
    for (const watcher of this.#watchers) if (path.startsWith(watcher.path)) watcher.changed();
  }

  #name(path: string, inode: Inode | undefined): void {
    const change = { path, inode };
    if (inode === undefined && !this.#names.has(path)) return;
    rename(this.#names, change);
    this.#nameChanges.push(change);
    this.notify(path);
  }

  #settle(inode: Inode): void {
    if (this.options.unsynced === 'any') return this.#settleAny(inode);
    const keepAll = this.options.unsynced === 'nothing' ? 0 : this.#below(inode.pending.length + 1);
    let content = inode.durable;
    for (const change of inode.pending.slice(0, keepAll)) content = applied(content, change);
    const next = inode.pending[keepAll];
    if (this.options.unsynced !== 'nothing' && next !== undefined && 'bytes' in next && this.#below(2) === 0) {
      content = applied(content, { position: next.position, bytes: next.bytes.subarray(0, this.#below(next.bytes.length + 1)) });
    }
    this.#keep(inode, content);
  }

  #settleAny(inode: Inode): void {
    let content = inode.durable;
    for (const change of inode.pending) {
      const fate = this.#below(3);
      if (fate === 0) continue;
      const torn = fate === 1 && 'bytes' in change;
      content = applied(content, torn ? { ...change, bytes: change.bytes.subarray(0, this.#below(change.bytes.length + 1)) } : change);
    }
    this.#keep(inode, content);
  }

  #keep(inode: Inode, content: Uint8Array): void {
    inode.pending = [];
    inode.seen = content.slice();
    inode.durable = content.slice();
  }

  #below(count: number): number {
    return this.options.random.u32() % count;
  }
}

function rename(names: Map<string, Inode>, change: NameChange): void {
  if (change.inode === undefined) names.delete(change.path);
  else names.set(change.path, change.inode);
}

class MemoryFile implements DiskFile {
  readonly #disk: MemoryDisk;
  readonly #inode: Inode;
  readonly #path: string;
  readonly #generation: number;
  readonly #durable: boolean;
  #closed = false;

  constructor(disk: MemoryDisk, inode: Inode, how: { path: string; generation: number; durable: boolean }) {
    this.#disk = disk;
    this.#inode = inode;
    this.#path = how.path;
    this.#generation = how.generation;
    this.#durable = how.durable;
  }

  /** On a durable file, two calls of the device as elsewhere: between them a crash finds the write under way. */
  async write(chunks: readonly Uint8Array[], position: number): Promise<void> {
    const change = await this.#write(chunks, position);
    if (!this.#durable) return;
    await (this.#disk.options.unsynced === 'any' ? this.#syncOnly(change) : this.sync());
  }

  async #write(chunks: readonly Uint8Array[], position: number): Promise<Change> {
    const bytes = Uint8Array.from(Buffer.concat(chunks));
    try {
      await this.#enter('write');
    } catch (error) {
      // A write that fails may have written a part.
      if ((error as { code?: string }).code === 'ENOSPC') this.#change({ position, bytes: bytes.subarray(0, bytes.length >> 1) });
      throw error;
    }
    this.#mustLive('write');
    const grows = Math.max(0, position + bytes.length - this.#inode.seen.length);
    const room = (this.#disk.options.capacityBytes ?? Infinity) - this.#disk.used();
    if (grows > room) {
      const fits = Math.max(0, bytes.length - (grows - Math.max(0, room)));
      this.#change({ position, bytes: bytes.subarray(0, fits) });
      throw systemError('ENOSPC', 'write', this.#path);
    }
    const change = { position, bytes };
    this.#change(change);
    return change;
  }

  async #syncOnly(change: Change): Promise<void> {
    await this.#enter('sync');
    this.#mustLive('sync');
    const { pending } = this.#inode;
    const at = pending.indexOf(change);
    if (this.#disk.options.syncOff === true || at < 0) return;
    pending.splice(at, 1);
    this.#inode.durable = applied(this.#inode.durable, change);
  }

  async read(position: number, length: number): Promise<Uint8Array> {
    await this.#enter('read');
    return this.#inode.seen.slice(position, position + length);
  }

  async sync(): Promise<void> {
    const before = this.#inode.pending.length;
    try {
      await this.#enter('sync');
    } catch (error) {
      // What a failed sync leaves is unknown: the kernel may have dropped the pages, and a later sync may still "succeed".
      if (this.#disk.below(2) === 0) this.#inode.pending.splice(0, before);
      throw error;
    }
    this.#mustLive('sync');
    if (this.#disk.options.syncOff === true) return;
    for (const change of this.#inode.pending.splice(0, before)) this.#inode.durable = applied(this.#inode.durable, change);
  }

  async truncate(sizeBytes: number): Promise<void> {
    await this.#enter('truncate');
    this.#mustLive('truncate');
    this.#change({ truncate: sizeBytes });
  }

  async size(): Promise<number> {
    await this.#enter('stat');
    return this.#inode.seen.length;
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  #change(change: Change): void {
    if (change !== undefined && 'bytes' in change && change.bytes.length === 0) return;
    this.#inode.seen = applied(this.#inode.seen, change);
    this.#inode.pending.push(change);
    this.#disk.notify(this.#path);
  }

  async #enter(kind: DiskCall['kind']): Promise<void> {
    if (this.#closed) throw systemError('EBADF', kind, this.#path);
    await this.#disk.enter(kind, this.#path, this.#generation);
  }

  /** Asked again where something changes: the power may have gone since the call began. */
  #mustLive(kind: DiskCall['kind']): void {
    this.#disk.mustLive(kind, this.#path, this.#generation);
  }
}
