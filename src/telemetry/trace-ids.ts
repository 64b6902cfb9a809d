import type { Random } from '../kernel/ports.ts';

const hex = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** Makes W3C trace and span ids from the random port; all-zero ids do not occur. */
export interface TraceIds {
  /** 32 lower-case hex digits. */
  traceId(): string;
  /** 16 lower-case hex digits. */
  spanId(): string;
}

/** Ids by a table of hex pairs over 32-bit draws: formatting through `toString` would cost more than drawing. */
export function createTraceIds(random: Random): TraceIds {
  const word = (): string => {
    const value = random.u32();
    return (
      (hex[value >>> 24] as string) +
      (hex[(value >>> 16) & 255] as string) +
      (hex[(value >>> 8) & 255] as string) +
      (hex[value & 255] as string)
    );
  };
  const nonZero = (make: () => string, zero: string): string => {
    let id = make();
    while (id === zero) id = make();
    return id;
  };
  return {
    traceId: () => nonZero(() => word() + word() + word() + word(), '0'.repeat(32)),
    spanId: () => nonZero(() => word() + word(), '0'.repeat(16)),
  };
}
