import type { Address, Ports } from '../kernel/ports.ts';

/** Whoever does not answer a connection in this time is there: it may be busy. */
const answerMs = 1_000;

/** Removes the socket that a killed process left at the address: it could not be bound again. One that is listened at stays. */
export async function removeStaleSocket(
  { network, disk, clock }: Pick<Ports, 'network' | 'disk' | 'clock'>,
  address: Address,
): Promise<void> {
  if (!('path' in address) || (await disk.stat(address.path).catch(() => undefined))?.kind !== 'other') return;
  const refused = await new Promise<boolean>((resolve) => {
    const connection = network.connect(address);
    const timer = clock.timer(answerMs, () => finish(false), true);
    const finish = (answer: boolean): void => {
      timer.cancel();
      resolve(answer);
      connection.destroy();
    };
    connection.handlers = {
      open: () => finish(false),
      data() {},
      end() {},
      drain() {},
      close: (error) => finish((error as { code?: string } | undefined)?.code === 'ECONNREFUSED'),
    };
  });
  if (refused) await disk.remove(address.path).catch(() => {});
}
