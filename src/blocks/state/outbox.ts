import { type Component, property } from '../../contracts/component-set.ts';
import type { OutboxEvent, OutboxPublisher, OutboxTarget } from '../../contracts/outbox.ts';
import type { Append } from '../../contracts/engine.ts';
import type { StateOperation } from '../../contracts/state.ts';
import type { Call } from '../../kernel/call.ts';
import { isProaError, ProaError } from '../../kernel/errors.ts';
import type { Random } from '../../kernel/ports.ts';
import type { TransactionItem } from './index.ts';

const projectionName = 'outbox.projection';
const yes = new Set(['true', 'yes', 'on', '1', 'y', 't']);

/** What a component says about its outbox. */
export interface OutboxSettings extends OutboxTarget {
  /** Intents without a marker are dropped instead of tried again later. */
  readonly discardWhenMissing: boolean;
}

/** Where the component's transactions publish; undefined unless broker and topic are both named. */
export function outboxOf(component: Component<'state'>): OutboxSettings | undefined {
  const pubsub = property(component, 'outboxPublishPubsub');
  const topic = property(component, 'outboxPublishTopic');
  if (pubsub === undefined || topic === undefined) return undefined;
  return {
    store: component.name,
    pubsub,
    topic,
    internalPubsub: property(component, 'outboxPubsub') ?? pubsub,
    discardWhenMissing: isYes(property(component, 'outboxDiscardWhenMissingState')),
  };
}

/** A transaction split into what is stored and what is published. */
export interface OutboxPlan {
  readonly stored: readonly TransactionItem[];
  readonly events: readonly OutboxEvent[];
}

/** Each upsert is published, with the data of its projection if there is one: an upsert of the same key marked `outbox.projection`, which is not stored. */
export function planOutbox(operations: readonly TransactionItem[], random: Random): OutboxPlan {
  const isProjection = (item: TransactionItem): boolean => item.kind === 'upsert' && isYes(item.metadata[projectionName]);
  const projections = new Map(operations.filter(isProjection).map((item) => [item.key, item]));
  const stored = operations.filter((item) => !isProjection(item));
  const events = stored.flatMap((item): OutboxEvent[] => {
    if (item.kind !== 'upsert') return [];
    const projection = projections.get(item.key);
    const source = projection?.kind === 'upsert' ? projection : item;
    const contentType = source.contentType ?? source.metadata['contentType'];
    return [
      {
        id: `outbox-${random.uuid()}`,
        data: source.value,
        attributes: item.metadata,
        ...(contentType !== undefined && contentType !== '' && { contentType }),
      },
    ];
  });
  return { stored, events };
}

/** What the transaction has to carry so that the events are published exactly when it succeeds. */
export interface OutboxParts {
  /** Markers of announced events; the relay publishes only events whose marker is there. */
  readonly markers: readonly StateOperation[];
  readonly appends?: readonly Append[];
}

/** One commit where state and topic share an engine, else intents and markers. Fails with `pubsub.outbox`; nothing is stored then. */
export async function prepareOutbox(
  target: OutboxTarget,
  events: readonly OutboxEvent[],
  on: {
    readonly publisher: OutboxPublisher | undefined;
    readonly component: Component<'state'>;
    readonly call: Call<unknown>;
    readonly appId: string;
  },
): Promise<OutboxParts> {
  const { publisher, component, call, appId } = on;
  const failed = (reason: string, cause?: unknown) =>
    new ProaError('pubsub.outbox', `error while publishing outbox message: ${reason}`, {
      cause,
      details: { metadata: { appID: appId, error: reason } },
    });
  if (publisher === undefined) throw failed(`state store ${target.store} has an outbox, but there is no pub/sub`);
  if (events.length === 0) return { markers: [] };
  try {
    const { engine } = component.driver;
    const appends = engine === undefined ? undefined : await publisher.appends(target, events, { engine, call });
    if (appends !== undefined) return { markers: [], appends };
    await publisher.announce(target, events, call);
    return { markers: events.map(({ id }) => ({ kind: 'upsert', key: id, data: Buffer.from('0') })) };
  } catch (cause) {
    throw isProaError(cause) ? cause : failed(cause instanceof Error ? cause.message : String(cause), cause);
  }
}

function isYes(word: string | undefined): boolean {
  return word !== undefined && yes.has(word.toLowerCase());
}
