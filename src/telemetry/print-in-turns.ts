import type { Clock } from '../kernel/ports.ts';
import type { Exposition, MetricsRegistry } from './metrics-registry.ts';

/** The text of a registry, a piece per turn of the event loop: with all the series that a registry may have it takes a fifth of a second, for which no call has to wait. */
export function printInTurns(registry: Pick<MetricsRegistry, 'pieces'>, format: Exposition, clock: Pick<Clock, 'soon'>): Promise<string> {
  const pieces = registry.pieces(format)[Symbol.iterator]();
  const text: string[] = [];
  return new Promise((resolve, reject) => {
    const step = (): void => {
      try {
        const { done, value } = pieces.next();
        if (done === true) return resolve(text.join(''));
        text.push(value);
        clock.soon(step);
      } catch (error) {
        reject(error as Error);
      }
    };
    step();
  });
}
