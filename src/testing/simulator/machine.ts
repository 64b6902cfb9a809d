import type { Disk, DiskFile, Ports, ProcessPort, Random } from '../../kernel/ports.ts';
import { createSimulatedDisk, seededRandom, type SimulatedDisk } from './disk.ts';
import { createSimulatedNetwork, type SimulatedNetwork } from './network.ts';
import { createMemoryDatagrams, createMemoryDns, type MemoryDatagrams, type MemoryDns } from '../memory-names.ts';
import { createSimulatedTime, type SimulatedTime } from './time.ts';

export interface SimulatedMachineOptions {
  readonly seed: number;
  /** Planted: `sync` makes nothing durable. */
  readonly syncOff?: boolean;
  /** Planted: `sync` answers before it is done. */
  readonly answerBeforeSync?: boolean;
  /** What a power cut keeps of unsynced writes: a random prefix (default), or nothing. */
  readonly unsynced?: 'prefix' | 'nothing';
  /** Planted: every process is told that the others do not exist, so a new owner does not wait for the old one to notice. */
  readonly othersHidden?: boolean;
}

/** One process of the machine, with the ports that it sees the world through. */
export interface SimulatedProcess {
  readonly name: string;
  readonly pid: number;
  readonly ports: Ports;
  readonly state: 'running' | 'frozen' | 'dead';
  /** SIGKILL: calls under way are finished by the system, nobody hears their results. */
  kill(): void;
  /** SIGSTOP. */
  freeze(): void;
  thaw(): void;
}

/** One machine: processes over one disk and one network, in virtual time, all following from the seed. */
export interface SimulatedMachine {
  readonly time: SimulatedTime;
  readonly network: SimulatedNetwork;
  readonly disk: SimulatedDisk;
  readonly random: Pick<Random, 'u32'>;
  /** The name servers and the datagrams that its processes see. */
  readonly dns: MemoryDns;
  readonly datagrams: MemoryDatagrams;
  /** Starts a process; a name is used once. */
  start(name: string): SimulatedProcess;
  /** Every process dies, and the disk forgets what was not synced. */
  cutPower(): void;
  /** The disk answers again; processes have to be started. */
  restorePower(): void;
}

/** A machine without processes. */
export function createSimulatedMachine(options: SimulatedMachineOptions): SimulatedMachine {
  const { seed } = options;
  const time = createSimulatedTime(seed);
  const hardware = time.clock('hardware');
  const random = seededRandom(seed ^ 0x5eed);
  const network = createSimulatedNetwork({ clock: time.clock('network'), seed: seed ^ 0x0e7 });
  const latency = seededRandom(seed ^ 0xd15c);
  const disk = createSimulatedDisk({
    random: seededRandom(seed ^ 0xc4a5),
    ...(options.syncOff === true ? { syncOff: true } : {}),
    ...(options.unsynced === undefined ? {} : { unsynced: options.unsynced }),
    delay: ({ kind }) => {
      const unit = latency.u32() / 4_294_967_296;
      const delayMs = kind === 'sync' || kind === 'syncDirectory' ? 0.3 + 2 * unit : 0.01 + 0.05 * unit;
      return new Promise((resolve) => void hardware.timer(delayMs, resolve));
    },
  });
  const [dns, datagrams] = [createMemoryDns(), createMemoryDatagrams()];
  const running = new Set<SimulatedProcess>();
  let pid = 100;
  const alive = (asked: number): boolean =>
    options.othersHidden !== true && [...running].some((process) => process.pid === asked && process.state !== 'dead');
  return {
    time,
    network,
    disk,
    random,
    dns,
    datagrams,
    start(name) {
      const process = startProcess({ name, pid: pid++, seed: random.u32(), time, network, disk, options, alive, dns, datagrams });
      running.add(process);
      return process;
    },
    cutPower() {
      for (const process of running) process.kill();
      running.clear();
      disk.crash();
    },
    restorePower: () => disk.restart(),
  };
}

interface Start {
  readonly name: string;
  readonly pid: number;
  readonly seed: number;
  readonly time: SimulatedTime;
  readonly network: SimulatedNetwork;
  readonly disk: SimulatedDisk;
  readonly options: SimulatedMachineOptions;
  readonly alive: (pid: number) => boolean;
  readonly dns: MemoryDns;
  readonly datagrams: MemoryDatagrams;
}

