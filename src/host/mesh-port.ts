import type { Owner } from '../kernel/lifecycle.ts';
import type { Address, Ports } from '../kernel/ports.ts';
import { listening, portOf } from './bound-port.ts';
import type { AppSpec } from './host-api.ts';
import { appOf, type LocalApp, type Machine } from './machine.ts';

export interface MeshPortOptions {
  readonly ports: Ports;
  readonly spec: AppSpec;
  readonly machine: Machine;
  readonly app: LocalApp;
  readonly graceMs: number;
}

/** Where others reach the app, and what the port is bound to. */
export interface MeshPort {
  readonly reached: Address;
  readonly bound: Address;
}

/** Opens the app to runtimes of other machines when it is asked for. */
export async function openMeshPort({ ports, spec, machine, app, graceMs }: MeshPortOptions, owner: Owner): Promise<MeshPort | undefined> {
  if (!spec.mtls && spec.internalGrpcPort === 0 && spec.internalGrpcListenAddress === '') return undefined;
  const host = spec.internalGrpcListenAddress === '' ? '127.0.0.1' : spec.internalGrpcListenAddress;
  const mesh = await machine.peers.mesh({ appId: spec.id, namespace: spec.namespace });
  const address = { host, port: spec.internalGrpcPort };
  const server = await listening(() => mesh.listen(address, (call) => appOf(machine, call, app), machine.sharing), address);
  owner.own('mesh', () => server.drain(), graceMs);
  const everywhere = host === '0.0.0.0' || host === '::';
  const reached = ports.process.env('DAPR_HOST_IP') ?? (everywhere ? ports.process.hostName() : host);
  return { reached: { host: reached, port: portOf(server.address) }, bound: { host, port: portOf(server.address) } };
}
