import type { SubscriptionSpec } from '../../../contracts/app-channel.ts';
import type { SubscriptionResource } from '../model.ts';
import { filledText, flag, list, object, optional, record, required, text, whole, wrongValue, type Reading } from '../shape.ts';
import { valueAt, type YamlNode } from '../yaml.ts';
import { headFields, headOf } from './head.ts';

// Bounds of one bulk delivery; the upper ones are ours, so that a buffer cannot grow without limit.
const bulkLimits = { messagesMax: 10_000, awaitMaxMs: 600_000 };

const commonFields = {
  pubsubname: required(filledText),
  topic: required(filledText),
  metadata: optional(record(text)),
  deadLetterTopic: optional(text),
  bulkSubscribe: optional(
    object({
      enabled: optional(flag),
      maxMessagesCount: optional(whole(0, bulkLimits.messagesMax)),
      maxAwaitDurationMs: optional(whole(0, bulkLimits.awaitMaxMs)),
    }),
  ),
} as const;

const shapeV1 = object({ ...headFields, spec: required(object({ ...commonFields, route: optional(text) })) });
const rule = object({ match: optional(text), path: required(filledText) });
const shapeV2 = object({
  ...headFields,
  spec: required(object({ ...commonFields, routes: required(object({ rules: optional(list(rule)), default: optional(text) })) })),
});

type Common = Pick<NonNullable<ReturnType<typeof shapeV1>>['spec'], keyof typeof commonFields>;

function specOf(common: Common, routes: Pick<SubscriptionSpec, 'rules' | 'defaultPath'>): SubscriptionSpec {
  const bulk = common.bulkSubscribe;
  return {
    pubsub: common.pubsubname,
    topic: common.topic,
    metadata: common.metadata ?? {},
    ...routes,
    ...(common.deadLetterTopic && { deadLetterTopic: common.deadLetterTopic }),
    // 0 and absent mean Dapr's defaults: 100 messages, 1000 ms.
    ...(bulk?.enabled === true && { bulk: { maxMessages: bulk.maxMessagesCount || 100, maxAwaitMs: bulk.maxAwaitDurationMs || 1000 } }),
    kind: 'DECLARATIVE',
  };
}

/** Reads a Subscription of apiVersion v1alpha1 (one route) or v2alpha1 (rules). */
export function readSubscription(node: YamlNode, reading: Reading): SubscriptionResource | undefined {
  const version = valueAt(node, 'apiVersion');
  const at = valueAt(node, 'metadata', 'name')?.span ?? node.span;
  if (version?.kind === 'scalar' && version.text === 'dapr.io/v2alpha1') {
    const written = shapeV2(node, '', reading);
    if (written === undefined) return undefined;
    const { routes } = written.spec;
    const rules = (routes.rules ?? []).map(({ match, path }) => ({ match: match ?? '', path }));
    if (rules.length === 0 && !routes.default) return wrongValue(reading, at, 'spec.routes needs rules or a default');
    return { ...headOf(written, at), spec: specOf(written.spec, { rules, ...(routes.default && { defaultPath: routes.default }) }) };
  }
  const written = shapeV1(node, '', reading);
  if (written === undefined) return undefined;
  const { route } = written.spec;
  if (!route) return wrongValue(reading, at, 'spec.route is missing: events need a path of the app');
  return { ...headOf(written, at), spec: specOf(written.spec, { rules: [], defaultPath: route }) };
}
