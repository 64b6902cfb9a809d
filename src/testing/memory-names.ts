import type { Datagrams, Dns, DnsService } from '../kernel/ports.ts';

/** Name servers in memory: what a test writes is what is answered. */
export interface MemoryDns extends Dns {
  /** A and AAAA records by name; an Error is a server that fails. */
  readonly hosts: Map<string, { readonly addresses: readonly string[]; readonly ttlSeconds: number } | Error>;
  readonly srv: Map<string, readonly DnsService[] | Error>;
  /** Every question, in order. */
  readonly asked: string[];
}

/** Names in memory; nothing is known at first. */
export function createMemoryDns(): MemoryDns {
  const hosts: MemoryDns['hosts'] = new Map();
  const srv: MemoryDns['srv'] = new Map();
  const asked: string[] = [];
  return {
    hosts,
    srv,
    asked,
    addresses(name) {
      asked.push(name);
      const found = hosts.get(name);
      if (found instanceof Error) return Promise.reject(found);
      if (found === undefined) return Promise.resolve(/^\d+\.\d+\.\d+\.\d+$/.test(name) ? [{ address: name, ttlSeconds: 3_600 }] : []);
      return Promise.resolve(found.addresses.map((address) => ({ address, ttlSeconds: found.ttlSeconds })));
    },
    services(name) {
      asked.push(`srv ${name}`);
      const found = srv.get(name);
      return found instanceof Error ? Promise.reject(found) : Promise.resolve(found ?? []);
    },
  };
}

/** UDP between machines in memory. */
export interface MemoryDatagrams {
  /** The ports of one machine, which has that address. */
  machine(address: string): Datagrams;
  /** False: datagrams are lost. */
  delivering: boolean;
}

/** Every socket that joined a group, or is addressed, gets a copy in a later turn; the sender's own too. */
export function createMemoryDatagrams(): MemoryDatagrams {
  interface Open {
    readonly host: string;
    readonly port: number;
    readonly group: string | undefined;
    received(bytes: Uint8Array, from: { readonly host: string; readonly port: number }): void;
  }
  const sockets = new Set<Open>();
  let free = 50_000;
  const memory: MemoryDatagrams = {
    delivering: true,
    machine: (host) => ({
      hostAddresses: () => [host],
      open({ port: wanted, group }, received) {
        const port = wanted === 0 ? free++ : wanted;
        const own: Open = { host, port, group, received };
        sockets.add(own);
        return Promise.resolve({
          port,
          send(bytes, to) {
            if (!memory.delivering || !sockets.has(own)) return;
            for (const socket of sockets)
              if (socket.port === to.port && (socket.group === to.host || socket.host === to.host))
                queueMicrotask(() => sockets.has(socket) && socket.received(Uint8Array.from(bytes), { host, port }));
          },
          close() {
            sockets.delete(own);
            return Promise.resolve();
          },
        });
      },
    }),
  };
  return memory;
}
