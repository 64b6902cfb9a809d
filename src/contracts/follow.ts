import { CancelScope, type Cancellation } from '../kernel/cancel.ts';
import type { Logger } from '../kernel/log.ts';
import type { Clock, Timer } from '../kernel/ports.ts';

export interface FollowOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** What is followed, for messages: "the watch of etcd". */
  readonly what: string;
  /** Follows until it breaks or ends; calls `going` when it stands. `cancel` fires when nobody wants it any more. */
  attempt(cancel: Cancellation, going: () => void): Promise<void>;
}

const retryMinMs = 500;
const retryMaxMs = 5_000;

/** Keeps something long-lived going: a stream, a session, a long poll. It begins at once, and again after a growing pause when it broke. */
export function follow({ clock, log, what, attempt }: FollowOptions): { close(): Promise<void> } {
  let closed = false;
  let failures = 0;
  let timer: Timer | undefined;
  let scope = new CancelScope();
  let running: Promise<void> = Promise.resolve();
  const going = (): void => {
    if (failures > 0) log.info(`${what} goes on`);
    failures = 0;
  };
  const begin = (): void => {
    scope = new CancelScope();
    running = attempt(scope, going).then(
      () => again(),
      (error: unknown) => {
        if (!closed && failures === 0) log.warn(`${what} broke`, { error: error instanceof Error ? error.message : String(error) });
        failures++;
        again();
      },
    );
  };
  const again = (): void => {
    if (closed) return;
    const delayMs = failures === 0 ? 0 : Math.min(retryMaxMs, retryMinMs * 2 ** Math.min(failures - 1, 10));
    timer = clock.timer(delayMs, begin, true);
  };
  begin();
  return {
    async close() {
      closed = true;
      timer?.cancel();
      scope.cancel(new Error('closed'));
      await running;
    },
  };
}
