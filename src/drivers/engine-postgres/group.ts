import type { Commit, CommitResult, Condition, NewLogEntry } from '../../contracts/engine.ts';
import type { Key } from '../../kernel/tuple.ts';
import { opKind, stripeCount, stripesMax } from './schema.ts';

/** One commit as a stream of operations over its own bytes: what the caller gave may change as soon as this exists. */
export interface EncodedCommit {
  readonly bytes: Buffer;
  /** Six numbers per operation: kind, key's offset and length, data's offset and length, number. */
  readonly ops: readonly number[];
  readonly stripes: readonly number[];
  readonly hasRange: boolean;
  readonly keys: readonly Key[];
  readonly logs: readonly Key[];
}

const fieldsPerOp = 6;

/** Which lock guards a thing. Kinds are kept apart so that a log never waits for the key of the same name. */
export function stripeOf(kind: 'key' | 'log' | 'lease' | 'id', name: string): number {
  let hash = 0x811c9dc5 ^ kind.charCodeAt(kind.length - 1);
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return (hash ^ (hash >>> 15)) & (stripeCount - 1);
}

class Encoder {
  readonly chunks: Uint8Array[] = [];
  readonly ops: number[] = [];
  #length = 0;

  op(kind: number, key: Uint8Array | undefined, data: Uint8Array | undefined, number: number): void {
    const keyAt = this.#bytes(key);
    const dataAt = this.#bytes(data);
    this.ops.push(kind, keyAt, key?.length ?? 0, dataAt, data?.length ?? 0, number);
  }

  #bytes(bytes: Uint8Array | undefined): number {
    const at = this.#length;
    if (bytes !== undefined && bytes.length > 0) {
      this.chunks.push(bytes);
      this.#length += bytes.length;
    }
    return at;
  }
}

/** Bytes of a key. */
export function keyBytes(key: Key): Buffer {
  return Buffer.from(key, 'latin1');
}

/** Encodes a commit that is within the contract's limits. */
export function encodeCommit(commit: Commit): EncodedCommit {
  const encoder = new Encoder();
  const stripes = new Set<number>();
  const keys: Key[] = [];
  const logs: Key[] = [];
  encoder.op(opKind.begin, undefined, commit.id === undefined ? undefined : Buffer.from(commit.id), 0);
  if (commit.id !== undefined) stripes.add(stripeOf('id', commit.id));
  for (const condition of commit.if ?? []) encodeCondition(encoder, stripes, condition);
  for (const range of commit.deleteRange ?? []) encoder.op(opKind.deleteRange, keyBytes(range.from), keyBytes(range.to), 0);
  for (const key of commit.delete ?? []) {
    encoder.op(opKind.delete, keyBytes(key), undefined, 0);
    keys.push(key);
  }
  for (const put of commit.put ?? []) {
    // The database keeps whole milliseconds; rounding up never ends a key early.
    const expires = put.expiresAtMs === undefined ? -1 : Math.max(0, Math.ceil(put.expiresAtMs));
    encoder.op(opKind.put, keyBytes(put.key), put.value, Math.min(expires, Number.MAX_SAFE_INTEGER));
    keys.push(put.key);
  }
  for (const key of keys) stripes.add(stripeOf('key', key));
  for (const append of commit.append ?? []) {
    encoder.op(opKind.append, keyBytes(append.log), undefined, append.entries.length);
    for (const entry of append.entries) encoder.op(opKind.entry, encodeMeta(entry), entry.data, 0);
    logs.push(append.log);
    stripes.add(stripeOf('log', append.log));
  }
  encoder.op(opKind.end, undefined, undefined, 0);
  const hasRange = (commit.deleteRange?.length ?? 0) > 0;
  return { bytes: Buffer.concat(encoder.chunks), ops: encoder.ops, stripes: [...stripes], hasRange, keys, logs };
}

