import type { Places } from '../../contracts/places.ts';
import { CancelScope } from '../../kernel/cancel.ts';
import type { Call } from '../../kernel/call.ts';
import { formatDuration } from '../../kernel/duration.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Timer } from '../../kernel/ports.ts';
import type { Bulkhead, BulkheadOptions } from './bulkhead.ts';

/** A place that another process does not need has to come over: whoever may not wait for a call to end waits this long for that, once it is known that none is free. */
const lendingMs = 20;

/** On a busy machine the answer whether one is free takes its time: a limit that is not reached must not refuse. Without any answer it does after this long. */
const silenceMs = 2_000;

/** A bulkhead whose places several processes lend each other. The number of calls that may wait is that of this process. */
export function createSharedBulkhead(options: BulkheadOptions, places: Places): Bulkhead {
  const { clock, target, concurrencyMax, queueMax, waitMaxMs, side } = options;
  const refusal = (message: string): ProaError => new ProaError('overloaded', message, { refusedAt: side });
  const full = (why: string): ProaError => refusal(`${target} has ${concurrencyMax} calls under way; ${why}`);
  const waitingMax = Math.max(queueMax, concurrencyMax);
  const queueMs = queueMax === 0 ? 0 : waitMaxMs;
  const noPlace = full(
    queueMax === 0 ? 'none may wait' : `no place became free within ${formatDuration(Math.max(lendingMs, waitMaxMs))}`,
  ).message;
  let taken = 0;
  let waiting = 0;
  const granted = (): void => void taken++;
  const wait = async (call: Call<unknown>): Promise<void> => {
    const scope = new CancelScope();
    const untilMs = clock.mono() + queueMs;
    let late: string | undefined;
    const giveUpAfter = (ms: number, why: string): Timer =>
      clock.timer(ms, () => {
        late = why;
        scope.cancel(undefined);
      });
    const silence = giveUpAfter(Math.max(silenceMs, queueMs), `${target}: no other process says whether a place is free`);
    let timer: Timer | undefined;
    const noneFree = (): void => {
      silence.cancel();
      timer ??= giveUpAfter(Math.max(lendingMs, untilMs - clock.mono()), noPlace);
    };
    const unlink = call.cancel.onCancel((reason) => scope.cancel(reason));
    waiting++;
    try {
      await places.acquire(scope, noneFree);
      granted();
    } catch (error) {
      throw late === undefined ? error : refusal(late);
    } finally {
      waiting--;
      silence.cancel();
      timer?.cancel();
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
