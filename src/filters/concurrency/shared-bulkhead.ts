import type { Places } from '../../contracts/places.ts';
import { CancelScope } from '../../kernel/cancel.ts';
import type { Call } from '../../kernel/call.ts';
import { formatDuration } from '../../kernel/duration.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Bulkhead, BulkheadOptions } from './bulkhead.ts';

/** A place that another process does not need has to come over: whoever may not wait for a call to end waits this long for that. */
const lendingMs = 20;

/** A bulkhead whose places several processes lend each other. The number of calls that may wait is that of this process. */
export function createSharedBulkhead(options: BulkheadOptions, places: Places): Bulkhead {
  const { clock, target, concurrencyMax, queueMax, waitMaxMs } = options;
  const full = (why: string): ProaError => new ProaError('overloaded', `${target} has ${concurrencyMax} calls under way; ${why}`);
  const waitingMax = Math.max(queueMax, concurrencyMax);
  const timeMs = queueMax === 0 ? lendingMs : Math.max(lendingMs, waitMaxMs);
  let taken = 0;
  let waiting = 0;
  const granted = (): void => void taken++;
  const wait = async (call: Call<unknown>): Promise<void> => {
    const scope = new CancelScope();
    let late = false;
    const timer = clock.timer(timeMs, () => {
      late = true;
      scope.cancel(undefined);
    });
    const unlink = call.cancel.onCancel((reason) => scope.cancel(reason));
    waiting++;
    try {
      await places.acquire(scope);
      granted();
    } catch (error) {
      throw late ? full(queueMax === 0 ? 'none may wait' : `no place became free within ${formatDuration(timeMs)}`) : error;
    } finally {
      waiting--;
      timer.cancel();
      unlink();
    }
  };
  return {
    get taken() {
      return taken;
    },
    get waiting() {
      return waiting;
    },
    tryTake() {
      const took = places.tryTake();
      if (took) granted();
      return took;
    },
    wait: (call) => (waiting >= waitingMax ? Promise.reject(full(`${waiting} more wait already`)) : wait(call)),
    release() {
      taken--;
      places.release();
    },
  };
}
