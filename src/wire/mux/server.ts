import { ProaError } from '../../kernel/errors.ts';
import type { Address, Clock, Connection, Network } from '../../kernel/ports.ts';
import { Sweep } from '../http1/sweep.ts';
import { closeCodes } from './frame.ts';
import { muxServerLimitDefaults, type MuxLimits } from './limits.ts';
import { Link, type LinkShared, type LinkUser } from './link.ts';
import { Slabs } from './slabs.ts';
import type { Incoming, MuxStream } from './stream.ts';

/** A call that a peer makes. It is answered by `stream.send`, or given up by `stream.reset`. */
export interface MuxCall<Peer> extends Incoming {
  readonly stream: MuxStream;
  readonly peer: Peer;
  /** Calls once when the caller gives up, its deadline passes or the connection breaks before the answer was sent. One listener. */
  onAbort(listener: (error: ProaError) => void): void;
}

export interface MuxServerOptions<Peer, C extends Connection> {
  readonly network: { listen(address: Address, accept: (connection: C) => void): ReturnType<Network['listen']> };
  readonly clock: Clock;
  readonly address: Address;
  readonly limits?: Partial<MuxLimits>;
  /** Who is at the other end of a connection; asked once. */
  identify(connection: C): Peer;
  /** Called synchronously with each call. A body that it does not pipe before it returns is copied. What it throws is told to the caller. */
  handler(call: MuxCall<Peer>): void;
  /** A connection ended in an error that is worth a line in the log. */
  onBroken?(remote: string, error: ProaError): void;
}

export interface MuxServer {
  readonly address: Address;
  readonly connections: number;
  /** Calls under way. */
  readonly calls: number;
  /** Stops accepting, tells every peer to go elsewhere, lets what runs end; resolves when every connection is closed. */
  drain(): Promise<void>;
  /** Stops accepting and cuts every connection off. */
  close(): Promise<void>;
}

/** Serves the mux at an address. Fails with the system's error when it cannot listen. */
export async function serveMux<Peer, C extends Connection>(options: MuxServerOptions<Peer, C>): Promise<MuxServer> {
  const { clock, handler, onBroken } = options;
  const limits = { ...muxServerLimitDefaults, ...options.limits };
  const shared: LinkShared = { clock, limits, sweep: new Sweep(clock), slabs: new Slabs() };
  const links = new Map<Link, Peer>();
  const waiters: (() => void)[] = [];
  let draining = false;
  const user: LinkUser = {
    ready() {},
    room() {},
    leaving() {},
    opened: (stream, link) => new ServedCall(stream, links.get(link) as Peer, handler),
    closed(link, error) {
      links.delete(link);
      if (error.code === 'peer.protocol') onBroken?.(link.remote, error);
      if (links.size === 0) for (const waiter of waiters.splice(0)) waiter();
    },
  };
  const listener = await options.network.listen(options.address, (connection) => {
    const link = new Link(connection, false, shared, user);
    links.set(link, options.identify(connection));
    if (draining) link.leave();
    else if (links.size > limits.connectionsMax)
      link.fail(new ProaError('overloaded', `more than ${limits.connectionsMax} peers are connected`), closeCodes.limit);
  });
  const empty = (): Promise<void> => new Promise((resolve) => (links.size === 0 ? resolve() : waiters.push(resolve)));
  return {
    address: listener.address,
    get connections() {
      return links.size;
    },
    get calls() {
      let calls = 0;
      for (const link of links.keys()) calls += link.streams.size;
      return calls;
    },
    async drain() {
      draining = true;
      await listener.close();
      for (const link of [...links.keys()]) link.leave();
      await empty();
    },
    async close() {
      draining = true;
      await listener.close();
      for (const link of [...links.keys()]) link.destroy(new ProaError('unavailable', 'the server was closed'));
      await empty();
    },
  };
}

class ServedCall<Peer> implements MuxCall<Peer> {
  readonly stream: MuxStream;
  readonly peer: Peer;
  fields: readonly string[] = [];
  timeoutMs: number | undefined = undefined;
  body!: Incoming['body'];
  readonly #handler: (call: MuxCall<Peer>) => void;
  #abort: ((error: ProaError) => void) | undefined = undefined;
  #error: ProaError | undefined = undefined;

  constructor(stream: MuxStream, peer: Peer, handler: (call: MuxCall<Peer>) => void) {
    this.stream = stream;
    this.peer = peer;
    this.#handler = handler;
    stream.handlers = this;
  }

  onAbort(listener: (error: ProaError) => void): void {
    if (this.#error !== undefined) listener(this.#error);
    else this.#abort = listener;
  }

  // StreamHandlers

  head(message: Incoming): void {
    this.fields = message.fields;
    this.timeoutMs = message.timeoutMs;
    this.body = message.body;
    try {
      this.#handler(this);
    } catch (error) {
      this.stream.reset(ProaError.from(error));
    }
  }

  fail(error: ProaError): void {
    this.#error = error;
    const listener = this.#abort;
    this.#abort = undefined;
    listener?.(error);
  }
}
