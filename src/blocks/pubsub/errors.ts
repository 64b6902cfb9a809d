import { nearestOf, type ComponentSet } from '../../contracts/component-set.ts';
import type { Metadata } from '../../contracts/state.ts';
import type { ErrorCode } from '../../kernel/catalogue.ts';
import { meant } from '../../kernel/closest.ts';
import { ProaError } from '../../kernel/errors.ts';

interface Refused {
  readonly pubsub: string;
  readonly appId: string;
  readonly allowed: readonly string[];
}

interface Described {
  readonly pubsub: string;
  readonly message: string;
  readonly metadata?: Metadata;
  readonly cause?: unknown;
  /** Left out of errors that Dapr reports without ResourceInfo. */
  readonly withResource?: boolean;
  readonly hint?: string;
}

/** Texts, metadata and ResourceInfo follow Dapr's `pkg/api/errors/pubsub.go`. */
function described(code: ErrorCode, { pubsub, message, metadata, cause, withResource = true, hint }: Described): ProaError {
  return new ProaError(code, message, {
    ...(cause === undefined ? {} : { cause }),
    ...(hint === undefined ? {} : { hint }),
    details: {
      metadata: metadata ?? {},
      ...(withResource ? { resource: { type: 'pubsub', name: pubsub, description: message } } : {}),
    },
  });
}

export function nameEmpty(metadata: Metadata): ProaError {
  return described('pubsub.empty', { pubsub: '', message: 'pubsub name is empty', metadata });
}

export function topicEmpty(pubsub: string, metadata: Metadata): ProaError {
  return described('pubsub.topic-empty', { pubsub, message: `topic is empty in pubsub ${pubsub}`, metadata });
}

export function notFound(pubsub: string, metadata: Metadata, brokers: ComponentSet<'pubsub'>): ProaError {
  const message = `pubsub ${pubsub} is not found`;
  return described('pubsub.not-found', { pubsub, message, metadata, withResource: false, ...nearestOf(pubsub, brokers.list()) });
}

export function deserializeError(pubsub: string, metadata: Metadata, why: string): ProaError {
  return described('pubsub.request-metadata', { pubsub, message: `failed deserializing metadata. Error: ${why}`, metadata });
}

export function cloudEventCreation(pubsub: string, appId: string, why: string): ProaError {
  return described('pubsub.cloud-event', { pubsub, message: 'cannot create cloudevent', metadata: { appID: appId, error: why } });
}

/** `allowed`: the topics that it names and that the app may use, for the hint. */
export function forbidden(topic: string, { pubsub, appId, allowed }: Refused): ProaError {
  const message = `topic ${topic} is not allowed for app id ${appId}`;
  return described('pubsub.forbidden', { pubsub, message, metadata: { topic, error: message }, ...meant(topic, allowed) });
}

export function publishFailed(pubsub: string, topic: string, cause: unknown): ProaError {
  const why = cause instanceof Error ? cause.message : String(cause);
  const message = `error when publishing to topic ${topic} in pubsub ${pubsub}: ${why}`;
  return described('pubsub.publish', { pubsub, message, metadata: { topic, error: why }, cause });
}

/** What a bulk request is refused for before any entry is published: a missing or repeated entryId. */
export function entriesInvalid(pubsub: string, topic: string, appId: string): ProaError {
  const why = 'entryId is duplicated or not present for entry';
  const message = `error marshaling events to bytes for topic ${topic} pubsub ${pubsub}. error: ${why}`;
  return described('pubsub.events-marshal', { pubsub, message, metadata: { appID: appId, error: why } });
}
