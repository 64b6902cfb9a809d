import type { Owner } from '../../kernel/lifecycle.ts';
import type { Address, Ports } from '../../kernel/ports.ts';
import type { Sharing } from '../../wire/mux/hello.ts';
import { listenLazily } from '../lazy-listener.ts';
import type { Machine } from '../machine.ts';

/**
 * The socket under which other runtimes of this machine reach the apps of this process: whoever can open it is of the same user, and believed.
 * `announced`: the one of the first process, for those that serve beside it. `sharing`: which of them this is, where all accept on it.
 */
export async function openPeerSocket(
  ports: Ports,
  machine: Machine,
  { owner, announced, sharing }: { readonly owner: Owner; readonly announced: Address | undefined; readonly sharing?: Sharing | undefined },
): Promise<Address> {
  const { clock } = ports;
  const address = announced ?? (await ownAddress(ports));
  const server = await listenLazily(ports.network, address, async () => {
    const [{ createMuxAcceptor }, { machineLimits }] = [await import('../../wire/mux/server.ts'), await import('../../wire/mux/limits.ts')];
    const calls = await import('./serve-calls.ts');
    const handler = calls.serveCalls(clock, calls.arrivalsOfMachine(machine));
    return createMuxAcceptor({ clock, limits: machineLimits, sharing, identify: () => undefined, handler });
  });
  owner.own('peers', () => server.drain());
  return address;
}

async function ownAddress(ports: Ports): Promise<Address> {
  const id = `${ports.process.pid}-${ports.random.u32().toString(36)}`;
  // Short, because a socket's path has at most 107 bytes; private, because whoever can connect is believed.
  const directory = `${ports.process.temporaryDirectory()}/proa-peers-${userName(ports)}`;
  await ports.disk.makeDirectory(directory, 0o700);
  return { path: `${directory}/${id}.mux` };
}

function userName(ports: Ports): string {
  const name = ports.process.env('USER') ?? ports.process.env('LOGNAME') ?? 'me';
  return name.replace(/[^A-Za-z0-9_-]/g, '').slice(0, 24) || 'me';
}
