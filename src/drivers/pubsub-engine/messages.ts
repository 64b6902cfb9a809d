import type { Engine, LogEntry, NewLogEntry } from '../../contracts/engine.ts';
import type { IncomingMessage, OutgoingMessage } from '../../contracts/pubsub.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { BusKeys } from './keys.ts';

/** Larger events are stored in parts beside the log, which holds where they are. */
export const partBytes = 768 * 1024;

/** The largest event that a topic takes. */
export const messageBytesMax = 32 * 1024 * 1024;

/** Attributes of an entry that are not the message's metadata. */
const reserved = { contentType: '$type', expires: '$expires', upload: '$upload', size: '$size' } as const;
const reservedNames: ReadonlySet<string> = new Set(Object.values(reserved));

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** A property of request metadata by name, without regard to case. */
export function metadataOf(metadata: Readonly<Record<string, string>>, name: string): string | undefined {
  const exact = metadata[name];
  if (exact !== undefined) return exact;
  const wanted = name.toLowerCase();
  for (const key in metadata) if (key.toLowerCase() === wanted) return metadata[key];
  return undefined;
}

/** The entry for a message whose data fits into it. Fails with `bad-request` for a TTL that is no whole number of seconds above 0. */
export function toEntry(message: OutgoingMessage, engine: Pick<Engine, 'now'>): NewLogEntry {
  const { metadata, contentType, dedupe } = message;
  // Most messages have none, and an object without any would be looked through four times.
  let attributes: Record<string, string> | undefined;
  for (const name in metadata) if (!reservedNames.has(name)) (attributes ??= {})[name] = metadata[name] as string;
  if (contentType !== undefined) (attributes ??= {})[reserved.contentType] = contentType;
  const ttl = metadataOf(metadata, 'ttlInSeconds');
  if (ttl !== undefined && ttl !== '') (attributes ??= {})[reserved.expires] = String(engine.now() + ttlSeconds(ttl) * 1000);
  const key = metadataOf(metadata, 'partitionKey');
  // Assigned, not spread: this runs for every event.
  const entry: Mutable<NewLogEntry> = { data: message.data };
  if (attributes !== undefined) entry.attributes = attributes;
  if (key !== undefined && key !== '') entry.key = key;
  if (dedupe !== undefined) entry.dedupe = dedupe;
  return entry;
}

function ttlSeconds(text: string): number {
  const seconds = Number(text);
  if (Number.isSafeInteger(seconds) && seconds > 0) return seconds;
  throw new ProaError('bad-request', `ttlInSeconds "${text}" is not a whole number above 0`);
}

/** True when the entry's TTL is over. */
export function isExpired(entry: LogEntry, nowMs: number): boolean {
  const expires = entry.attributes?.[reserved.expires];
  return expires !== undefined && Number(expires) <= nowMs;
}

/**
 * Stores the data of a large message in parts and answers an entry that refers to them. Parts go away by themselves after `keepMs`, which must
 * not be less than the log's retention. The entry is appended last, so a reader that sees it finds all parts.
 */
export async function uploadParts(
  engine: Engine,
  keys: BusKeys,
  { message, upload, keepMs }: { readonly message: OutgoingMessage; readonly upload: string; readonly keepMs: number },
): Promise<NewLogEntry> {
  const { data } = message;
  if (data.length > messageBytesMax) {
    throw new ProaError('engine.limit', `an event of ${data.length} bytes is too large; ${messageBytesMax} are allowed`);
  }
  const expiresAtMs = engine.now() + keepMs;
  for (let index = 0; index * partBytes < data.length; index += 4) {
    const put = [];
    for (let part = index; part < index + 4 && part * partBytes < data.length; part++) {
      put.push({ key: keys.part(upload, part), value: data.subarray(part * partBytes, (part + 1) * partBytes), expiresAtMs });
    }
    const result = await engine.commit({ put });
    // Writing the same parts once more is harmless, so an unknown outcome is simply repeated.
    if (result.status !== 'done') await engine.commit({ put });
  }
  const entry = toEntry({ ...message, data: new Uint8Array(0) }, engine);
  return { ...entry, attributes: { ...entry.attributes, [reserved.upload]: upload, [reserved.size]: String(data.length) } };
}

export interface IncomingOptions {
  readonly engine: Engine;
  readonly keys: BusKeys;
  readonly topic: string;
  readonly entry: LogEntry;
}

/** The message of an entry; for a large one the function that reads it (undefined when its parts have expired). */
export function incoming(options: IncomingOptions): IncomingMessage | (() => Promise<IncomingMessage | undefined>) {
  const { entry } = options;
  const upload = entry.attributes?.[reserved.upload];
  if (upload === undefined) return messageOf(options.topic, entry, entry.data);
  return () => readParts(options, upload);
}

async function readParts({ engine, keys, topic, entry }: IncomingOptions, upload: string): Promise<IncomingMessage | undefined> {
  const size = Number(entry.attributes?.[reserved.size]);
  const parts: Uint8Array[] = [];
  for (let part = 0; part * partBytes < size; part++) {
    const found = await engine.get(keys.part(upload, part));
    if (found === undefined) return undefined;
    parts.push(found.value);
  }
  return messageOf(topic, entry, Buffer.concat(parts, size));
}

function messageOf(topic: string, entry: LogEntry, data: Uint8Array): IncomingMessage {
  const metadata: Record<string, string> = {};
  const { attributes, key } = entry;
  for (const name in attributes) if (!reservedNames.has(name)) metadata[name] = attributes[name] as string;
  const contentType = attributes?.[reserved.contentType];
  const message: Mutable<IncomingMessage> = { id: String(entry.sequence), topic, data, metadata, attempt: 1 };
  if (contentType !== undefined) message.contentType = contentType;
  if (key !== undefined) message.key = key;
  return message;
}
