import type { Layer } from '../../kernel/stack.ts';
import { accessLayer, admissionLayer, faultLayer } from './access-layers.ts';
import { mirrorLayer, splitLayer } from './delivery-layers.ts';
import { balanceLayer, bulkheadLayer } from './balance-layers.ts';
import { breakerLayer } from './breaker-layers.ts';
import { fallbackLayer, limitLayer, meterLayer, systemLayer } from './flow-layers.ts';
import { callsApp, type LayerParts } from './layer-parts.ts';
import { hedgeLayer, retryLayer } from './retry-layers.ts';
import type { Access, Effective, Related } from './rule-set.ts';
import { deadlineLayer, timeoutLayer } from './time-layers.ts';

export interface LayerContext {
  /** A Resiliency names the target, so built-in retries give way. */
  readonly named: boolean;
  readonly related: readonly Related[];
  readonly access: Access | undefined;
}

/** The layers that policies ask for, without regard to their order. */
export function policyLayers(parts: LayerParts, effective: Effective, { named, related, access }: LayerContext): Layer[] {
  const { target } = parts;
  const layers: Layer[] = [];
  // Deadlines come from callers: what brokers and bindings deliver has none, unless a policy sets one.
  if (target.block === 'invoke' || target.direction === 'outbound' || effective.deadline !== undefined)
    layers.push(deadlineLayer(parts, effective.deadline));
  if (related.length > 0) layers.push(meterLayer(parts, related));
  if (access !== undefined) layers.push(accessLayer(parts, access));
  if (effective.fault !== undefined) layers.push(faultLayer(parts, effective.fault));
  if (effective.admission !== undefined) layers.push(admissionLayer(parts, effective.admission, effective.priority));
  if (effective.split !== undefined) layers.push(splitLayer(parts, effective.split));
  if (effective.mirror !== undefined) layers.push(mirrorLayer(parts, effective.mirror));
  if (effective.limits !== undefined) layers.push(limitLayer(parts, effective.limits));
  if (effective.system !== undefined) layers.push(systemLayer(parts, effective.system));
  if (effective.fallback !== undefined) layers.push(fallbackLayer(parts, effective.fallback));
  if (effective.retry !== undefined) layers.push(retryLayer(parts, effective.retry.value, effective.retry));
  else if (callsApp(parts) && !named) layers.push(retryLayer(parts, parts.epoch.document.builtIn.serviceRetries, undefined));
  if (effective.hedge !== undefined) layers.push(hedgeLayer(parts, effective.hedge));
  if (effective.timeout !== undefined) layers.push(timeoutLayer(parts, effective.timeout));
  if (effective.bulkhead !== undefined) layers.push(bulkheadLayer(parts, effective.bulkhead));
  const { breaker, balance } = effective;
  const perEndpoint = callsApp(parts) && breaker?.value.per === 'endpoint' ? breaker : undefined;
  if (breaker !== undefined && perEndpoint === undefined) layers.push(breakerLayer(parts, breaker));
  if (balance !== undefined || perEndpoint !== undefined) layers.push(balanceLayer(parts, balance, perEndpoint));
  return layers;
}
