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

/** A server that is loaded with the first connection that it gets. */
export interface LazyServer {
  /** `first` are the bytes read from the connection so far; they are copied. */
  accept(connection: Connection, first?: Uint8Array): void;
  /** Lets what runs end; does nothing when nobody ever came. */
  drain(): Promise<void>;
}

/** Loads a server with the first connection; what clients send meanwhile is kept for it. */
export function lazyServer(load: () => Promise<ConnectionServer>): LazyServer {
  let server: Promise<ConnectionServer> | undefined;
  return {
    accept(connection, first) {
      const early: Uint8Array[] = first === undefined ? [] : [Uint8Array.from(first)];
      let size = first?.length ?? 0;
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
    },
    async drain() {
      if (server !== undefined) await (await server).drain();
    },
  };
}

/** Listens at once and loads the server with the first connection: a runtime whose gRPC API nobody uses pays neither its start-up time nor its memory. */
export async function listenLazily(network: Network, address: Address, load: () => Promise<ConnectionServer>): Promise<LazyListener> {
  const server = lazyServer(load);
  const listener = await network.listen(address, (connection) => server.accept(connection));
  return {
    address: listener.address,
    async drain() {
      await listener.close();
      await server.drain();
    },
  };
}
