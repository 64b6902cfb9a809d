import type { CallRecord, CallRecords } from '../contracts/decisions.ts';

/** What one runtime remembers at most. */
export const recordBytesMax = 2 * 1024 * 1024;

interface Kept {
  readonly record: CallRecord;
  readonly bytes: number;
}

/** So many calls are told together: what is seldom done costs several times as much each time as what is done in a row. */
const pendingMax = 64;

/** A ring of records with a fixed size in bytes: the oldest gives way. A record larger than the ring is not kept. */
export function createCallRecords(bytesMax: number = recordBytesMax): CallRecords & { readonly bytes: number } {
  // The order stands in a list of its own: a Map that is emptied from its beginning has to step over what it held there.
  const traces = new Map<string, CallRecord[]>();
  let order: (Kept | undefined)[] = [];
  let first = 0;
  let bytes = 0;
  let pending: (() => CallRecord)[] = [];
  const dropOldest = (): void => {
    const { record, bytes: size } = order[first] as Kept;
    order[first++] = undefined;
    bytes -= size;
    const kept = traces.get(record.traceId) as CallRecord[];
    kept.shift();
    if (kept.length === 0) traces.delete(record.traceId);
    if (first < 1_024 || first * 2 < order.length) return;
    order = order.slice(first);
    first = 0;
  };
  const keep = (record: CallRecord): void => {
    const size = sizeOf(record);
    if (size > bytesMax) return;
    while (bytes + size > bytesMax) dropOldest();
    const kept = traces.get(record.traceId);
    if (kept === undefined) traces.set(record.traceId, [record]);
    else kept.push(record);
    order.push({ record, bytes: size });
    bytes += size;
  };
  const settle = (): void => {
    const making = pending;
    pending = [];
    for (const make of making) keep(make());
  };
  return {
    get bytes() {
      settle();
      return bytes;
    },
    add(make) {
      if (pending.push(make) === pendingMax) settle();
    },
    find(traceId) {
      settle();
      return [...(traces.get(traceId) ?? [])];
    },
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
