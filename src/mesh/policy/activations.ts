import type { Target } from '../../contracts/governance.ts';
import type { Counter, Gauge, Metrics } from '../../contracts/metrics.ts';
import type { BreakerState } from '../../filters/breaker/breaker.ts';
import { labelNames, metricNames } from '../../kernel/names.ts';
import type { PolicyRule } from './model.ts';

interface Parts {
  readonly metrics: Metrics;
  readonly namespace: string;
  readonly target: Target;
}

function labelsOf({ namespace, target }: Parts, policy: string, rule: PolicyRule): Record<string, string> {
  return {
    [labelNames.name]: rule.resource,
    [labelNames.policy]: policy,
    [labelNames.namespace]: namespace,
    [labelNames.flowDirection]: target.direction,
    [labelNames.target]: target.block === 'invoke' ? `app_${target.name}` : `${target.componentType ?? target.block}_${target.name}`,
  };
}

/** Counts how often a policy acted (reference 14.2). The series is made when it first does. */
export function activations(
  parts: Parts,
  policy:
    | 'retry'
    | 'hedge'
    | 'timeout'
    | 'circuitbreaker'
    | 'limit'
    | 'system'
    | 'fallback'
    | 'admission'
    | 'fault'
    | 'authorise'
    | 'mirror',
  rule: PolicyRule,
): () => void {
  let counter: Counter | undefined;
  return () => {
    counter ??= parts.metrics.counter(metricNames.resiliencyActivations, labelsOf(parts, policy, rule));
    counter.add(1);
  };
}

const states: readonly BreakerState[] = ['closed', 'half-open', 'open'];

/** Shows the state of a breaker: one series per state, 1 for the current one; opening counts as an activation. */
export function breakerGauge(parts: Parts, rule: PolicyRule): (state: BreakerState, told: boolean) => void {
  let gauges: Map<BreakerState, Gauge> | undefined;
  const opened = activations(parts, 'circuitbreaker', rule);
  return (state, told) => {
    const labels = labelsOf(parts, 'circuitbreaker', rule);
    gauges ??= new Map(
      states.map((each) => [each, parts.metrics.gauge(metricNames.resiliencyBreakerState, { ...labels, [labelNames.status]: each })]),
    );
    for (const [each, gauge] of gauges) gauge.set(each === state ? 1 : 0);
    // The process in which it opened has counted that.
    if (state === 'open' && !told) opened();
  };
}
