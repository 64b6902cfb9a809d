import type { Random } from '../kernel/ports.ts';

/** Makes W3C trace and span ids from the random port; all-zero ids do not occur. */
export interface TraceIds {
  /** A whole traceparent of a new trace, not sampled. */
  root(): string;
  /** 16 lower-case hex digits. */
  spanId(): string;
}

const noTraceId = '0'.repeat(32);
const noSpanId = '0'.repeat(16);
const rootChars = 55;
const rootsMade = 64;

/** Ids for one tracer. */
export function createTraceIds(random: Random): TraceIds {
  // Made in batches and cut from one flat text: a traceparent that is joined by itself is put together again wherever it is read.
  let roots = '';
  let used = 0;
  return {
    root() {
      if (used === roots.length) {
        roots = makeRoots(random);
        used = 0;
      }
      used += rootChars;
      return roots.slice(used - rootChars, used);
    },
    spanId: () => nonZero(random.hex(16), noSpanId),
  };
}

function makeRoots(random: Random): string {
  let text = '';
  for (let i = 0; i < rootsMade; i++) text += `00-${nonZero(random.hex(32), noTraceId)}-${nonZero(random.hex(16), noSpanId)}-00`;
  return Buffer.from(text, 'latin1').toString('latin1');
}

// Zero means "invalid" on the wire; it comes up once in 2^64 ids, and then any other id will do.
function nonZero(id: string, zero: string): string {
  return id.charCodeAt(0) === 48 && id === zero ? `${zero.slice(1)}1` : id;
}
