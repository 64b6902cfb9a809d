import { ProaError } from '../kernel/errors.ts';
import type { Key } from '../kernel/tuple.ts';
import { type Engine, engineLimits, type NewLogEntry, type Put } from './engine.ts';

/** An engine that knows the names of its logs, which the contract itself cannot list. */
export interface CopySource extends Engine {
  /** Every log that has or had entries. */
  logNames(): Promise<readonly Key[]>;
  /** Another one after every put and every append, whoever made it. Absent where nobody else can write. */
  mark?(): Promise<string>;
}

export interface CopyOptions {
  /** Logs to copy (see `CopySource`). */
  readonly logs?: readonly Key[];
  /** Called after each batch with what was copied so far. */
  progress?(copied: CopySummary): void;
}

export interface CopySummary {
  readonly keys: number;
  readonly entries: number;
}

const batchOperations = engineLimits.operationsMax / 2;
const batchBytes = engineLimits.commitBytesMax / 4;

/**
 * Copies all keys and the named logs from one engine into another, empty one: how data move from a journal to PostgreSQL. Nobody may
 * write meanwhile. Sequences and expiry stay; versions and entries' times are given anew; leases and commit ids are not copied, so their
 * holders begin again. Fails with `config.invalid` when the target holds one of the keys or logs, and when somebody wrote after all: what was copied early and
 * what was copied late do not belong together then.
 */
export async function copyEngine(from: Engine & Pick<CopySource, 'mark'>, to: Engine, options: CopyOptions = {}): Promise<CopySummary> {
  const copied = { keys: 0, entries: 0 };
  const before = await from.mark?.();
  await copyKeys(from, to, (keys) => {
    copied.keys += keys;
    options.progress?.({ ...copied });
  });
  for (const log of options.logs ?? []) {
    await copyLog(from, to, log, (entries) => {
      copied.entries += entries;
      options.progress?.({ ...copied });
    });
  }
  if ((await from.mark?.()) !== before) {
    throw new ProaError('config.invalid', 'somebody wrote into what was copied, so the copy is of no use', {
      hint: 'stop what uses it (`proa list` shows what this machine runs), and copy into another, empty place',
    });
  }
  return copied;
}

async function copyKeys(from: Engine, to: Engine, progress: (keys: number) => void): Promise<void> {
  // The two clocks may differ; what is left of a key's life must not.
  const offsetMs = to.now() - from.now();
  const end = '\xff'.repeat(engineLimits.keyBytesMax + 1);
  for (let at: Key | undefined = ''; at !== undefined;) {
    const page = await from.range({ from: at, to: end, limit: batchOperations });
    const put = page.entries.map(({ key, value, expiresAtMs }): Put => ({
      key,
      value,
      ...(expiresAtMs && { expiresAtMs: expiresAtMs + offsetMs }),
    }));
    for (const part of parts(put, (one) => one.key.length + one.value.length)) {
      const absent = part.map(({ key }) => ({ kind: 'version', key, version: 0 }) as const);
      const result = await to.commit({ if: absent, put: part });
      if (result.status === 'conflict') throw new ProaError('config.invalid', 'the engine to copy into is not empty');
      if (result.status === 'unknown') throw ProaError.from(result.cause, 'engine.outcome-unknown');
      progress(part.length);
    }
    at = page.more ? `${page.entries.at(-1)?.key}\x00` : undefined;
  }
}

async function copyLog(from: Engine, to: Engine, log: Key, progress: (entries: number) => void): Promise<void> {
  const { first, head } = await from.readLog(log, 0, 1);
  if ((await to.readLog(log, 0, 1)).head > 0) throw new ProaError('config.invalid', 'the engine to copy into is not empty');
  // Sequences must stay what consumers remember: what was trimmed is filled with nothing and trimmed again.
  for (let at = 0; at < first - 1;) {
    const fill = Math.min(batchOperations, first - 1 - at);
    await append(
      to,
      log,
      at,
      Array.from({ length: fill }, () => ({ data: new Uint8Array(0) })),
    );
    at += fill;
  }
  if (first > 1) await to.trim(log, first - 1);
  for (let at = first - 1; at < head;) {
    const { entries } = await from.readLog(log, at, batchOperations);
    if (entries.length === 0) return;
    const fresh = entries.map(({ sequence: _sequence, timeMs: _timeMs, ...entry }): NewLogEntry => entry);
    for (const part of parts(fresh, (entry) => entry.data.length + 256)) {
      await append(to, log, at, part);
      at += part.length;
      progress(part.length);
    }
  }
}

async function append(to: Engine, log: Key, head: number, entries: readonly NewLogEntry[]): Promise<void> {
  const result = await to.commit({ if: [{ kind: 'head', log, head }], append: [{ log, entries }] });
  if (result.status === 'conflict') throw new ProaError('config.invalid', 'somebody else writes into the engine to copy into');
  if (result.status === 'unknown') throw ProaError.from(result.cause, 'engine.outcome-unknown');
}

/** Cuts a list so that each part stays well below the limits of a commit. */
function parts<Item>(items: readonly Item[], sizeOf: (item: Item) => number): Item[][] {
  const all: Item[][] = [];
  let size = Infinity;
  for (const item of items) {
    if (size > batchBytes) {
      all.push([]);
      size = 0;
    }
    all.at(-1)?.push(item);
    size += sizeOf(item);
  }
  return all;
}
