import type { Commit, CommitResult, Condition, Engine, Entry, Put } from '../../contracts/engine.ts';
import { engineLimits } from '../../contracts/engine.ts';
import { outcomeUnknown } from '../../contracts/engine-outcome.ts';
import {
  type BulkOutcome,
  type CommitParts,
  EtagError,
  expiryMetadata,
  type StateCapability,
  type StateDelete,
  type StateOperation,
  type StateSet,
  type StateStore,
  type StateValue,
} from '../../contracts/state.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Logger } from '../../kernel/log.ts';
import type { Random } from '../../kernel/ports.ts';
import { TextMemo } from '../../kernel/text-memo.ts';
import type { Key } from '../../kernel/tuple.ts';
import { createLargeValues, type LargeValues } from './large-values.ts';
import { createLayout, type KeyRange, type Layout } from './layout.ts';
import { chunkedRecord, decodeRecord, inlineRecord, type Manifest, recordOverheadBytes } from './record.ts';
import { createScans } from './scans.ts';

/** What this store can do. */
export const engineCapabilities: readonly StateCapability[] = [
  'ETAG',
  'TRANSACTIONAL',
  'QUERY_API',
  'TTL',
  'DELETE_WITH_PREFIX',
  'KEYS_LIKE',
  'ACTOR',
];

export interface EngineStoreOptions {
  readonly engine: Engine;
  readonly random: Random;
  readonly log: Logger;
  readonly namespace: string;
  readonly space: string;
}

/** Reads one entry into a value; undefined when it vanished while a large value was read. */
export type ReadEntry = (key: string, entry: Entry) => Promise<StateValue | undefined>;

const inlineBytesMax = engineLimits.valueBytesMax - recordOverheadBytes;
/** A change of one key takes up to three of the engine's operations: condition, record, range of old chunks. */
const transactionOperationsMax = Math.floor(engineLimits.operationsMax / 3);
const readTries = 8;
const stageTries = 5;
/** That many of the largest values fit into one frame of the engine's socket. */
const keysPerRead = 32;
const writesPerTurn = 256;

/**
 * The state store over the engine: durable, shared by all processes of the engine, etag = version of the key. An unconditional set is one commit without a
 * read: it also removes the chunks that an earlier, larger value of the key may have left. A transaction is one commit, judged against what was there before it.
 */
export function createEngineStore(options: EngineStoreOptions): StateStore {
  const { engine } = options;
  const layout = createLayout(options.namespace, options.space);
  const large = createLargeValues(engine, layout, options.random);
  const read: ReadEntry = (key, entry) => readEntry(key, entry, { engine, layout, large });
  const write = (operations: readonly StateOperation[], more: CommitParts = {}): Promise<void> =>
    writeAll(operations, { engine, layout, large, more });
  const set = (request: StateSet): Promise<void> =>
    request.data.length <= inlineBytesMax ? setInline(request, engine, layout) : write([{ kind: 'upsert', ...request }]);
  const remove = (request: StateDelete): Promise<void> => write([{ kind: 'delete', ...request }]);
  const recent = new TextMemo((key): Seen => ({ record: layout.record(key), entry: undefined, value: undefined }));
  const sweeping = large
    .sweep()
    .catch((error: unknown) => options.log.warn('stale parts of large values were not removed', { error: String(error) }));
  return {
    capabilities: engineCapabilities,
    transactionOperationsMax,
    async get({ key }) {
      const entry = await engine.get(layout.record(key));
      return entry === undefined ? undefined : read(key, entry);
    },
    peek(key) {
      const seen = recent.of(key);
      const entry = engine.peek?.(seen.record);
      return entry === undefined ? undefined : seenValue(seen, entry);
    },
    set,
    delete: remove,
    async bulkGet(requests) {
      const outcomes: BulkOutcome<StateValue>[] = [];
      for (let at = 0; at < requests.length; at += keysPerRead) {
        const keys = requests.slice(at, at + keysPerRead).map(({ key }) => key);
        const entries = await engine.getMany(keys.map((key) => layout.record(key)));
        for (const [index, key] of keys.entries()) {
          const entry = entries[index];
          const value = entry && (await read(key, entry));
          outcomes.push(value === undefined ? { key } : { key, value });
        }
      }
      return outcomes;
    },
    bulkSet: (requests) => each(requests, set),
    bulkDelete: (requests) => each(requests, remove),
    engine,
    transact: async (operations, _metadata, more) => (operations.length === 0 && more === undefined ? undefined : write(operations, more)),
    ...createScans(engine, layout, read),
    async ping() {
      await engine.get(layout.record(''));
    },
    async close() {
      await sweeping;
    },
  };
}

