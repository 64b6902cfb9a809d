import type { ProaError } from '../../kernel/errors.ts';
import type { Logger } from '../../kernel/log.ts';
import type { Clock, Timer } from '../../kernel/ports.ts';

export interface FailureLog {
  /** A call failed in a way that somebody should look at. */
  failed(method: string, error: ProaError): void;
  /** Tells what was only counted so far. */
  close(): void;
}

const windowMs = 10_000;

/** The first failure is a line at once; those of the ten seconds after it are one line together, with their number: callers cannot fill the log. */
export function createFailureLog(log: Logger, clock: Clock): FailureLog {
  let timer: Timer | undefined;
  let count = 0;
  let last: { readonly method: string; readonly error: string } | undefined;
  const tell = (): void => {
    timer = undefined;
    if (last === undefined) return;
    log.error('more gRPC calls failed; this was the last', { count, ...last });
    count = 0;
    last = undefined;
    timer = clock.timer(windowMs, tell);
  };
  return {
    failed(method, error) {
      if (timer === undefined) {
        log.error('a gRPC call failed', { method, error: error.message });
        timer = clock.timer(windowMs, tell);
        return;
      }
      count++;
      last = { method, error: error.message };
    },
    close() {
      timer?.cancel();
      tell();
      timer?.cancel();
    },
  };
}
