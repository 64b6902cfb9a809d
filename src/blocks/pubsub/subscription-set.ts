import type { SubscriptionSpec } from '../../contracts/app-channel.ts';
import type { BlockContext } from '../../contracts/block-context.ts';
import type { ComponentSet } from '../../contracts/component-set.ts';
import { ProaError } from '../../kernel/errors.ts';
import { logFields } from '../../kernel/names.ts';
import type { Timer } from '../../kernel/ports.ts';
import { notFound } from './errors.ts';
import { openSubscription, type Destination, type LiveSubscription, type OpenOptions } from './live-subscription.ts';

/** How long after a failure a broker is asked again. */
const againMs = 5_000;

/** Ends a subscription when its component is unloaded: what is under way gets this long. */
const reloadGraceMs = 5_000;

interface Wanted {
  readonly spec: SubscriptionSpec;
  readonly destination: Destination;
  live: LiveSubscription | undefined;
  again: Timer | undefined;
  /** Opening and closing of one subscription follow each other. */
  work: Promise<void>;
  ended: boolean;
}

/**
 * The subscriptions that should be there. Each is opened when its component is loaded, opened again when that is reloaded or the broker failed, and
 * closed when it is removed. What cannot work (scopes, rules) is reported and not tried again until the component changes.
 */
export class SubscriptionSet {
  readonly #wanted = new Set<Wanted>();
  readonly #brokers: ComponentSet<'pubsub'>;
  readonly #context: BlockContext;
  readonly #parts: Pick<OpenOptions, 'publisher' | 'metrics'>;
  readonly #unlink: () => void;

  constructor(context: BlockContext, brokers: ComponentSet<'pubsub'>, parts: Pick<OpenOptions, 'publisher' | 'metrics'>) {
    this.#context = context;
    this.#brokers = brokers;
    this.#parts = parts;
    this.#unlink = brokers.onChange(({ added, removed }) => this.#reload(new Set([...added, ...removed])));
  }

  specs(): SubscriptionSpec[] {
    return Array.from(this.#wanted, ({ spec }) => spec);
  }

  /** Resolves when the first attempt to open it is over; the returned function ends it. With `strict` a first failure is thrown. */
  async add(spec: SubscriptionSpec, destination: Destination, strict = false): Promise<(graceMs: number) => Promise<void>> {
    const wanted: Wanted = { spec, destination, live: undefined, again: undefined, work: Promise.resolve(), ended: false };
    this.#wanted.add(wanted);
    const end = (graceMs: number): Promise<void> => this.#end(wanted, graceMs);
    const failure = await this.#enqueue(wanted, () => this.#open(wanted));
    if (strict && failure !== undefined) {
      await end(0);
      throw ProaError.from(failure);
    }
    return end;
  }

  async close(graceMs: number): Promise<void> {
    this.#unlink();
    await Promise.all(Array.from(this.#wanted, (wanted) => this.#end(wanted, graceMs)));
  }

  async #reload(names: ReadonlySet<string>): Promise<void> {
    const concerned = Array.from(this.#wanted).filter(({ spec }) => names.has(spec.pubsub));
    await Promise.all(
      concerned.map((wanted) =>
        this.#enqueue(wanted, async () => {
          if (wanted.live?.component === this.#brokers.get(wanted.spec.pubsub) && wanted.live !== undefined) return undefined;
          await this.#shut(wanted, reloadGraceMs);
          return this.#open(wanted);
        }),
      ),
    );
  }

  #enqueue<T>(wanted: Wanted, step: () => Promise<T>): Promise<T> {
    const done = wanted.work.then(step);
    wanted.work = done.then(
      () => undefined,
      () => undefined,
    );
    return done;
  }

  /** Answers what failed. */
  async #open(wanted: Wanted): Promise<unknown> {
    wanted.again?.cancel();
    wanted.again = undefined;
    if (wanted.ended || wanted.live !== undefined) return undefined;
    const { spec, destination } = wanted;
    const component = this.#brokers.get(spec.pubsub);
    const log = this.#context.log.scoped('proa.pubsub');
    if (component === undefined) {
      const error = notFound(spec.pubsub, {}, this.#brokers);
      log.warn(`topic ${spec.topic}: there is no pub/sub component ${spec.pubsub}; subscribing when it is loaded`, {
        [logFields.hint]: error.hint,
      });
      return error;
    }
    try {
      wanted.live = await openSubscription({ context: this.#context, spec, component, destination, ...this.#parts });
      log.info(`app is subscribed to topic ${spec.topic} through pubsub ${spec.pubsub}`);
      return undefined;
    } catch (error) {
      const { code, message, hint } = ProaError.from(error);
      log.error(`subscribing to topic ${spec.topic} of ${spec.pubsub} failed`, { [logFields.error]: message, [logFields.hint]: hint });
      const hopeless = code === 'pubsub.forbidden' || code === 'config.invalid';
      if (!hopeless && !wanted.ended) {
        const retry = (): void => void this.#enqueue(wanted, () => this.#open(wanted));
        wanted.again = this.#context.ports.clock.timer(againMs, retry, true);
      }
      return error;
    }
  }

  async #end(wanted: Wanted, graceMs: number): Promise<void> {
    wanted.ended = true;
    wanted.again?.cancel();
    this.#wanted.delete(wanted);
    await this.#enqueue(wanted, () => this.#shut(wanted, graceMs));
  }

  async #shut(wanted: Wanted, graceMs: number): Promise<void> {
    const { live } = wanted;
    wanted.live = undefined;
    wanted.again?.cancel();
    try {
      await live?.close(graceMs);
    } catch (error) {
      const { topic, pubsub } = wanted.spec;
      this.#context.log.warn(`the subscription to topic ${topic} of ${pubsub} did not end properly`, { [logFields.error]: String(error) });
    }
  }
}
