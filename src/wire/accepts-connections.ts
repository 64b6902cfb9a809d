import type { Address, Clock, Network } from '../kernel/ports.ts';

/** True when something accepts connections at `address` within `timeoutMs`. Sends nothing, so the server's log stays quiet. */
export function acceptsConnections(
  ports: { readonly network: Network; readonly clock: Clock },
  address: Address,
  timeoutMs: number,
): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = ports.network.connect(address);
    const timer = ports.clock.timer(timeoutMs, () => connection.destroy());
    const done = (accepted: boolean): void => {
      timer.cancel();
      resolve(accepted);
    };
    connection.handlers = {
      open() {
        done(true);
        connection.destroy();
      },
      data() {},
      end() {},
      drain() {},
      close: () => done(false),
    };
  });
}
