import type { InvokeRequest } from '../../contracts/app-channel.ts';
import type { Breaker } from '../../filters/breaker/breaker.ts';
import { breakerPair } from '../../filters/breaker/breaker-pair.ts';
import { createCountingBreaker } from '../../filters/breaker/counting-breaker.ts';
import { createKeyedBreakers } from '../../filters/breaker/keyed-breakers.ts';
import { createWindowBreaker } from '../../filters/breaker/window-breaker.ts';
import type { Call } from '../../kernel/call.ts';
import { formatDuration } from '../../kernel/duration.ts';
import type { Layer } from '../../kernel/stack.ts';
import { breakerGauge } from './activations.ts';
import { describeTarget, fromOf, stateKey, tellerOf, type Entry, type LayerParts } from './layer-parts.ts';
import type { CountingBreakerSettings, WindowBreakerSettings } from './model.ts';
import { defaultTrip } from './trip.ts';

/** The breaker of a target as a whole, or of each of its methods. Breakers of endpoints belong to balancing. */
export function breakerLayer(parts: LayerParts, entry: Entry<'breaker'>): Layer {
  const { clock, states, target } = parts;
  const settings = entry.value;
  const perMethod = target.block === 'invoke' && settings.per === 'method';
  const make = makeBreaker(parts, entry);
  const key = stateKey(parts, entry, 'breaker');
  const breakers = perMethod ? states.of(key, settings, () => createKeyedBreakers(settings.cacheSize, make)) : undefined;
  const single = perMethod ? undefined : states.of(key, settings, make);
  const ofPath = (call: Call<unknown>): Breaker => (breakers as NonNullable<typeof breakers>).of((call.input as InvokeRequest).path);
  return {
    role: 'breaker',
    why: 'inside retries, so that each attempt counts; an open breaker ends them',
    parameters: { ...breakerParameters(settings), per: perMethod ? 'method' : 'target', ...fromOf(entry, 'breaker') },
    pair: breakerPair({
      clock,
      breakerOf: single === undefined ? ofPath : () => single,
      target: describeTarget(target),
      badFrom: badFromOf(settings),
      timed: settings.kind === 'window',
      tell: tellerOf(parts, 'breaker', { entry, name: 'breaker' }),
    }),
  };
}

/** Statuses from here count as failures: Dapr counts what retries count. */
export function badFromOf({ kind }: CountingBreakerSettings | WindowBreakerSettings): number {
  return kind === 'counting' ? 400 : 500;
}

/** Makes breakers as the settings ask for. */
export function makeBreaker(parts: LayerParts, entry: Entry<'breaker'>): () => Breaker {
  const settings = entry.value;
  const changed = breakerGauge(parts, entry.rule);
  if (settings.kind === 'window') return () => createWindowBreaker({ ...settings, random: parts.random, changed });
  const { requestsMax, intervalMs, openMs, trip } = settings;
  const trips = trip === undefined ? defaultTrip : (parts.epoch.document.trips.get(trip) ?? defaultTrip);
  return () => createCountingBreaker({ requestsMax, intervalMs, openMs, trips, changed });
}

/** A breaker in words. */
export function breakerParameters(settings: CountingBreakerSettings | WindowBreakerSettings): Record<string, unknown> {
  if (settings.kind === 'counting')
    return {
      trip: settings.trip ?? 'consecutiveFailures > 5',
      open: formatDuration(settings.openMs),
      halfOpenCalls: settings.requestsMax,
      ...(settings.intervalMs > 0 && { interval: formatDuration(settings.intervalMs) }),
    };
  const { consecutive, errorRatio, slowRatio, slowMs } = settings;
  const trips = [
    ...(consecutive > 0 ? [`${consecutive} failures in a row`] : []),
    ...(errorRatio > 0 ? [`${errorRatio * 100} % failures`] : []),
    ...(slowRatio > 0 ? [`${slowRatio * 100} % slower than ${formatDuration(slowMs)}`] : []),
  ];
  return {
    trip: trips.join(' or '),
    window: `${formatDuration(settings.windowMs)}, at least ${settings.requestsMin} calls`,
    open: `${formatDuration(settings.openMs)} to ${formatDuration(settings.openMaxMs)}`,
    ramp: formatDuration(settings.rampMs),
  };
}
