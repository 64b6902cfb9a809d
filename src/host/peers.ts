import type { Owner } from '../kernel/lifecycle.ts';
import type { Address, Ports } from '../kernel/ports.ts';
import { listenLazily } from './lazy-listener.ts';
import type { Machine } from './machine.ts';
import { servePeers } from './peer-server.ts';

/** The sockets under which other runtimes of this machine reach the apps of this process. */
export async function openPeers(ports: Ports, machine: Machine, owner: Owner): Promise<{ readonly http: Address; readonly grpc: Address }> {
  const id = `${ports.process.pid}-${ports.random.u32().toString(36)}`;
  // Short, because a socket's path has at most 107 bytes; private, because whoever can connect is believed.
  const directory = `${ports.process.temporaryDirectory()}/proa-peers-${userName(ports)}`;
  await ports.disk.makeDirectory(directory, 0o700);
  const peers = { http: { path: `${directory}/${id}.http` }, grpc: { path: `${directory}/${id}.grpc` } };
  const server = await servePeers(ports, peers.http, machine);
  owner.own('peers', () => server.close());
  const grpc = await listenLazily(ports.network, peers.grpc, async () =>
    (await import('./grpc-proxy.ts')).createGrpcPeerServer(ports, machine),
  );
  owner.own('gRPC peers', () => grpc.drain());
  return peers;
}

function userName(ports: Ports): string {
  const name = ports.process.env('USER') ?? ports.process.env('LOGNAME') ?? 'me';
  return name.replace(/[^A-Za-z0-9_-]/g, '').slice(0, 24) || 'me';
}
