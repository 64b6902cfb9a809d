import type { Timestamp } from '@bufbuild/protobuf/wkt';

// The last second that a Timestamp may have; SDKs use its last nanosecond for "never", which a double of milliseconds cannot hold.
const lastSecond = 253_402_300_799;

/** Milliseconds with fractions as a Timestamp. */
export function wireTime(ms: number): { readonly seconds: bigint; readonly nanos: number } {
  const seconds = Math.floor(ms / 1000);
  if (seconds >= lastSecond) return { seconds: BigInt(lastSecond), nanos: 999_999_999 };
  return { seconds: BigInt(seconds), nanos: Math.max(0, Math.round((ms - seconds * 1000) * 1000) * 1000) % 1_000_000_000 };
}

/** The reverse; undefined for none. */
export function msOf(time: Timestamp | undefined): number | undefined {
  return time === undefined ? undefined : Number(time.seconds) * 1000 + time.nanos / 1_000_000;
}
