import type { Logger } from '../kernel/log.ts';
import type { Clock, Timer } from '../kernel/ports.ts';

export interface ScheduledSweepOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** From the end of one sweep to the next; 0: never. */
  readonly intervalMs: number;
}

/** Removes expired rows of a store again and again; a sweep that fails is told and tried again at its next time. `ended` is true once the store closes, which waits for the sweep. */
export function scheduleSweep(
  { clock, log, intervalMs }: ScheduledSweepOptions,
  sweep: (ended: () => boolean) => Promise<void>,
): { close(): Promise<void> } {
  let closed = false;
  let timer: Timer | undefined;
  let running: Promise<void> | undefined;
  const arm = (): void => {
    if (closed || intervalMs <= 0) return;
    timer = clock.timer(
      intervalMs,
      () => {
        running = sweep(() => closed)
          .catch((error: unknown) => log.warn('expired state was not removed', { error: (error as Error).message }))
          .finally(arm);
      },
      true,
    );
  };
  arm();
  return {
    async close() {
      closed = true;
      timer?.cancel();
      await running;
    },
  };
}
