import type { BSON } from 'mongodb';
import type { MongoItem } from '../../clients/mongodb/database.ts';
import { expiryMetadata, type StateSet, type StateValue } from '../../contracts/state.ts';
import { ProaError } from '../../kernel/errors.ts';
import { jsonWithinDepth } from '../../kernel/json-depth.ts';
import { type BsonElement, binaryBytes, bsonElements, bsonTypes, dateMs, stringBytes } from './bson-elements.ts';

/*
 * Dapr's format: `_id` (the key), `value`, `_etag`, `_ttl` (the date of its end, null for none). JSON objects and arrays are kept as documents, which queries look
 * into; other texts as they are. `_proa` is ours: the text of a document that does not read the same when it is written again (spaces, 1.0, \u00e4). It
 * names the etag that it belongs to, since Dapr leaves it there when it writes the value anew.
 */

/** What stands at a key, but for the key. */
export interface StoredDocument {
  readonly value: unknown;
  readonly _etag: string;
  readonly _ttl: Date | null;
  readonly _proa?: { readonly etag: string; readonly text: string };
}

/** A document as it was read, and when it ends. */
export interface ReadDocument {
  readonly key: string;
  readonly value: StateValue;
  /** Milliseconds since 1970 on the server's clock; undefined: never. */
  readonly expiresAtMs: number | undefined;
}

/** A server takes 100 levels, some of which are the document's own. */
const depthMax = 80;
/** Larger texts stay texts: to parse, to compare and to encode them would hold all calls up. */
const documentBytesMax = 1024 * 1024;

/** What a server takes, and what key, etag and date may need of it. */
const valueBytesMax = 16 * 1024 * 1024 - 8 * 1024;

/** Whether a server can keep a value of this size at all. */
export function fitsDocument({ data }: Pick<StateSet, 'data'>): boolean {
  return data.length <= valueBytesMax;
}

/** The document of a write. `expiresAt` is on the server's clock. Fails with `bad-request` for a value that fits no document. */
export function documentOf(set: StateSet, etag: string, expiresAt: Date | null): StoredDocument {
  const { data } = set;
  if (!fitsDocument(set))
    throw new ProaError('bad-request', `a value of ${data.length} bytes is too large: a document of MongoDB has at most 16 MiB`);
  const text = textOf(data);
  // A copy: the client encodes it later, when there is a connection.
  if (text === undefined) return { value: Buffer.from(data), _etag: etag, _ttl: expiresAt };
  const parsed = data.length <= documentBytesMax ? containerOf(text) : undefined;
  if (parsed === undefined) return { value: text, _etag: etag, _ttl: expiresAt };
  const document = { value: parsed, _etag: etag, _ttl: expiresAt };
  return JSON.stringify(parsed) === text ? document : { ...document, _proa: { etag, text } };
}

/** Reads a raw document. Texts and bytes come back as they are, whoever wrote them. */
export function readDocument(raw: Buffer, bson: typeof BSON): ReadDocument {
  const elements = bsonElements(raw);
  const [key, etag, ttl] = [elements.get('_id'), elements.get('_etag'), elements.get('_ttl')];
  const expiresAtMs = ttl?.type === bsonTypes.date ? dateMs(ttl) : undefined;
  const value = {
    data: dataOf(raw, elements, bson),
    etag: etag?.type === bsonTypes.string ? stringBytes(etag).toString() : '',
    ...(expiresAtMs !== undefined && { metadata: expiryMetadata(expiresAtMs) }),
  };
  return { key: key?.type === bsonTypes.string ? stringBytes(key).toString() : '', value, expiresAtMs };
}

function dataOf(raw: Buffer, elements: ReadonlyMap<string, BsonElement>, bson: typeof BSON): Uint8Array {
  const value = elements.get('value');
  // The reply that they lie in is larger than they are.
  if (value?.type === bsonTypes.string) return Buffer.from(stringBytes(value));
  if (value?.type === bsonTypes.binary) return Buffer.from(binaryBytes(value));
  const text = value?.type === bsonTypes.document || value?.type === bsonTypes.array ? ownText(elements) : undefined;
  if (text !== undefined) return Buffer.from(text);
  const document = bson.deserialize(raw, { validation: { utf8: false } }) as Partial<MongoItem>;
  return Buffer.from(bson.EJSON.stringify(document['value'] ?? null, { relaxed: true }));
}

function ownText(elements: ReadonlyMap<string, BsonElement>): Buffer | undefined {
  const [own, etag] = [elements.get('_proa'), elements.get('_etag')];
  if (own?.type !== bsonTypes.document || etag === undefined) return undefined;
  const parts = bsonElements(own.value);
  const [text, owner] = [parts.get('text'), parts.get('etag')];
  return text?.type === bsonTypes.string && owner?.value.equals(etag.value) === true ? stringBytes(text) : undefined;
}

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function textOf(data: Uint8Array): string | undefined {
  try {
    return strict.decode(data);
  } catch {
    return undefined;
  }
}

/** The object or array that this text means, when a server can keep it as it is. */
function containerOf(text: string): object | undefined {
  if (!/^[ \t\r\n]*[[{]/.test(text) || !jsonWithinDepth(text, depthMax)) return undefined;
  try {
    const parsed = JSON.parse(text) as object;
    return isStorable(parsed) ? parsed : undefined;
  } catch {
    return undefined;
  }
}

const loneSurrogate = /[\ud800-\udfff]/u;

/**
 * Whether BSON has all of it: numbers beyond the range of doubles would become infinite, half characters a replacement. Names with `$` or a dot mean something else
 * to servers, or are refused.
 */
function isStorable(value: unknown): boolean {
  if (typeof value === 'number') return Number.isFinite(value);
  if (typeof value === 'string') return !loneSurrogate.test(value);
  if (typeof value !== 'object' || value === null) return true;
  if (Array.isArray(value)) return value.every(isStorable);
  return Object.entries(value).every(([name, inner]) => !/^\$|[.\0]/.test(name) && !loneSurrogate.test(name) && isStorable(inner));
}
