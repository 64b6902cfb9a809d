import type { InvokeRequest, InvokeResponse } from '../../contracts/app-channel.ts';
import type { Target } from '../../contracts/governance.ts';
import type { Metrics } from '../../contracts/metrics.ts';
import { attemptTimeout } from '../../filters/attempt/attempt-timeout.ts';
import { deadline } from '../../filters/deadline/deadline.ts';
import { hedge } from '../../filters/hedge/hedge.ts';
import { isIdempotent } from './idempotent.ts';
import type { Breaker } from '../../filters/breaker/breaker.ts';
import { breakerPair } from '../../filters/breaker/breaker-pair.ts';
import { createCountingBreaker } from '../../filters/breaker/counting-breaker.ts';
import { createKeyedBreakers } from '../../filters/breaker/keyed-breakers.ts';
import { constantBackoff, exponentialBackoff } from '../../filters/retry/backoff.ts';
import { createRetryBudget } from '../../filters/retry/budget.ts';
import { retry, type RetryOptions } from '../../filters/retry/retry.ts';
import type { Call } from '../../kernel/call.ts';
import { formatDuration } from '../../kernel/duration.ts';
import type { Clock, Random } from '../../kernel/ports.ts';
import { replayBody } from '../../kernel/replay-body.ts';
import { layerFilter, type Layer } from '../../kernel/stack.ts';
import { activations, breakerGauge } from './activations.ts';
import { dropAnswer, failureOfAnswer } from './answers.ts';
import type { PolicyEpoch } from './book.ts';
import type { CountingBreakerSettings, RetrySettings } from './model.ts';
import { retryRule } from './retry-rules.ts';
import type { Effective } from './rule-set.ts';
import type { PolicyStates } from './states.ts';
import { defaultTrip } from './trip.ts';

/** What layers are made of. */
export interface LayerParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly metrics: Metrics;
  readonly namespace: string;
  readonly states: PolicyStates;
  readonly epoch: PolicyEpoch;
  readonly target: Target;
}

type Entry<C extends keyof Effective> = NonNullable<Effective[C]>;

/** How messages and states name a target. */
export function describeTarget({ block, name, operation }: Target): string {
  return block === 'invoke' ? `app "${name}"` : `${operation} of ${block} "${name}"`;
}

/** The layers that policies ask for, without regard to their order. */
export function policyLayers(parts: LayerParts, effective: Effective, options: { readonly named: boolean }): Layer[] {
  const layers: Layer[] = [];
  const { target } = parts;
  // Deadlines come from callers: what brokers and bindings deliver has none, unless a policy sets one.
  if (target.block === 'invoke' || target.direction === 'outbound' || effective.deadline !== undefined)
    layers.push(deadlineLayer(parts, effective.deadline));
  if (effective.hedge !== undefined) layers.push(hedgeLayer(parts, effective.hedge));
  if (effective.retry !== undefined) layers.push(retryLayer(parts, effective.retry.value, effective.retry));
  else if (target.block === 'invoke' && target.direction === 'outbound' && !options.named)
    layers.push(retryLayer(parts, parts.epoch.document.builtIn.serviceRetries, undefined));
  if (effective.breaker !== undefined) layers.push(breakerLayer(parts, effective.breaker));
  if (effective.timeout !== undefined) layers.push(timeoutLayer(parts, effective.timeout));
  return layers;
}

/** Where a layer's parameters come from, for `explain`. */
export function fromOf(entry: Effective[keyof Effective] | undefined, name: keyof Effective): Record<string, string> {
  if (entry === undefined) return { from: 'built in' };
  return { from: `${entry.rule.resource}, ${entry.rule.origins[name] ?? ''}` };
}

function stateKey({ target }: LayerParts, entry: { readonly key: string } | undefined, role: string): string {
  return `${role} | ${target.direction} ${target.block} ${target.name} ${target.block === 'invoke' ? '' : target.operation} | ${entry?.key ?? 'built in'}`;
}