interface Parts {
  readonly engine: Engine;
  readonly layout: Layout;
  readonly large: LargeValues;
  /** What else the commit does, and needs. */
  readonly more?: CommitParts;
}

async function readEntry(key: string, first: Entry, { engine, large }: Parts): Promise<StateValue | undefined> {
  let entry: Entry | undefined = first;
  for (let tries = 0; tries < readTries && entry !== undefined; tries++) {
    const record = decodeRecord(entry.value);
    const data = record.kind === 'inline' ? record.data : await large.read(key, record.manifest);
    if (data !== undefined) return valueOf(entry, data, record.contentType);
    entry = await engine.get(entry.key);
  }
  if (entry === undefined) return undefined;
  throw new ProaError('overloaded', `the value of '${key}' was replaced ${readTries} times while it was read`);
}

/** What a key held when it was last looked at. */
interface Seen {
  readonly record: Key;
  entry: Entry | undefined;
  value: StateValue | undefined;
}

const keptValueBytesMax = 4096;

/** As `inlineValue`; the value of an entry that has not changed is not taken apart again. Engines do not change bytes that they handed out. */
function seenValue(seen: Seen, entry: Entry): StateValue | undefined {
  const { entry: before } = seen;
  if (before?.value === entry.value && before.version === entry.version && before.expiresAtMs === entry.expiresAtMs) return seen.value;
  const kept = entry.value.length <= keptValueBytesMax;
  const value = inlineValue(entry);
  seen.entry = kept ? entry : undefined;
  seen.value = kept ? value : undefined;
  return value;
}

/** The value of an entry that holds all of it; undefined for one that lies in chunks. */
function inlineValue(entry: Entry): StateValue | undefined {
  const record = decodeRecord(entry.value);
  return record.kind === 'inline' ? valueOf(entry, record.data, record.contentType) : undefined;
}

function valueOf(entry: Entry, data: Uint8Array, contentType: string | undefined): StateValue {
  const etag = String(entry.version);
  if (contentType === undefined && entry.expiresAtMs === undefined) return { data, etag };
  return {
    data,
    etag,
    ...(contentType !== undefined && { contentType }),
    ...(entry.expiresAtMs !== undefined && { metadata: expiryMetadata(entry.expiresAtMs) }),
  };
}

/** One commit under construction. */
interface Draft {
  readonly if: Condition[];
  readonly put: Put[];
  readonly delete: Key[];
  readonly deleteRange: KeyRange[];
  readonly staged: { readonly key: string; readonly manifest: Manifest }[];
}

/** Commits the operations as one. Large values are staged again when another write of the same key removed their parts before the commit. */
async function writeAll(operations: readonly StateOperation[], parts: Parts): Promise<void> {
  const { appends, conditions = [] } = parts.more ?? {};
  for (let tries = 0; tries < stageTries; tries++) {
    const draft: Draft = { if: [...conditions], put: [], delete: [], deleteRange: [], staged: [] };
    for (const operation of operations) addCondition(operation, parts.layout, draft);
    const etags = draft.if.length;
    for (const operation of lastOfEachKey(operations)) {
      if (operation.kind === 'delete') addDelete(operation, parts.layout, draft);
      else if (operation.data.length <= inlineBytesMax) addInline(operation, parts, draft);
      else await addLarge(operation, parts, draft);
    }
    const { staged, ...commit } = draft;
    const result = known(await parts.engine.commit(appends === undefined ? commit : { ...commit, append: appends }));
    if (result.status === 'done') return;
    await Promise.all(staged.map(({ key, manifest }) => parts.large.drop(key, manifest)));
    if (result.failed < conditions.length)
      throw new ProaError('engine.fenced', 'another runtime owns what the transaction would have written');
    if (result.failed < etags) throw new EtagError('mismatch');
  }
  throw new ProaError('overloaded', `a large value was displaced ${stageTries} times by other writes of its key`);
}

/** Written or not. Fails with `engine.outcome-unknown` when nobody can say. */
function known(result: CommitResult): Exclude<CommitResult, { readonly status: 'unknown' }> {
  if (result.status !== 'unknown') return result;
  throw outcomeUnknown('the state may or may not have been written', result.cause);
}

