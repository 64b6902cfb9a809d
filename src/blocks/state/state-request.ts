import { keySeparator } from '../../contracts/key-prefix.ts';
import type { Metadata, StateCapability, StateDelete, StateOperation, StateSet, StateStore } from '../../contracts/state.ts';
import { limits } from '../../kernel/limits.ts';
import type { StateCipher } from './encryption.ts';
import type { DeleteItem, SaveItem, StateOptions, TransactionItem } from './index.ts';
import { illegalKey, lacks, malformed } from './state-errors.ts';

/** What a request is checked and completed against. */
export interface RequestContext {
  readonly store: string;
  readonly prefix: string;
  readonly driver: StateStore;
  readonly cipher: StateCipher | undefined;
  /** The key as the store has it; the same text for the same key, so that what drivers keep by it is found by a comparison of addresses. Fails as `checkKey`. */
  storedKey(key: string): string;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const loneSurrogate = /[\ud800-\udfff]/u;

/** Throws unless the client's key is one that every store keeps apart from every other: T17 of the threat list. */
export function checkKey(store: string, key: string): void {
  if (key === '') throw malformed('"key" is a required field');
  if (key.includes(keySeparator)) throw illegalKey(store, key, `input key/keyPrefix '${key}' can't contain '${keySeparator}'`);
  if (key.length > limits.keyBytes) throw illegalKey(store, key.slice(0, 64), `a key has at most ${limits.keyBytes} bytes`);
  // Bytes would have to be guessed for half a character, and two keys could become one.
  if (key.includes('\0') || loneSurrogate.test(key)) throw illegalKey(store, key, 'a key holds no NUL and only whole characters');
}

/** An upsert as the store takes it: key prefixed, options and time to live checked, value encrypted when the store asks for it. */
export function toSet(context: RequestContext, item: SaveItem): StateSet {
  const key = context.storedKey(item.key);
  const set: Mutable<StateSet> = { key, data: item.value, metadata: item.metadata };
  takeOptions(set, item.options);
  takeEtag(context, set, item.etag);
  if (set.concurrency === 'first-write') needs(context, 'ETAG', 'first-write concurrency');
  const ttlSeconds = ttlOf(item.metadata);
  if (ttlSeconds !== undefined) {
    needs(context, 'TTL', 'a time to live (metadata ttlInSeconds)');
    set.ttlSeconds = ttlSeconds;
  }
  const contentType = item.contentType ?? item.metadata['contentType'];
  if (contentType !== undefined && contentType !== '') set.contentType = contentType;
  if (context.cipher !== undefined) set.data = context.cipher.encrypt(key, item.value);
  return set;
}

/** A delete as the store takes it. */
export function toDelete(context: RequestContext, item: DeleteItem): StateDelete {
  const request: Mutable<StateDelete> = { key: context.storedKey(item.key), metadata: item.metadata };
  takeOptions(request, item.options);
  takeEtag(context, request, item.etag);
  return request;
}

export function toOperation(context: RequestContext, item: TransactionItem): StateOperation {
  return item.kind === 'upsert' ? { kind: 'upsert', ...toSet(context, item) } : { kind: 'delete', ...toDelete(context, item) };
}

/** Throws unless the word is one that Dapr knows; empty is the same as none. */
export function checkConsistency(word: string | undefined): void {
  if (word !== undefined && word !== '' && word !== 'strong' && word !== 'eventual') {
    throw malformed(`unrecognized consistency model '${word}'`);
  }
}

function takeOptions(request: Mutable<StateDelete>, options: StateOptions | undefined): void {
  if (options === undefined) return;
  checkConsistency(options.consistency);
  const concurrency: string | undefined = options.concurrency;
  if (concurrency !== undefined && concurrency !== '' && concurrency !== 'first-write' && concurrency !== 'last-write') {
    throw malformed(`unrecognized concurrency model '${concurrency}'`);
  }
  if (options.consistency) request.consistency = options.consistency;
  if (options.concurrency) request.concurrency = options.concurrency;
}

function takeEtag(context: RequestContext, request: Mutable<StateDelete>, etag: string | undefined): void {
  if (etag === undefined || etag === '') return;
  needs(context, 'ETAG', 'etags');
  request.etag = etag;
}

function needs({ driver, store }: RequestContext, capability: StateCapability, what: string): void {
  if (!driver.capabilities.includes(capability)) throw lacks(store, what);
}

const ttlSecondsMax = 2_147_483_647;

/** Seconds to live of `ttlInSeconds`; undefined for never (absent, empty, 0, -1). */
function ttlOf(metadata: Metadata): number | undefined {
  const text = metadata['ttlInSeconds'];
  if (text === undefined || text === '') return undefined;
  if (!/^[+-]?\d+$/.test(text)) throw malformed(`incorrect value for metadata 'ttlInSeconds': '${text}' is not a whole number`);
  const seconds = Number(text);
  if (seconds < -1) throw malformed("incorrect value for metadata 'ttlInSeconds': must be -1 or greater");
  if (seconds > ttlSecondsMax) throw malformed(`incorrect value for metadata 'ttlInSeconds': must be ${ttlSecondsMax} or smaller`);
  return seconds > 0 ? seconds : undefined;
}
