import type { InvokeRequest } from '../../contracts/app-channel.ts';
import type { Tell } from '../../contracts/decisions.ts';
import type { SharedCounts } from '../../contracts/places.ts';
import type { Bulkhead } from '../../filters/concurrency/bulkhead.ts';
import { createSharedBulkhead } from '../../filters/concurrency/shared-bulkhead.ts';
import { fallback } from '../../filters/fallback/fallback.ts';
import { createKeyedLimiter } from '../../filters/rate-limit/keyed-limiter.ts';
import { limit, type Check } from '../../filters/rate-limit/limit.ts';
import { createPacer, createWarmUpLimiter, createWindowLimiter, type Limiter } from '../../filters/rate-limit/limiter.ts';
import { createMeter, type Meter } from '../../filters/rate-limit/meter.ts';
import { createSharedQuota, type SharedLimiter } from '../../filters/rate-limit/shared-quota.ts';
import { systemGuard } from '../../filters/system/system-guard.ts';
import type { Call } from '../../kernel/call.ts';
import { ProaError } from '../../kernel/errors.ts';
import { formatDuration } from '../../kernel/duration.ts';
import { layerFilter, type Layer } from '../../kernel/stack.ts';
import { activations } from './activations.ts';
import type { LimitKey, LimitSettings } from './flow-model.ts';
import { describeTarget, fromOf, sideOf, stateKey, tellerOf, type Entry, type LayerParts } from './layer-parts.ts';
import { cookieOf, headerOf } from './match.ts';
import { compileTemplate } from './path-template.ts';
import type { Related } from './rule-set.ts';

function meterOf({ states, target }: LayerParts, { path, perMs }: Related): Meter {
  return states.of(`meter | ${target.direction} ${target.name} | ${path}`, perMs, () => createMeter(perMs));
}

/** Counts the calls of paths at which limits of other calls look; it stands in every stack of the target. */
export function meterLayer(parts: LayerParts, related: readonly Related[]): Layer {
  const { clock } = parts;
  const meters = related.map((each) => ({ fits: compileTemplate(each.path), meter: meterOf(parts, each) }));
  return {
    role: 'meter',
    why: 'limits of other calls look at these',
    parameters: { paths: related.map(({ path }) => path).join(', ') },
    pair: {
      admit(call) {
        const { path } = (call as Call<InvokeRequest>).input;
        for (const { fits, meter } of meters) if (fits(path)) meter.add(clock.mono());
      },
    },
  };
}

/** Limits of rates and of calls under way. */
export function limitLayer(parts: LayerParts, entry: Entry<'limits'>): Layer {
  const { clock, states, target } = parts;
  const checks = entry.value.map((settings, i) =>
    settings.whileBusy === undefined
      ? states.of(`${stateKey(parts, entry, 'limits')} ${i}`, settings, () =>
          checkOf(parts, settings, `${stateKey(parts, entry, 'limits')} ${i}`),
        )
      : relationOf(settings, meterOf(parts, { path: settings.whileBusy, perMs: settings.perMs }), parts.shared?.processes ?? 1),
  );
  return {
    role: 'limit',
    why: 'refuses before any work, and outside of retries: a refused call is not repeated here',
    parameters: { limits: entry.value.map(textOf).join('; '), ...fromOf(entry, 'limits') },
    filter: layerFilter(
      limit({
        clock,
        checks,
        target: describeTarget(target),
        side: sideOf(parts),
        refused: activations(parts, 'limit', entry.rule),
        tell: tellerOf(parts, 'limit', { entry, name: 'limits' }),
      }),
    ),
  };
}

function textOf(settings: LimitSettings): string {
  const { requests, perMs, concurrent, mode, by, callers, whileBusy } = settings;
  const what = concurrent === undefined ? `${requests ?? 0} calls per ${formatDuration(perMs)}` : `${concurrent} calls at once`;
  const keyed = by === undefined ? '' : ` per ${'name' in by ? `${by.from} ${by.name}` : by.from}`;
  return `${what}${keyed}${callers === undefined ? '' : ` of ${callers.join(', ')}`}${mode === 'reject' ? '' : `, ${mode}`}${settings.quota === undefined ? '' : `, shared as ${settings.quota}`}${whileBusy === undefined ? '' : `, of ${whileBusy}`}`;
}

function concerns({ callers, exceptCallers }: LimitSettings): (call: Call<unknown>) => boolean {
  if (callers !== undefined) {
    const set = new Set(callers);
    return (call) => set.has(call.caller.appId);
  }
  const except = new Set(exceptCallers ?? []);
  return except.size === 0 ? () => true : (call) => !except.has(call.caller.appId);
}

// Each of several processes sees its share of the other calls.
function relationOf(settings: LimitSettings, meter: Meter, processes: number): Check {
  const applies = concerns(settings);
  const requests = (settings.requests ?? 0) / processes;
  return {
    text: `the limit of ${textOf(settings)}`,
    take: (call, nowMs) => (applies(call) && meter.sum(nowMs) + 1 > requests ? -Math.max(1, meter.untilNextMs(nowMs)) : 0),
  };
}

