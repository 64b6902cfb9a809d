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
  };
}

export interface KeepingNetwork extends Network {
  /** The open listener that is bound to the address. */
  listenerAt(address: Address): Listener | undefined;
}

/** A network that keeps the listeners which it opened, so that they can be shared. */
export function createKeepingNetwork(network: Network): KeepingNetwork {
  const open = new Map<string, Listener>();
  return {
    ...network,
    async listen(address, accept) {
      const listener = await network.listen(address, accept);
      open.set(nameOf(listener.address), listener);
      return {
        address: listener.address,
        close() {
          open.delete(nameOf(listener.address));
          return listener.close();
        },
      };
    },
    listenerAt: (address) => open.get(nameOf(address)),
  };
}

function nameOf(address: Address): string {
  return 'path' in address ? address.path : `${address.host} ${address.port}`;
}
