import type { Address, Clock, Connection, ConnectionHandlers, Listener, Network } from '../../kernel/ports.ts';

export interface SimulatedNetworkOptions {
  readonly clock: Clock;
  /** The same seed, with the same calls, gives the same delays. */
  readonly seed: number;
  /** Each delivery takes between these; order within a connection is kept. Default 0.05 to 0.5 ms. */
  readonly delayMs?: { readonly from: number; readonly to: number };
  /** Bytes under way on one connection before `write` says "wait". Default 64 KB. */
  readonly windowBytes?: number;
}

/** A network of named nodes in memory, with the faults of real ones. */
export interface SimulatedNetwork {
  /** The port of one node. Every node reaches every address. */
  node(name: string): Network;
  /** Nothing passes between the two any more; what is sent meanwhile arrives after `heal`. */
  partition(a: string, b: string): void;
  /** The node neither receives nor sends, as a stopped process; it accepts no connection but refuses none. */
  freeze(node: string): void;
  thaw(node: string): void;
  /** Ends partitions. */
  heal(): void;
  /** Breaks every connection of a node: both ends see ECONNRESET. */
  reset(node: string): void;
  /** The node is gone: its listeners vanish, its ends are silent for ever, the other ends see a reset (or nothing, when `halfOpen`). */
  kill(node: string, halfOpen?: boolean): void;
  /** Connections that are open, for tests that look for leaks. */
  readonly open: number;
}

interface Listening {
  readonly node: string;
  readonly accept: (connection: Connection) => void;
}

/** A network without nodes; they appear as they are named. */
export function createSimulatedNetwork(options: SimulatedNetworkOptions): SimulatedNetwork {
  return new NetworkInMemory(options);
}

class NetworkInMemory implements SimulatedNetwork {
  readonly clock: Clock;
  readonly windowBytes: number;
  readonly #delay: { readonly from: number; readonly to: number };
  readonly #listening = new Map<string, Listening>();
  readonly #pipes = new Set<Pipe>();
  readonly #cut = new Set<string>();
  readonly #frozen = new Set<string>();
  #seed: number;
  #nextPort = 40_000;

  constructor(options: SimulatedNetworkOptions) {
    this.clock = options.clock;
    this.windowBytes = options.windowBytes ?? 64 * 1024;
    this.#delay = options.delayMs ?? { from: 0.05, to: 0.5 };
    this.#seed = options.seed >>> 0;
  }

  get open(): number {
    return this.#pipes.size;
  }

  node(name: string): Network {
    return {
      listen: (address, accept) => this.#listen(name, address, accept),
      connect: (address) => this.#connect(name, address),
      // Machines of the simulation are reached by their names; none is an address of the real world.
      resolve: () => Promise.resolve(['127.0.0.1']),
    };
  }

  partition(a: string, b: string): void {
    this.#cut.add(pairName(a, b));
  }

  heal(): void {
    this.#cut.clear();
    this.#flush();
  }

  freeze(node: string): void {
    this.#frozen.add(node);
  }

  thaw(node: string): void {
    this.#frozen.delete(node);
    this.#flush();
  }

