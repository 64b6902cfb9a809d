import { engineLimits, type Append, type Engine, type NewLogEntry } from '../../contracts/engine.ts';
import { Liveness } from '../../contracts/liveness.ts';
import type { Consumer, OutgoingMessage, PubSub, PubSubCapability, SubscribeRequest, Subscription } from '../../contracts/pubsub.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Logger } from '../../kernel/log.ts';
import { nodeCrypto } from '../../kernel/node-crypto.ts';
import type { Clock, Random } from '../../kernel/ports.ts';
import type { EngineBrokerConfig } from './config.ts';
import { Housekeeping } from './housekeeping.ts';
import { busKeys, type BusKeys } from './keys.ts';
import { metadataOf, partBytes, toEntry, uploadParts } from './messages.ts';
import { GroupSubscription } from './subscription.ts';
import { requireAppended, TurnAppends, type TopicLog } from './turn-appends.ts';

export interface BrokerContext {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly namespace: string;
  /** The bus when the configuration names none. */
  readonly name: string;
}

const batchEntriesMax = 256;
const batchBytesMax = engineLimits.commitBytesMax - 512 * 1024;
/** Topics known to be registered; beyond this many the set starts anew. */
const topicsKnownMax = 10_000;

/**
 * The durable event log as a broker: a topic is a log of the engine, publishing is an append (events of one turn share it), a group is a record per lane.
 * A published event is durable when `publish` resolves; it is delivered at least once to every group, again after a crash only if its acknowledgement was
 * not durable.
 */
export class EngineBroker implements PubSub {
  readonly capabilities: readonly PubSubCapability[] = ['MESSAGE_TTL', 'BULK_PUBSUB'];
  readonly #context: BrokerContext;
  readonly #config: EngineBrokerConfig;
  readonly #keys: BusKeys;
  readonly #broker: string;
  readonly #liveness: Liveness;
  readonly #housekeeping: Housekeeping;
  readonly #subscriptions = new Set<GroupSubscription>();
  /** Those that are registered, with their logs. */
  readonly #topics = new Map<string, TopicLog>();
  readonly #turn: TurnAppends;
  #members = 0;
  #closed = false;

