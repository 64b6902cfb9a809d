import { ProaError } from '../../kernel/errors.ts';
import type { Address, Network } from '../../kernel/ports.ts';
import { ClientCall, type CallCarrier, type Http1ClientRequest, type Http1ResponseHandlers } from './client-call.ts';
import { ClientConnection, type PoolShared } from './client-connection.ts';
import type { Http1ClientLimits } from './client-limits.ts';
import { HeadMemo } from './head-memo.ts';
import { RequestHeads } from './request-heads.ts';
import type { ResponseHead } from './response-head.ts';
import type { Sweep } from './sweep.ts';

export interface PoolOptions {
  readonly network: Network;
  readonly limits: Http1ClientLimits;
  readonly sweep: Sweep;
}

/**
 * The connections to one address. Idle ones are taken last in, first out, so that hot ones stay hot and the rest ages out;
 * above the bound calls wait in order.
 */
export class Http1Pool implements PoolShared, CallCarrier {
  readonly address: Address;
  readonly authority: string;
  readonly limits: PoolShared['limits'];
  readonly sweep: Sweep;
  readonly heads: RequestHeads;
  readonly memo = new HeadMemo<ResponseHead>();
  /** The client made room and would make a new one for this address. */
  forgotten = false;
  readonly #network: Network;
  readonly #idle: ClientConnection[] = [];
  readonly #all = new Set<ClientConnection>();
  #waiters: ClientCall[] = [];
  #firstWaiter = 0;
  #waiting = 0;
  #closed = false;

  constructor(address: Address, options: PoolOptions) {
    this.address = address;
    this.authority = authorityOf(address);
    this.heads = new RequestHeads(this.authority);
    this.limits = { ...options.limits, guardedNames: new Set(), bodyBytesMax: Infinity };
    this.sweep = options.sweep;
    this.#network = options.network;
  }

  /** Open connections, those among them that are idle, and calls that wait for one. */
  get counts(): { readonly open: number; readonly idle: number; readonly waiting: number } {
    return { open: this.#all.size, idle: this.#idle.length, waiting: this.#waiting };
  }

  /** Sends a request; the answer comes through `handlers`. The caller may cancel the returned call. */
  dispatch(request: Http1ClientRequest, handlers: Http1ResponseHandlers): ClientCall {
    const { sweep, limits } = this;
    if (sweep.size === 0) sweep.refresh();
    const timeoutMs = request.timeoutMs ?? limits.headTimeoutMs;
    const call = new ClientCall(request, handlers, timeoutMs === Infinity ? Infinity : sweep.nowMs + timeoutMs);
    if (call.settled) return call;
    if (this.#closed) call.fail(new ProaError('unavailable', 'the client is closed'));
    else this.#place(call);
    return call;
  }

  #place(call: ClientCall): void {
    const connection = this.#idle.pop();
    if (connection !== undefined) connection.start(call);
    else if (this.#all.size < this.limits.connectionsMax) this.#open(call);
    else if (this.#waiting < this.limits.waitersMax) this.#queue(call);
    else
      call.fail(
        new ProaError('overloaded', `${this.limits.connectionsMax} connections to ${this.authority} are busy and the queue is full`, {
          refusedAt: 'caller',
        }),
      );
  }

  #open(call: ClientCall): void {
    const connection = new ClientConnection(this.#network.connect(this.address), this);
    this.#all.add(connection);
    this.sweep.add(connection);
    connection.start(call);
  }

  #queue(call: ClientCall): void {
    call.carrier = this;
    this.#waiting++;
    this.#waiters.push(call);
    if (call.dueMs !== Infinity) this.sweep.add(call);
  }

  // CallCarrier: calls that wait.

  cancelled(call: ClientCall, error: ProaError): void {
    this.#waiting--;
    this.sweep.remove(call);
    call.fail(error);
  }

  // PoolShared

  free(connection: ClientConnection): void {
    if (this.#closed) {
      connection.destroy();
      return;
    }
    const call = this.#nextWaiter();
    if (call === undefined) this.#idle.push(connection);
    else connection.start(call);
  }

  gone(connection: ClientConnection, retry: ClientCall | undefined): void {
    this.#all.delete(connection);
    const at = this.#idle.indexOf(connection);
    if (at !== -1) this.#idle.splice(at, 1);
    if (retry !== undefined) {
      retry.retried = true;
      // Not another kept connection: it may be as dead as this one.
      if (this.#closed) retry.fail(new ProaError('unavailable', 'the client is closed'));
      else this.#open(retry);
      return;
    }
    const call = this.#closed ? undefined : this.#nextWaiter();
    if (call !== undefined) this.#open(call);
  }

  /** Cuts every connection off and fails what waits. */
  close(): void {
    this.#closed = true;
    for (const connection of this.#all) connection.destroy();
    for (let call = this.#nextWaiter(); call !== undefined; call = this.#nextWaiter()) {
      call.fail(new ProaError('unavailable', 'the client was closed'));
    }
  }

  #nextWaiter(): ClientCall | undefined {
    while (this.#firstWaiter < this.#waiters.length) {
      const call = this.#waiters[this.#firstWaiter++] as ClientCall;
      if (this.#firstWaiter >= 1024 || this.#firstWaiter === this.#waiters.length) {
        this.#waiters = this.#waiters.slice(this.#firstWaiter);
        this.#firstWaiter = 0;
      }
      // Those that gave up stay in the list until their turn.
      if (call.settled) continue;
      this.#waiting--;
      this.sweep.remove(call);
      return call;
    }
    return undefined;
  }
}

/** The Host header of an address. */
export function authorityOf(address: Address): string {
  if ('path' in address) return 'localhost';
  const host = address.host.includes(':') ? `[${address.host}]` : address.host;
  return address.port === 80 ? host : `${host}:${address.port}`;
}
