import type { Body } from '../../kernel/body.ts';
import type { Cancellable, Cancellation } from '../../kernel/cancel.ts';
import { isProaError, ProaError } from '../../kernel/errors.ts';
import type { Address, Clock, Network, Random } from '../../kernel/ports.ts';
import type { Timed } from '../http1/sweep.ts';
import type { Fields } from './fields-writer.ts';
import { muxLimitDefaults, type MuxLimits } from './limits.ts';
import { Link, linkShared, type LinkShared, type LinkUser } from './link.ts';
import { Spread } from './spread.ts';
import type { Incoming, MuxStream, StreamHandlers } from './stream.ts';

export interface MuxClientOptions {
  readonly network: Pick<Network, 'connect'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly address: Address;
  readonly limits?: Partial<MuxLimits>;
}

/** What the fields mean is between the two users of the mux. */
export interface MuxRequest extends Fields {
  readonly body: Body;
  readonly cancel?: Cancellation;
  /** A `clock.mono()` instant; the peer is told how long it has. */
  readonly deadlineMs?: number;
}

/** Exactly one of the two is called, once; it can happen before `call` returns. Failures after `head` come through the body. */
export interface MuxHandlers {
  head(message: Incoming): void;
  /** `unavailable`: the peer did not begin it. `peer.broken`: it may have been done. `peer.identity`: one side refuses the other's certificate. */
  fail(error: ProaError): void;
}

/** The connections to one peer. */
export interface MuxClient {
  call(request: MuxRequest, handlers: MuxHandlers): void;
  /** The comfortable way: resolves with the answer's head; what has arrived of the body by then was copied. Fails with a ProaError. */
  request(request: MuxRequest): Promise<Incoming>;
  /** Calls from now on use a new connection; those under way end where they are. For a certificate that was renewed. */
  renew(): void;
  readonly counts: { readonly connections: number; readonly calls: number; readonly waiting: number };
  /** No calls from now on; resolves when those under way have ended and the connections are closed. */
  drain(): Promise<void>;
  /** Cuts every connection off; calls under way fail. */
  close(): void;
}

/** A client of one peer. It connects at the first call, and again whenever that is needed. */
export function createMuxClient(options: MuxClientOptions): MuxClient {
  return new Peer(options);
}

/** After a failed attempt to connect, calls fail at once for this long, doubling up to the maximum: a herd must not hammer a peer that is down. */
const backoffMinMs = 20;
const backoffMaxMs = 1_000;

/** A call on its way: waiting for a connection, or on a stream. */
class Call implements StreamHandlers, Cancellable, Timed {
  readonly request: MuxRequest;
  readonly #handlers: MuxHandlers;
  stream: MuxStream | undefined = undefined;
  settled = false;
  dueMs: number;
  slot = -1;

  constructor(request: MuxRequest, handlers: MuxHandlers) {
    this.request = request;
    this.#handlers = handlers;
    this.dueMs = request.deadlineMs ?? Infinity;
    request.cancel?.guard(this);
  }

  expire(): void {
    this.fail(new ProaError('deadline-exceeded', 'there was no connection before the deadline'));
  }

  head(message: Incoming): void {
    if (this.settled) return message.body.discard();
    this.settled = true;
    this.#handlers.head(message);
  }

  fail(error: ProaError): void {
    this.done();
    if (this.settled) return;
    this.settled = true;
    if (this.stream === undefined) this.request.body.discard(error);
    this.#handlers.fail(error);
  }

  done(): void {
    this.request.cancel?.release(this);
  }

  cancel(reason: unknown): void {
    const error = isProaError(reason) ? reason : new ProaError('cancelled', 'the call was cancelled', { cause: reason });
    if (this.stream === undefined) this.fail(error);
    else this.stream.reset(error);
  }
}

class Peer implements MuxClient, LinkUser {
  readonly #options: MuxClientOptions;
  readonly #shared: LinkShared;
  readonly #links = new Set<Link>();
  readonly #spread = new Spread();
  #usable: Link[] = [];
  #connecting: Link | undefined = undefined;
  #waiting: Call[] = [];
  #failure: { readonly error: ProaError; readonly untilMs: number } | undefined = undefined;
  #backoffMs = 0;
  #closed = false;
  #drained: (() => void) | undefined = undefined;

  constructor(options: MuxClientOptions) {
    const { clock } = options;
    this.#options = options;
    this.#shared = linkShared(clock, { ...muxLimitDefaults, ...options.limits });
  }

