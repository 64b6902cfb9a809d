import { partOf, putBytes, writeUtf8 } from '../../kernel/bytes.ts';

/** Where the parts that differ from event to event stand in an envelope of one kind. */
export interface EnvelopeTemplate {
  /** Everything up to the data; the parts of the event that was written last are in it. */
  readonly bytes: Buffer;
  readonly idAt: number;
  readonly timeAt: number;
  readonly parentsAt: readonly number[];
  /** What stands there: it is the same for a second. */
  time: string;
}

/** What differs. The lengths are those of a UUID, of RFC 3339 in whole seconds, and of a `traceparent` or of none. */
export interface EnvelopeParts {
  readonly id: string;
  readonly time: string;
  readonly traceparent: string;
}

export const idChars = 36;
export const timeChars = 20;
export const traceparentChars = 55;

/** Envelopes up to this size come from slabs; larger ones have memory of their own. */
export const slabEventMax = 16 * 1024;
const slabBytes = 64 * 1024;

/** Memory for small envelopes, many to a piece: an array buffer for each, or for each six, costs more than writing it. Nobody overwrites what was given out. */
export interface EventSlab {
  bytes: Buffer;
  used: number;
}

export function createEventSlab(): EventSlab {
  return { bytes: Buffer.alloc(0), used: 0 };
}

/** The template of the envelopes that `render` writes, which is ASCII throughout. */
export function templateOf(traced: boolean, render: (parts: EnvelopeParts) => string): EnvelopeTemplate {
  // Control characters stand nowhere else in it.
  const [id, time, traceparent] = ['\x01'.repeat(idChars), '\x02'.repeat(timeChars), traced ? '\x03'.repeat(traceparentChars) : ''];
  const text = render({ id, time, traceparent });
  const first = traced ? text.indexOf(traceparent) : -1;
  const parentsAt = traced ? [first, text.indexOf(traceparent, first + traceparentChars)] : [];
  // It stays as long as the topic is published to: not in a pool, all of which would stay with it.
  const bytes = Buffer.allocUnsafeSlow(text.length);
  bytes.write(text, 'latin1');
  return { bytes, idAt: text.indexOf(id), timeAt: text.indexOf(time), parentsAt, time };
}

/** True when the parts are of the lengths that templates have room for. */
export function fitsTemplate({ id, time, traceparent }: EnvelopeParts): boolean {
  const { length } = traceparent;
  return id.length === idChars && time.length === timeChars && (length === 0 || length === traceparentChars);
}

/** Puts the parts in their places; false when one of them would have to be escaped: then the template is of no use for this event. */
export function fillTemplate(template: EnvelopeTemplate, { id, time, traceparent }: EnvelopeParts): boolean {
  const { bytes, idAt, timeAt, parentsAt } = template;
  let plain = writePlain(bytes, idAt, id);
  if (template.time !== time) {
    plain = plain && writePlain(bytes, timeAt, time);
    // Half a text is none.
    template.time = plain ? time : '';
  }
  for (const at of parentsAt) plain = plain && writePlain(bytes, at, traceparent);
  return plain;
}

/** Template, data (JSON as text or bytes) and the closing brace, as one event. */
export function joinEvent(slab: EventSlab, template: Uint8Array, data: Uint8Array | string): Buffer {
  // UTF-8 takes at most three bytes per UTF-16 unit.
  const most = template.length + data.length * (typeof data === 'string' ? 3 : 1) + 1;
  if (slab.used + most > slab.bytes.length) {
    slab.bytes = Buffer.allocUnsafeSlow(slabBytes);
    slab.used = 0;
  }
  const { bytes, used } = slab;
  putBytes(bytes, template, used);
  const dataAt = used + template.length;
  let end = dataAt + data.length;
  if (typeof data === 'string') end = dataAt + writeUtf8(bytes, data, dataAt, 3 * data.length);
  else putBytes(bytes, data, dataAt);
  bytes[end++] = 0x7d;
  slab.used = end;
  return partOf(bytes, used, end);
}

function writePlain(bytes: Uint8Array, at: number, text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c < 0x20 || c > 0x7e || c === 0x22 || c === 0x5c) return false;
    bytes[at + i] = c;
  }
  return true;
}
