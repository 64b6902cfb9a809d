/**
 * The ports: everything outside the program comes in through them, so that a whole cluster can run in the simulator.
 * `ports/node` is their real implementation, `testing/simulator` the simulated one.
 */
export interface Ports {
  readonly clock: Clock;
  readonly random: Random;
  readonly network: Network;
  readonly disk: Disk;
  readonly process: ProcessPort;
  readonly dns: Dns;
  readonly datagrams: Datagrams;
}

export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Wall time in milliseconds since 1970. It can jump; use it only for what people and other systems read. */
  now(): number;
  /** Monotonic milliseconds with fractions, from an arbitrary origin. */
  mono(): number;
  /**
   * `mono` as it was when this turn of the event loop first asked: for when something began, whose wait for what the turn did before belongs to it. It is
   * read once for all that arrived together. Never for an end.
   */
  turn(): number;
  /** Calls back once after `delayMs` (it may be up to 5 ms late). The process may exit while it waits when `background` is true. */
  timer(delayMs: number, callback: () => void, background?: boolean): Timer;
  /** Calls back after the I/O of this turn was handled: one write can then carry what all of it produced. */
  soon(callback: () => void): void;
  /** True while messages were read in this turn that nobody has handled yet, as `soon` may find: what they bring comes before the next turn. */
  arriving(): boolean;
}

export interface Random {
  /** A uniform integer of 32 bits. */
  u32(): number;
  /** `count` fresh random bytes. */
  bytes(count: number): Uint8Array;
  /** `digits` random lower-case hex digits (at most 64). */
  hex(digits: number): string;
  /** A version 4 UUID. */
  uuid(): string;
}

/**
 * Where to listen or connect: TCP, or a Unix socket by its path. Port 0 takes a free one. With `via` (IP addresses) a connection goes to one of those
 * and the host is not resolved again.
 */
export type Address = { readonly host: string; readonly port: number; readonly via?: readonly string[] } | { readonly path: string };

export interface ConnectionHandlers {
  /** `chunk` lies in a buffer shared by all connections: valid only during this call. */
  data(chunk: Uint8Array): void;
  /** The peer sends no more; writing is still possible. */
  end(): void;
  /** What was refused by `write` has left: write again. */
  drain(): void;
  /** The last event. `error` is set when the connection broke. */
  close(error: Error | undefined): void;
  /** An outgoing connection is established. */
  open?(): void;
}

export interface Connection {
  /** `host:port` of the peer, or the socket's path. */
  readonly remote: string;
  /** Set before the first event of the connection; may be exchanged later. */
  handlers: ConnectionHandlers;
  /** A string is latin1: one byte per character. Bytes are given away: they may leave later, and text leaves when the sockets of this turn were read. Returns false when the peer reads slower than we write: wait for `drain`. */
  write(data: string | Uint8Array): boolean;
  /** Several writes between `cork` and `uncork` leave in one system call. */
  cork(): void;
  uncork(): void;
  pause(): void;
  resume(): void;
  /** Sends what is queued, then closes our direction. */
  end(): void;
  /** Closes both directions at once; `close` follows. */
  destroy(error?: Error): void;
}

export interface Listener {
  /** The bound address, with the real port. */
  readonly address: Address;
  /** Stops accepting; existing connections live on. */
  close(): Promise<void>;
}

export interface Network {
  /** Fails with the system's error (`code` EADDRINUSE, EACCES ...). A Unix socket is made with mode 0600. */
  listen(address: Address, accept: (connection: Connection) => void): Promise<Listener>;
  connect(address: Address): Connection;
  /** Binds a server of the platform that accepts for itself, as TLS does; fails as `listen` does. Absent where there are no such servers. */
  bind?(server: unknown, address: Address): Promise<Listener>;
  /** The IP addresses of a host name, at least one. Fails with the system's error (`code` ENOTFOUND ...). */
  resolve(host: string): Promise<readonly string[]>;
}

/** An address of a name, and how long it may be believed. */
export interface DnsAddress {
  readonly address: string;
  readonly ttlSeconds: number;
}

/** One SRV record (RFC 2782): of the lowest priority that answers, in proportion to the weights. */
export interface DnsService {
  readonly host: string;
  readonly port: number;
  readonly priority: number;
  readonly weight: number;
}

