import type { CallRecord, CallRecords } from '../contracts/decisions.ts';

/** What one runtime remembers at most. */
export const recordBytesMax = 2 * 1024 * 1024;

interface Kept {
  readonly record: CallRecord;
  readonly bytes: number;
}

/** A ring of records with a fixed size in bytes: the oldest gives way. A record larger than the ring is not kept. */
export function createCallRecords(bytesMax: number = recordBytesMax): CallRecords & { readonly bytes: number } {
  // A Map keeps the order in which the traces came, and finds one by its id.
  const traces = new Map<string, Kept[]>();
  let bytes = 0;
  const dropOldest = (): void => {
    const [oldest] = traces;
    if (oldest === undefined) return;
    const [traceId, kept] = oldest;
    bytes -= (kept.shift() as Kept).bytes;
    if (kept.length === 0) traces.delete(traceId);
  };
  return {
    get bytes() {
      return bytes;
    },
    add(record) {
      const size = sizeOf(record);
      if (size > bytesMax) return;
      while (bytes + size > bytesMax) dropOldest();
      const kept = traces.get(record.traceId);
      if (kept === undefined) traces.set(record.traceId, [{ record, bytes: size }]);
      else kept.push({ record, bytes: size });
      bytes += size;
    },
    find: (traceId) => (traces.get(traceId) ?? []).map(({ record }) => record),
  };
}

/** What an object and a map entry cost, roughly, beside their texts; on the high side. */
const recordBytes = 700;
const attemptBytes = 250;
const decisionBytes = 150;

function sizeOf({ path, error, attempts, decisions }: CallRecord): number {
  let size = recordBytes + 2 * ((path?.length ?? 0) + (error?.message.length ?? 0)) + attempts.length * attemptBytes;
  // The other texts of a decision are shared by all that a layer makes.
  for (const { what } of decisions) size += decisionBytes + 2 * what.length;
  return size;
}
