import type { DriverKind } from '../../contracts/driver.ts';

/** Metadata that the block reads and no driver has to know (Dapr reference 10.1); allowed in every component of the kind. */
export const blockProperties: Readonly<Record<DriverKind, readonly string[]>> = {
  state: [
    'keyPrefix',
    'actorStateStore',
    'primaryEncryptionKey',
    'secondaryEncryptionKey',
    'encryptionFormat',
    'outboxPublishPubsub',
    'outboxPublishTopic',
    'outboxPubsub',
    'outboxDiscardWhenMissingState',
  ],
  pubsub: ['allowedTopics', 'publishingScopes', 'subscriptionScopes', 'protectedTopics', 'consumerID'],
  bindings: ['direction', 'route'],
  secretstores: [],
  configuration: [],
  lock: ['keyPrefix'],
  crypto: [],
  middleware: [],
  nameresolution: [],
};
