import type { SubscriptionSpec } from '../../contracts/app-channel.ts';
import { property, type Component } from '../../contracts/component-set.ts';
import { ProaError } from '../../kernel/errors.ts';
import { metadataValue, rawPayload } from './metadata.ts';

/** How a subscription is delivered; Dapr's option `rawPayload` and Proa's own, all of the subscription's metadata. */
export interface SubscriptionOptions {
  readonly raw: boolean;
  /** Events under way at once. `concurrency`: a number, `parallel` (32, the default) or `single`. */
  readonly concurrency: number;
  /** `orderingKey`: a CloudEvents attribute; events with the same value go one after another. Absent: the broker's order by its own key. */
  readonly orderingKey: string | undefined;
}

const concurrencyDefault = 32;
const concurrencyMax = 10_000;

/** Reads the options; the component's `concurrency` is the default of its subscriptions. Fails with `config.invalid`. */
export function subscriptionOptions(spec: SubscriptionSpec, component: Component<'pubsub'>): SubscriptionOptions {
  const raw = rawPayload(spec.metadata);
  if (raw === undefined) throw invalid(spec, `rawPayload value must be a valid boolean: actual is '${spec.metadata['rawPayload']}'`);
  const text = metadataValue(spec.metadata, 'concurrency') ?? property(component, 'concurrency');
  const concurrency = text === undefined ? concurrencyDefault : concurrencyOf(text);
  if (concurrency === undefined) {
    throw invalid(spec, `concurrency "${text}" is neither parallel, single nor a whole number from 1 to ${concurrencyMax}`);
  }
  return { raw, concurrency, orderingKey: metadataValue(spec.metadata, 'orderingKey') };
}

function concurrencyOf(text: string): number | undefined {
  if (text === 'parallel') return concurrencyDefault;
  if (text === 'single') return 1;
  const number = Number(text);
  return Number.isSafeInteger(number) && number >= 1 && number <= concurrencyMax ? number : undefined;
}

function invalid({ pubsub, topic }: SubscriptionSpec, why: string): ProaError {
  return new ProaError('config.invalid', `subscription to topic ${topic} of ${pubsub}: ${why}`);
}