/** Questions to the name servers of the machine. A name without such records is an empty list; a server that fails or is silent is an error. */
export interface Dns {
  /** A and AAAA. A literal address answers itself. */
  addresses(name: string): Promise<readonly DnsAddress[]>;
  /** SRV. Their TTL is not told: use that of the targets' addresses. */
  services(name: string): Promise<readonly DnsService[]>;
}

export interface DatagramOptions {
  /** 0 takes a free one. */
  readonly port: number;
  /** Absent: every address. */
  readonly host?: string;
  /** Joins this IPv4 group on every interface that takes part in multicast, and shares the port with other processes. */
  readonly group?: string;
  /** The address of the one interface that joins; absent: every one. */
  readonly groupInterface?: string;
}

export interface DatagramSocket {
  readonly port: number;
  /** Sends and forgets: datagrams may be lost. To a group it goes out on every joined interface, and back to this machine. */
  send(bytes: Uint8Array, to: { readonly host: string; readonly port: number }): void;
  close(): Promise<void>;
}

/** UDP. `received` gets what arrives; the bytes are its own. */
export interface Datagrams {
  /** Fails with the system's error; with `code` ENODEV when no interface, or not the one that is asked for, could join the group. */
  open(
    options: DatagramOptions,
    received: (bytes: Uint8Array, from: { readonly host: string; readonly port: number }) => void,
  ): Promise<DatagramSocket>;
  /** The IPv4 addresses under which other machines may reach this one; loopback when there is no other. */
  hostAddresses(): readonly string[];
}

export interface FileStat {
  readonly sizeBytes: number;
  readonly mtimeMs: number;
  readonly kind: 'file' | 'directory' | 'other';
}

/**
 * `read` needs the file; `write` makes it if missing and keeps what it holds; `exclusive` fails with EEXIST if it is there;
 * `exclusive-durable` is the same, and each write is durable when it resolves: one call where `write` and `sync` are two.
 */
export type OpenMode = 'read' | 'write' | 'exclusive' | 'exclusive-durable';

export interface DiskFile {
  /** Writes all bytes at `position`. Nothing is durable before `sync`, unless the file was opened as durable. After an error the file's state is unknown. */
  write(chunks: readonly Uint8Array[], position: number): Promise<void>;
  /** Reads up to `length` bytes; fewer only at the end of the file. */
  read(position: number, length: number): Promise<Uint8Array>;
  /** Everything written before is durable when this resolves. After an error the file's state is unknown. */
  sync(): Promise<void>;
  truncate(sizeBytes: number): Promise<void>;
  size(): Promise<number>;
  close(): Promise<void>;
}

/** Files. Errors are the system's, with `code` (ENOENT, EEXIST, ENOSPC, EIO ...). */
export interface Disk {
  open(path: string, mode: OpenMode): Promise<DiskFile>;
  readFile(path: string): Promise<Uint8Array>;
  /** Writes a temporary file, syncs, renames, syncs the directory: after it the file is old or new, never torn. */
  replaceFile(path: string, bytes: Uint8Array, mode?: number): Promise<void>;
  stat(path: string): Promise<FileStat | undefined>;
  /** Whether the name exists, answered at once. For names in a directory that is in use: the system knows them without asking the device. */
  exists(path: string): boolean;
  list(directory: string): Promise<string[]>;
  makeDirectory(path: string, mode?: number): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  /** Makes creations, renames and removals in the directory durable. */
  syncDirectory(path: string): Promise<void>;
  /** Free bytes for unprivileged writers, and the file system's type as the system names it (`nfs`, `ext4`, `unknown`). */
  space(path: string): Promise<{ freeBytes: number; fileSystem: string }>;
  /** The canonical path with symbolic links resolved. */
  realPath(path: string): Promise<string>;
  /** Hints that something below `path` changed; it may miss changes and repeat itself. */
  watch(path: string, changed: () => void): { close(): void };
}

export interface SpawnOptions {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd?: string;
  readonly env: Readonly<Record<string, string>>;
  /** The child reads what `Child.write` gives it; otherwise its input is empty. */
  readonly input?: boolean;
  /** Every chunk that the child writes. */
  output(stream: 'stdout' | 'stderr', chunk: Uint8Array): void;
}

