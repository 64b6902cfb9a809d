import type { BlockContext } from '../../contracts/block-context.ts';
import { property, type Component, type ComponentSet } from '../../contracts/component-set.ts';
import type { OutboxTarget } from '../../contracts/outbox.ts';
import type { IncomingMessage, Subscription, Verdict } from '../../contracts/pubsub.ts';
import { createCall } from '../../kernel/call.ts';
import type { Logger } from '../../kernel/log.ts';
import { logFields } from '../../kernel/names.ts';
import type { Timer } from '../../kernel/ports.ts';
import type { OutboxConsumer, OutboxRelaying } from './index.ts';
import { jsonMembers, stringMember } from '../../kernel/json-scan.ts';
import { internalTopic } from './outbox-publisher.ts';
import { ended, type Publisher } from './publisher.ts';

/** Events that look for their marker at the same time, per topic; each may wait 10 s for it. */
const concurrency = 64;

/** How long after a failure a broker is asked again. */
const againMs = 5_000;

const relayOperation = { block: 'pubsub', name: 'publish', idempotent: false } as const;

interface Parts extends OutboxRelaying {
  readonly brokers: ComponentSet<'pubsub'>;
  readonly publisher: Publisher;
}

/** Consumes the internal topics of the app's outboxes, one subscription per broker and topic (see `PubSubBlock.relayOutbox`). */
export function relayOutbox(context: BlockContext, parts: Parts): OutboxConsumer {
  return new Intents(context, parts);
}

interface Live {
  readonly component: Component<'pubsub'>;
  readonly subscription: Subscription;
}

class Intents implements OutboxConsumer {
  readonly #context: BlockContext;
  readonly #parts: Parts;
  readonly #log: Logger;
  readonly #live = new Map<string, Live>();
  #again: Timer | undefined;
  #turn: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(context: BlockContext, parts: Parts) {
    this.#context = context;
    this.#parts = parts;
    this.#log = context.log.scoped('outbox');
  }

  refresh(): Promise<void> {
    this.#turn = this.#turn.then(() => this.#follow());
    return this.#turn;
  }

  close(graceMs: number): Promise<void> {
    this.#closed = true;
    this.#again?.cancel();
    this.#turn = this.#turn.then(async () => {
      await Promise.all(Array.from(this.#live.keys(), (id) => this.#end(id, graceMs)));
    });
    return this.#turn;
  }

  async #follow(): Promise<void> {
    if (this.#closed) return;
    this.#again?.cancel();
    this.#again = undefined;
    const wanted = new Map(this.#parts.targets().map((target) => [idOf(target), target]));
    for (const [id, { component }] of this.#live) {
      const target = wanted.get(id);
      if (target === undefined || this.#parts.brokers.get(target.internalPubsub) !== component) await this.#end(id, againMs);
    }
    for (const [id, target] of wanted) if (!this.#live.has(id)) await this.#open(id, target);
  }

  async #open(id: string, { store, topic, internalPubsub }: OutboxTarget): Promise<void> {
    const component = this.#parts.brokers.get(internalPubsub);
    if (component === undefined) {
      this.#log.warn(`the outbox of state store ${store} waits for pub/sub ${internalPubsub}, which is not loaded`);
      return;
    }
    const request = {
      topic: internalTopic(this.#context, topic),
      group: property(component, 'consumerID') ?? this.#context.appId,
      metadata: {},
    };
    try {
      const deliver = (message: IncomingMessage): Promise<Verdict> => this.#deliver(message, internalPubsub, topic);
      this.#live.set(id, { component, subscription: await component.driver.subscribe(request, { concurrency, deliver }) });
    } catch (error) {
      this.#log.error(`subscribing to the outbox topic ${request.topic} of ${internalPubsub} failed`, { [logFields.error]: String(error) });
      this.#again ??= this.#context.ports.clock.timer(againMs, () => void this.refresh(), true);
    }
  }

  async #end(id: string, graceMs: number): Promise<void> {
    const live = this.#live.get(id);
    this.#live.delete(id);
    await live?.subscription.close(graceMs).catch((error: unknown) => {
      this.#log.warn('a subscription to an outbox topic did not end properly', { [logFields.error]: String(error) });
    });
  }

  async #deliver({ data }: IncomingMessage, internalPubsub: string, topic: string): Promise<Verdict> {
    const id = idOfEvent(data);
    if (id === undefined) {
      this.#log.error(`dropping a message of the outbox topic for ${topic} that is not a CloudEvent with an id`);
      return 'ack';
    }
    const targets = this.#parts.targets().filter((target) => target.internalPubsub === internalPubsub && target.topic === topic);
    return this.#parts.deliver({
      id,
      stores: targets.map(({ store }) => store),
      publish: async (store) => {
        const pubsub = targets.find((target) => target.store === store)?.pubsub ?? internalPubsub;
        const { appId, namespace } = this.#context;
        const input = { pubsub, topic, data, contentType: 'application/cloudevents+json', metadata: {} };
        const call = createCall(relayOperation, input, { caller: { appId, namespace } });
        await ended(call, this.#parts.publisher.publish(call));
      },
    });
  }
}

function idOf({ internalPubsub, topic }: OutboxTarget): string {
  return `${internalPubsub}\0${topic}`;
}

function idOfEvent(data: Uint8Array): string | undefined {
  return stringMember(
    data,
    jsonMembers(data)?.findLast(({ name }) => name === 'id'),
  );
}
