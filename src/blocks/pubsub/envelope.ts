import { isUtf8 } from 'node:buffer';
import type { Metadata } from '../../contracts/state.ts';
import { ownText } from '../../kernel/flat-text.ts';
import type { TraceContext } from '../../kernel/trace-context.ts';
import { dataForm, type DataForm } from './content-type.ts';
import {
  createEventSlab,
  type EnvelopeTemplate,
  type EventSlab,
  fillTemplate,
  fitsTemplate,
  joinEvent,
  slabEventMax,
  templateOf,
} from './envelope-template.ts';
import { isJson } from '../../kernel/json-scan.ts';

/** What an event is wrapped with (Dapr reference 12.2). */
export interface EnvelopeInput {
  readonly id: string;
  readonly source: string;
  readonly topic: string;
  readonly pubsub: string;
  readonly contentType: string;
  /** A string is JSON that this process has just written. */
  readonly data: Uint8Array | string;
  /** RFC 3339. */
  readonly time: string;
  readonly trace: TraceContext;
  /** RFC 3339; present when the broker does not expire messages itself. */
  readonly expiration?: string | undefined;
  /** Request metadata, searched for `cloudevent.*`. */
  readonly metadata: Metadata;
}

/** Attributes that a publisher may set by `cloudevent.<name>`, in any case. Data, topic, pub/sub name and content type are not among them. */
interface Overrides {
  id?: string;
  source?: string;
  type?: string;
  subject?: string;
  traceid?: string;
  traceparent?: string;
  tracestate?: string;
}

const overridable: ReadonlySet<string> = new Set(['id', 'source', 'type', 'subject', 'traceid', 'traceparent', 'tracestate']);
const prefix = 'cloudevent.';
const defaultType = 'com.dapr.event.sent';

/** Undefined when there are none, which is the rule. */
function overridesOf(metadata: Metadata): Overrides | undefined {
  let overrides: Record<string, string> | undefined;
  for (const key in metadata) {
    if (key.length <= prefix.length || key.slice(0, prefix.length).toLowerCase() !== prefix) continue;
    const name = key.slice(prefix.length).toLowerCase();
    const value = metadata[key];
    if (overridable.has(name) && value !== undefined && value !== '') (overrides ??= {})[name] = value;
  }
  return overrides;
}

const plain = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;

