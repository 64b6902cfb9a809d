import { ProaError } from '../kernel/errors.ts';
import type { Key } from '../kernel/tuple.ts';
import { type Commit, engineLimits, type NewLogEntry } from './engine.ts';

/** Throws `engine.limit` when a commit is beyond the contract's limits, `bad-request` when its keys are not byte strings. */
export function checkCommit(commit: Commit): void {
  const { id, deleteRange = none } = commit;
  if (id !== undefined && (id.length === 0 || id.length > engineLimits.commitIdCharsMax)) {
    throw new ProaError('engine.limit', `a commit's id has 1 to ${engineLimits.commitIdCharsMax} characters, not ${id.length}`);
  }
  for (const range of deleteRange) {
    checkBound(range.from);
    checkBound(range.to);
  }
  const { operations, bytes } = sizeOf(commit);
  if (operations + deleteRange.length > engineLimits.operationsMax) {
    throw new ProaError(
      'engine.limit',
      `a commit has at most ${engineLimits.operationsMax} operations, not ${operations + deleteRange.length}`,
    );
  }
  if (bytes > engineLimits.commitBytesMax) {
    throw new ProaError('engine.limit', `a commit has at most ${engineLimits.commitBytesMax} bytes, not ${bytes}`);
  }
}

/** What counts towards the limits, without ranges; every key and value is checked on the way. Plain loops: this runs for every commit. */
function sizeOf(commit: Commit): { readonly operations: number; readonly bytes: number } {
  let [operations, bytes] = [0, 0];
  for (const condition of commit.if ?? none) {
    const key = 'key' in condition ? condition.key : 'log' in condition ? condition.log : condition.name;
    checkKey(key);
    operations++;
    bytes += key.length;
  }
  for (const key of commit.delete ?? none) {
    checkKey(key);
    operations++;
    bytes += key.length;
  }
  for (const put of commit.put ?? none) {
    checkKey(put.key);
    checkValue(put.value);
    operations++;
    bytes += put.key.length + put.value.length;
  }
  for (const append of commit.append ?? none) {
    checkKey(append.log);
    operations += append.entries.length;
    for (const entry of append.entries) {
      checkValue(entry.data);
      bytes += append.log.length + entry.data.length + headBytes(entry);
    }
  }
  return { operations, bytes };
}

const none: readonly never[] = [];

/** Throws unless `key` is a byte string within the limit. */
export function checkKey(key: Key): void {
  if (key.length > engineLimits.keyBytesMax) {
    throw new ProaError('engine.limit', `a key has at most ${engineLimits.keyBytesMax} bytes, not ${key.length}`);
  }
  // A loop, not a pattern: keys are short, and every commit has some.
  let bits = 0;
  for (let i = 0; i < key.length; i++) bits |= key.charCodeAt(i);
  if (bits > 0xff) throw new ProaError('bad-request', 'a key of the engine is a string of bytes (0 to 255 per character)');
}

/** What an entry holds beside its data, at least: a character is counted as one byte. */
function headBytes(entry: NewLogEntry): number {
  let size = (entry.key?.length ?? 0) + (entry.dedupe?.length ?? 0);
  for (const name in entry.attributes) size += name.length + (entry.attributes[name] as string).length;
  return size;
}

/** The upper bound of a range may be one byte longer than a key, so that it can lie behind every key. */
function checkBound(key: Key): void {
  checkKey(key.slice(0, engineLimits.keyBytesMax));
}

function checkValue(value: Uint8Array): void {
  if (value.length > engineLimits.valueBytesMax) {
    throw new ProaError('engine.limit', `a value has at most ${engineLimits.valueBytesMax} bytes, not ${value.length}`);
  }
}