function encodeCondition(encoder: Encoder, stripes: Set<number>, condition: Condition): void {
  switch (condition.kind) {
    case 'version':
      stripes.add(stripeOf('key', condition.key));
      return encoder.op(opKind.ifVersion, keyBytes(condition.key), undefined, condition.version);
    case 'exists':
      stripes.add(stripeOf('key', condition.key));
      return encoder.op(opKind.ifExists, keyBytes(condition.key), undefined, 0);
    case 'head':
      stripes.add(stripeOf('log', condition.log));
      return encoder.op(opKind.ifHead, keyBytes(condition.log), undefined, condition.head);
    case 'lease':
      stripes.add(stripeOf('lease', condition.name));
      return encoder.op(opKind.ifLease, keyBytes(condition.name), undefined, condition.epoch);
  }
}

function encodeMeta(entry: NewLogEntry): Buffer | undefined {
  if (entry.key === undefined && entry.dedupe === undefined && entry.attributes === undefined) return undefined;
  return Buffer.from(JSON.stringify({ key: entry.key, dedupe: entry.dedupe, attributes: entry.attributes }));
}

/** What an entry carries beside its data; the inverse of the encoding above. */
export function decodeMeta(meta: string | null): Pick<NewLogEntry, 'key' | 'dedupe' | 'attributes'> {
  return meta === null ? {} : (JSON.parse(meta) as Pick<NewLogEntry, 'key' | 'dedupe' | 'attributes'>);
}

/** Room for the bytes of one group after another: a buffer of this size for each would be the garbage collector's main work. */
export interface GroupRoom {
  buffer: Buffer;
}

/** Room for a small group; it grows with the largest one. */
export function createGroupRoom(): GroupRoom {
  return { buffer: Buffer.allocUnsafeSlow(64 * 1024) };
}

/** The parameters of the commit function for a group. Its bytes stand in `room` until the next group takes it. */
export function groupParameters(group: readonly EncodedCommit[], room: GroupRoom = createGroupRoom()): unknown[] {
  const columns = ['', '', '', '', '', ''];
  const stripes = new Set<number>();
  const total = group.reduce((sum, { bytes }) => sum + bytes.length, 0);
  if (total > room.buffer.length) room.buffer = Buffer.allocUnsafeSlow(2 ** Math.ceil(Math.log2(total)));
  let base = 0;
  let alone = false;
  for (const { bytes, ops, hasRange, stripes: wanted } of group) {
    alone ||= hasRange;
    for (const stripe of wanted) stripes.add(stripe);
    for (let at = 0; at < ops.length; at += fieldsPerOp) {
      for (let field = 0; field < fieldsPerOp; field++) {
        const isOffset = field === 1 || field === 3;
        columns[field] += `,${(ops[at + field] as number) + (isOffset ? base : 0)}`;
      }
    }
    room.buffer.set(bytes, base);
    base += bytes.length;
  }
  alone ||= stripes.size > stripesMax;
  const sorted = [...stripes].sort((a, b) => a - b);
  return [room.buffer.subarray(0, total), ...columns.map((column) => `{${column.slice(1)}}`), alone ? null : `{${sorted.join(',')}}`];
}

/** Reads the commit function's answer: the database's time and one result per commit. */
export function decodeAnswer(text: string, count: number): { nowMs: number; results: CommitResult[] } {
  const numbers = text.slice(1, -1).split(',').map(Number);
  const results: CommitResult[] = [];
  let at = 1;
  for (let i = 0; i < count; i++) {
    if (numbers[at] === 1) {
      results.push({ status: 'conflict', failed: numbers[at + 1] as number });
      at += 2;
      continue;
    }
    const versionsEnd = at + 3 + (numbers[at + 1] as number);
    const sequencesEnd = versionsEnd + (numbers[at + 2] as number);
    results.push({ status: 'done', versions: numbers.slice(at + 3, versionsEnd), sequences: numbers.slice(versionsEnd, sequencesEnd) });
    at = sequencesEnd;
  }
  return { nowMs: numbers[0] as number, results };
}