function startProcess({ name, pid, seed, time, network, disk, options, alive, dns, datagrams }: Start): SimulatedProcess {
  let state: SimulatedProcess['state'] = 'running';
  let held: (() => void)[] = [];
  const gate = (): Promise<void> | undefined => (state === 'running' ? undefined : new Promise((resolve) => void held.push(resolve)));
  return {
    name,
    pid,
    get state() {
      return state;
    },
    ports: {
      clock: time.clock(name),
      random: processRandom(seed),
      network: network.node(name),
      disk: gatedDisk(disk, gate, options.answerBeforeSync === true),
      process: processStub(name, pid, alive),
      dns,
      datagrams: datagrams.machine('10.0.0.1'),
    },
    kill() {
      state = 'dead';
      held = [];
      time.kill(name);
      network.kill(name);
    },
    freeze() {
      if (state !== 'running') return;
      state = 'frozen';
      time.freeze(name);
      network.freeze(name);
    },
    thaw() {
      if (state !== 'frozen') return;
      state = 'running';
      time.thaw(name);
      network.thaw(name);
      for (const resolve of held.splice(0)) resolve();
    },
  };
}

function processRandom(seed: number): Random {
  const { u32 } = seededRandom(seed);
  const bytes = (count: number): Uint8Array => Uint8Array.from({ length: count }, () => u32() >>> 24);
  return {
    u32,
    hex: (digits) =>
      Buffer.from(bytes(Math.ceil(digits / 2)))
        .toString('hex')
        .slice(0, digits),
    bytes,
    uuid() {
      const hex = Buffer.from(bytes(16)).toString('hex');
      return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20)}`;
    },
  };
}

function processStub(name: string, pid: number, alive: (pid: number) => boolean): ProcessPort {
  const known: Partial<ProcessPort> = {
    pid,
    alive,
    platform: 'linux',
    env: () => undefined,
    environment: () => ({}),
    cwd: () => '/',
    homeDirectory: () => '/home',
    temporaryDirectory: () => '/tmp',
    hostName: () => 'machine',
    memoryBytes: () => ({ rss: 0, heapUsed: 0, heapHeld: 0 }),
    saveMemory() {},
    loopTimes: () => ({ idleMs: 1, activeMs: 0 }),
    cpuUs: () => 0,
  };
  return new Proxy(known, {
    get(target, member) {
      if (member in target) return Reflect.get(target, member);
      throw new Error(`process ${name} asked the simulated system for ${String(member)}`);
    },
  }) as ProcessPort;
}

type Gate = () => Promise<void> | undefined;

/** The disk as one process sees it: while the process is stopped it neither calls nor hears, and it may be stopped on either side of a call. */
function gatedDisk(disk: Disk, gate: Gate, answerBeforeSync: boolean): Disk {
  const through = async <T>(call: () => Promise<T>): Promise<T> => {
    await gate();
    try {
      return await call();
    } finally {
      await gate();
    }
  };
  const early = (synced: Promise<void>): Promise<void> => {
    synced.catch(() => {});
    return Promise.resolve();
  };
  const file = (inner: DiskFile, durable: boolean): DiskFile => ({
    write: (chunks, position) =>
      through(async () => {
        await inner.write(chunks, position);
        if (durable) await early(inner.sync());
      }),
    read: (position, length) => through(() => inner.read(position, length)),
    sync: () =>
      through(() => {
        const synced = inner.sync();
        return answerBeforeSync ? early(synced) : synced;
      }),
    truncate: (sizeBytes) => through(() => inner.truncate(sizeBytes)),
    size: () => through(() => inner.size()),
    close: () => through(() => inner.close()),
  });
  return {
    open: async (path, mode) => {
      const lies = answerBeforeSync && mode === 'exclusive-durable';
      return file(await through(() => disk.open(path, lies ? 'exclusive' : mode)), lies);
    },
    readFile: (path) => through(() => disk.readFile(path)),
    replaceFile: (path, bytes, mode) => through(() => disk.replaceFile(path, bytes, mode)),
    stat: (path) => through(() => disk.stat(path)),
    exists: (path) => disk.exists(path),
    list: (directory) => through(() => disk.list(directory)),
    makeDirectory: (path, mode) => through(() => disk.makeDirectory(path, mode)),
    rename: (from, to) => through(() => disk.rename(from, to)),
    remove: (path) => through(() => disk.remove(path)),
    syncDirectory: (path) => through(() => disk.syncDirectory(path)),
    space: (path) => through(() => disk.space(path)),
    realPath: (path) => through(() => disk.realPath(path)),
    watch: (path, changed) => disk.watch(path, changed),
  };
}
