import type {
  Consumer,
  IncomingMessage,
  OutgoingMessage,
  PubSub,
  PubSubCapability,
  SubscribeRequest,
  Subscription,
} from '../../contracts/pubsub.ts';
import { ProaError } from '../../kernel/errors.ts';
import { ownText } from '../../kernel/flat-text.ts';
import type { Logger } from '../../kernel/log.ts';
import type { Clock } from '../../kernel/ports.ts';
import { topicMatches } from './wildcard.ts';

/** What may wait in one subscription; beyond it `publish` fails with `overloaded`. */
const queuedMax = 10_000;
const queuedBytesMax = 64 * 1024 * 1024;

interface Listener {
  readonly pattern: string;
  readonly queue: Queue;
}

/**
 * The bus inside one process, as Dapr's `pubsub.in-memory`: asynchronous, topics may hold `*`, every subscription gets every event (groups do
 * not compete), what fails is not repeated and what waits is lost at exit.
 */
export class MemoryBroker implements PubSub {
  readonly capabilities: readonly PubSubCapability[] = ['SUBSCRIBE_WILDCARDS'];
  readonly #listeners = new Set<Listener>();
  readonly #clock: Clock;
  readonly #log: Logger;
  #published = 0;
  #closed = false;

  constructor(clock: Clock, log: Logger) {
    this.#clock = clock;
    this.#log = log;
  }

  async publish(message: OutgoingMessage): Promise<void> {
    if (this.#closed) throw new ProaError('unavailable', 'component is closed');
    const { topic, metadata, contentType } = message;
    const listeners = Array.from(this.#listeners).filter(({ pattern }) => topicMatches(pattern, topic));
    if (listeners.length === 0) return;
    // A copy: the caller may use its buffer again as soon as this resolves.
    const data = new Uint8Array(message.data);
    const full = listeners.find(({ queue }) => queue.full(data.length));
    if (full !== undefined) throw new ProaError('overloaded', `a subscriber of ${topic} does not keep up: too many events wait in memory`);
    const id = String(++this.#published);
    // Cut out of a head, which would wait with the event.
    const type = contentType === undefined ? {} : { contentType: ownText(contentType) };
    const incoming: IncomingMessage = { id, topic, data, metadata, attempt: 1, ...type };
    for (const { queue } of listeners) queue.push(incoming);
  }

  async subscribe(request: SubscribeRequest, consumer: Consumer): Promise<Subscription> {
    if (this.#closed) throw new ProaError('unavailable', 'component is closed');
    const queue = new Queue(this.#clock, consumer, (message) => {
      this.#log.warn(`an event of topic ${message.topic} failed; this broker does not repeat events`);
    });
    const listener = { pattern: request.topic, queue };
    this.#listeners.add(listener);
    return {
      pause: () => queue.pause(),
      resume: () => queue.resume(),
      close: (graceMs) => {
        this.#listeners.delete(listener);
        return queue.close(graceMs);
      },
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    const listeners = Array.from(this.#listeners);
    this.#listeners.clear();
    await Promise.all(listeners.map(({ queue }) => queue.close(0)));
  }
}

/** Messages of one subscription: waiting, or under way at the consumer. */
class Queue {
  readonly #clock: Clock;
  readonly #consumer: Consumer;
  readonly #failed: (message: IncomingMessage) => void;
  readonly #waiting: IncomingMessage[] = [];
  #from = 0;
  #bytes = 0;
  #flying = 0;
  #running = true;
  #scheduled = false;
  #idle: (() => void) | undefined;

  constructor(clock: Clock, consumer: Consumer, failed: (message: IncomingMessage) => void) {
    this.#clock = clock;
    this.#consumer = consumer;
    this.#failed = failed;
  }

  full(bytes: number): boolean {
    const count = this.#waiting.length - this.#from;
    return count >= queuedMax || (count > 0 && this.#bytes + bytes > queuedBytesMax);
  }

  push(message: IncomingMessage): void {
    this.#waiting.push(message);
    this.#bytes += message.data.length;
    this.#schedule();
  }

  pause(): void {
    this.#running = false;
  }

  resume(): void {
    this.#running = true;
    this.#schedule();
  }

  close(graceMs: number): Promise<void> {
    this.#running = false;
    this.#waiting.length = 0;
    this.#from = 0;
    if (this.#flying === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = this.#clock.timer(graceMs, resolve);
      this.#idle = () => {
        timer.cancel();
        resolve();
      };
    });
  }

  /** Delivery begins in a later turn: publishers never wait for subscribers. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#clock.soon(() => {
      this.#scheduled = false;
      this.#next();
    });
  }

  #next(): void {
    while (this.#running && this.#flying < this.#consumer.concurrency) {
      const message = this.#waiting[this.#from];
      if (message === undefined) break;
      this.#from++;
      this.#bytes -= message.data.length;
      this.#deliver(message);
    }
    if (this.#from > 1024 || this.#from === this.#waiting.length) {
      this.#waiting.splice(0, this.#from);
      this.#from = 0;
    }
  }

  #deliver(message: IncomingMessage): void {
    this.#flying++;
    const done = (failed: boolean): void => {
      this.#flying--;
      if (failed) this.#failed(message);
      if (this.#flying === 0) this.#idle?.();
      this.#next();
    };
    this.#consumer.deliver(message).then(
      (verdict) => done(verdict !== 'ack'),
      () => done(true),
    );
  }
}
