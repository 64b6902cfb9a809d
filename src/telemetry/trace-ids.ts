import type { Random } from '../kernel/ports.ts';

/** Makes W3C trace and span ids from the random port; all-zero ids do not occur. */
export interface TraceIds {
  /** 32 lower-case hex digits. */
  traceId(): string;
  /** 16 lower-case hex digits. */
  spanId(): string;
}

const noTraceId = '0'.repeat(32);
const noSpanId = '0'.repeat(16);

/** Ids for one tracer. */
export function createTraceIds(random: Random): TraceIds {
  return {
    traceId: () => nonZero(random.hex(32), noTraceId),
    spanId: () => nonZero(random.hex(16), noSpanId),
  };
}

// Zero means "invalid" on the wire; it comes up once in 2^64 ids, and then any other id will do.
function nonZero(id: string, zero: string): string {
  return id.charCodeAt(0) === 48 && id === zero ? `${zero.slice(1)}1` : id;
}
