import type { BalanceSettings, StickyKey } from '../../../../mesh/balance/plan.ts';
import type { BulkheadSettings, WindowBreakerSettings } from '../../../../mesh/policy/model.ts';
import { duration, filledText, flag, object, optional, whole, withDefault, word, wrongValue, type Reader } from '../../shape.ts';
import { valueAt } from '../../yaml.ts';
import { fraction, positiveDuration } from './values.ts';

const ratio = fraction(0, 1);

const breakerShape = object({
  per: withDefault(word('endpoint', 'target', 'method'), 'endpoint'),
  consecutive: withDefault(whole(0, 1_000_000), 5),
  errorRatio: withDefault(ratio, 0),
  slowRatio: withDefault(ratio, 0),
  slow: withDefault(positiveDuration, 1_000),
  minRequests: withDefault(whole(1, 1_000_000), 20),
  window: withDefault(positiveDuration, 10_000),
  open: withDefault(positiveDuration, 5_000),
  maxOpen: withDefault(positiveDuration, 60_000),
  ramp: withDefault(positiveDuration, 10_000),
  cacheSize: withDefault(whole(1, 100_000), 100),
});

/** `breaker` of a Policy. */
export const breaker: Reader<WindowBreakerSettings> = (node, path, reading) => {
  const written = breakerShape(node, path, reading);
  if (written === undefined) return undefined;
  const { consecutive, errorRatio, slowRatio, open, maxOpen } = written;
  if (consecutive === 0 && errorRatio === 0 && slowRatio === 0)
    return wrongValue(reading, node.span, `${path} can never open: set consecutive, errorRatio or slowRatio`);
  if (maxOpen < open)
    return wrongValue(reading, valueAt(node, 'maxOpen')?.span ?? node.span, `${path}.maxOpen must not be less than open (${open} ms)`);
  return {
    kind: 'window',
    per: written.per,
    cacheSize: written.cacheSize,
    consecutive,
    errorRatio,
    slowRatio,
    slowMs: written.slow,
    requestsMin: written.minRequests,
    windowMs: written.window,
    openMs: open,
    openMaxMs: maxOpen,
    rampMs: written.ramp,
  };
};

const bulkheadShape = object({
  maxConcurrent: withDefault(whole(1, 1_000_000), 100),
  maxQueue: withDefault(whole(0, 100_000), 0),
  maxWait: withDefault(positiveDuration, 1_000),
});

/** `bulkhead` of a Policy. */
export const bulkhead: Reader<BulkheadSettings> = (node, path, reading) => {
  const written = bulkheadShape(node, path, reading);
  return written && { concurrencyMax: written.maxConcurrent, queueMax: written.maxQueue, waitMaxMs: written.maxWait };
};

const keyShape = object({ header: optional(filledText), cookie: optional(filledText), caller: optional(flag), path: optional(flag) });

/** What calls stick by. */
export const stickyKey: Reader<StickyKey> = (node, path, reading) => {
  const written = keyShape(node, path, reading);
  if (written === undefined) return undefined;
  const { header, cookie, caller, path: byPath } = written;
  if ([header, cookie, caller || undefined, byPath || undefined].filter((part) => part !== undefined).length !== 1)
    return wrongValue(reading, node.span, `${path} needs one of header, cookie, caller: true, path: true`);
  if (header !== undefined) return { from: 'header', name: header.toLowerCase() };
  if (cookie !== undefined) return { from: 'cookie', name: cookie };
  return { from: caller === true ? 'caller' : 'path' };
};

const outlierDefaults = {
  consecutive: 5,
  failureRatio: 0,
  minRequests: 20,
  interval: 10_000,
  ejection: 10_000,
  maxEjection: 300_000,
  maxEjectedRatio: 0.5,
};
const balanceShape = object({
  policy: withDefault(word('p2c-ewma', 'round-robin', 'least-request', 'random', 'weighted', 'ring-hash', 'maglev'), 'p2c-ewma'),
  key: optional(stickyKey),
  minZoneRatio: withDefault(ratio, 0.7),
  slowStart: withDefault(duration, 0),
  outlier: withDefault(
    object({
      consecutive: withDefault(whole(0, 1_000_000), outlierDefaults.consecutive),
      failureRatio: withDefault(ratio, outlierDefaults.failureRatio),
      minRequests: withDefault(whole(1, 1_000_000), outlierDefaults.minRequests),
      interval: withDefault(positiveDuration, outlierDefaults.interval),
      ejection: withDefault(positiveDuration, outlierDefaults.ejection),
      maxEjection: withDefault(positiveDuration, outlierDefaults.maxEjection),
      maxEjectedRatio: withDefault(ratio, outlierDefaults.maxEjectedRatio),
    }),
    outlierDefaults,
  ),
  panicRatio: withDefault(ratio, 0.5),
});

/** `balance` of a Policy. */
export const balance: Reader<BalanceSettings> = (node, path, reading) => {
  const written = balanceShape(node, path, reading);
  if (written === undefined) return undefined;
  const { policy, key, outlier } = written;
  const keyed = policy === 'ring-hash' || policy === 'maglev';
  if (keyed !== (key !== undefined)) {
    const at = valueAt(node, keyed ? 'policy' : 'key')?.span ?? node.span;
    return wrongValue(reading, at, keyed ? `${path}: ${policy} needs a key` : `${path}.key belongs to ring-hash and maglev`);
  }
  return {
    policy,
    ...(key !== undefined && { key }),
    zoneShareMin: written.minZoneRatio,
    slowStartMs: Math.max(0, written.slowStart),
    outlier: {
      consecutive: outlier.consecutive,
      failureRatio: outlier.failureRatio,
      requestsMin: outlier.minRequests,
      intervalMs: outlier.interval,
      ejectionMs: outlier.ejection,
      ejectionMaxMs: outlier.maxEjection,
      ejectedShareMax: outlier.maxEjectedRatio,
    },
    panicShare: written.panicRatio,
  };
};
