import type { Address, Listener, Network, SharedListener } from '../../kernel/ports.ts';

/** A network on which the addresses of inherited sockets are listened on by sharing them; everything else is as in `network`. */
export function createInheritedNetwork(network: Network, inherited: readonly SharedListener[]): Network {
  const byAddress = new Map(inherited.map((shared) => [nameOf(shared.address), shared]));
  return {
    ...network,
    listen(address, accept) {
      const shared = byAddress.get(nameOf(address));
      return shared === undefined ? network.listen(address, accept) : Promise.resolve(shared.accept(accept));
    },
    ...(network.bind !== undefined && {
      bind(server: unknown, address: Address) {
        const shared = byAddress.get(nameOf(address));
        return shared === undefined ? bindBy(network, server, address) : Promise.resolve(shared.bind(server));
      },
    }),
  };
}

export interface KeepingNetwork extends Network {
  /** The open listener that is bound to the address. */
  listenerAt(address: Address): Listener | undefined;
}

/** A network that keeps the listeners which it opened, so that they can be shared. */
export function createKeepingNetwork(network: Network): KeepingNetwork {
  const open = new Map<string, Listener>();
  const kept = (listener: Listener): Listener => {
    open.set(nameOf(listener.address), listener);
    return {
      address: listener.address,
      close() {
        open.delete(nameOf(listener.address));
        return listener.close();
      },
    };
  };
  return {
    ...network,
    listen: async (address, accept) => kept(await network.listen(address, accept)),
    ...(network.bind !== undefined && {
      bind: async (server: unknown, address: Address) => kept(await bindBy(network, server, address)),
    }),
    listenerAt: (address) => open.get(nameOf(address)),
  };
}

function bindBy({ bind }: Network, server: unknown, address: Address): Promise<Listener> {
  if (bind === undefined) throw new TypeError('this network has no servers of the platform');
  return bind(server, address);
}

function nameOf(address: Address): string {
  return 'path' in address ? address.path : `${address.host} ${address.port}`;
}
