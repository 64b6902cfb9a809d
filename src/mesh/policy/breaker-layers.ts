import type { Breaker, ReplicatedBreaker } from '../../filters/breaker/breaker.ts';
import { breakerPair } from '../../filters/breaker/breaker-pair.ts';
import { createCountingBreaker } from '../../filters/breaker/counting-breaker.ts';
import { jointBreaker } from '../../filters/breaker/joint-breaker.ts';
import { createKeyedBreakers, type KeyedBreakers } from '../../filters/breaker/keyed-breakers.ts';
import { createWindowBreaker } from '../../filters/breaker/window-breaker.ts';
import type { Call } from '../../kernel/call.ts';
import { formatDuration } from '../../kernel/duration.ts';
import type { Layer } from '../../kernel/stack.ts';
import { hash32 } from '../balance/hash.ts';
import { breakerGauge } from './activations.ts';
import { describeTarget, fromOf, stateKey, tellerOf, type Entry, type LayerParts } from './layer-parts.ts';
import type { CountingBreakerSettings, WindowBreakerSettings } from './model.ts';
import { defaultTrip } from './trip.ts';

/** The breaker of a target as a whole, or of each of its methods. Breakers of endpoints belong to balancing. */
export function breakerLayer(parts: LayerParts, entry: Entry<'breaker'>): Layer {
  const { clock, states, target } = parts;
  const settings = entry.value;
  const per = keyedBy(target.block, settings.per);
  const make = makeBreaker(parts, entry);
  const key = stateKey(parts, entry, 'breaker');
  const keyed = (): KeyedBreakers => {
    const whole = settings.per === 'both' ? make('') : undefined;
    return createKeyedBreakers(settings.cacheSize, (of) => (whole === undefined ? make(of) : jointBreaker(whole, make(of))));
  };
  const breakers = per === undefined ? undefined : states.of(key, settings, keyed);
  const single = per === undefined ? states.of(key, settings, () => make('')) : undefined;
  const ofPath = (call: Call<unknown>): Breaker =>
    (breakers as NonNullable<typeof breakers>).of((call.input as Record<'path' | 'id', string>)[per as 'path' | 'id']);
  return {
    role: 'breaker',
    why: 'inside retries, so that each attempt counts; an open breaker ends them',
    parameters: {
      ...breakerParameters(settings),
      per: per === undefined ? 'target' : per === 'path' ? 'method' : settings.per,
      ...fromOf(entry, 'breaker'),
    },
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

/** By which part of a call its breaker is found; undefined: the target has one. */
function keyedBy(block: string, per: CountingBreakerSettings['per'] | WindowBreakerSettings['per']): 'path' | 'id' | undefined {
  if (block === 'invoke') return per === 'method' ? 'path' : undefined;
  return block === 'actors' && (per === 'id' || per === 'both') ? 'id' : undefined;
}

/** Statuses from here count as failures: Dapr counts what retries count. */
export function badFromOf({ kind }: CountingBreakerSettings | WindowBreakerSettings): number {
  return kind === 'counting' ? 400 : 500;
}

/** Makes breakers as the settings ask for; each for a part of the target, or for all of it (''). Other processes keep copies of the same ones. */
export function makeBreaker(parts: LayerParts, entry: Entry<'breaker'>): (of: string) => Breaker {
  const { sharedBreakers } = parts;
  const make = makeCopy(parts, entry);
  if (sharedBreakers === undefined) return make;
  // Copies that other processes made from other settings, before a reload or after it, are others.
  const name = `${stateKey(parts, entry, 'breaker')} ${hash32(JSON.stringify(entry.value), 0xb5)}`;
  return (of) => sharedBreakers.share(`${name} ${of}`, make());
}

function makeCopy(parts: LayerParts, entry: Entry<'breaker'>): () => ReplicatedBreaker {
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