function retryLayer(parts: LayerParts, settings: RetrySettings, entry: Entry<'retry'> | undefined): Layer {
  const { clock, random, states, target } = parts;
  const { backoff, budget, pushbackMaxMs } = settings;
  const isInvoke = target.block === 'invoke' && target.direction === 'outbound';
  const options: RetryOptions<unknown, unknown> = {
    clock,
    retriesMax: settings.retriesMax,
    elapsedMaxMs: settings.elapsedMaxMs,
    delayMs: backoff.kind === 'constant' ? constantBackoff(backoff.delayMs) : exponentialBackoff({ random, ...backoff }),
    matches: retryRule(settings),
    coded: isInvoke,
    repeatable: isInvoke ? (repeatableInvoke as RetryOptions<unknown, unknown>['repeatable']) : repeatableValue,
    ...(pushbackMaxMs !== undefined && { pushbackMaxMs }),
    ...(budget !== undefined && { budget: states.of(stateKey(parts, entry, 'retry'), budget, () => createRetryBudget(budget)) }),
    ...(entry !== undefined && { repeated: activations(parts, 'retry', entry.rule) }),
    // The built-in retries repeat only what never arrived: whatever an app answers passes.
    ...(isInvoke &&
      settings.when !== 'absent' && {
        failureOf: failureOfAnswer(clock) as (output: unknown) => ReturnType<ReturnType<typeof failureOfAnswer>>,
        drop: dropAnswer as (output: unknown) => void,
      }),
  };
  return {
    role: 'retry',
    why:
      entry === undefined
        ? 'an app that just starts or moves is not there for a moment'
        : 'repeats single attempts, each with its own breaker and timeout',
    parameters: { ...retryParameters(settings), ...fromOf(entry, 'retry') },
    filter: layerFilter(retry(options)),
  };
}

function retryParameters(settings: RetrySettings): Record<string, unknown> {
  const { backoff, retriesMax, when, httpCodes, grpcCodes, budget } = settings;
  return {
    retries: retriesMax === Infinity ? 'unlimited' : retriesMax,
    delay:
      backoff.kind === 'constant'
        ? formatDuration(backoff.delayMs)
        : `${formatDuration(backoff.initialMs)} x ${backoff.factor} up to ${formatDuration(backoff.maxMs)}, jitter ${backoff.jitter}`,
    on:
      when === 'absent'
        ? 'UNAVAILABLE, UNAUTHENTICATED; never a streamed body'
        : when === 'dapr'
          ? 'every failure'
          : 'what may be repeated safely',
    ...(httpCodes !== undefined && { httpStatusCodes: httpCodes }),
    ...(grpcCodes !== undefined && { gRPCStatusCodes: grpcCodes }),
    ...(budget !== undefined && { budget: `${budget.ratio * 100} % + ${budget.perSecond}/s` }),
  };
}

/** Calls of apps can be repeated when their body is known to be small (`limits.replayBytes`); it is kept while it is sent. */
function repeatableInvoke(call: Call<InvokeRequest>): { first: InvokeRequest; again: () => InvokeRequest | undefined } | undefined {
  const { input } = call;
  if (!input.replayable) return undefined;
  if (input.body.replayable === true) return { first: input, again: () => input };
  const body = replayBody(input.body);
  if (body === undefined) return undefined;
  return {
    first: { ...input, body },
    again() {
      const next = body.again();
      return next === undefined ? undefined : { ...input, body: next };
    },
  };
}

function repeatableValue(call: Call<unknown>): { first: unknown; again: () => unknown } {
  return { first: call.input, again: () => call.input };
}

