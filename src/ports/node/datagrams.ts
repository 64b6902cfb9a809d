import type { Socket } from 'node:dgram';
import { networkInterfaces } from 'node:os';
import type { DatagramOptions, Datagrams, DatagramSocket } from '../../kernel/ports.ts';

/** The system's UDP over IPv4. */
export function createNodeDatagrams(): Datagrams {
  return {
    async open(options, received) {
      // Loaded by the first socket: most runtimes open none.
      const { createSocket } = await import('node:dgram');
      const socket = createSocket({ type: 'udp4', reuseAddr: options.group !== undefined });
      socket.on('message', (bytes, from) => received(bytes, { host: from.address, port: from.port }));
      await bind(socket, options);
      // What fails later is one datagram: nobody waits for it.
      socket.on('error', () => {});
      try {
        const joined = options.group === undefined ? [] : join(socket, options.group, options.groupInterface);
        return overSocket(socket, options.group, joined);
      } catch (error) {
        socket.close();
        throw error;
      }
    },
    hostAddresses() {
      const outside = addresses().filter(({ internal }) => !internal);
      return (outside.length > 0 ? outside : addresses()).map(({ address }) => address);
    },
  };
}

function addresses() {
  return Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .filter(({ family }) => family === 'IPv4');
}

function bind(socket: Socket, { port, host }: DatagramOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.bind({ port, ...(host !== undefined && { address: host }), exclusive: false }, () => {
      socket.off('error', reject);
      resolve();
    });
  });
}

function join(socket: Socket, group: string, only: string | undefined): string[] {
  const joined = addresses()
    .map(({ address }) => address)
    .filter((address) => only === undefined || address === only)
    .filter((address) => {
      try {
        socket.addMembership(group, address);
        return true;
      } catch {
        return false;
      }
    });
  if (joined.length === 0)
    throw Object.assign(
      new Error(`no interface${only === undefined ? '' : ` with the address ${only}`} takes part in multicast ${group}`),
      { code: 'ENODEV' },
    );
  socket.setMulticastLoopback(true);
  socket.setMulticastTTL(255);
  return joined;
}

function overSocket(socket: Socket, group: string | undefined, joined: readonly string[]): DatagramSocket {
  let open = true;
  return {
    port: socket.address().port,
    send(bytes, to) {
      if (!open) return;
      const ways = to.host === group ? joined : [undefined];
      for (const way of ways) {
        try {
          if (way !== undefined) socket.setMulticastInterface(way);
          socket.send(bytes, to.port, to.host, () => {});
        } catch {
          // An interface that went away is a lost datagram.
        }
      }
    },
    close() {
      if (!open) return Promise.resolve();
      open = false;
      return new Promise((resolve) => socket.close(() => resolve()));
    },
  };
}
