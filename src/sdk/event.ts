import type { AppEvent, EventVerdict } from '../blocks/pubsub/index.ts';
import { fromJson } from './json.ts';

/** One event as handlers see it. */
export interface TopicEvent<T = unknown> {
  readonly id: string;
  readonly pubsub: string;
  readonly topic: string;
  readonly type: string;
  readonly source: string;
  readonly contentType: string;
  /** JSON as a value, other texts as text, binary payloads as bytes. */
  readonly data: T;
  /** The whole CloudEvent. */
  readonly cloudEvent: Readonly<Record<string, unknown>>;
  readonly metadata: Readonly<Record<string, string>>;
  readonly traceparent: string;
}

/** `retry`: deliver it again. `drop`: give it up, to the dead letter topic if there is one. Nothing: it is done with. */
export type EventAnswer = 'retry' | 'drop' | 'success' | undefined | void;
export type EventHandler<T = unknown> = (event: TopicEvent<T>) => Promise<EventAnswer> | EventAnswer;

/** An event out of its envelope: a CloudEvent in structured JSON. */
export function readEvent(event: AppEvent): TopicEvent {
  const envelope = fromJson(event.cloudEvent);
  const cloudEvent = typeof envelope === 'object' && envelope !== null ? (envelope as Record<string, unknown>) : {};
  const text = (name: string): string => (typeof cloudEvent[name] === 'string' ? cloudEvent[name] : '');
  const binary = cloudEvent['data_base64'];
  return {
    id: text('id'),
    pubsub: event.pubsub,
    topic: event.topic,
    type: text('type'),
    source: text('source'),
    contentType: text('datacontenttype'),
    data: typeof binary === 'string' ? Uint8Array.from(Buffer.from(binary, 'base64')) : cloudEvent['data'],
    cloudEvent,
    metadata: event.metadata,
    traceparent: text('traceparent'),
  };
}

/** What a handler's answer means; a failure is a retry. */
export async function verdictOf(answer: () => Promise<EventAnswer> | EventAnswer): Promise<EventVerdict> {
  try {
    const said = await answer();
    return said === 'drop'
      ? { status: 'drop', error: 'the handler dropped the event' }
      : { status: said === 'retry' ? 'retry' : 'success' };
  } catch (error) {
    return { status: 'retry', error: error instanceof Error ? error.message : String(error) };
  }
}
