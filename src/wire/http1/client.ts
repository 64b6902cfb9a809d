import { ProaError } from '../../kernel/errors.ts';
import type { Address, Clock, Network } from '../../kernel/ports.ts';
import type { ClientCall, Http1ClientRequest, Http1ClientResponse, Http1ResponseHandlers } from './client-call.ts';
import { clientLimitDefaults, type Http1ClientLimits } from './client-limits.ts';
import { Http1Pool } from './client-pool.ts';
import { Sweep } from './sweep.ts';

export interface Http1ClientOptions {
  readonly network: Network;
  readonly clock: Clock;
  readonly limits?: Partial<Http1ClientLimits>;
}

export interface Http1Client {
  /** The connections to an address, for callers that send many requests there. */
  pool(address: Address): Http1Pool;
  /** The cheap way: synchronous callbacks, bodies in the shared read buffer. */
  dispatch(address: Address, request: Http1ClientRequest, handlers: Http1ResponseHandlers): ClientCall;
  /** The comfortable way: resolves with the head; what has arrived of the body by then is copied. Fails with a ProaError. */
  request(address: Address, request: Http1ClientRequest): Promise<Http1ClientResponse>;
  /** Cuts every connection off; calls under way fail. */
  close(): void;
}

/** An HTTP/1.1 client with a bounded pool of connections per address. */
export function createHttp1Client(options: Http1ClientOptions): Http1Client {
  const limits = { ...clientLimitDefaults, ...options.limits };
  const sweep = new Sweep(options.clock);
  const byName = new Map<string, Http1Pool>();
  // Callers keep their address: finding its pool by identity costs no text.
  const byAddress = new WeakMap<Address, Http1Pool>();
  let closed = false;

  const makeRoom = (): void => {
    for (const [name, pool] of byName)
      if (pool.counts.open === 0 && pool.counts.waiting === 0 && byName.delete(name)) pool.forgotten = true;
    if (byName.size >= limits.addressesMax)
      throw new ProaError('overloaded', `connections to ${byName.size} addresses are open`, { refusedAt: 'caller' });
  };
  const pool = (address: Address): Http1Pool => {
    const kept = byAddress.get(address);
    if (kept !== undefined && !kept.forgotten) return kept;
    const found = named(address);
    byAddress.set(address, found);
    return found;
  };
  const named = (address: Address): Http1Pool => {
    const name =
      'path' in address ? address.path : `${address.host} ${address.port}${address.via === undefined ? '' : ` ${address.via.join()}`}`;
    const known = byName.get(name);
    if (known !== undefined) return known;
    if (byName.size >= limits.addressesMax) makeRoom();
    const made = new Http1Pool(address, { network: options.network, limits, sweep });
    if (closed) made.close();
    byName.set(name, made);
    return made;
  };
  return {
    pool,
    dispatch: (address, request, handlers) => pool(address).dispatch(request, handlers),
    request: (address, request) =>
      new Promise((resolve, reject) => {
        const { watcher } = request;
        const head =
          watcher === undefined
            ? resolve
            : (response: Http1ClientResponse): void => {
                watcher.answered(response);
                resolve(response);
              };
        pool(address).dispatch(request, { head, fail: reject });
      }),
    close() {
      closed = true;
      for (const open of byName.values()) open.close();
    },
  };
}
