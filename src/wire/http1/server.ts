import type { Address, Clock, Connection, Network } from '../../kernel/ports.ts';
import { AnswerHeads } from './answer-heads.ts';
import { faults, refusal } from './fault.ts';
import { HeadMemo } from './head-memo.ts';
import type { Http1Request } from './request.ts';
import type { Http1Response } from './response.ts';
import { ServerConnection, type ServerShared } from './server-connection.ts';
import { serverLimitDefaults, type Http1ServerLimits } from './server-limits.ts';
import { Sweep } from './sweep.ts';

export interface Http1ServerOptions {
  readonly network: Network;
  readonly clock: Clock;
  readonly address: Address;
  readonly limits?: Partial<Http1ServerLimits>;
  /**
   * Called synchronously as soon as a head is complete. It answers through `response`, now or later; what it throws becomes a 500.
   * A `request.body` that it does not pipe before it returns is copied, so nothing holds the shared read buffer.
   */
  readonly handler: (request: Http1Request, response: Http1Response) => void;
  /** Takes connections that begin with the HTTP/2 preface; `firstBytes` (from its first byte on) are valid only during the call. */
  readonly onHttp2Preface?: (connection: Connection, firstBytes: Uint8Array) => void;
  /** What the handler threw; without it the error is visible only as a 500. */
  readonly onError?: (error: unknown) => void;
}

export interface Http1Server {
  readonly address: Address;
  /** Connections that are open now. */
  readonly connections: number;
  /** Stops accepting, finishes what runs, closes what is idle; resolves when every connection is closed. */
  drain(): Promise<void>;
  /** Stops accepting and cuts every connection off. */
  close(): Promise<void>;
}

/** Serves HTTP/1.1 and 1.0 at an address. Fails with the system's error when it cannot listen. */
export async function serveHttp1(options: Http1ServerOptions): Promise<Http1Server> {
  const limits = { ...serverLimitDefaults, ...options.limits };
  const sweep = new Sweep(options.clock);
  const waiters: (() => void)[] = [];
  const shared: ServerShared = {
    limits,
    sweep,
    answers: new AnswerHeads(sweep),
    heads: new HeadMemo(),
    sections: new HeadMemo(),
    handler: options.handler,
    onHttp2Preface: options.onHttp2Preface,
    onError: options.onError ?? (() => {}),
    draining: false,
    closed() {
      if (sweep.size === 0) for (const waiter of waiters.splice(0)) waiter();
    },
  };
  const listener = await options.network.listen(options.address, (connection) => accept(connection, shared));
  const stop = (): Promise<void> => {
    shared.draining = true;
    return listener.close();
  };
  const empty = (): Promise<void> => new Promise((resolve) => (sweep.size === 0 ? resolve() : waiters.push(resolve)));
  const each = (visit: (member: ServerConnection) => void): void => {
    for (const member of sweep.members()) visit(member as ServerConnection);
  };
  return {
    address: listener.address,
    get connections() {
      return sweep.size;
    },
    async drain() {
      await stop();
      each((member) => member.drainRequests());
      await empty();
    },
    async close() {
      await stop();
      each((member) => member.connection.destroy());
      await empty();
    },
  };
}

function accept(connection: Connection, shared: ServerShared): void {
  const { sweep, limits } = shared;
  if (shared.draining || sweep.size >= limits.connectionsMax * 2) {
    connection.handlers = { data() {}, end() {}, drain() {}, close() {} };
    connection.destroy();
    return;
  }
  sweep.refresh();
  const full = sweep.size >= limits.connectionsMax;
  const accepted = new ServerConnection(connection, shared);
  connection.handlers = accepted;
  sweep.add(accepted);
  if (full) accepted.turnAway(refusal(faults.connectionsMax, sweep.date));
}
