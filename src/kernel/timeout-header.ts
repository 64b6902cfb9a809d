/** The header in which a deadline travels, over gRPC and over HTTP alike: how much time is left, so that clocks need not agree. */

import { ProaError } from './errors.ts';
import type { Clock } from './ports.ts';

const unitMs: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 0.001, n: 0.000_001 };

/** Milliseconds of a `grpc-timeout` header. Fails with `bad-request` when it is malformed. */
export function parseTimeout(text: string): number {
  const match = /^(\d{1,8})([HMSmun])$/.exec(text);
  if (match === null) throw new ProaError('bad-request', `malformed grpc-timeout: ${JSON.stringify(text.slice(0, 40))}`);
  return Number(match[1]) * (unitMs[match[2] as string] as number);
}

const digitsMax = 99_999_999;

/** A `grpc-timeout` header. It has at most eight digits: long times lose precision and never become shorter. */
export function formatTimeout(timeoutMs: number): string {
  const us = Math.max(1, Math.ceil(timeoutMs * 1000));
  if (us <= digitsMax) return `${us}u`;
  const ms = Math.ceil(timeoutMs);
  return ms <= digitsMax ? `${ms}m` : `${Math.min(digitsMax, Math.ceil(timeoutMs / 1000))}S`;
}

/** The name of the header. */
export const timeoutHeader = 'grpc-timeout';

/** The `clock.mono()` instant that a header means for a call that arrives now; `Infinity` without one. Fails with `bad-request` when it is malformed. */
export function deadlineOf(text: string | undefined, clock: Pick<Clock, 'mono'>): number {
  return text === undefined ? Infinity : clock.mono() + parseTimeout(text);
}