export interface Child {
  readonly pid: number;
  /** Resolves when the child has ended; `error` when it could not be started (`code` ENOENT, EACCES). */
  readonly exit: Promise<{ code: number | undefined; signal: string | undefined; error?: Error }>;
  /** Signals the child's whole process group. */
  kill(signal: 'SIGTERM' | 'SIGINT' | 'SIGKILL' | 'SIGHUP'): void;
  /** Gives text to a child that was started with `input`; nothing happens when it has ended. It ends our side when this process does. */
  write(text: string): void;
  endInput(): void;
  /** True while a process of the child's group runs, the child itself or one that it left behind. */
  groupAlive(): Promise<boolean>;
}

/** A listening socket that another process of ours opened and shares with this one: each connection goes to one of the processes that accept. */
export interface SharedListener {
  readonly address: Address;
  accept(accept: (connection: Connection) => void): Listener;
  /** As `Network.bind`. */
  bind(server: unknown): Listener;
}

/** What arrives from the process at the other end of a link: plain data. */
export type LinkReceiver = (message: unknown) => void;

/** Another process of ours that runs the same program, and a link to it. Messages are plain data; they arrive in order. */
export interface WorkerProcess extends Pick<Child, 'pid' | 'exit' | 'kill'> {
  /** Messages to a process that has ended are dropped. */
  send(message: unknown): void;
}

export interface ForkOptions {
  /** Arguments of the program. */
  readonly args: readonly string[];
  /** Open listeners of this process that the other one shares: it finds them in its `ParentLink`. */
  readonly listeners: readonly Listener[];
  output: SpawnOptions['output'];
  readonly received: LinkReceiver;
}

/** The link of a worker to the process that forked it. */
export interface ParentLink {
  /** Sockets of the parent. Each may be accepted on once. */
  readonly sockets: readonly SharedListener[];
  send(message: unknown): void;
  /** `gone` is called when the parent has ended. */
  listen(received: LinkReceiver, gone: () => void): void;
}

/** Profiles of this process, in the formats of V8. */
export interface Profiler {
  /** Samples for so long; the JSON of a `.cpuprofile`. */
  cpuProfile(durationMs: number): Promise<string>;
  /** The text of a `.heapsnapshot` in parts; nothing else runs meanwhile. */
  heapSnapshot(chunk: (part: string) => void): Promise<void>;
}

export type ProcessSignal = 'SIGTERM' | 'SIGINT' | 'SIGHUP';

export interface ProcessPort {
  /** How long the event loop of this thread was idle and active so far, in milliseconds. */
  loopTimes(): { readonly idleMs: number; readonly activeMs: number };
  readonly pid: number;
  readonly platform: string;
  readonly nodeVersion: string;
  env(name: string): string | undefined;
  environment(): Readonly<Record<string, string>>;
  cwd(): string;
  homeDirectory(): string;
  temporaryDirectory(): string;
  hostName(): string;
  /** `heapHeld` is what the language's heap has from the system, `heapUsed` what of it lives or was not collected yet. */
  memoryBytes(): { rss: number; heapUsed: number; heapHeld: number };
  /** True: memory that nothing needs goes back to the system, in steps beside other work, where otherwise it is kept for speed. It counts for the whole process. */
  saveMemory(on: boolean): void;
  /** CPU time used so far, user and system, in microseconds. */
  cpuUs(): number;
  /** Absent where there is nothing to profile. */
  readonly profiler?: Profiler;
  spawn(options: SpawnOptions): Child;
  /** Starts this program once more, linked to this process. */
  fork(options: ForkOptions): WorkerProcess;
  /** Undefined in a process that nobody forked. */
  parent(): ParentLink | undefined;
  /** True when a process with this id exists. */
  alive(pid: number): boolean;
  /** When that process started, in the system's own ticks: tells a process from a later one with the same id. Undefined when unknown. */
  startTicks(pid: number): number | undefined;
  /** TCP ports on which the process or a descendant listens (Linux; elsewhere an empty list). */
  listeningPorts(pid: number): Promise<number[]>;
  signalTo(pid: number, signal: string): void;
  onSignal(signal: ProcessSignal, handler: () => void): () => void;
  writeOut(text: string): void;
  writeErr(text: string): void;
  isTerminal(stream: 'stdout' | 'stderr'): boolean;
  /** Loads an ES or CommonJS module of the user by its absolute path; answers its exports. Fails with what it throws. */
  importModule(path: string): Promise<Readonly<Record<string, unknown>>>;
  exit(code: number): never;
}