type Concerns = (call: Call<unknown>) => boolean;
interface Named {
  readonly text: string;
  /** The limit's own name among all limits of this runtime. */
  readonly key: string;
}

function checkOf(parts: LayerParts, settings: LimitSettings, key: string): Check {
  const applies = concerns(settings);
  const named = { text: `the limit of ${textOf(settings)}`, key };
  if (settings.concurrent !== undefined) {
    const { shared } = parts;
    return shared === undefined
      ? concurrencyCheck(settings, applies, named.text)
      : sharedConcurrency(parts, settings, { applies, ...named });
  }
  return rateCheck(parts, settings, { applies, ...named });
}

function rateCheck(parts: LayerParts, settings: LimitSettings, { applies, text, key }: Named & { readonly applies: Concerns }): Check {
  const { by, keysMax, items, requests = 0 } = settings;
  if (by === undefined) {
    const limiter = anyLimiter(parts, settings, { requests, key });
    return { text, take: (call, nowMs) => (applies(call) ? limiter.take(nowMs) : 0) };
  }
  const own = new Map(items.map(({ value, limit: allowed }) => [value, allowed]));
  const limiters = createKeyedLimiter<number | Promise<number>>(keysMax, (value) =>
    anyLimiter(parts, settings, { requests: own.get(value) ?? requests, key: `${key} ${value}` }),
  );
  return {
    text,
    take(call, nowMs) {
      const value = applies(call) ? keyOf(by, call as Call<InvokeRequest>) : undefined;
      return value === undefined ? 0 : limiters.take(value, nowMs);
    },
  };
}

/** The limiter of one rate: of all runtimes of a quota, of all processes of this runtime, or of this process. */
function anyLimiter(
  { clock, engine, log, shared }: LayerParts,
  settings: LimitSettings,
  { requests, key }: { readonly requests: number; readonly key: string },
): SharedLimiter {
  const { quota, perMs, mode } = settings;
  const name = quota ?? (shared === undefined || mode !== 'reject' ? undefined : `processes of ${shared.name}: ${key}`);
  // Waiting for a turn evens out what one process gets and another does not: there a share each is as good as counting together.
  if (name === undefined) return limiterOf(settings, requests / (shared?.processes ?? 1));
  return createSharedQuota({
    clock,
    engine,
    name,
    requests,
    perMs,
    lost: (error) => log.warn('a shared quota is counted by this runtime alone for a while', { quota: name, error: String(error) }),
  });
}

function limiterOf({ mode, perMs, waitMaxMs, warmUpMs, coldFactor }: LimitSettings, requests: number): Limiter {
  // Nothing may pass at all: the other kinds divide by the rate.
  if (requests === 0) return { take: () => -perMs };
  if (mode === 'reject') return createWindowLimiter({ requests, perMs });
  if (mode === 'queue') return createPacer({ requests, perMs, waitMaxMs });
  return createWarmUpLimiter({ requests, perMs, periodMs: warmUpMs, coldFactor, ...(mode === 'warm-up-queue' && { waitMaxMs }) });
}

function concurrencyCheck(settings: LimitSettings, applies: (call: Call<unknown>) => boolean, text: string): Check {
  const { by, concurrent = 0, items } = settings;
  const own = new Map(items.map(({ value, limit: allowed }) => [value, allowed]));
  // Only keys with calls under way are remembered, so their number is that of the calls.
  const underWay = new Map<string, number>();
  const keyFor = (call: Call<unknown>): string | undefined =>
    applies(call) ? (by === undefined ? '' : keyOf(by, call as Call<InvokeRequest>)) : undefined;
  return {
    text,
    take(call) {
      const key = keyFor(call);
      if (key === undefined) return 0;
      const now = underWay.get(key) ?? 0;
      if (now + 1 > (own.get(key) ?? concurrent)) return -1_000;
      underWay.set(key, now + 1);
      return 0;
    },
    release(call) {
      const key = keyFor(call);
      if (key === undefined) return;
      const left = (underWay.get(key) ?? 1) - 1;
      if (left > 0) underWay.set(key, left);
      else underWay.delete(key);
    },
  };
}

