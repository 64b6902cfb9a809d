import type { Cancellation } from '../../kernel/cancel.ts';
import { ProaError } from '../../kernel/errors.ts';

/** Places for calls into the app (`--app-max-concurrency`). Waiters are served in order; the queue is bounded. */
export interface Permits {
  /** Undefined when a place was free: the common case allocates nothing. Otherwise resolves when there is one; fails when cancelled or when too many wait. */
  acquire(cancel: Cancellation): Promise<void> | undefined;
  release(): void;
}

interface Waiter {
  readonly granted: () => void;
  abandoned: boolean;
}

const waitersMax = 10_000;

/** `max` below 1 means no limit. */
export function createPermits(max: number): Permits {
  if (max < 1) return { acquire: () => undefined, release() {} };
  let taken = 0;
  const waiting: Waiter[] = [];
  return {
    acquire(cancel) {
      if (taken < max) {
        taken++;
        return undefined;
      }
      if (waiting.length >= waitersMax) {
        return Promise.reject(
          new ProaError('overloaded', `more than ${waitersMax} calls wait for a place in the app (--app-max-concurrency ${max})`, {
            refusedAt: 'callee',
          }),
        );
      }
      return new Promise((resolve, reject) => {
        const waiter: Waiter = {
          abandoned: false,
          granted: () => {
            unlink();
            resolve();
          },
        };
        waiting.push(waiter);
        const unlink = cancel.onCancel((reason) => {
          waiter.abandoned = true;
          reject(new ProaError('cancelled', 'the caller gave up while it waited for a place in the app', { cause: reason }));
        });
      });
    },
    release() {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        if (next.abandoned) continue;
        next.granted();
        return;
      }
      taken--;
    },
  };
}