  get counts() {
    let calls = 0;
    for (const link of this.#links) calls += link.streams.size;
    return { connections: this.#links.size, calls, waiting: this.#waiting.length };
  }

  call(request: MuxRequest, handlers: MuxHandlers): void {
    const call = new Call(request, handlers);
    if (call.settled) return;
    if (this.#closed) call.fail(new ProaError('unavailable', 'the client is closed'));
    else this.#place(call);
  }

  request(request: MuxRequest): Promise<Incoming> {
    return new Promise((resolve, reject) => this.call(request, { head: resolve, fail: reject }));
  }

  renew(): void {
    for (const link of [...this.#links]) link.leave();
    // Whoever waits for a connection gets one that knows the new certificate.
    const connecting = this.#connecting;
    if (connecting === undefined) return;
    this.#connecting = undefined;
    connecting.destroy(new ProaError('unavailable', 'the certificate was renewed'));
    this.#connectForWaiting();
  }

  async drain(): Promise<void> {
    this.#closed = true;
    this.#failWaiting(new ProaError('unavailable', 'the client is closed'));
    for (const link of [...this.#links]) link.leave();
    if (this.#links.size > 0) await new Promise<void>((resolve) => void (this.#drained = resolve));
  }

  close(): void {
    this.#closed = true;
    const error = new ProaError('unavailable', 'the client was closed');
    this.#failWaiting(error);
    for (const link of [...this.#links]) link.destroy(error);
  }

  // LinkUser

  ready(link: Link): void {
    if (this.#connecting === link) this.#connecting = undefined;
    this.#failure = undefined;
    this.#backoffMs = 0;
    if (this.#spread.isRepeated(link, this.#usable, this.#shared.clock.mono()) && this.#waiting.length === 0) return link.leave();
    this.#usable.push(link);
    this.#spread.changed(this.#usable);
    this.room(link);
    this.#connectForWaiting();
  }

  room(link: Link): void {
    while (this.#waiting.length > 0 && link.hasRoom) {
      const call = this.#waiting.shift() as Call;
      this.#shared.sweep.remove(call);
      if (!call.settled) this.#start(link, call);
    }
  }

  leaving(link: Link): void {
    this.#usable = this.#usable.filter((usable) => usable !== link);
    this.#spread.changed(this.#usable);
    this.#connectForWaiting();
  }

  closed(link: Link, error: ProaError): void {
    this.#links.delete(link);
    if (this.#connecting === link) this.#failed(error);
    this.leaving(link);
    if (this.#links.size === 0) this.#drained?.();
  }

  #place(call: Call): void {
    const usable = this.#usable;
    let chosen: Link | undefined;
    for (let i = 0; i < usable.length; i++) {
      const link = usable[i] as Link;
      if (!link.hasRoom) continue;
      chosen = chosen === undefined || link.streams.size < chosen.streams.size ? link : chosen;
      // One process behind all of them: the first that has room, and the others go idle and close.
      if (link.peer.processes === undefined) break;
    }
    if (chosen === undefined) return this.#wait(call);
    this.#start(chosen, call);
    if (this.#spread.missing > 0 && chosen.streams.size > 1) this.#look();
  }

  /** Calls are under way beside each other, and a process of the peer does nothing for them yet. */
  #look(): void {
    if (this.#connecting === undefined && !this.#closed && this.#spread.looks(this.#shared.clock.mono())) this.#connect();
  }

  #wait(call: Call): void {
    const { limits, sweep, clock } = this.#shared;
    const failure = this.#failure;
    if (failure !== undefined && this.#usable.length === 0 && clock.mono() < failure.untilMs) return call.fail(failure.error);
    if (this.#waiting.length >= limits.waitersMax)
      return call.fail(
        new ProaError('overloaded', `${this.#waiting.length} calls wait for a connection to ${addressText(this.#options.address)}`, {
          refusedAt: 'caller',
        }),
      );
    this.#waiting.push(call);
    if (call.dueMs !== Infinity) sweep.add(call);
    this.#connectForWaiting();
  }

  #connectForWaiting(): void {
    if (this.#waiting.length === 0 || this.#connecting !== undefined || this.#closed) return;
    if (this.#usable.length < this.#shared.limits.connectionsMax) this.#connect();
  }

  #connect(): void {
    const { network, address } = this.#options;
    const link = new Link(network.connect(address), true, this.#shared, this);
    this.#links.add(link);
    this.#connecting = link;
  }

  #start(link: Link, call: Call): void {
    const { request } = call;
    const { clock, sweep } = this.#shared;
    const stream = link.openStream();
    stream.handlers = call;
    call.stream = stream;
    const timeoutMs = request.deadlineMs === undefined || request.deadlineMs === Infinity ? undefined : request.deadlineMs - clock.mono();
    if (timeoutMs !== undefined) {
      stream.dueMs = request.deadlineMs as number;
      sweep.add(stream);
    }
    try {
      const { fields, last, body } = request;
      stream.sendMessage({ fields, last, timeoutMs, bodyLength: body.length }, body);
    } catch (error) {
      request.body.discard(error);
      stream.close(ProaError.from(error));
    }
  }

  #failed(error: ProaError): void {
    const { clock } = this.#shared;
    this.#connecting = undefined;
    this.#backoffMs = Math.min(backoffMaxMs, Math.max(backoffMinMs, this.#backoffMs * 2));
    const jitter = (this.#options.random.u32() / 0xffff_ffff) * 0.5 + 0.75;
    this.#failure = { error, untilMs: clock.mono() + this.#backoffMs * jitter };
    this.#spread.failed(clock.mono());
    // Other connections may still serve those that wait for more room.
    if (this.#usable.length === 0) this.#failWaiting(error);
  }

  #failWaiting(error: ProaError): void {
    for (const call of this.#waiting.splice(0)) {
      this.#shared.sweep.remove(call);
      call.fail(error);
    }
  }
}

/** An address in messages. */
function addressText(address: Address): string {
  return 'path' in address ? address.path : `${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`;
}
