import type { Address, Connection, Network } from '../kernel/ports.ts';

/** A server that takes connections which somebody else accepted. */
export interface ConnectionServer {
  accept(connection: Connection, first?: Uint8Array): void;
  drain(): Promise<void>;
}

export interface LazyListener {
  readonly address: Address;
  drain(): Promise<void>;
}

// A client speaks first in HTTP/2; more than this before the server is loaded is no client.
const earlyBytesMax = 256 * 1024;

/** Listens at once and loads the server with the first connection: a runtime whose gRPC API nobody uses pays neither its start-up time nor its memory. */
export async function listenLazily(network: Network, address: Address, load: () => Promise<ConnectionServer>): Promise<LazyListener> {
  let server: Promise<ConnectionServer> | undefined;
  const listener = await network.listen(address, (connection) => {
    const early: Uint8Array[] = [];
    let size = 0;
    let gone = false;
    connection.handlers = {
      data(chunk) {
        size += chunk.length;
        if (size > earlyBytesMax) connection.destroy();
        else early.push(Uint8Array.from(chunk));
      },
      end() {},
      drain() {},
      close() {
        gone = true;
      },
    };
    server ??= load();
    server.then(
      (loaded) => {
        if (!gone) loaded.accept(connection, Buffer.concat(early));
      },
      (error: unknown) => connection.destroy(error instanceof Error ? error : new Error(String(error))),
    );
  });
  return {
    address: listener.address,
    async drain() {
      await listener.close();
      if (server !== undefined) await (await server).drain();
    },
  };
}
