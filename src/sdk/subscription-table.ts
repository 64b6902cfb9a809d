import type { SubscriptionSpec } from '../blocks/pubsub/index.ts';
import { ProaError } from '../kernel/errors.ts';
import type { BulkHandler, BulkOptions, SubscriptionOptions } from './app.ts';
import type { EventHandler } from './event.ts';

interface Topic {
  readonly pubsub: string;
  readonly topic: string;
  readonly rules: { readonly match: string; readonly path: string }[];
  defaultPath?: string;
  metadata: Readonly<Record<string, string>>;
  deadLetterTopic?: string;
  bulk?: { readonly maxMessages: number; readonly maxAwaitMs: number };
}

const prefix = 'proa/events/';

/** The topics of an app: one subscription each, a path per handler. */
export class SubscriptionTable {
  readonly #topics = new Map<string, Topic>();
  readonly #handlers = new Map<string, EventHandler>();
  readonly #bulk = new Map<string, BulkHandler>();

  /** Fails with `config.invalid` when the topic has such a handler already. */
  add({ pubsub, topic, options, handler }: { pubsub: string; topic: string; options: SubscriptionOptions; handler: EventHandler }): void {
    const found = this.#topic(pubsub, topic, options);
    if (found.bulk !== undefined) throw twice(pubsub, topic);
    const path = this.#path();
    if (options.match === undefined) {
      if (found.defaultPath !== undefined) throw twice(pubsub, topic);
      found.defaultPath = path;
    } else {
      if (found.rules.some(({ match }) => match === options.match)) throw twice(pubsub, topic);
      found.rules.push({ match: options.match, path });
    }
    this.#handlers.set(path, handler);
  }

  addBulk({ pubsub, topic, options, handler }: { pubsub: string; topic: string; options: BulkOptions; handler: BulkHandler }): void {
    const found = this.#topic(pubsub, topic, options);
    if (found.defaultPath !== undefined || found.rules.length > 0) throw twice(pubsub, topic);
    found.bulk = { maxMessages: options.maxMessages ?? 100, maxAwaitMs: options.maxAwaitMs ?? 1_000 };
    found.defaultPath = this.#path();
    this.#bulk.set(found.defaultPath, handler);
  }

  specs(): SubscriptionSpec[] {
    return [...this.#topics.values()].map(({ rules, ...rest }) => ({ ...rest, rules: [...rules], kind: 'PROGRAMMATIC' }));
  }

  handlerAt(path: string): EventHandler | undefined {
    return this.#handlers.get(path.replace(/^\/+/, ''));
  }

  bulkAt(path: string): BulkHandler | undefined {
    return this.#bulk.get(path.replace(/^\/+/, ''));
  }

  #path(): string {
    return `${prefix}${this.#handlers.size + this.#bulk.size}`;
  }

  #topic(pubsub: string, topic: string, { metadata = {}, deadLetterTopic }: Omit<SubscriptionOptions, 'match'>): Topic {
    const key = `${pubsub}\0${topic}`;
    const found = this.#topics.get(key) ?? { pubsub, topic, rules: [], metadata: {} };
    this.#topics.set(key, found);
    found.metadata = { ...found.metadata, ...metadata };
    if (deadLetterTopic !== undefined) found.deadLetterTopic = deadLetterTopic;
    return found;
  }
}

function twice(pubsub: string, topic: string): ProaError {
  return new ProaError('config.invalid', `topic "${topic}" of "${pubsub}" has two handlers for the same events`, {
    hint: 'give one of them another `match`',
  });
}