/** A JSON string in ASCII alone, so that an envelope's text can be written byte by character. */
export function quoted(text: string): string {
  if (plain.test(text)) return `"${text}"`;
  return JSON.stringify(text).replace(/[\x7f-\uffff]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

interface Head {
  readonly pubsub: string;
  readonly contentType: string;
  readonly source: string;
  readonly form: DataForm;
  /** Up to the id. */
  readonly start: string;
  /** Between id and time, when nothing is overridden. */
  readonly middle: string;
  /** The same as bytes, made at the first event without a trace and with one. */
  untracedTemplate: EnvelopeTemplate | undefined;
  tracedTemplate: EnvelopeTemplate | undefined;
}

/** The parts of envelopes that repeat from event to event, rendered once per topic, pub/sub and content type. */
export interface EnvelopeTemplates {
  readonly topicsMax: number;
  readonly byTopic: Map<string, Head[]>;
  readonly slab: EventSlab;
}

/** Empty templates; beyond `topicsMax` topics they begin anew. */
export function createTemplates(topicsMax = 1024): EnvelopeTemplates {
  return { topicsMax, byTopic: new Map(), slab: createEventSlab() };
}

/** Content types of one topic that are kept: publishers choose them freely. */
const headsMax = 8;

function headOf({ byTopic, topicsMax }: EnvelopeTemplates, input: EnvelopeInput): Head {
  const { topic, pubsub, contentType, source } = input;
  const heads = byTopic.get(topic);
  // Compared one by one: joining them into a key would cost more than all the rest of the look-up.
  if (heads !== undefined) {
    for (const head of heads) if (head.pubsub === pubsub && head.contentType === contentType && head.source === source) return head;
  }
  const head = newHead(input);
  if (heads !== undefined && heads.length < headsMax) heads.push(head);
  else {
    if (byTopic.size >= topicsMax) byTopic.clear();
    byTopic.set(ownText(topic), [head]);
  }
  return head;
}

/** It outlives the request whose parts its texts are. */
function newHead({ topic, pubsub, contentType: given, source }: EnvelopeInput): Head {
  const contentType = ownText(given);
  const start =
    `{"datacontenttype":${quoted(contentType === '' ? 'text/plain' : contentType)},"pubsubname":${quoted(pubsub)},` +
    `"specversion":"1.0","topic":${quoted(topic)},"id":`;
  return {
    pubsub: ownText(pubsub),
    contentType,
    source,
    form: dataForm(contentType),
    start: ownText(start),
    middle: `,"source":${quoted(source)},"type":"${defaultType}","time":"`,
    untracedTemplate: undefined,
    tracedTemplate: undefined,
  };
}

/**
 * Wraps data into a structured CloudEvent by joining rendered attributes with the data's bytes. Valid JSON is embedded as it is, never parsed
 * (numbers keep their digits); invalid JSON and text become a string; binary types, and text that is not UTF-8, become `data_base64`.
 */
export function wrapEvent(templates: EnvelopeTemplates, input: EnvelopeInput): Buffer {
  const head = headOf(templates, input);
  const overrides = overridesOf(input.metadata);
  const quick = overrides === undefined && input.expiration === undefined ? fromTemplate(templates.slab, head, input) : undefined;
  if (quick !== undefined) return quick;
  const text =
    (overrides === undefined ? plainHead(head, input) : overridden(head, overrides, input)) +
    (input.expiration === undefined ? '' : `,"expiration":"${input.expiration}"`);
  return appendData(text, input.data, head.form);
}

function plainHead({ start, middle }: Head, { id, time, trace }: Pick<EnvelopeInput, 'id' | 'time' | 'trace'>): string {
  return `${start}${quoted(id)}${middle}${time}"${traced(trace.traceparent, trace.tracestate)}`;
}

/** What nearly every event is: small, of JSON, and different from the one before it in id, second and trace alone. Undefined for any other. */
function fromTemplate(slab: EventSlab, head: Head, { id, time, trace, data }: EnvelopeInput): Buffer | undefined {
  const { traceparent, tracestate } = trace;
  const parts = { id, time, traceparent };
  if (head.form !== 'json' || tracestate !== '' || !fitsTemplate(parts)) return undefined;
  const template =
    traceparent === '' ? (head.untracedTemplate ??= newTemplate(head, false)) : (head.tracedTemplate ??= newTemplate(head, true));
  const bytesMax = data.length * (typeof data === 'string' ? 3 : 1) + template.bytes.length + 1;
  if (bytesMax > slabEventMax || !fillTemplate(template, parts)) return undefined;
  return typeof data === 'string' || isJson(data) ? joinEvent(slab, template.bytes, data) : undefined;
}

function newTemplate(head: Head, withTrace: boolean): EnvelopeTemplate {
  return templateOf(
    withTrace,
    ({ id, time, traceparent }) =>
      `${head.start}"${id}"${head.middle}${time}","traceid":"${traceparent}","traceparent":"${traceparent}","tracestate":"","data":`,
  );
}

function overridden(head: Head, overrides: Overrides, { id, source, time, trace }: EnvelopeInput): string {
  const traceparent = overrides.traceparent ?? overrides.traceid ?? trace.traceparent;
  return (
    `${head.start}${quoted(overrides.id ?? id)},"source":${quoted(overrides.source ?? source)},"type":${quoted(overrides.type ?? defaultType)},` +
    `"time":"${time}"${traced(traceparent, overrides.tracestate ?? trace.tracestate)}` +
    (overrides.subject === undefined ? '' : `,"subject":${quoted(overrides.subject)}`)
  );
}

function traced(traceparent: string, tracestate: string): string {
  if (traceparent === '' && tracestate === '') return ',"traceid":"","traceparent":"","tracestate":""';
  const parent = quoted(traceparent);
  return `,"traceid":${parent},"traceparent":${parent},"tracestate":${quoted(tracestate)}`;
}

/** Closes an event: `text` (ASCII, an object without its closing brace), and the data in the form that its type asks for. */
export function appendData(text: string, data: Uint8Array | string, form: DataForm): Buffer {
  if (typeof data === 'string') {
    if (form === 'json') return Buffer.from(`${text},"data":${data}}`, 'utf8');
    return appendData(text, Buffer.from(data, 'utf8'), form);
  }
  if (form === 'json' && isJson(data)) return spliced(`${text},"data":`, data);
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.length);
  if (form === 'binary' || !isUtf8(data)) return Buffer.from(`${text},"data_base64":"${bytes.toString('base64')}"}`, 'latin1');
  return Buffer.from(`${text},"data":${JSON.stringify(bytes.toString('utf8'))}}`, 'utf8');
}

/** `text` (ASCII), the bytes as they are, and the closing brace. */
function spliced(text: string, data: Uint8Array): Buffer {
  const event = Buffer.allocUnsafe(text.length + data.length + 1);
  event.write(text, 0, 'latin1');
  event.set(data, text.length);
  event[event.length - 1] = 0x7d;
  return event;
}
