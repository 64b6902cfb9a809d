import type { Clock } from '../kernel/ports.ts';
import type { Exposition, MetricsRegistry } from './metrics-registry.ts';

/** The text of a registry, a piece per turn of the event loop: with all the series that a registry may have it takes a fifth of a second, for which no call has to wait. */
export async function printInTurns(
  registry: Pick<MetricsRegistry, 'pieces'>,
  format: Exposition,
  clock: Pick<Clock, 'soon'>,
): Promise<string> {
  const text: string[] = [];
  for (const piece of registry.pieces(format)) {
    text.push(piece);
    await new Promise<void>((resolve) => clock.soon(resolve));
  }
  return text.join('');
}