/** Calls under way in all processes that serve this app. */
function sharedConcurrency(
  parts: LayerParts,
  settings: LimitSettings,
  { applies, text, key }: Named & { readonly applies: Concerns },
): Check {
  const { clock, shared, target } = parts;
  const { by, concurrent = 0, items } = settings;
  const { name, places } = shared as SharedCounts;
  const own = new Map(items.map(({ value, limit: allowed }) => [value, allowed]));
  const valueOf = (call: Call<unknown>): string | undefined =>
    applies(call) ? (by === undefined ? '' : keyOf(by, call as Call<InvokeRequest>)) : undefined;
  // Only values with calls under way are remembered.
  const underWay = new Map<string, Bulkhead>();
  const bulkheadOf = (value: string): Bulkhead => {
    let found = underWay.get(value);
    if (found !== undefined) return found;
    const concurrencyMax = own.get(value) ?? concurrent;
    const options = { clock, target: describeTarget(target), concurrencyMax, queueMax: 0, waitMaxMs: 0, side: sideOf(parts) };
    underWay.set(value, (found = createSharedBulkhead(options, places(`${name} ${key} ${value}`, concurrencyMax))));
    return found;
  };
  const leave = (value: string, { taken, waiting }: Bulkhead): void => {
    if (taken + waiting === 0) underWay.delete(value);
  };
  return {
    text,
    take(call) {
      const value = valueOf(call);
      if (value === undefined) return 0;
      const found = bulkheadOf(value);
      if (found.tryTake()) return 0;
      return found.wait(call).then(
        () => 0,
        (error: unknown) => {
          leave(value, found);
          if (ProaError.from(error).code === 'overloaded') return -1_000;
          throw error;
        },
      );
    },
    release(call) {
      const value = valueOf(call);
      const found = value === undefined ? undefined : underWay.get(value);
      if (value === undefined || found === undefined) return;
      found.release();
      leave(value, found);
    },
  };
}

function keyOf(by: LimitKey, { input, caller }: Call<InvokeRequest>): string | undefined {
  switch (by.from) {
    case 'header':
      return headerOf(input.headers, by.name);
    case 'cookie':
      return cookieOf(input.headers, by.name);
    case 'query':
      return queryOf(input.query, by.name);
    case 'caller':
      return caller.appId;
    case 'path':
      return input.path;
  }
}

function queryOf(query: string, name: string): string | undefined {
  for (let at = 0; at < query.length;) {
    let end = query.indexOf('&', at);
    if (end < 0) end = query.length;
    if (query.startsWith(name, at) && query.charCodeAt(at + name.length) === 61) return query.slice(at + name.length + 1, end);
    at = end + 1;
  }
  return undefined;
}

/** What outlives a reload tells by the policy of today: where that stands may have moved. */
function lasting<T>(
  { states }: LayerParts,
  { key, settings, tell }: { key: string; settings: unknown; tell: Tell },
  make: (tell: Tell) => T,
): T {
  const kept = states.of(key, settings, () => {
    const holder = { tell };
    return { holder, value: make((call, kind, what) => holder.tell(call, kind, what)) };
  });
  kept.holder.tell = tell;
  return kept.value;
}

/** Protection of the process as a whole. */
export function systemLayer(parts: LayerParts, entry: Entry<'system'>): Layer {
  const { clock, process, shared } = parts;
  const settings = entry.value;
  const key = stateKey(parts, entry, 'system');
  const refused = activations(parts, 'system', entry.rule);
  const tell = tellerOf(parts, 'system', { entry, name: 'system' });
  return {
    role: 'system',
    why: 'before limits of single targets: it is about the process',
    parameters: {
      ...(settings.utilisationMax < 1 && { maxUtilisation: settings.utilisationMax }),
      ...(settings.requestsMax !== Infinity && { maxRequests: settings.requestsMax }),
      ...(settings.concurrentMax !== Infinity && { maxConcurrent: settings.concurrentMax }),
      ...(settings.averageMaxMs !== Infinity && { maxAverage: formatDuration(settings.averageMaxMs) }),
      ...fromOf(entry, 'system'),
    },
    pair: lasting(parts, { key, settings, tell }, (told) =>
      systemGuard({
        ...(shared !== undefined && { sums: (own) => shared.sums(`${shared.name} ${key}`, own) }),
        clock,
        process,
        ...settings,
        refused(call, why) {
          refused();
          told(call, 'refused', why);
        },
      }),
    ),
  };
}

/** What answers when the target does not. */
export function fallbackLayer(parts: LayerParts, entry: Entry<'fallback'>): Layer {
  const { on, answer } = entry.value;
  const shown =
    answer.kind === 'answer'
      ? `status ${answer.status}`
      : answer.kind === 'app'
        ? `app ${answer.app}`
        : `last good answer, at most ${formatDuration(answer.ageMaxMs)} old`;
  const used = activations(parts, 'fallback', entry.rule);
  const tell = tellerOf(parts, 'fallback', { entry, name: 'fallback' });
  const filter = lasting(parts, { key: stateKey(parts, entry, 'fallback'), settings: entry.value, tell }, (told) =>
    fallback({
      clock: parts.clock,
      on: new Set(on),
      answer: answer.kind === 'answer' ? { ...answer, body: Buffer.from(answer.body) } : answer,
      invoke: parts.invoke,
      used(call, covered) {
        used();
        told(call, 'answered', `${shown} in place of ${covered}`);
      },
    }),
  );
  return {
    role: 'fallback',
    why: 'around everything that may refuse or fail, inside authorisation',
    parameters: { answer: shown, on: on.join(', '), ...fromOf(entry, 'fallback') },
    filter: layerFilter(filter),
  };
}
