import type { BudgetSettings, HedgeSettings, RetrySettings } from '../../../../mesh/policy/model.ts';
import { codes } from '../resiliency.ts';
import { duration, object, optional, whole, withDefault, word, wrongValue, type Reader } from '../../shape.ts';
import { valueAt } from '../../yaml.ts';
import { fraction, positiveDuration } from './values.ts';

const budget = object({ percent: withDefault(fraction(0, 100), 20), perSecond: withDefault(whole(0, 10_000), 10) });
const budgetDefaults = { percent: 20, perSecond: 10 } as const;

function budgetOf({ percent, perSecond }: { readonly percent: number; readonly perSecond: number }): BudgetSettings {
  return { ratio: percent / 100, perSecond };
}

const backoffDefaults = { initial: 25, factor: 2, max: 2_000, jitter: 'full' } as const;
const retryShape = object({
  maxRetries: withDefault(whole(0, 100), 3),
  backoff: withDefault(
    object({
      initial: withDefault(positiveDuration, 25),
      factor: withDefault(fraction(1, 10), 2),
      max: withDefault(positiveDuration, 2_000),
      jitter: withDefault(word('full', 'around'), 'full'),
    }),
    backoffDefaults,
  ),
  httpStatusCodes: optional(codes(100, 599)),
  grpcStatusCodes: optional(codes(0, 16)),
  budget: withDefault(budget, budgetDefaults),
  pushbackMax: withDefault(duration, 30_000),
});

/** `retry` of a Policy. */
export const retry: Reader<RetrySettings> = (node, path, reading) => {
  const written = retryShape(node, path, reading);
  if (written === undefined) return undefined;
  const { initial, factor, max, jitter } = written.backoff;
  if (max < initial)
    return wrongValue(reading, valueAt(node, 'backoff')?.span ?? node.span, `${path}.backoff: max must not be less than initial`);
  return {
    backoff: { kind: 'exponential', initialMs: initial, factor, maxMs: max, jitter },
    retriesMax: written.maxRetries,
    elapsedMaxMs: Infinity,
    when: 'proa',
    budget: budgetOf(written.budget),
    pushbackMaxMs: written.pushbackMax,
    ...(written.httpStatusCodes !== undefined && { httpCodes: written.httpStatusCodes }),
    ...(written.grpcStatusCodes !== undefined && { grpcCodes: written.grpcStatusCodes }),
  };
};

const hedgeShape = object({
  after: withDefault(positiveDuration, 100),
  maxAttempts: withDefault(whole(2, 5), 2),
  budget: withDefault(budget, budgetDefaults),
});

/** `hedge` of a Policy. */
export const hedge: Reader<HedgeSettings> = (node, path, reading) => {
  const written = hedgeShape(node, path, reading);
  if (written === undefined) return undefined;
  return { afterMs: written.after, attemptsMax: written.maxAttempts, budget: budgetOf(written.budget) };
};
