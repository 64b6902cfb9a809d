import type { Layer } from '../../kernel/stack.ts';
import { accessLayer, admissionLayer, faultLayer } from './access-layers.ts';
import { mirrorLayer, splitLayer } from './delivery-layers.ts';
import { balanceLayer, bulkheadLayer } from './balance-layers.ts';
import { breakerLayer } from './breaker-layers.ts';
import { fallbackLayer, limitLayer, meterLayer, systemLayer } from './flow-layers.ts';
import { callsActor, callsApp, type LayerParts } from './layer-parts.ts';
import { hedgeLayer, retryLayer } from './retry-layers.ts';
import type { RetrySettings } from './model.ts';
import { parameterOrigins } from './provenance.ts';
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
  const add = (layer: Layer, name: keyof Effective): void => {
    layers.push({ ...layer, origins: parameterOrigins(layer.parameters ?? {}, name, effective[name]) });
  };
  // Deadlines come from callers: what brokers and bindings deliver has none, unless a policy sets one.
  if (target.block === 'invoke' || target.direction === 'outbound' || effective.deadline !== undefined)
    add(deadlineLayer(parts, effective.deadline), 'deadline');
  if (related.length > 0) layers.push(meterLayer(parts, related));
  if (access !== undefined) layers.push(accessLayer(parts, access));
  if (effective.fault !== undefined) add(faultLayer(parts, effective.fault), 'fault');
  if (effective.admission !== undefined) add(admissionLayer(parts, effective.admission, effective.priority), 'admission');
  if (effective.split !== undefined) add(splitLayer(parts, effective.split), 'split');
  if (effective.mirror !== undefined) add(mirrorLayer(parts, effective.mirror), 'mirror');
  if (effective.limits !== undefined) add(limitLayer(parts, effective.limits), 'limits');
  if (effective.system !== undefined) add(systemLayer(parts, effective.system), 'system');
  if (effective.fallback !== undefined) add(fallbackLayer(parts, effective.fallback), 'fallback');
  if (effective.retry !== undefined) add(retryLayer(parts, effective.retry.value, effective.retry), 'retry');
  else if (!named && (callsApp(parts) || callsActor(parts))) add(retryLayer(parts, builtInRetries(parts), undefined), 'retry');
  if (effective.hedge !== undefined) add(hedgeLayer(parts, effective.hedge), 'hedge');
  if (effective.timeout !== undefined) add(timeoutLayer(parts, effective.timeout), 'timeout');
  if (effective.bulkhead !== undefined) add(bulkheadLayer(parts, effective.bulkhead), 'bulkhead');
  const { breaker, balance } = effective;
  const perEndpoint = callsApp(parts) && breaker?.value.per === 'endpoint' ? breaker : undefined;
  if (breaker !== undefined && perEndpoint === undefined) add(breakerLayer(parts, breaker), 'breaker');
  if (balance !== undefined || perEndpoint !== undefined) layers.push(balancing(parts, balance, perEndpoint));
  return layers;
}

function builtInRetries(parts: LayerParts): RetrySettings {
  const { builtIn } = parts.epoch.document;
  return callsApp(parts) ? builtIn.serviceRetries : builtIn.actorRetries;
}

/** Two classes meet in one layer. */
function balancing(parts: LayerParts, balance: Effective['balance'], breaker: Effective['breaker']): Layer {
  const layer = balanceLayer(parts, balance, breaker);
  const { breakerPerEndpoint, ...own } = layer.parameters ?? {};
  const ofBreaker = breakerPerEndpoint === undefined ? {} : parameterOrigins({ breakerPerEndpoint }, 'breaker', breaker);
  return { ...layer, origins: { ...parameterOrigins(own, 'balance', balance), ...ofBreaker } };
}
