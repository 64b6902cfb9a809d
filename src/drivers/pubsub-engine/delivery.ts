import type { Consumer, IncomingMessage, Verdict } from '../../contracts/pubsub.ts';
import type { Clock, Random, Timer } from '../../kernel/ports.ts';

/** An event in memory between reading and settling. `Lane` identifies the holding of a lane, not its number. */
export interface Pending<Lane> {
  readonly lane: Lane;
  readonly sequence: number;
  readonly bytes: number;
  readonly key: string | undefined;
  /** The message, or how to read it when it is too large to wait in memory; undefined: it is gone. */
  readonly message: IncomingMessage | (() => Promise<IncomingMessage | undefined>);
}

export interface DeliveryOptions<Lane> {
  readonly clock: Clock;
  readonly random: Random;
  readonly consumer: Consumer;
  readonly redeliverMs: number;
  readonly redeliverMsMax: number;
  /** The event is done with; called once per event that was not withdrawn. */
  settled(pending: Pending<Lane>): void;
}

interface Job<Lane> extends Pending<Lane> {
  message: Pending<Lane>['message'];
  attempt: number;
  state: 'queued' | 'flying' | 'parked' | 'withdrawn';
  timer: Timer | undefined;
  /** Set while the lane is being given up: called when the verdict is there. */
  leaving: (() => void) | undefined;
}

/**
 * Hands events to the consumer: at most `concurrency` at once, events of one key one after another. An event that is to be retried parks with
 * exponential back-off; behind it only its own key waits. Attempts are counted in memory: another consumer begins at one.
 */
export class Delivery<Lane> {
  readonly #options: DeliveryOptions<Lane>;
  readonly #ready: Job<Lane>[] = [];
  #readyFrom = 0;
  /** Jobs of one key in order; the first is ready, flying or parked. */
  readonly #keys = new Map<string, Job<Lane>[]>();
  readonly #jobs = new Map<Lane, Set<Job<Lane>>>();
  /** Lanes that were withdrawn and whose last verdicts are still out. */
  readonly #leaving = new Map<Lane, Promise<void>>();
  #flying = 0;
  #running = true;

  constructor(options: DeliveryOptions<Lane>) {
    this.#options = options;
  }

  pause(): void {
    this.#running = false;
  }

  resume(): void {
    this.#running = true;
    this.#next();
  }

  add(pending: Pending<Lane>): void {
    const job: Job<Lane> = { ...pending, attempt: 1, state: 'queued', timer: undefined, leaving: undefined };
    const jobs = this.#jobs.get(job.lane);
    if (jobs === undefined) this.#jobs.set(job.lane, new Set([job]));
    else jobs.add(job);
    if (job.key !== undefined) {
      const queue = this.#keys.get(job.key);
      if (queue !== undefined) {
        if (queue[0]?.state === 'parked') job.message = ownMessage(job.message);
        queue.push(job);
        return;
      }
      this.#keys.set(job.key, [job]);
    }
    this.#ready.push(job);
    this.#next();
  }

  /** Drops the lane's events that are not under way; resolves when those under way have their verdict (an `ack` is honoured), whoever asked first. */
  withdraw(lane: Lane): Promise<void> {
    const leaving = this.#leaving.get(lane);
    if (leaving !== undefined) return leaving;
    const jobs = this.#jobs.get(lane);
    this.#jobs.delete(lane);
    const flying: Job<Lane>[] = [];
    for (const job of jobs ?? []) {
      if (job.state === 'flying') {
        flying.push(job);
        continue;
      }
      job.timer?.cancel();
      job.state = 'withdrawn';
      this.#leaveKey(job);
    }
    const ends = flying.map((job) => new Promise<void>((resolve) => (job.leaving = resolve)));
    const left = Promise.all(ends).then(() => void this.#leaving.delete(lane));
    this.#leaving.set(lane, left);
    return left;
  }

  /** Takes the job out of its key's queue; if it stood first, the next of that key is due. */
  #leaveKey(job: Job<Lane>): void {
    if (job.key === undefined) return;
    const queue = this.#keys.get(job.key);
    const at = queue?.indexOf(job) ?? -1;
    if (queue === undefined || at < 0) return;
    queue.splice(at, 1);
    const first = queue[0];
    if (first === undefined) this.#keys.delete(job.key);
    else if (at === 0) this.#ready.push(first);
  }

  #next(): void {
    while (this.#running && this.#flying < this.#options.consumer.concurrency) {
      const job = this.#ready[this.#readyFrom];
      if (job === undefined) break;
      this.#readyFrom++;
      if (job.state === 'queued') this.#deliver(job);
    }
    if (this.#readyFrom > 1024 || this.#readyFrom === this.#ready.length) {
      this.#ready.splice(0, this.#readyFrom);
      this.#readyFrom = 0;
    }
  }

  #deliver(job: Job<Lane>): void {
    job.state = 'flying';
    this.#flying++;
    const { message } = job;
    const verdict = typeof message === 'function' ? message().then((read) => this.#hand(job, read)) : this.#hand(job, message);
    verdict.then(
      (given) => this.#judge(job, given),
      () => this.#judge(job, 'retry'),
    );
  }

  #hand(job: Job<Lane>, message: IncomingMessage | undefined): Promise<Verdict> {
    if (message === undefined) return Promise.resolve('ack');
    return this.#options.consumer.deliver(job.attempt === 1 ? message : { ...message, attempt: job.attempt });
  }

  #judge(job: Job<Lane>, verdict: Verdict): void {
    this.#flying--;
    if (verdict === 'ack') this.#options.settled(job);
    if (verdict === 'ack' || job.leaving !== undefined) {
      job.state = 'withdrawn';
      this.#leaveKey(job);
      const jobs = this.#jobs.get(job.lane);
      if (jobs?.delete(job) === true && jobs.size === 0) this.#jobs.delete(job.lane);
      job.leaving?.();
    } else this.#park(job);
    this.#next();
  }

  #park(job: Job<Lane>): void {
    const { clock, random, redeliverMs, redeliverMsMax } = this.#options;
    const capMs = Math.min(redeliverMsMax, redeliverMs * 2 ** Math.min(job.attempt - 1, 30));
    // Half fixed, half random: events that failed together do not come back together.
    const delayMs = capMs / 2 + (capMs / 2) * (random.u32() / 0x1_0000_0000);
    job.attempt++;
    job.state = 'parked';
    for (const waiting of (job.key === undefined ? undefined : this.#keys.get(job.key)) ?? [job])
      waiting.message = ownMessage(waiting.message);
    const due = (): void => {
      job.state = 'queued';
      job.timer = undefined;
      this.#ready.push(job);
      this.#next();
    };
    job.timer = clock.timer(delayMs, due, true);
  }
}

/** Events come as parts of the page that they were read with: one that is to wait does not wait with all of it. */
function ownMessage(message: Pending<unknown>['message']): Pending<unknown>['message'] {
  if (typeof message === 'function') return message;
  const { data } = message;
  return data.buffer.byteLength <= 2 * data.length ? message : { ...message, data: new Uint8Array(data) };
}