/** What nearly every write is: one value that fits into its record. */
function setInline(request: StateSet, engine: Engine, layout: Layout): Promise<void> {
  let commit: Commit;
  try {
    commit = inlineCommit(request, engine, layout);
  } catch (error) {
    return Promise.reject(error);
  }
  return engine.commit(commit).then(requireWritten);
}

function inlineCommit(request: StateSet, engine: Engine, layout: Layout): Commit {
  const { key, data, contentType, ttlSeconds } = request;
  const record = layout.record(key);
  const value = inlineRecord(data, contentType);
  const expiry = expiresAt(engine, ttlSeconds);
  const put = [expiry === undefined ? { key: record, value } : { key: record, value, expiresAtMs: expiry.expiresAtMs }];
  const deleteRange = [layout.chunks(key)];
  const condition = conditionOf('upsert', request, record);
  return condition === undefined ? { put, deleteRange, bytesGiven: true } : { put, deleteRange, bytesGiven: true, if: [condition] };
}

function requireWritten(result: CommitResult): void {
  if (known(result).status === 'conflict') throw new EtagError('mismatch');
}

/** Later operations on a key replace earlier ones of the same transaction. */
function lastOfEachKey(operations: readonly StateOperation[]): Iterable<StateOperation> {
  return operations.length === 1 ? operations : new Map(operations.map((operation) => [operation.key, operation])).values();
}

function addCondition(operation: StateOperation, layout: Layout, draft: Draft): void {
  const condition = conditionOf(operation.kind, operation, layout.record(operation.key));
  if (condition !== undefined) draft.if.push(condition);
}

/** What must hold for a write: the etag that it names, or absence for the first of several writers. */
function conditionOf(kind: StateOperation['kind'], { etag, concurrency }: StateDelete, record: Key): Condition | undefined {
  if (etag !== undefined) {
    if (!/^[1-9]\d{0,15}$/.test(etag)) throw new EtagError('invalid', `'${etag.slice(0, 64)}' is not an etag of this store`);
    return { kind: 'version', key: record, version: Number(etag) };
  }
  return kind === 'upsert' && concurrency === 'first-write' ? { kind: 'version', key: record, version: 0 } : undefined;
}

function addDelete({ key }: StateDelete, layout: Layout, draft: Draft): void {
  draft.delete.push(layout.record(key));
  draft.deleteRange.push(layout.chunks(key));
}

function addInline({ key, data, contentType, ttlSeconds }: StateSet, { engine, layout }: Parts, draft: Draft): void {
  const expiry = expiresAt(engine, ttlSeconds);
  draft.put.push({ key: layout.record(key), value: inlineRecord(data, contentType), ...expiry });
  draft.deleteRange.push(layout.chunks(key));
}

async function addLarge({ key, data, contentType, ttlSeconds }: StateSet, { engine, layout, large }: Parts, draft: Draft): Promise<void> {
  const expiry = expiresAt(engine, ttlSeconds);
  const record = layout.record(key);
  const { manifest, alive } = await large.stage(key, data, expiry?.expiresAtMs);
  draft.staged.push({ key, manifest });
  draft.if.push(alive);
  draft.put.push({ key: record, value: chunkedRecord(manifest, contentType), ...expiry });
  draft.delete.push(layout.staging(key, manifest.write));
  draft.deleteRange.push(...layout.otherChunks(key, manifest.write));
}

function expiresAt(engine: Engine, ttlSeconds: number | undefined): { readonly expiresAtMs: number } | undefined {
  return ttlSeconds === undefined ? undefined : { expiresAtMs: engine.now() + ttlSeconds * 1000 };
}

/** Runs one write per request. Those of one key take effect in order: a bulk that names a key twice runs one by one, since a large value takes longer than a small one. */
async function each<T extends { readonly key: string }>(
  requests: readonly T[],
  run: (request: T) => Promise<void>,
): Promise<BulkOutcome<void>[]> {
  const perTurn = new Set(requests.map(({ key }) => key)).size < requests.length ? 1 : writesPerTurn;
  const outcomes: BulkOutcome<void>[] = [];
  for (let at = 0; at < requests.length; at += perTurn) {
    const slice = requests.slice(at, at + perTurn);
    const settled = await Promise.allSettled(slice.map(run));
    settled.forEach((result, index) => {
      const { key } = slice[index] as T;
      outcomes.push(result.status === 'fulfilled' ? { key } : { key, error: result.reason as Error });
    });
  }
  return outcomes;
}
