import { connect, createServer, type Server, type Socket } from 'node:net';

/** What stands between a client and a server. */
export interface MuteServer {
  readonly port: number;
  /** While it is true, what the server says does not arrive. */
  mute: boolean;
  /** Breaks all connections. */
  cut(): void;
  close(): Promise<void>;
}

/** A way to the server that can swallow its answers, or break. */
export async function startMute(port: number): Promise<MuteServer> {
  const sockets = new Set<Socket>();
  const state = { mute: false };
  const server: Server = createServer((near) => {
    const far = connect(port, '127.0.0.1');
    near.pipe(far);
    far.on('data', (chunk: Buffer) => state.mute || near.write(chunk));
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => (near.destroy(), far.destroy(), sockets.delete(socket)));
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    get mute() {
      return state.mute;
    },
    set mute(value: boolean) {
      state.mute = value;
    },
    cut: () => sockets.forEach((socket) => socket.destroy()),
    close: async () => {
      sockets.forEach((socket) => socket.destroy());
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
