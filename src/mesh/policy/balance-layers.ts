import { bulkhead, createBulkhead, type Bulkhead, type BulkheadOptions } from '../../filters/concurrency/bulkhead.ts';
import { createSharedBulkhead } from '../../filters/concurrency/shared-bulkhead.ts';
import { withPlan } from '../../filters/balance/with-plan.ts';
import { formatDuration } from '../../kernel/duration.ts';
import { layerFilter, type Layer } from '../../kernel/stack.ts';
import { defaultBalance, type BalancePlan, type BalanceSettings } from '../balance/plan.ts';
import { badFromOf, breakerParameters, makeBreaker } from './breaker-layers.ts';
import { describeTarget, fromOf, sideOf, stateKey, tellerOf, type Entry, type LayerParts } from './layer-parts.ts';

/** How the endpoints of an app are chosen, and the breaker that each of them has. */
export function balanceLayer(parts: LayerParts, balance: Entry<'balance'> | undefined, breaker: Entry<'breaker'> | undefined): Layer {
  const settings = balance?.value ?? defaultBalance;
  const breakerKey = breaker === undefined ? '' : `${stateKey(parts, breaker, 'breaker')} ${JSON.stringify(breaker.value)}`;
  const plan = parts.states.of(
    `${stateKey(parts, balance, 'balance')} ${stateKey(parts, breaker, 'breaker')}`,
    [settings, breaker?.value],
    (): BalancePlan => {
      if (breaker === undefined) return { settings };
      return { settings, breakers: { key: breakerKey, make: makeBreaker(parts, breaker), badFrom: badFromOf(breaker.value) } };
    },
  );
  // What is remembered for the plan outlives a reload; where its policy stands may have moved.
  plan.tell = tellerOf(parts, 'balance', { entry: balance, name: 'balance' });
  plan.tellBreaker = tellerOf(parts, 'breaker', { entry: breaker, name: 'breaker' });
  return {
    role: 'balance',
    why: 'innermost, so that each attempt may go elsewhere',
    parameters: {
      ...balanceParameters(settings),
      ...fromOf(balance, 'balance'),
      ...(breaker !== undefined && {
        breakerPerEndpoint: breakerParameters(breaker.value)['trip'],
        breakerFrom: fromOf(breaker, 'breaker')['from'],
      }),
    },
    filter: layerFilter(withPlan(plan)),
  };
}

/** Balancing in words. */
export function balanceParameters({
  policy,
  key,
  zoneShareMin,
  slowStartMs,
  outlier,
  panicShare,
}: BalanceSettings): Record<string, unknown> {
  return {
    policy,
    ...(key !== undefined && { key: 'name' in key ? `${key.from} ${key.name}` : key.from }),
    zone: zoneShareMin === 0 ? 'ignored' : `own, while ${zoneShareMin * 100} % of it is usable`,
    ...(slowStartMs > 0 && { slowStart: formatDuration(slowStartMs) }),
    eject: `${outlier.consecutive} failures in a row${outlier.failureRatio > 0 ? ` or ${outlier.failureRatio * 100} % failures` : ''}, for ${formatDuration(outlier.ejectionMs)} and more, at most ${outlier.ejectedShareMax * 100} %`,
    panic: `below ${panicShare * 100} % usable`,
  };
}

function bulkheadOf({ shared }: LayerParts, options: BulkheadOptions, key: string): Bulkhead {
  if (shared === undefined) return createBulkhead(options);
  return createSharedBulkhead(options, shared.places(`${shared.name} ${key}`, options.concurrencyMax));
}

/** Places for calls at a target. */
export function bulkheadLayer(parts: LayerParts, entry: Entry<'bulkhead'>): Layer {
  const { concurrencyMax, queueMax, waitMaxMs } = entry.value;
  const key = stateKey(parts, entry, 'bulkhead');
  const places = parts.states.of(key, entry.value, () =>
    bulkheadOf(
      parts,
      { clock: parts.clock, target: describeTarget(parts.target), concurrencyMax, queueMax, waitMaxMs, side: sideOf(parts) },
      key,
    ),
  );
  return {
    role: 'concurrency',
    why: 'after everything that may refuse or wait without a place; attempts hold their place to the last byte',
    parameters: { maxConcurrent: concurrencyMax, maxQueue: queueMax, maxWait: formatDuration(waitMaxMs), ...fromOf(entry, 'bulkhead') },
    filter: layerFilter(bulkhead(places, parts.clock, tellerOf(parts, 'concurrency', { entry, name: 'bulkhead' }))),
  };
}
