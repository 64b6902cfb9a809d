import { untold, type Tell } from '../../contracts/decisions.ts';
import { ProaError, type RefusedAt } from '../../kernel/errors.ts';
import type { Call } from '../../kernel/call.ts';
import { formatDuration } from '../../kernel/duration.ts';
import type { Clock, Timer } from '../../kernel/ports.ts';
import type { Filter } from '../../kernel/service.ts';
import { attemptOf } from '../../kernel/trail.ts';

export interface BulkheadOptions {
  readonly clock: Clock;
  /** What is guarded, for the message. */
  readonly target: string;
  /** Calls at once. */
  readonly concurrencyMax: number;
  /** Calls that may wait for a place; 0: none. */
  readonly queueMax: number;
  /** The longest wait. */
  readonly waitMaxMs: number;
  /** Whose runtime keeps the places. */
  readonly side: RefusedAt;
}

/** Places at a target: given at once, after a wait, or refused. */
export interface Bulkhead {
  /** True: a place was free and is taken. */
  tryTake(): boolean;
  /** Resolves with a place; fails with `overloaded` when too many wait or it takes too long, with `cancelled` when the caller goes away. */
  wait(call: Call<unknown>): Promise<void>;
  readonly release: () => void;
  readonly taken: number;
  readonly waiting: number;
}

interface Waiter {
  readonly granted: () => void;
}

/** Makes the places; they outlive reloads as long as their number stays the same. */
export function createBulkhead(options: BulkheadOptions): Bulkhead {
  const { clock, target, concurrencyMax, queueMax, waitMaxMs, side } = options;
  // A Set keeps the order and lets a waiter leave from the middle.
  const queue = new Set<Waiter>();
  let taken = 0;
  const full = (why: string): ProaError =>
    new ProaError('overloaded', `${target} has ${concurrencyMax} calls under way; ${why}`, { refusedAt: side });
  return {
    get taken() {
      return taken;
    },
    get waiting() {
      return queue.size;
    },
    tryTake() {
      if (taken >= concurrencyMax) return false;
      taken++;
      return true;
    },
    wait(call) {
      if (queue.size >= queueMax) return Promise.reject(full(queueMax === 0 ? 'none may wait' : `${queueMax} more wait already`));
      return new Promise((resolve, reject) => {
        let timer: Timer | undefined = undefined;
        const leave = (): void => {
          queue.delete(waiter);
          timer?.cancel();
          unlink();
        };
        const waiter: Waiter = {
          granted() {
            leave();
            resolve();
          },
        };
        queue.add(waiter);
        timer = clock.timer(waitMaxMs, () => {
          leave();
          reject(full(`no place became free within ${formatDuration(waitMaxMs)}`));
        });
        const unlink = call.cancel.onCancel((reason) => {
          queue.delete(waiter);
          timer?.cancel();
          reject(new ProaError('cancelled', `the caller gave up while it waited for a place at ${target}`, { cause: reason }));
        });
      });
    },
    release() {
      const [next] = queue;
      // The place goes from hand to hand: nobody can slip in between.
      if (next === undefined) taken--;
      else next.granted();
    },
  };
}

/** Lets at most so many calls run at once; the place is given back at the end of the attempt, last byte included. */
export function bulkhead<In, Out>(places: Bulkhead, clock: Pick<Clock, 'mono'>, tell: Tell = untold): Filter<In, Out> {
  return (next) => (call) => {
    if (places.tryTake()) {
      call.end.listen(places.release);
      return next(call);
    }
    const { taken, waiting } = places;
    const sinceMs = clock.mono();
    const attempt = attemptOf(call);
    attempt.held = true;
    return places.wait(call).then(
      () => {
        call.end.listen(places.release);
        attempt.held = false;
        attempt.waitedMs = clock.mono() - sinceMs;
        tell(call, 'waited', `${taken} calls were under way and ${waiting} waited: it had to wait for a place`);
        return next(call);
      },
      (thrown: unknown) => {
        const error = ProaError.from(thrown);
        tell(call, 'refused', error.message);
        throw error;
      },
    );
  };
}
