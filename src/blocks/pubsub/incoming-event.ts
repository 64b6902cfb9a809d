import type { IncomingMessage } from '../../contracts/pubsub.ts';
import type { Metadata } from '../../contracts/state.ts';
import { isTraceparent, noTrace, type TraceContext } from '../../kernel/trace-context.ts';
import { mediaType } from './content-type.ts';
import { quoted } from './envelope.ts';
import { jsonMembers, stringMember, type JsonMember } from '../../kernel/json-scan.ts';

/** An event as the app gets it, and what the runtime needs to know of it. */
export interface IncomingEvent {
  /** Structured CloudEvent, JSON. */
  readonly cloudEvent: Uint8Array;
  readonly id: string;
  /** RFC 3339 as the publisher wrote it. */
  readonly expiration: string | undefined;
  readonly trace: TraceContext;
  /** A string attribute of the event; undefined when it is absent or of another kind. */
  attribute(name: string): string | undefined;
  /** The event as a map, for routing rules; parsed on first use. */
  view(): Readonly<Record<string, unknown>>;
}

export interface ReadOptions {
  readonly pubsub: string;
  /** The subscription wants what was published raw: everything is wrapped. */
  readonly raw: boolean;
  /** A new event id, for wrapped payloads. */
  readonly newId: () => string;
}

/**
 * Reads a message by the rules of Dapr reference 12.2: raw payloads are wrapped, binary CloudEvents are rebuilt from `ce_` metadata, everything
 * else must be a JSON object, whose bytes go to the app unchanged. Undefined when it is none.
 */
export function readEvent(message: IncomingMessage, options: ReadOptions): IncomingEvent | undefined {
  if (options.raw) return eventOf(wrapRaw(message, options), message.metadata);
  if (mediaType(contentTypeOf(message) ?? '') === 'application/octet-stream') return eventOf(rebuild(message), message.metadata);
  return eventOf(message.data, message.metadata);
}

/** The content type that the broker tells, by itself or as metadata. */
export function contentTypeOf({ contentType, metadata }: IncomingMessage): string | undefined {
  return contentType ?? metadata['content-type'];
}

function eventOf(bytes: Uint8Array, metadata: Metadata): IncomingEvent | undefined {
  const members = jsonMembers(bytes);
  if (members === undefined) return undefined;
  const byName = new Map<string, JsonMember>();
  for (const member of members) byName.set(member.name, member);
  const attribute = (name: string): string | undefined => stringMember(bytes, byName.get(name));
  let view: Readonly<Record<string, unknown>> | undefined;
  return {
    cloudEvent: bytes,
    id: attribute('id') ?? '',
    expiration: attribute('expiration'),
    trace: traceOf(attribute, metadata),
    attribute,
    view: () =>
      (view ??= JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8')) as Record<string, unknown>),
  };
}

function traceOf(attribute: (name: string) => string | undefined, metadata: Metadata): TraceContext {
  const traceparent = attribute('traceparent') ?? attribute('traceid') ?? metadata['traceparent'] ?? metadata['traceid'] ?? '';
  if (!isTraceparent(traceparent)) return noTrace;
  return { traceparent, tracestate: attribute('tracestate') ?? metadata['tracestate'] ?? '', baggage: '' };
}

function base64(data: Uint8Array): string {
  return Buffer.from(data.buffer, data.byteOffset, data.length).toString('base64');
}

function wrapRaw({ data, topic, metadata }: IncomingMessage, { pubsub, newId }: ReadOptions): Buffer {
  const { traceparent, tracestate } = metadata;
  const traceid = traceparent ?? metadata['traceid'];
  return Buffer.from(
    `{"id":${quoted(newId())},"specversion":"1.0","datacontenttype":"application/octet-stream","source":"Dapr","type":"com.dapr.event.sent",` +
      `"topic":${quoted(topic)},"pubsubname":${quoted(pubsub)}` +
      (traceid === undefined ? '' : `,"traceid":${quoted(traceid)}`) +
      (traceparent === undefined ? '' : `,"traceparent":${quoted(traceparent)}`) +
      (tracestate === undefined ? '' : `,"tracestate":${quoted(tracestate)}`) +
      `,"data_base64":"${base64(data)}"}`,
    'latin1',
  );
}

function rebuild(message: IncomingMessage): Buffer {
  const { data, metadata } = message;
  const reserved = new Set(['data', 'data_base64', 'datacontenttype']);
  let text = `{"datacontenttype":${quoted(contentTypeOf(message) ?? '')}`;
  for (const key in metadata) {
    const lower = key.toLowerCase();
    const name = lower.slice(3);
    if (!lower.startsWith('ce_') || name === '' || reserved.has(name)) continue;
    reserved.add(name);
    text += `,${quoted(name)}:${quoted(metadata[key] as string)}`;
  }
  return Buffer.from(`${text},"data_base64":"${base64(data)}"}`, 'latin1');
}

/** True when the event's `expiration` lies before `nowMs`; a text that is no instant never expires, as in Dapr. */
export function hasExpired(event: IncomingEvent, nowMs: number): boolean {
  if (event.expiration === undefined || event.expiration === '') return false;
  const instant = Date.parse(event.expiration);
  return !Number.isNaN(instant) && instant < nowMs;
}