  constructor(config: EngineBrokerConfig, context: BrokerContext) {
    const { engine, clock, log } = context;
    this.#config = config;
    this.#context = context;
    this.#keys = busKeys(context.namespace, config.bus ?? context.name);
    this.#broker = context.random.uuid();
    this.#turn = new TurnAppends(engine, clock);
    const shared = { engine, clock, log, keys: this.#keys, broker: this.#broker };
    this.#liveness = new Liveness({ engine, clock, log, leaseOf: this.#keys.lease, holder: this.#broker, ttlMs: config.leaseTtl });
    this.#housekeeping = new Housekeeping({
      ...shared,
      retentionMs: config.retention,
      retentionBytes: config.retentionBytes,
      keepConsumedMs: config.keepConsumed,
      intervalMs: 60_000,
    });
  }

  publish(message: OutgoingMessage): Promise<void> {
    const { topic, dedupe } = message;
    try {
      const entry = this.#entryOf(message);
      if (entry instanceof Promise) return entry.then((uploaded) => this.#publish(topic, uploaded, dedupe));
      return this.#publish(topic, entry, dedupe);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  async publishMany(messages: readonly OutgoingMessage[]): Promise<(Error | undefined)[]> {
    const errors: (Error | undefined)[] = messages.map(() => undefined);
    const work: Promise<void>[] = [];
    for (const batch of this.#batches(messages, errors)) {
      const failed = (error: unknown): void => {
        for (const index of batch.indices) errors[index] = ProaError.from(error);
      };
      work.push(this.#append(batch.topic, batch.entries).catch(failed));
    }
    messages.forEach((message, index) => {
      if (fitsBatch(message)) return;
      work.push(
        this.publish(message).catch((error: unknown) => {
          errors[index] = ProaError.from(error);
        }),
      );
    });
    await Promise.all(work);
    return errors;
  }

  get engine(): Engine {
    return this.#context.engine;
  }

  async appendsOf(messages: readonly OutgoingMessage[]): Promise<readonly Append[]> {
    const byTopic = new Map<string, NewLogEntry[]>();
    for (const message of messages) {
      const entries = byTopic.get(message.topic) ?? [];
      byTopic.set(message.topic, entries);
      entries.push(await this.#entryOf(message));
    }
    await this.#register([...byTopic.keys()]);
    return Array.from(byTopic, ([topic, entries]) => {
      const log = this.#keys.log(topic);
      this.#turn.flush(log);
      return { log, entries };
    });
  }

  #batches(messages: readonly OutgoingMessage[], errors: (Error | undefined)[]): Batch[] {
    const batches: Batch[] = [];
    const open = new Map<string, Batch>();
    const { engine } = this.#context;
    messages.forEach((message, index) => {
      if (!fitsBatch(message)) return;
      const bytes = message.data.length + 1024;
      let batch = open.get(message.topic);
      if (batch === undefined || batch.entries.length >= batchEntriesMax || batch.bytes + bytes > batchBytesMax) {
        batch = { topic: message.topic, entries: [], indices: [], bytes: 0 };
        open.set(message.topic, batch);
        batches.push(batch);
      }
      try {
        batch.entries.push(toEntry(message, engine));
        batch.indices.push(index);
        batch.bytes += bytes;
      } catch (error) {
        errors[index] = ProaError.from(error);
      }
    });
    return batches.filter(({ entries }) => entries.length > 0);
  }

  async subscribe(request: SubscribeRequest, consumer: Consumer): Promise<Subscription> {
    if (this.#closed) throw new ProaError('unavailable', 'this broker is closed');
    const { engine, clock, random, log } = this.#context;
    const { topic, group, metadata } = request;
    const subscription = new GroupSubscription(
      {
        engine,
        clock,
        random,
        log,
        keys: this.#keys,
        liveness: this.#liveness,
        broker: this.#broker,
        member: `${this.#broker}/${++this.#members}`,
        topic,
        group,
        startFrom: metadataOf(metadata, 'startFrom') ?? this.#config.startFrom,
        lanes: this.#config.lanes,
        recentMs: this.#config.keepConsumed,
        redeliverMs: this.#config.redeliverInterval,
        redeliverMsMax: this.#config.redeliverIntervalMax,
        pollMs: this.#config.leaseTtl / 2,
      },
      consumer,
    );
    this.#subscriptions.add(subscription);
    try {
      await subscription.start();
    } catch (error) {
      await this.#end(subscription, 0);
      throw error;
    }
    this.#housekeeping.start();
    return {
      pause: () => subscription.pause(),
      resume: () => subscription.resume(),
      close: (graceMs) => this.#end(subscription, graceMs),
    };
  }

  async ping(): Promise<void> {
    await this.#context.engine.get(this.#keys.housekeeping);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#turn.flushAll();
    await Promise.all(Array.from(this.#subscriptions, (subscription) => this.#end(subscription, 0)));
    await this.#housekeeping.close();
    await this.#liveness.close().catch(() => undefined);
  }

  async #end(subscription: GroupSubscription, graceMs: number): Promise<void> {
    await subscription.close(graceMs);
    this.#subscriptions.delete(subscription);
  }

  /** One event: it may share a commit with those of the same turn. */
  #publish(topic: string, entry: NewLogEntry, dedupe: string | undefined): Promise<void> {
    const known = dedupe === undefined ? this.#topics.get(topic) : undefined;
    return known === undefined ? this.#append(topic, [entry], dedupe) : this.#turn.append(known, entry);
  }

  /** Appends in one commit. A repeat with the same `dedupe` within 10 minutes changes nothing (the engine keeps commit ids that long). */
  async #append(topic: string, entries: readonly NewLogEntry[], dedupe?: string): Promise<void> {
    const known = this.#topics.get(topic);
    const log = known?.log ?? this.#keys.log(topic);
    this.#turn.flush(log);
    const result = await this.#context.engine.commit({
      append: [{ log, entries }],
      bytesGiven: true,
      ...(known === undefined && { put: [{ key: this.#keys.topic(topic), value: new Uint8Array(0) }] }),
      ...(dedupe !== undefined && { id: commitId(topic, dedupe) }),
    });
    requireAppended(topic, result);
    if (known === undefined) this.#remember(topic);
  }

  /** Housekeeping finds topics by their registration, so it stands before their first event. */
  async #register(topics: readonly string[]): Promise<void> {
    const unknown = topics.filter((topic) => !this.#topics.has(topic));
    if (unknown.length === 0) return;
    const put = unknown.map((topic) => ({ key: this.#keys.topic(topic), value: new Uint8Array(0) }));
    const result = await this.#context.engine.commit({ put });
    if (result.status !== 'done') throw new ProaError('unavailable', `the topics ${unknown.join(', ')} could not be registered`);
    for (const topic of unknown) this.#remember(topic);
  }

  #remember(topic: string): void {
    if (this.#topics.size >= topicsKnownMax) this.#topics.clear();
    this.#topics.set(topic, { topic, log: this.#keys.log(topic) });
    this.#housekeeping.start();
  }

  #entryOf(message: OutgoingMessage): NewLogEntry | Promise<NewLogEntry> {
    return message.data.length <= partBytes ? toEntry(message, this.#context.engine) : this.#upload(message);
  }

  #upload(message: OutgoingMessage): Promise<NewLogEntry> {
    const { engine, random } = this.#context;
    return uploadParts(engine, this.#keys, { message, upload: random.uuid(), keepMs: this.#config.retention });
  }
}

interface Batch {
  readonly topic: string;
  readonly entries: NewLogEntry[];
  readonly indices: number[];
  bytes: number;
}

/** A large message needs uploads, one with a dedupe id a commit of its own. */
function fitsBatch(message: OutgoingMessage): boolean {
  return message.data.length <= partBytes && message.dedupe === undefined;
}

function commitId(topic: string, dedupe: string): string {
  return `event:${nodeCrypto().createHash('sha256').update(`${topic}\0${dedupe}`).digest('base64url')}`;
}
