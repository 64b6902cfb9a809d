import type { EventVerdict, SubscriptionSpec } from '../../blocks/pubsub/index.ts';

/** What an app's answer to an event means (Dapr reference 5.4). */
export function eventVerdict(status: number, body: string): EventVerdict {
  if (status === 404) return { status: 'drop', code: 404, error: 'the app answered 404' };
  if (status < 200 || status > 299) return { status: 'retry', code: status, error: `the app answered ${status}: ${body.slice(0, 200)}` };
  return wordVerdict(statusWord(body));
}

/** The verdict that a status word means; no word is success, an unknown one is a retry. */
export function wordVerdict(word: string | undefined): EventVerdict {
  if (word === undefined || word === '' || word === 'SUCCESS') return { status: 'success' };
  if (word === 'DROP') return { status: 'drop', error: 'the app answered DROP' };
  return { status: 'retry', error: `the app answered ${word}` };
}

function statusWord(body: string): string | undefined {
  if (body === '') return undefined;
  try {
    const parsed: unknown = JSON.parse(body);
    if (typeof parsed !== 'object' || parsed === null) return undefined;
    const word = (parsed as Record<string, unknown>)['status'];
    return typeof word === 'string' ? word : undefined;
  } catch {
    return undefined;
  }
}

/** Verdicts of a bulk answer: a missing, empty or unknown entry means retry, and so does an unreadable body, for all (Dapr reference 5.5). */
export function bulkVerdicts(status: number, body: string): ReadonlyMap<string, EventVerdict> | EventVerdict {
  if (status === 404) return { status: 'drop', silent: true, code: 404, error: 'the app answered 404' };
  if (status < 200 || status > 299) return { status: 'retry', code: status, error: `the app answered ${status}` };
  const verdicts = new Map<string, EventVerdict>();
  try {
    const { statuses } = JSON.parse(body) as { statuses?: { entryId?: unknown; status?: unknown }[] };
    for (const entry of statuses ?? []) {
      if (typeof entry.entryId !== 'string' || typeof entry.status !== 'string' || entry.status === '') continue;
      verdicts.set(entry.entryId, wordVerdict(entry.status));
    }
  } catch {
    return { status: 'retry', error: 'the app answered no statuses' };
  }
  return verdicts;
}

interface RawSubscription {
  readonly pubsubname?: unknown;
  readonly pubsubName?: unknown;
  readonly topic?: unknown;
  readonly route?: unknown;
  readonly routes?: { readonly rules?: { readonly match?: unknown; readonly path?: unknown }[]; readonly default?: unknown };
  readonly metadata?: Record<string, unknown>;
  readonly deadLetterTopic?: unknown;
  readonly bulkSubscribe?: { readonly enabled?: unknown; readonly maxMessagesCount?: unknown; readonly maxAwaitDurationMs?: unknown };
}

/** The answer to `GET /dapr/subscribe`: `routes.default` wins over `route`, and a subscription without any route is dropped (Dapr reference 5.2). */
export function parseSubscriptions(body: string): SubscriptionSpec[] {
  if (body.trim() === '') return [];
  const parsed: unknown = JSON.parse(body);
  if (!Array.isArray(parsed)) return [];
  return (parsed as RawSubscription[]).flatMap((raw) => {
    const spec = subscriptionOf(raw);
    return spec === undefined ? [] : [spec];
  });
}

function subscriptionOf(raw: RawSubscription): SubscriptionSpec | undefined {
  const pubsub = text(raw.pubsubname) ?? text(raw.pubsubName);
  const topic = text(raw.topic);
  if (pubsub === undefined || topic === undefined) return undefined;
  const rules = (raw.routes?.rules ?? []).flatMap((rule) =>
    text(rule.path) === undefined ? [] : [{ match: text(rule.match) ?? '', path: text(rule.path) as string }],
  );
  const defaultPath = text(raw.routes?.default) ?? text(raw.route);
  if (rules.length === 0 && defaultPath === undefined) return undefined;
  const deadLetterTopic = text(raw.deadLetterTopic);
  const bulk = raw.bulkSubscribe?.enabled === true ? bulkOf(raw.bulkSubscribe) : undefined;
  return {
    pubsub,
    topic,
    rules,
    metadata: Object.fromEntries(Object.entries(raw.metadata ?? {}).map(([key, value]) => [key, String(value)])),
    kind: 'PROGRAMMATIC',
    ...(defaultPath === undefined ? {} : { defaultPath }),
    ...(deadLetterTopic === undefined ? {} : { deadLetterTopic }),
    ...(bulk === undefined ? {} : { bulk }),
  };
}

function bulkOf(raw: NonNullable<RawSubscription['bulkSubscribe']>): { maxMessages: number; maxAwaitMs: number } {
  return { maxMessages: positive(raw.maxMessagesCount) ?? 100, maxAwaitMs: positive(raw.maxAwaitDurationMs) ?? 1_000 };
}

function positive(value: unknown): number | undefined {
  return typeof value === 'number' && value > 0 ? value : undefined;
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