function breakerLayer(parts: LayerParts, entry: Entry<'breaker'>): Layer {
  const { clock, states, target } = parts;
  const settings = entry.value;
  const isInvoke = target.block === 'invoke';
  const make = countingBreaker(parts, settings, entry);
  const key = stateKey(parts, entry, 'breaker');
  const breakers = isInvoke ? states.of(key, settings, () => createKeyedBreakers(settings.cacheSize, make)) : undefined;
  const single = isInvoke ? undefined : states.of(key, settings, () => make(''));
  const ofPath = (call: Call<unknown>): Breaker => (breakers as NonNullable<typeof breakers>).of((call.input as InvokeRequest).path);
  return {
    role: 'breaker',
    why: 'inside retries, so that each attempt counts; an open breaker ends them',
    parameters: {
      trip: settings.trip ?? 'consecutiveFailures > 5',
      open: formatDuration(settings.openMs),
      halfOpenCalls: settings.requestsMax,
      ...(settings.intervalMs > 0 && { interval: formatDuration(settings.intervalMs) }),
      per: isInvoke ? 'method' : 'component',
      ...fromOf(entry, 'breaker'),
    },
    pair: breakerPair({
      clock,
      breakerOf: single === undefined ? ofPath : () => single,
      target: describeTarget(target),
      badFrom: 400,
    }),
  };
}

function countingBreaker(parts: LayerParts, settings: CountingBreakerSettings, entry: Entry<'breaker'>): (key: string) => Breaker {
  const { requestsMax, intervalMs, openMs, trip } = settings;
  const trips = trip === undefined ? defaultTrip : (parts.epoch.document.trips.get(trip) ?? defaultTrip);
  const changed = breakerGauge(parts, entry.rule);
  return () => createCountingBreaker({ requestsMax, intervalMs, openMs, trips, changed });
}

function deadlineLayer(parts: LayerParts, entry: Entry<'deadline'> | undefined): Layer {
  const { clock, target } = parts;
  const withinMs = entry?.value.withinMs;
  return {
    role: 'deadline',
    why: 'one budget of time over all attempts; what has none left is refused before work begins',
    parameters: { within: withinMs === undefined ? 'as the caller says' : formatDuration(withinMs), ...fromOf(entry, 'deadline') },
    filter: layerFilter(
      deadline<unknown, unknown>({
        clock,
        target: describeTarget(target),
        ...(withinMs !== undefined && { withinMs }),
        ...(target.block === 'invoke' && { drop: (answer: unknown) => dropAnswer(answer as InvokeResponse) }),
      }),
    ),
  };
}

function hedgeLayer(parts: LayerParts, entry: Entry<'hedge'>): Layer {
  const { clock, states } = parts;
  const { afterMs, attemptsMax, budget } = entry.value;
  const isBad = failureOfAnswer(clock);
  return {
    role: 'hedge',
    why: 'inside retries: a slow attempt gets a second one beside it',
    parameters: {
      after: formatDuration(afterMs),
      maxAttempts: attemptsMax,
      budget: `${budget.ratio * 100} % + ${budget.perSecond}/s`,
      ...fromOf(entry, 'hedge'),
    },
    filter: layerFilter(
      hedge<InvokeRequest, InvokeResponse>({
        clock,
        afterMs,
        attemptsMax,
        mayHedge: isIdempotent,
        repeatable: repeatableInvoke,
        isBad: (answer) => answer.status >= 500 && isBad(answer) !== undefined,
        drop: dropAnswer,
        budget: states.of(stateKey(parts, entry, 'hedge'), budget, () => createRetryBudget(budget)),
        hedged: activations(parts, 'hedge', entry.rule),
      }),
    ),
  };
}

function timeoutLayer(parts: LayerParts, entry: Entry<'timeout'>): Layer {
  const { clock, target } = parts;
  const { timeoutMs } = entry.value;
  const isInvoke = target.block === 'invoke' && target.direction === 'outbound';
  return {
    role: 'attempt',
    why: 'bounds each attempt by itself',
    parameters: { timeout: formatDuration(timeoutMs), ...fromOf(entry, 'timeout') },
    filter: layerFilter(
      attemptTimeout<unknown, unknown>({
        clock,
        timeoutMs,
        target: describeTarget(target),
        expired: activations(parts, 'timeout', entry.rule),
        ...(isInvoke && { drop: (answer: unknown) => dropAnswer(answer as InvokeResponse) }),
      }),
    ),
  };
}
