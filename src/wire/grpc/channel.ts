import { ProaError } from '../../kernel/errors.ts';
import type { Address, Clock, Random } from '../../kernel/ports.ts';
import type { ClientTls, Http2Limits, Http2Session, Http2Transport, KeepAlive } from '../http2/http2.ts';

export interface ChannelOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly transport: Http2Transport;
  readonly address: Address;
  readonly tls?: ClientTls;
  readonly limits: Http2Limits;
  readonly keepAlive: KeepAlive;
  readonly connectTimeoutMs: number;
  /** The longest wait between attempts to connect. */
  readonly backoffMaxMs: number;
}

const backoffFirstMs = 50;
const backoffFactor = 1.6;

/** How an address is written in messages. */
export function addressText(address: Address): string {
  return 'path' in address ? `unix:${address.path}` : `${address.host}:${address.port}`;
}

/**
 * One HTTP/2 connection to one address: made at the first call, shared by all, made anew after it broke or was told to go away.
 * After a failed attempt calls fail at once until the back-off is over: nobody queues for a peer that is not there.
 */
export class Channel {
  readonly #options: ChannelOptions;
  #session: Http2Session | undefined;
  #connecting: Promise<Http2Session> | undefined;
  #leaving = new Set<Http2Session>();
  #failures = 0;
  #retryAtMs = 0;
  #lastError: unknown;
  #closed = false;

  constructor(options: ChannelOptions) {
    this.#options = options;
  }

  /** The connection, at once when there is one. Fails with `unavailable`. */
  session(): Http2Session | Promise<Http2Session> {
    const session = this.#session;
    if (session !== undefined && session.usable) return session;
    if (this.#closed) throw new ProaError('unavailable', 'the client is closed');
    if (session !== undefined) this.#retire(session);
    if (this.#connecting === undefined) {
      if (this.#options.clock.mono() < this.#retryAtMs) throw this.#unreachable(this.#lastError);
      this.#connecting = this.#connect().finally(() => {
        this.#connecting = undefined;
      });
    }
    return this.#connecting;
  }

  /** Opens nothing new; the connection ends with its last call. */
  close(): void {
    this.#closed = true;
    this.#session?.close();
  }

  destroy(): void {
    this.#closed = true;
    this.#session?.destroy();
    for (const session of this.#leaving) session.destroy();
  }

  // Calls under way end on the old connection.
  #retire(session: Http2Session): void {
    this.#session = undefined;
    this.#leaving.add(session);
    session.close();
  }

  async #connect(): Promise<Http2Session> {
    const { transport, address, tls, limits, keepAlive, connectTimeoutMs } = this.#options;
    let session: Http2Session | undefined;
    try {
      session = await transport.connect({
        address,
        ...(tls === undefined ? undefined : { tls }),
        limits,
        keepAlive,
        timeoutMs: connectTimeoutMs,
        closed: () => this.#gone(session),
      });
    } catch (error) {
      this.#backOff(error);
      throw this.#unreachable(error);
    }
    if (this.#closed) {
      session.destroy();
      throw new ProaError('unavailable', 'the client is closed');
    }
    this.#failures = 0;
    this.#session = session;
    return session;
  }

  #gone(session: Http2Session | undefined): void {
    if (session === undefined) return;
    this.#leaving.delete(session);
    if (this.#session === session) this.#session = undefined;
  }

  #backOff(error: unknown): void {
    const { clock, random, backoffMaxMs } = this.#options;
    const waitMs = Math.min(backoffMaxMs, backoffFirstMs * backoffFactor ** this.#failures);
    // Jitter of a fifth, so that many clients of a restarted peer do not come back together.
    this.#retryAtMs = clock.mono() + waitMs * (0.8 + (0.4 * random.u32()) / 2 ** 32);
    this.#failures = Math.min(this.#failures + 1, 30);
    this.#lastError = error;
  }

  #unreachable(error: unknown): ProaError {
    const why = error instanceof Error ? error.message : String(error);
    return new ProaError('unavailable', `cannot connect to ${addressText(this.#options.address)}: ${why}`, { cause: error });
  }
}
