import { CancelScope } from '../../kernel/cancel.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Address, Clock, Connection, Network, Timer } from '../../kernel/ports.ts';
import { closeCodes } from './frame.ts';
import type { Sharing } from './hello.ts';
import { muxServerLimitDefaults, type MuxLimits } from './limits.ts';
import { Link, linkShared, type LinkUser } from './link.ts';
import type { Incoming, MuxStream } from './stream.ts';

/** A call that a peer makes. It is answered by `stream.send`, or given up by `stream.reset`. */
export interface MuxCall<Peer> extends Incoming {
  readonly stream: MuxStream;
  readonly peer: Peer;
  /** Cancelled when the caller gives up, its deadline passes or the connection breaks before the answer was sent. */
  readonly cancel: CancelScope;
}

export interface MuxServerOptions<Peer, C extends Connection> {
  readonly clock: Clock;
  readonly limits?: Partial<MuxLimits>;
  /** Which of several processes that accept at the address this one is; absent: there is one. */
  readonly sharing?: Sharing | undefined;
  /** After this time a connection takes no more calls and its peer opens another: proofs of identity do not hold for ever. Absent: no limit. */
  readonly lifetimeMs?: number;
  /** Who is at the other end of a connection; asked once. */
  identify(connection: C): Peer;
  /** Called synchronously with each call. A body that it does not pipe before it returns is copied. What it throws is told to the caller. */
  handler(call: MuxCall<Peer>): void;
  /** A connection ended in an error that is worth a line in the log. */
  onBroken?(remote: string, error: ProaError): void;
}

/** A server without a listener of its own. */
export interface MuxAcceptor<C extends Connection> {
  readonly connections: number;
  /** Calls under way. */
  readonly calls: number;
  /** Serves a connection; `first` are bytes that were read from it already. */
  accept(connection: C, first?: Uint8Array): void;
  /** Tells every peer to go elsewhere and lets what runs end; resolves when every connection is closed. */
  drain(): Promise<void>;
  /** Cuts every connection off. */
  close(): Promise<void>;
}

export interface MuxServer extends Omit<MuxAcceptor<Connection>, 'accept'> {
  readonly address: Address;
}

export interface MuxListenOptions<Peer, C extends Connection> extends MuxServerOptions<Peer, C> {
  readonly network: { listen(address: Address, accept: (connection: C) => void): ReturnType<Network['listen']> };
  readonly address: Address;
}

/** Serves the mux at an address; draining and closing it stop accepting first. Fails with the system's error when it cannot listen. */
export async function serveMux<Peer, C extends Connection>(options: MuxListenOptions<Peer, C>): Promise<MuxServer> {
  const acceptor = createMuxAcceptor(options);
  const listener = await options.network.listen(options.address, (connection) => acceptor.accept(connection));
  return {
    address: listener.address,
    get connections() {
      return acceptor.connections;
    },
    get calls() {
      return acceptor.calls;
    },
    async drain() {
      await listener.close();
      await acceptor.drain();
    },
    async close() {
      await listener.close();
      await acceptor.close();
    },
  };
}

/** Serves the mux on connections that somebody else accepted. */
export function createMuxAcceptor<Peer, C extends Connection>(options: MuxServerOptions<Peer, C>): MuxAcceptor<C> {
  const { clock, handler, onBroken } = options;
  const limits = { ...muxServerLimitDefaults, ...options.limits };
  const shared = linkShared(clock, limits, options.sharing);
  const links = new Map<Link, Peer>();
  const ages = new Map<Link, Timer>();
  const waiters: (() => void)[] = [];
  let draining = false;
  const user: LinkUser = {
    ready() {},
    room() {},
    leaving() {},
    opened: (stream, link) => new ServedCall(stream, links.get(link) as Peer, handler),
    closed(link, error) {
      links.delete(link);
      ages.get(link)?.cancel();
      ages.delete(link);
      if (error.code === 'peer.protocol') onBroken?.(link.remote, error);
      if (links.size === 0) for (const waiter of waiters.splice(0)) waiter();
    },
  };
  const stop = async (each: (link: Link) => void): Promise<void> => {
    draining = true;
    for (const link of [...links.keys()]) each(link);
    if (links.size > 0) await new Promise<void>((resolve) => void waiters.push(resolve));
  };
  return {
    get connections() {
      return links.size;
    },
    get calls() {
      let calls = 0;
      for (const link of links.keys()) calls += link.streams.size;
      return calls;
    },
    accept(connection, first) {
      const link = new Link(connection, false, shared, user);
      links.set(link, options.identify(connection));
      if (options.lifetimeMs !== undefined)
        ages.set(
          link,
          clock.timer(options.lifetimeMs, () => link.leave(), true),
        );
      if (draining) link.leave();
      else if (links.size > limits.connectionsMax)
        link.fail(new ProaError('overloaded', `more than ${limits.connectionsMax} peers are connected`), closeCodes.limit);
      else if (first !== undefined && first.length > 0) connection.handlers.data(first);
    },
    drain: () => stop((link) => link.leave()),
    close: () => stop((link) => link.destroy(new ProaError('unavailable', 'the server was closed'))),
  };
}

class ServedCall<Peer> implements MuxCall<Peer> {
  readonly stream: MuxStream;
  readonly peer: Peer;
  fields: readonly string[] = [];
  form: Incoming['form'] = undefined;
  timeoutMs: number | undefined = undefined;
  body!: Incoming['body'];
  readonly cancel: CancelScope = new CancelScope();
  readonly #handler: (call: MuxCall<Peer>) => void;

  constructor(stream: MuxStream, peer: Peer, handler: (call: MuxCall<Peer>) => void) {
    this.stream = stream;
    this.peer = peer;
    this.#handler = handler;
    stream.handlers = this;
  }

  // StreamHandlers

  head(message: Incoming): void {
    this.fields = message.fields;
    this.form = message.form;
    this.timeoutMs = message.timeoutMs;
    this.body = message.body;
    try {
      this.#handler(this);
    } catch (error) {
      this.stream.reset(ProaError.from(error));
    }
  }

  fail(error: ProaError): void {
    this.cancel.cancel(error);
  }
}
