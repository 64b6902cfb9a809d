import type { Govern, Target } from '../contracts/governance.ts';
import type { InvokeRequest } from '../contracts/app-channel.ts';
import type { AccessControl } from '../contracts/resources.ts';
import type { Metrics } from '../contracts/metrics.ts';
import { accessControl } from '../filters/authorise/access-control.ts';
import { componentMetrics } from '../filters/metrics/component-metrics.ts';
import { inboundInvocationMetrics, outboundInvocationMetrics } from '../filters/metrics/invocation-metrics.ts';
import { constantRetry } from '../filters/retry/constant-retry.ts';
import { metricNames } from '../kernel/names.ts';
import type { Clock } from '../kernel/ports.ts';
import { replayBody } from '../kernel/replay-body.ts';
import { createStack, layerFilter, type Layer, type SettleAt } from '../kernel/stack.ts';

export interface GovernOptions {
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly namespace: string;
  readonly accessControl: () => AccessControl | undefined;
}

/** Every role of a stack, outermost first. A stack uses some of them, never in another order (docs/architecture.md explains each place). */
export const roleOrder = [
  'trace',
  'metrics',
  'deadline',
  'authorise',
  'fault',
  'rate-limit',
  'split',
  'retry',
  'balance',
  'breaker',
  'attempt',
  'concurrency',
] as const;

/** The stacks of this version: telemetry everywhere, access control on what comes in, Dapr's built-in retries on calls to apps. */
export function createGovern(options: GovernOptions): Govern {
  return (target, service) => {
    const settleAt: SettleAt = target.block === 'invoke' ? 'end' : 'result';
    return createStack(roleOrder, layersFor(options, target), settleAt).over(service);
  };
}

/** The layers that a target passes, for `explain`. */
export function layersFor(options: GovernOptions, target: Target): readonly Layer[] {
  if (target.block !== 'invoke') return componentLayers(options, target);
  return target.direction === 'outbound' ? outboundLayers(options, target) : inboundLayers(options);
}

function outboundLayers(options: GovernOptions, target: Target): Layer[] {
  const { clock, metrics } = options;
  return [
    {
      role: 'metrics',
      why: 'outside retries: callers wait for the logical call',
      pair: outboundInvocationMetrics({ metrics, clock, appId: target.name }),
    },
    {
      role: 'retry',
      why: 'an app that just starts or moves is not there for a moment',
      parameters: { retries: 3, delayMs: 1_000, on: 'UNAVAILABLE, UNAUTHENTICATED; never a streamed body' },
      filter: layerFilter(
        constantRetry<InvokeRequest, unknown>({
          clock,
          retries: 3,
          delayMs: 1_000,
          matches: (error) => error.spec.grpc === 'UNAVAILABLE' || error.spec.grpc === 'UNAUTHENTICATED',
          repeatable: repeatableInvoke,
        }),
      ),
    },
  ];
}

function repeatableInvoke(call: {
  readonly input: InvokeRequest;
}): { first: InvokeRequest; again: () => InvokeRequest | undefined } | undefined {
  const { input } = call;
  if (!input.replayable) return undefined;
  const body = replayBody(input.body);
  if (body === undefined) return undefined;
  return {
    first: input.body.length === 0 ? input : { ...input, body },
    again() {
      const next = body.again();
      return next === undefined ? undefined : { ...input, body: next };
    },
  };
}

function inboundLayers(options: GovernOptions): Layer[] {
  const layers: Layer[] = [{ role: 'metrics', why: 'counts refusals too', pair: inboundInvocationMetrics(options.metrics) }];
  const list = options.accessControl();
  if (list !== undefined) {
    layers.push({
      role: 'authorise',
      why: 'before the app is touched, on the same canonical path that dispatch uses',
      pair: accessControl(list, list.trustDomain, (decision) => {
        const { allowed, by, trustDomain, namespace } = decision;
        const name =
          by === 'app'
            ? allowed
              ? metricNames.aclAppAllowed
              : metricNames.aclAppBlocked
            : allowed
              ? metricNames.aclGlobalAllowed
              : metricNames.aclGlobalBlocked;
        options.metrics.counter(name, { trustDomain, namespace }).add(1);
      }),
    });
  }
  return layers;
}

// Which metric pair counts a block's calls; pub/sub counts by itself, because its labels differ per event.
const componentMetricNames: Readonly<Record<string, readonly [count: string, latency: string]>> = {
  state: [metricNames.state, metricNames.stateLatency],
  secrets: [metricNames.secret, metricNames.secretLatency],
  configuration: [metricNames.configuration, metricNames.configurationLatency],
  crypto: [metricNames.crypto, metricNames.cryptoLatency],
  lock: [metricNames.lock, metricNames.lockLatency],
};

function componentLayers(options: GovernOptions, target: Target): Layer[] {
  const names =
    target.block === 'bindings'
      ? target.direction === 'inbound'
        ? ([metricNames.inputBinding, metricNames.inputBindingLatency] as const)
        : ([metricNames.outputBinding, metricNames.outputBindingLatency] as const)
      : componentMetricNames[target.block];
  if (names === undefined) return [];
  const [countName, latencyName] = names;
  const labels = { component: target.name, namespace: options.namespace, operation: target.operation };
  return [
    {
      role: 'metrics',
      why: 'what the component costs its callers',
      pair: componentMetrics({ metrics: options.metrics, clock: options.clock, countName, latencyName, labels }),
    },
  ];
}
