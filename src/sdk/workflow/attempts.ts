import type { FailureDetails, TimerOrigin } from '../../contracts/workflow.ts';
import { errorOf } from './failures.ts';
import type { Execution } from './execution.ts';
import type { AnyFunction, Outcome } from './operation.ts';
import { waitMs, type RetryPolicy } from './retry-policy.ts';

export interface Attempts {
  readonly policy: RetryPolicy;
  /** Whose attempts they are; the waits between are named after it. */
  readonly label: string;
  readonly origin: () => TimerOrigin;
  readonly from: AnyFunction;
  /** The n-th attempt, the first being 1. */
  readonly attempt: (n: number) => Promise<Outcome>;
}

/** Tries until it works or the policy has enough. The waits between are durable. */
export async function attempts(execution: Execution, { policy, label, origin, from, attempt }: Attempts): Promise<Outcome> {
  const beganMs = execution.clockMs;
  for (let n = 1; ; n++) {
    const outcome = await attempt(n);
    if (!('failure' in outcome) || !again(policy, outcome.failure, n)) return outcome;
    const delayMs = waitMs(policy, n);
    if (execution.clockMs + delayMs - beganMs > policy.withinMs) return outcome;
    if (delayMs === 0) continue;
    const name = `retry ${label}`;
    const fireAtMs = execution.clockMs + delayMs;
    await execution.operation(`timer ${name}`, { type: 'createTimer', name, fireAtMs, origin: origin() }, { from });
  }
}

function again({ attempts: max, retryIf }: RetryPolicy, failure: FailureDetails, failed: number): boolean {
  if (failed >= max) return false;
  return retryIf === undefined ? failure.isNonRetriable !== true : retryIf(errorOf(failure));
}
