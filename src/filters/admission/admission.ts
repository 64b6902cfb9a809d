import { untold, type Tell } from '../../contracts/decisions.ts';
import type { Call, Priority } from '../../kernel/call.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Clock, Timer } from '../../kernel/ports.ts';
import type { Filter } from '../../kernel/service.ts';
import type { Sums } from '../../contracts/news.ts';
import type { ConcurrencyLimit } from './concurrency-limit.ts';

export interface AdmissionOptions {
  readonly clock: Clock;
  readonly limit: ConcurrencyLimit;
  /** Share of the limit (0 to 1) that each class may fill. */
  readonly shares: Readonly<Record<Priority, number>>;
  readonly queueMax: number;
  readonly waitMaxMs: number;
  readonly refused?: () => void;
  /** What other processes have under way and waiting at the same app. Absent: this one has all. */
  readonly others?: OtherDemand;
}

/** The demand of other processes that share the bounds: each has the part of them that its own demand is of all. */
export interface OtherDemand {
  /** It is told the demand of this process in turn. */
  readonly sums: (own: () => readonly number[]) => Sums;
  readonly limitMax: number;
}

/** Admission to an app: what runs, what waits. It outlives reloads while its parameters stay the same. */
export interface Admission {
  readonly inFlight: number;
  readonly waiting: number;
  enter(call: Call<unknown>, priority: Priority): Promise<void> | undefined;
}

interface Waiter {
  readonly priority: Priority;
  readonly admitted: () => void;
  readonly refuse: (error: ProaError) => void;
}

/** Most important first; in this order they are let in, in the other one they are shed. */
const order: readonly Priority[] = ['critical', 'default', 'sheddable'];

/** Makes the door: up to the learnt limit calls run at once; a short, bounded queue absorbs bursts; the rest is refused at once with `shed`. */
export function createAdmission(options: AdmissionOptions): Admission {
  return new Door(options);
}

class Door implements Admission {
  readonly #options: AdmissionOptions;
  // Per class, newest last. The newest is let in first: who has waited long has mostly given up.
  readonly #queues: Readonly<Record<Priority, Set<Waiter>>> = { critical: new Set(), default: new Set(), sheddable: new Set() };
  readonly #others: Sums | undefined;
  inFlight = 0;
  waiting = 0;

  constructor(options: AdmissionOptions) {
    this.#options = options;
    this.#others = options.others?.sums(() => [this.inFlight + this.waiting]);
  }

  enter(call: Call<unknown>, priority: Priority): Promise<void> | undefined {
    this.#others?.touched();
    if (this.#hasRoom(priority)) {
      this.#begin(call);
      return undefined;
    }
    if (this.waiting >= this.#queueMax() && !this.#evict(priority)) return Promise.reject(this.#shed());
    return this.#wait(call, priority);
  }

  #hasRoom(priority: Priority): boolean {
    const { limit, shares, others } = this.#options;
    const room = others === undefined ? limit.current : Math.min(limit.current, Math.floor(others.limitMax * this.#part()));
    return this.inFlight < Math.max(1, Math.floor(room * shares[priority]));
  }

  #queueMax(): number {
    const { queueMax, others } = this.#options;
    return others === undefined || queueMax === 0 ? queueMax : Math.max(1, Math.floor(queueMax * this.#part()));
  }

  /** Of all demand, how much is here, with the call that asks. */
  #part(): number {
    const [elsewhere = 0] = this.#others?.others ?? [];
    const here = this.inFlight + this.waiting + 1;
    return here / (here + elsewhere);
  }

  #begin(call: Call<unknown>): void {
    const { clock, limit } = this.#options;
    this.inFlight++;
    const begunMs = clock.mono();
    call.end.listen(({ ok, error }) => {
      const dropped = !ok && error !== undefined && ProaError.from(error).code === 'deadline-exceeded';
      // A failure that came at once says nothing about how long work takes.
      if (ok || dropped) limit.sample(clock.mono() - begunMs, this.inFlight, dropped);
      this.inFlight--;
      this.#admitNext();
    });
  }

  #wait(call: Call<unknown>, priority: Priority): Promise<void> {
    const { clock, waitMaxMs } = this.#options;
    const queue = this.#queues[priority];
    return new Promise((resolve, reject) => {
      let timer: Timer | undefined = undefined;
      let unlink = (): void => {};
      const leave = (): void => {
        if (!queue.delete(waiter)) return;
        this.waiting--;
        timer?.cancel();
        unlink();
      };
      const waiter: Waiter = {
        priority,
        admitted: () => {
          leave();
          this.#begin(call);
          resolve();
        },
        refuse: (error) => {
          leave();
          reject(error);
        },
      };
      queue.add(waiter);
      this.waiting++;
      timer = clock.timer(waitMaxMs, () => waiter.refuse(this.#shed()));
      unlink = call.cancel.onCancel((reason) =>
        waiter.refuse(new ProaError('cancelled', 'the caller gave up while it waited to be let in', { cause: reason })),
      );
    });
  }

  #admitNext(): void {
    for (const priority of order) {
      const queue = this.#queues[priority];
      while (queue.size > 0 && this.#hasRoom(priority)) {
        let newest: Waiter | undefined;
        for (const waiter of queue) newest = waiter;
        newest?.admitted();
      }
    }
  }

  /** Makes room in the queue by refusing the one that matters least, if it matters less. */
  #evict(priority: Priority): boolean {
    for (let i = order.length - 1; i > order.indexOf(priority); i--) {
      const [oldest] = this.#queues[order[i] as Priority];
      if (oldest === undefined) continue;
      oldest.refuse(this.#shed());
      return true;
    }
    return false;
  }

  #shed(): ProaError {
    this.#options.refused?.();
    return new ProaError('shed', `more calls arrive than can be answered: ${this.inFlight} are under way, ${this.waiting} wait`, {
      details: { metadata: { retryAfterMs: '1000' } },
      refusedAt: 'callee',
    });
  }
}

/** Lets calls in by their priority. */
export function admit<In, Out>(admission: Admission, priorityOf: (call: Call<unknown>) => Priority, tell: Tell = untold): Filter<In, Out> {
  return (next) => (call) => {
    const priority = priorityOf(call);
    const waiting = admission.enter(call, priority);
    return waiting === undefined
      ? next(call)
      : waiting.then(
          () => {
            tell(call, 'waited', `a call of priority ${priority} had to wait to be let in`);
            return next(call);
          },
          (thrown: unknown) => {
            const error = ProaError.from(thrown);
            tell(call, 'refused', `${error.message}; its priority is ${priority}`);
            throw error;
          },
        );
  };
}
