import type { FallbackSettings, LimitKey, LimitSettings, SystemSettings } from '../../../../mesh/policy/flow-model.ts';
import {
  filledText,
  flag,
  list,
  object,
  optional,
  record,
  required,
  text,
  whole,
  withDefault,
  word,
  wrongValue,
  type Reader,
} from '../../shape.ts';
import { valueAt } from '../../yaml.ts';
import { pathTemplate } from './match.ts';
import { fraction, positiveDuration } from './values.ts';

const limitsMax = 50;

const keyShape = object({
  header: optional(filledText),
  cookie: optional(filledText),
  query: optional(filledText),
  caller: optional(flag),
  path: optional(flag),
});

const limitKey: Reader<LimitKey> = (node, path, reading) => {
  const written = keyShape(node, path, reading);
  if (written === undefined) return undefined;
  const keys: LimitKey[] = [
    ...(written.header === undefined ? [] : [{ from: 'header', name: written.header.toLowerCase() } as const]),
    ...(written.cookie === undefined ? [] : [{ from: 'cookie', name: written.cookie } as const]),
    ...(written.query === undefined ? [] : [{ from: 'query', name: written.query } as const]),
    ...(written.caller === true ? [{ from: 'caller' } as const] : []),
    ...(written.path === true ? [{ from: 'path' } as const] : []),
  ];
  return keys.length === 1
    ? keys[0]
    : wrongValue(reading, node.span, `${path} needs one of header, cookie, query, caller: true, path: true`);
};

const limitShape = object({
  requests: optional(whole(0, 1_000_000_000)),
  per: withDefault(positiveDuration, 1_000),
  concurrent: optional(whole(1, 1_000_000)),
  mode: withDefault(word('reject', 'queue', 'warm-up', 'warm-up-queue'), 'reject'),
  maxWait: withDefault(positiveDuration, 500),
  warmUp: withDefault(positiveDuration, 10_000),
  coldFactor: withDefault(fraction(1.1, 100), 3),
  by: optional(limitKey),
  quota: optional(filledText),
  maxKeys: withDefault(whole(1, 100_000), 4_000),
  items: withDefault(list(object({ value: required(text), limit: required(whole(0, 1_000_000_000)) })), []),
  callers: optional(list(filledText)),
  exceptCallers: optional(list(filledText)),
  whileBusy: optional(pathTemplate),
});

const oneLimit: Reader<LimitSettings> = (node, path, reading) => {
  const written = limitShape(node, path, reading);
  if (written === undefined) return undefined;
  const { requests, concurrent, mode, by, items, callers, exceptCallers, whileBusy } = written;
  const why =
    (requests === undefined) === (concurrent === undefined)
      ? 'needs either requests or concurrent'
      : concurrent !== undefined && mode !== 'reject'
        ? 'with concurrent has no mode: a bulkhead has a queue'
        : items.length > 0 && by === undefined
          ? 'has items but no key (by)'
          : callers !== undefined && exceptCallers !== undefined
            ? 'has callers and exceptCallers'
            : whileBusy !== undefined && (requests === undefined || mode !== 'reject' || by !== undefined)
              ? 'with whileBusy is a plain rate: no mode, key or concurrent'
              : written.quota !== undefined && (requests === undefined || mode !== 'reject' || by !== undefined || whileBusy !== undefined)
                ? 'with a quota is a plain rate: no mode, key, whileBusy or concurrent'
                : undefined;
  if (why !== undefined) return wrongValue(reading, node.span, `${path} ${why}`);
  return {
    ...(requests !== undefined && { requests }),
    ...(concurrent !== undefined && { concurrent }),
    perMs: written.per,
    mode,
    waitMaxMs: written.maxWait,
    warmUpMs: written.warmUp,
    coldFactor: written.coldFactor,
    ...(by !== undefined && { by }),
    ...(written.quota !== undefined && { quota: written.quota }),
    keysMax: written.maxKeys,
    items,
    ...(callers !== undefined && { callers }),
    ...(exceptCallers !== undefined && { exceptCallers }),
    ...(whileBusy !== undefined && { whileBusy }),
  };
};

/** `limits` of a Policy. */
export const limits: Reader<readonly LimitSettings[]> = (node, path, reading) => {
  const read = list(oneLimit)(node, path, reading);
  if (read === undefined) return undefined;
  return read.length >= 1 && read.length <= limitsMax ? read : wrongValue(reading, node.span, `${path} must hold 1 to ${limitsMax} limits`);
};

const systemShape = object({
  maxUtilisation: optional(fraction(0.01, 1)),
  maxRequests: optional(whole(1, 1_000_000_000)),
  maxConcurrent: optional(whole(1, 1_000_000)),
  maxAverage: optional(positiveDuration),
});

/** `system` of a Policy. */
export const system: Reader<SystemSettings> = (node, path, reading) => {
  const written = systemShape(node, path, reading);
  if (written === undefined) return undefined;
  if (Object.keys(written).length === 0) return wrongValue(reading, node.span, `${path} sets no limit`);
  return {
    utilisationMax: written.maxUtilisation ?? 1,
    requestsMax: written.maxRequests ?? Infinity,
    concurrentMax: written.maxConcurrent ?? Infinity,
    averageMaxMs: written.maxAverage ?? Infinity,
  };
};

const causes = word('limited', 'open', 'timeout', 'unavailable', 'failed');
const fallbackShape = object({
  on: withDefault(list(causes), ['limited', 'open', 'timeout', 'unavailable'] as const),
  answer: optional(
    object({ status: withDefault(whole(200, 599), 200), headers: withDefault(record(text), {}), body: withDefault(text, '') }),
  ),
  cached: optional(object({ maxAge: withDefault(positiveDuration, 60_000), maxEntries: withDefault(whole(1, 100_000), 1_000) })),
  app: optional(filledText),
});

/** `fallback` of a Policy. */
export const fallback: Reader<FallbackSettings> = (node, path, reading) => {
  const written = fallbackShape(node, path, reading);
  if (written === undefined) return undefined;
  const { on, answer, cached, app } = written;
  if ([answer, cached, app].filter((part) => part !== undefined).length !== 1)
    return wrongValue(reading, node.span, `${path} needs one of answer, cached, app`);
  if (on.length === 0) return wrongValue(reading, valueAt(node, 'on')?.span ?? node.span, `${path}.on must not be empty`);
  if (app !== undefined) return { on, answer: { kind: 'app', app } };
  if (cached !== undefined) return { on, answer: { kind: 'cached', ageMaxMs: cached.maxAge, entriesMax: cached.maxEntries } };
  const headers = Object.entries(answer?.headers ?? {}).flatMap(([name, value]) => [name.toLowerCase(), value]);
  const bad = headers.find((part, i) => (i % 2 === 0 ? !/^[a-z0-9!#$%&'*+.^_`|~-]+$/.test(part) : !/^[\t\x20-\x7e]*$/.test(part)));
  if (bad !== undefined)
    return wrongValue(
      reading,
      valueAt(node, 'answer', 'headers')?.span ?? node.span,
      `${path}.answer.headers: "${bad}" cannot stand in a header`,
    );
  return { on, answer: { kind: 'answer', status: answer?.status ?? 200, headers, body: answer?.body ?? '' } };
};
