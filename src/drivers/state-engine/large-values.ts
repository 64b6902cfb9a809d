import type { Condition, Engine, Put } from '../../contracts/engine.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Random } from '../../kernel/ports.ts';
import type { Layout } from './layout.ts';
import type { Manifest } from './record.ts';

/** A chunk; a commit carries seven of them. */
export const chunkBytes = 512 * 1024;
const chunksPerCommit = 7;
/** The largest value. */
export const valueBytesMax = 64 * 1024 * 1024;
/** A write that has not finished after this long never will: its chunks are removed. */
const staleMs = 60 * 60_000;
const sweepMax = 256;

/** A large value whose chunks lie in the engine, not yet visible. `alive` must hold when the manifest is committed: another write of the key may have removed the chunks. */
export interface Staged {
  readonly manifest: Manifest;
  readonly alive: Condition;
}

/** Values beyond the engine's limit: chunks first, under an id of their own, the manifest last and in one commit with whatever else changes. */
export interface LargeValues {
  stage(key: string, data: Uint8Array, expiresAtMs: number | undefined): Promise<Staged>;
  /** The value, or undefined when its chunks are gone because the key was written meanwhile: read the record again. */
  read(key: string, manifest: Manifest): Promise<Uint8Array | undefined>;
  /** Removes what was staged and did not become visible; when that fails, `sweep` does it later. */
  drop(key: string, manifest: Manifest): Promise<void>;
  /** Removes the chunks of writes that were given up, at most 256 of them. */
  sweep(): Promise<void>;
}

export function createLargeValues(engine: Engine, layout: Layout, random: Random): LargeValues {
  const commit = async (request: Parameters<Engine['commit']>[0]): Promise<void> => {
    const result = await engine.commit(request);
    if (result.status === 'unknown') {
      throw new ProaError('engine.outcome-unknown', 'a part of a large value may not have been written', { cause: result.cause });
    }
  };
  return {
    async stage(key, data, expiresAtMs) {
      if (data.length > valueBytesMax)
        throw new ProaError('engine.limit', `a value has at most ${valueBytesMax} bytes, not ${data.length}`);
      const write = Buffer.from(random.bytes(8)).toString('hex');
      const count = Math.ceil(data.length / chunkBytes);
      const expiry = expiresAtMs === undefined ? {} : { expiresAtMs };
      const puts = Array.from({ length: count }, (_, index): Put => ({
        key: layout.chunk(key, write, index),
        value: data.subarray(index * chunkBytes, (index + 1) * chunkBytes),
        ...expiry,
      }));
      const mark = { key: layout.staging(key, write), value: Buffer.from(String(engine.now())) };
      for (let at = 0; at < count; at += chunksPerCommit) {
        const batch = puts.slice(at, at + chunksPerCommit);
        await commit({ put: at === 0 ? [mark, ...batch] : batch });
      }
      return { manifest: { write, count, bytes: data.length }, alive: { kind: 'exists', key: layout.chunk(key, write, 0) } };
    },
    async read(key, { write, count, bytes }) {
      const value = Buffer.allocUnsafeSlow(bytes);
      for (let at = 0; at < count; at += chunksPerCommit) {
        const indexes = Array.from({ length: Math.min(chunksPerCommit, count - at) }, (_, offset) => at + offset);
        const entries = await engine.getMany(indexes.map((index) => layout.chunk(key, write, index)));
        for (const [offset, entry] of entries.entries()) {
          if (entry === undefined) return undefined;
          value.set(entry.value, (at + offset) * chunkBytes);
        }
      }
      return value;
    },
    async drop(key, { write }) {
      await engine.commit({ delete: [layout.staging(key, write)], deleteRange: [layout.chunksOf(key, write)] });
    },
    async sweep() {
      const page = await engine.range({ ...layout.allStaging, limit: sweepMax });
      for (const { key: mark, value, version } of page.entries) {
        if (engine.now() - Number(Buffer.from(value).toString('utf8')) < staleMs) continue;
        const [key, write] = layout.staged(mark);
        await commit({ if: [{ kind: 'version', key: mark, version }], delete: [mark], deleteRange: [layout.chunksOf(key, write)] });
      }
    },
  };
}