  reset(node: string): void {
    for (const pipe of this.#pipesOf(node)) pipe.break(resetError());
  }

  kill(node: string, halfOpen = false): void {
    for (const [name, listening] of this.#listening) if (listening.node === node) this.#listening.delete(name);
    for (const pipe of this.#pipesOf(node)) pipe.lose(node, halfOpen);
  }

  passes(a: string, b: string): boolean {
    return !this.#cut.has(pairName(a, b)) && !this.#frozen.has(a) && !this.#frozen.has(b);
  }

  /** mulberry32: enough to spread delays, and the same everywhere. */
  delayMs(): number {
    this.#seed = (this.#seed + 0x6d2b79f5) >>> 0;
    let t = this.#seed;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    const unit = ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
    return this.#delay.from + unit * (this.#delay.to - this.#delay.from);
  }

  forget(pipe: Pipe): void {
    this.#pipes.delete(pipe);
  }

  #pipesOf(node: string): Pipe[] {
    return [...this.#pipes].filter((pipe) => pipe.near.node === node || pipe.far.node === node);
  }

  #flush(): void {
    for (const pipe of this.#pipes) pipe.flush();
  }

  async #listen(node: string, address: Address, accept: (connection: Connection) => void): Promise<Listener> {
    const bound = 'port' in address && address.port === 0 ? { host: address.host, port: this.#nextPort++ } : address;
    const name = addressName(bound);
    if (this.#listening.has(name)) throw Object.assign(new Error(`listen EADDRINUSE: ${name}`), { code: 'EADDRINUSE' });
    const listening = { node, accept };
    this.#listening.set(name, listening);
    return {
      address: bound,
      close: async () => {
        if (this.#listening.get(name) === listening) this.#listening.delete(name);
      },
    };
  }

  #connect(node: string, address: Address): Connection {
    const name = addressName(address);
    const listening = this.#listening.get(name);
    const pipe = new Pipe(this, name, { from: node, to: listening?.node ?? '' });
    this.#pipes.add(pipe);
    if (listening === undefined) pipe.refuse();
    else pipe.establish(listening.accept);
    return pipe.near;
  }
}

type Event = { readonly kind: 'open' } | { readonly kind: 'end' } | { readonly kind: 'data'; readonly bytes: Uint8Array };

/** Two ends. Events wait in the queue of the end that is to receive them; each end has one timer under way at most. */
class Pipe {
  readonly network: NetworkInMemory;
  readonly near: End;
  readonly far: End;

  constructor(network: NetworkInMemory, address: string, nodes: { from: string; to: string }) {
    this.network = network;
    this.near = new End(this, nodes.from, address);
    this.far = new End(this, nodes.to, nodes.from);
  }

  refuse(): void {
    const error = Object.assign(new Error(`connect ECONNREFUSED ${this.near.remote}`), { code: 'ECONNREFUSED' });
    this.network.clock.timer(this.network.delayMs(), () => this.near.finish(error));
  }

  establish(accept: (connection: Connection) => void): void {
    this.near.receive({ kind: 'open' });
    this.far.onOpen = () => accept(this.far);
    this.far.receive({ kind: 'open' });
  }

  otherOf(end: End): End {
    return end === this.near ? this.far : this.near;
  }

  get passes(): boolean {
    return this.network.passes(this.near.node, this.far.node);
  }

  flush(): void {
    this.near.schedule();
    this.far.schedule();
  }

  break(error: Error | undefined): void {
    this.near.finish(error);
    this.far.finish(error);
  }

  lose(node: string, halfOpen: boolean): void {
    for (const end of [this.near, this.far]) {
      if (end.node === node) end.silence();
      else if (!halfOpen) end.finish(resetError());
    }
  }

  ended(): void {
    if (this.near.finished && this.far.finished) this.network.forget(this);
  }
}

const noHandlers: ConnectionHandlers = { data: () => {}, end: () => {}, drain: () => {}, close: () => {} };

class End implements Connection {
  readonly remote: string;
  readonly node: string;
  handlers = noHandlers;
  finished = false;
  onOpen: (() => void) | undefined;
  readonly #pipe: Pipe;
  #incoming: Event[] = [];
  #incomingBytes = 0;
  #scheduled = false;
  #paused = false;
  #ended = false;
  #refused = false;

  constructor(pipe: Pipe, node: string, remote: string) {
    this.#pipe = pipe;
    this.node = node;
    this.remote = remote;
  }

  write(data: string | Uint8Array): boolean {
    if (this.finished || this.#ended) return true;
    const other = this.#pipe.otherOf(this);
    other.receive({ kind: 'data', bytes: typeof data === 'string' ? Buffer.from(data, 'latin1') : Uint8Array.prototype.slice.call(data) });
    this.#refused = other.#incomingBytes > this.#pipe.network.windowBytes;
    return !this.#refused;
  }

  cork(): void {}

  uncork(): void {}

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.schedule();
  }

  end(): void {
    if (this.finished || this.#ended) return;
    this.#ended = true;
    this.#pipe.otherOf(this).receive({ kind: 'end' });
  }

  destroy(error?: Error): void {
    if (this.finished) return;
    this.finish(error);
    const other = this.#pipe.otherOf(this);
    this.#pipe.network.clock.timer(this.#pipe.network.delayMs(), () => {
      if (this.#pipe.passes) other.finish(error === undefined ? undefined : resetError());
    });
  }

  receive(event: Event): void {
    if (this.finished) return;
    this.#incoming.push(event);
    if (event.kind === 'data') this.#incomingBytes += event.bytes.length;
    this.schedule();
  }

  schedule(): void {
    if (this.#scheduled || this.finished || this.#incoming.length === 0) return;
    this.#scheduled = true;
    this.#pipe.network.clock.timer(this.#pipe.network.delayMs(), () => {
      this.#scheduled = false;
      while (this.#incoming.length > 0 && !this.#paused && !this.finished && this.#pipe.passes)
        this.#deliver(this.#incoming.shift() as Event);
    });
  }

  /** The owner of this end is no more: it hears nothing and says nothing. */
  silence(): void {
    this.handlers = noHandlers;
    this.finish(undefined);
  }

  finish(error: Error | undefined): void {
    if (this.finished) return;
    this.finished = true;
    this.#incoming = [];
    this.#pipe.ended();
    this.handlers.close(error);
  }

  #deliver(event: Event): void {
    if (event.kind === 'open') {
      this.onOpen?.();
      this.handlers.open?.();
    } else if (event.kind === 'end') {
      this.handlers.end();
      // Both sides have ended: the connection is over.
      if (this.#ended) this.#pipe.break(undefined);
    } else {
      this.#incomingBytes -= event.bytes.length;
      this.handlers.data(event.bytes);
      this.#pipe.otherOf(this).wakeWriter();
    }
  }

  wakeWriter(): void {
    if (!this.#refused || this.finished) return;
    this.#refused = false;
    this.handlers.drain();
  }
}

function pairName(a: string, b: string): string {
  return a < b ? `${a}|${b}` : `${b}|${a}`;
}

function addressName(address: Address): string {
  return 'path' in address ? address.path : `${address.host}:${address.port}`;
}

function resetError(): Error {
  return Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' });
}
