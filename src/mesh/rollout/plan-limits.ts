import { limits } from '../../kernel/limits.ts';
import type { RolloutStep } from './rollout.ts';

const stepsMax = 20;
const name = /^[A-Za-z0-9][A-Za-z0-9._+-]*$/;

/** What plans may say, on the command line and in files. Times are counted in classes that differ by a fifth: a smaller factor would judge the classes. */
export const planLimits = { factorMin: 1.2, factorMax: 100, requestsMax: 1_000_000_000 } as const;

/** What holds where a plan says nothing, in percent and calls. */
export const gateDefaults = { successPercent: 99, requestsMin: 50 } as const;

/** Whether a rollout can be of an app, or of a version, with that name. */
export function isRolloutName(text: string): boolean {
  return name.test(text) && text.length <= limits.appIdChars;
}

/** What is wrong with the steps; undefined: nothing. */
export function stepsProblem(steps: readonly RolloutStep[]): string | undefined {
  const rising = steps.every(({ percent }, i) => percent > (steps[i - 1]?.percent ?? 0) && percent <= 100);
  if (!rising || steps.at(-1)?.percent !== 100) return 'the percents must rise, and end at 100';
  return steps.length > stepsMax ? `there may be ${stepsMax} at most` : undefined;
}
